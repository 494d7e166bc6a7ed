"""What a build is asked for, as one frozen value: data, choice of datasets, rules, mixture, output.

Knows options and their limits; nothing of how they are carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from instructvec.errors import ConfigError
from instructvec.medi.filters import Filters
from instructvec.medi.triplets import KINDS, Kind

Mixing: TypeAlias = Literal["proportional", "temperature", "truncated"]
"""How a mixture of a given size is shared out: by a dataset's size, by its size to the power of 1/temperature, or
by its size up to a limit (Raffel et al. 2020, section 3.5.2, "examples-proportional" with an artificial limit)."""
MIXINGS: tuple[Mixing, ...] = get_args(Mixing)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which datasets take part.

    Attributes:
        names: patterns of names; empty for all.
        without: patterns of names that are left out.
        kinds: empty for all.
        commercial: only datasets that may be used commercially.
        without_forbidden: leave out datasets that may not be used commercially; those of which it is unknown stay.
        redistribution: only datasets that may be passed on.
        hub: also datasets on the hub, which are then fetched.
        unlisted: also Super-NaturalInstructions tasks that no registry has.
    """

    names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    commercial: bool = False
    without_forbidden: bool = False
    redistribution: bool = False
    hub: bool = False
    unlisted: bool = True

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(f"kinds has {kind!r}; expected some of {', '.join(KINDS)}")


@dataclass(frozen=True, slots=True)
class MiningOptions:
    """How positives and negatives are found.

    Attributes:
        pool: rows of a dataset that mining looks at, drawn by the seed; ``None`` for four times the cap, at least
            1,000, or all where there is no cap.
        depth: nearest documents among which the hard negative of a pair is looked for.
        relative_margin: a mined negative's score is at most this share of the positive's.
        min_agreement: how well a text's nearest neighbours must tell its label: 1 where all have it, 0 at chance.
        other_goal: texts that two datasets may give to same-text-other-goal contrasts, a row each; 0 for none.
        wrong_instruction: share of a dataset's rows that come again with a wrong instruction as the negative.
    """

    pool: int | None = None
    depth: int = 50
    relative_margin: float = 0.95
    min_agreement: float = 0.1
    other_goal: int = 400
    wrong_instruction: float = 0.02

    def __post_init__(self) -> None:
        _at_least(1, pool=self.pool, depth=self.depth)
        _at_least(0, other_goal=self.other_goal)
        if not self.min_agreement <= 1:
            raise ConfigError(f"min_agreement is {self.min_agreement}; expected 1 (all agree) or less")
        if not 0 < self.relative_margin <= 1:
            raise ConfigError(f"relative_margin is {self.relative_margin}; expected a share above 0, up to 1")
        if not 0 <= self.wrong_instruction <= 1:
            raise ConfigError(f"wrong_instruction is {self.wrong_instruction}; expected a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class FormOptions:
    """How texts are contrasted by their form and their subject; the rule is in ``mining.forms``.

    Attributes:
        texts: texts of a form that are looked at, drawn by the seed; 0 for no such rows.
        groups: texts that give their two rows at most; 0 for no such rows.
        min_characters: of a text; shorter ones show neither form nor subject.
        max_characters: of a text; longer ones are cut by the model, and their length alone would tell the form.
        min_near: from which cosine on texts of two forms have one subject.
        n_near: among how many nearest texts of other forms the one of the same subject is.
        max_far: below which cosine two texts of one form have different subjects.
        max_far_other: the same for texts of two forms.
    """

    texts: int = 1100
    groups: int = 10_000
    min_characters: int = 15
    max_characters: int = 700
    min_near: float = 0.42
    n_near: int = 8
    max_far: float = 0.25
    max_far_other: float = 0.3

    def __post_init__(self) -> None:
        _at_least(0, texts=self.texts, groups=self.groups)
        _at_least(1, min_characters=self.min_characters, n_near=self.n_near)
        _at_least(self.min_characters, max_characters=self.max_characters)
        for name in ("min_near", "max_far", "max_far_other"):
            if not -1 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a cosine from -1 to 1")


@dataclass(frozen=True, slots=True)
class LabelOptions(FormOptions):
    """How the texts of a labelled dataset are contrasted by their label and their subject, by the same rule.

    Attributes:
        texts: texts of a dataset that are looked at, drawn by the seed; 0 for no such rows.
        groups: texts of a dataset that give their two rows at most; 0 for no such rows.
        min_near: from which cosine on texts of two labels have one subject.
        min_groups: a dataset that gives fewer gives none.
        max_agreement: of neighbours about the label; above it the label is the subject, and is no contrast to it.
        uninstructed: share of the subject's rows without any instruction: where nothing is asked for, texts are
            near by their subject.
        other_purposes: share of the subject's rows under an instruction of some other dataset, whose two sides
            match by what they say: what texts are near by there, too.
        neighbours: texts of a dataset that give, without a group, a row of the subject with their nearest text; 0
            for no such rows.
    """

    texts: int = 2000
    groups: int = 400
    min_near: float = 0.45
    min_groups: int = 20
    max_agreement: float = 0.75
    uninstructed: float = 0.25
    other_purposes: float = 0.25
    neighbours: int = 400

    def __post_init__(self) -> None:
        FormOptions.__post_init__(self)
        _at_least(1, min_groups=self.min_groups)
        _at_least(0, neighbours=self.neighbours)
        if not self.max_agreement <= 1:
            raise ConfigError(f"max_agreement is {self.max_agreement}; expected 1 (all agree) or less")
        for name in ("uninstructed", "other_purposes"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a share from 0 to 1")
        if self.uninstructed + self.other_purposes > 1:
            raise ConfigError(
                f"uninstructed and other_purposes are {self.uninstructed} and {self.other_purposes}; expected "
                "shares of the same rows, 1 together at most"
            )


@dataclass(frozen=True, slots=True)
class Mixture:
    """How much of each dataset goes into the mixture, and in which words.

    Attributes:
        cap: rows of a dataset at most, contrasts not counted; ``None`` for all.
        size: rows of the mixture at most; ``None`` for all.
        mixing: how ``size`` is shared out, and what weights the manifest gives a trainer.
        temperature: of ``"temperature"``; 1 is proportional, the higher the more alike.
        truncate_at: the limit of ``"truncated"``, rows.
        paraphrases: share of rows whose instruction is a paraphrase instead of the unified sentence.
    """

    cap: int | None = None
    size: int | None = None
    mixing: Mixing = "truncated"
    temperature: float = 2.0
    truncate_at: int = 5000
    paraphrases: float = 0.5

    def __post_init__(self) -> None:
        _at_least(1, cap=self.cap, size=self.size, truncate_at=self.truncate_at)
        if self.mixing not in MIXINGS:
            raise ConfigError(f"mixing is {self.mixing!r}; expected one of {', '.join(MIXINGS)}")
        if not self.temperature >= 1:
            raise ConfigError(f"temperature is {self.temperature}; expected 1 (proportional) or more")
        if not 0 <= self.paraphrases <= 1:
            raise ConfigError(f"paraphrases is {self.paraphrases}; expected a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """A whole build.

    Attributes:
        out: the folder of the mixture.
        data: folders that hold the datasets' files, at any depth.
        registries: TOML files or folders of one's own entries, besides the bundled ones.
        form_files: TOML files that say which of one's own datasets hold texts of which form, besides the bundled.
        bundled: whether the bundled registry's datasets take part.
        cache: where vectors and half-made rows are kept; ``None`` for ``OUT.cache``.
        choice: which datasets.
        filters: which rows.
        near_duplicates: similarity of word shingles from which rows are near duplicates; 0 for exact ones only.
        mining: how positives and negatives are found.
        forms: how texts are contrasted by form and subject.
        labels: how labelled texts are contrasted by label and subject.
        mixture: how much of each, in which words.
        against: evaluation folders and files whose texts must not be in the mixture.
        seed: of every draw.
        strict: fail at the first entry, file or row that cannot be used, instead of leaving it out and counting.
        medi_json: also write the original's ``medi-data.json``.
        shard_rows: rows of a shard at most.
    """

    out: Path
    data: tuple[Path, ...] = ()
    registries: tuple[Path, ...] = ()
    form_files: tuple[Path, ...] = ()
    bundled: bool = True
    cache: Path | None = None
    choice: Choice = field(default_factory=Choice)
    filters: Filters = field(default_factory=Filters)
    near_duplicates: float = 0.9
    mining: MiningOptions = field(default_factory=MiningOptions)
    forms: FormOptions = field(default_factory=FormOptions)
    labels: LabelOptions = field(default_factory=LabelOptions)
    mixture: Mixture = field(default_factory=Mixture)
    against: tuple[Path, ...] = ()
    seed: int = 42
    strict: bool = False
    medi_json: bool = False
    shard_rows: int = 50_000

    def __post_init__(self) -> None:
        if self.out.name in ("", ".."):
            raise ConfigError(f"out is {str(self.out)!r}; expected a folder of its own, with a name")
        _at_least(1, shard_rows=self.shard_rows)
        _at_least(0, seed=self.seed)
        if not 0 <= self.near_duplicates <= 1:
            raise ConfigError(f"near_duplicates is {self.near_duplicates}; expected a similarity from 0 to 1")

    @property
    def working_folder(self) -> Path:
        """Where vectors and half-made rows are kept."""
        return self.cache or self.out.with_name(self.out.name + ".cache")

    @property
    def pool(self) -> int | None:
        """Rows of a dataset that mining looks at."""
        if self.mining.pool is not None or self.mixture.cap is None:
            return self.mining.pool
        return max(4 * self.mixture.cap, 1000)

    @property
    def hub_rows(self) -> int | None:
        """Rows fetched of a dataset on the hub: twice what mining looks at, for filters leave some out."""
        return None if self.pool is None else 2 * self.pool


def _at_least(least: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < least:
            raise ConfigError(f"{name} is {value}; expected {least} or more")
