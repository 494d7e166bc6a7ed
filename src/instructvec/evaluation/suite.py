"""Suites in TOML -> task specifications: what is measured, on which data, under which instructions.

Knows the schema of ``suites/*.toml`` and nothing of data or vectors. A suite is a ``[suite]`` table and one
``[[task]]`` table a task; adding a task is adding a table. The wordings follow Su et al. 2023: paraphrases are
figure 4's robustness, none / tag / simple / detailed are figure 5's levels of detail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, get_args

from instructvec.errors import ConfigError
from instructvec.toml import make, read_toml

Kind: TypeAlias = Literal[
    "classification",
    "clustering",
    "pair_classification",
    "reranking",
    "retrieval",
    "sts",
    "summarization",
    "text_generation_evaluation",
    "prompt_retrieval",
    "following",
    "instruction_retrieval",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

METRICS: Mapping[Kind, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "clustering": ("v_measure",),
    "pair_classification": ("max_ap",),
    "reranking": ("map",),
    "retrieval": ("ndcg_at_10",),
    "sts": ("cosine_spearman",),
    "summarization": ("cosine_spearman",),
    "text_generation_evaluation": ("pearson_max_cosine",),
    "prompt_retrieval": ("knn_output_agreement", "retrieved_output_f1"),
    "following": ("harmonic_v_measure",),
    "instruction_retrieval": ("robustness_at_10", "p_mrr"),
}
"""The main metric of each kind; where there are several, a task names its own."""

TWO_SIDED: tuple[Kind, ...] = (
    "reranking",
    "retrieval",
    "summarization",
    "text_generation_evaluation",
    "instruction_retrieval",
)
"""Kinds whose tasks may give documents (references) an instruction of their own."""

MIN_PARAPHRASES = 5
SUITES = Path(__file__).parent / "suites"


class Wording(NamedTuple):
    """One way to instruct a task.

    Attributes:
        label: what the wording is: ``"instruction"``, ``"paraphrase 1"``, …, ``"none"``, ``"tag"``, ``"simple"``,
            ``"placebo"``, ``"wrong"``.
        query: for queries, and for all texts of one-sided kinds; ``None`` for no instruction.
        document: for documents and references.
    """

    label: str
    query: str | None
    document: str | None


@dataclass(frozen=True, slots=True)
class Goal:
    """What the texts of a ``following`` task may be grouped by.

    Attributes:
        instruction: asks for this goal.
        paraphrases: ask for it in other words.
        column: of the data, with the labels; ``None``: the goal's own name.
        groups: label -> the values of ``column`` it stands for; empty where the column holds the labels.
    """

    instruction: str
    paraphrases: tuple[str, ...] = ()
    column: str | None = None
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.instruction.strip():
            raise ConfigError("instruction is empty; say what the texts are to be grouped by")


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task of a suite.

    Attributes:
        name: MTEB's name where it is one of MTEB's tasks.
        kind: which protocol scores it.
        licence: of the data.
        source: where the data comes from, for people.
        folder: its folder below the data folder given by the user, or below the suite's own file.
        hub: dataset ids on the hub instead; several where the score is the mean over parts.
        subset: the hub dataset's configuration.
        revision: commit on the hub, of the only dataset.
        revisions: commits of each, where there are several.
        columns: our field -> the data's column, where they differ.
        metric: main metric; ``None``: the kind's first.
        split: the split that is scored.
        pool_split: training examples of classification, demonstrations of prompt retrieval.
        mteb_name: where the task is one of mteb's; its results are then also written in mteb's format.
        same_data_as_mteb: whether published scores apply.
        instruction: for queries, and all texts of one-sided kinds.
        document_instruction: for documents and references; ``None``: as queries.
        paraphrases, document_paraphrases: the same said otherwise; as many on both sides.
        tag, document_tag: no sentence, just a name for the task.
        simple, document_simple: a sentence without domain.
        wrong, document_wrong: asks for something else.
        samples_per_label: classification: training examples a label.
        n_experiments: classification: how many times they are drawn.
        ignore_identical_ids: retrieval: a document with the query's own id is the query itself, and is left out.
        goals: following: by name.
        only: following: column -> the value that rows must have there.
        n_demonstrations: prompt retrieval: nearest examples that the reader-free figures look at.
        budget_tokens: prompt retrieval: tokens of the reader's prompt.
        n_rows: rows the data must have; ``None``: any.
        first_text: how its first text must begin; ``None``: anyhow.
        note: what a reader of the scores must know.
    """

    name: str
    kind: Kind
    licence: str
    source: str
    folder: str | None = None
    hub: tuple[str, ...] = ()
    subset: str | None = None
    revision: str | None = None
    revisions: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    metric: str | None = None
    split: str = "test"
    pool_split: str = "train"
    mteb_name: str | None = None
    same_data_as_mteb: bool = False
    instruction: str = ""
    document_instruction: str | None = None
    paraphrases: tuple[str, ...] = ()
    document_paraphrases: tuple[str, ...] = ()
    tag: str = ""
    document_tag: str | None = None
    simple: str = ""
    document_simple: str | None = None
    wrong: str = ""
    document_wrong: str | None = None
    samples_per_label: int = 8
    n_experiments: int = 10
    ignore_identical_ids: bool = False
    goals: dict[str, Goal] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    n_demonstrations: int = 8
    budget_tokens: int = 1000
    n_rows: int | None = None
    first_text: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.licence.strip():
            raise ConfigError("licence is empty; name it, or say that none is known")
        if bool(self.folder) == bool(self.hub):
            raise ConfigError("give either folder (local data) or hub (dataset ids), not both or neither")
        if self.revisions and (self.revision is not None or len(self.revisions) != len(self.hub)):
            raise ConfigError(f"{len(self.hub)} hub datasets, {len(self.revisions)} revisions; give one for each")
        if self.metric is not None and self.metric not in METRICS[self.kind]:
            raise ConfigError(f"metric is {self.metric!r}; {self.kind} has {', '.join(METRICS[self.kind])}")
        for name in ("samples_per_label", "n_experiments", "n_demonstrations", "budget_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if self.kind == "following":
            self._check_goals()
        elif self.kind != "instruction_retrieval":
            self._check_wordings()

    def _check_goals(self) -> None:
        if len(self.goals) < 2:
            raise ConfigError(f"goals has {len(self.goals)} entries; following is measured between two or more")
        counts = {name: len(goal.paraphrases) for name, goal in self.goals.items()}
        if len(set(counts.values())) > 1:
            raise ConfigError(f"goals have {counts} paraphrases; give each as many")

    def _check_wordings(self) -> None:
        for name in ("instruction", "tag", "simple", "wrong"):
            if not getattr(self, name).strip():
                raise ConfigError(f"{name} is missing or empty; every task has one")
        if len(self.paraphrases) < MIN_PARAPHRASES:
            raise ConfigError(f"{len(self.paraphrases)} paraphrases; expected at least {MIN_PARAPHRASES}")
        said = [self.instruction, *self.paraphrases, self.tag, self.simple, self.wrong]
        if len(set(said)) < len(said):
            twice = next(one for one in said if said.count(one) > 1)
            raise ConfigError(f"{twice!r} stands there twice; wordings must differ")
        if self.document_instruction is not None and self.kind not in TWO_SIDED:
            raise ConfigError(f"document_instruction is given, but {self.kind} has one side")
        if self.document_paraphrases and len(self.document_paraphrases) != len(self.paraphrases):
            raise ConfigError(
                f"{len(self.paraphrases)} paraphrases but {len(self.document_paraphrases)} of the document's; "
                "give as many of each"
            )

    def revision_of(self, at: int) -> str | None:
        """The commit of the dataset at a place in ``hub``."""
        return self.revisions[at] if self.revisions else self.revision

    @property
    def main_metric(self) -> str:
        """The metric that ``score`` is."""
        return self.metric or METRICS[self.kind][0]

    def paraphrase_wordings(self, *, both_sides: bool) -> Iterator[Wording]:
        """The main wording first, then its paraphrases.

        Args:
            both_sides: whether documents are reworded too; otherwise only queries are, and documents stay under
                their main instruction, as in an index that was built once.
        """
        document = self.instruction if self.document_instruction is None else self.document_instruction
        yield Wording("instruction", self.instruction, document)
        own = self.document_paraphrases or (
            self.paraphrases if self.document_instruction is None else (document,) * len(self.paraphrases)
        )
        for at, (query, other) in enumerate(zip(self.paraphrases, own, strict=True), start=1):
            yield Wording(f"paraphrase {at}", query, other if both_sides or not self.is_asymmetric else document)

    def ablation_wordings(self, placebo: str, *, both_sides: bool) -> Iterator[Wording]:
        """No instruction at all, a tag, a simple sentence, one about nothing, and one about something else."""
        document = self.instruction if self.document_instruction is None else self.document_instruction
        yield Wording("none", None, None)
        for label, query, other in (
            ("tag", self.tag, self.document_tag or self.tag),
            ("simple", self.simple, self.document_simple or self.simple),
            ("placebo", placebo, placebo),
            ("wrong", self.wrong, self.document_wrong or self.wrong),
        ):
            yield Wording(label, query, other if both_sides or not self.is_asymmetric else document)

    @property
    def is_asymmetric(self) -> bool:
        """Whether queries are looked up in documents that would be encoded once, beforehand."""
        return self.kind in ("retrieval", "reranking")


@dataclass(frozen=True, slots=True)
class Suite:
    """Tasks that are measured together.

    Attributes:
        name: what it is called.
        description: a sentence for people.
        placebo: an instruction that says nothing, as long as a usual one.
        tasks: in the order of the file.
        path: the file it was read from.
    """

    name: str
    description: str
    placebo: str
    tasks: tuple[TaskSpec, ...]
    path: Path

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"two tasks are named {twice!r}; names must differ")


@dataclass(frozen=True, slots=True)
class _Head:
    name: str
    description: str
    placebo: str


def suite_names() -> list[str]:
    """The suites that come with the package."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def read_suite(name_or_path: str | Path) -> Suite:
    """A suite of this package by name, or any by its file.

    Raises:
        ConfigError: no suite of that name, or a file that breaks the schema; names the file, task and key.
        FileError: the file cannot be read.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SUITES / f"{name_or_path}.toml"
        if not path.is_file():
            raise ConfigError(
                f"suite is {str(name_or_path)!r}; there are {', '.join(suite_names())}, or give a .toml file"
            )
    content = read_toml(path)
    for key in content:
        if key not in ("suite", "task"):
            raise ConfigError(f"{path}: unknown table {key!r}; a suite has [suite] and [[task]]")
    head, tables = content.get("suite", {}), content.get("task", [])
    if not isinstance(head, dict):
        raise ConfigError(f"{path}: suite is {head!r:.60}; expected a table [suite]")
    head = make(_Head, head, f"{path}, [suite]")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{path}: task is {tables!r:.60}; expected tables [[task]]")
    if not tables:
        raise ConfigError(f"{path}: no [[task]] tables; a suite has at least one")
    tasks = tuple(
        make(TaskSpec, table, f"{path}, task {at} ({table.get('name', 'unnamed')})")
        for at, table in enumerate(tables, start=1)
    )
    try:
        return Suite(head.name, head.description, head.placebo, tasks, path)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
