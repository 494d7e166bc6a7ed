"""Texts of many forms, from many datasets -> rows that only their goal, form or subject, tells apart.

Knows where texts come from and how many are looked at; the rule itself is in ``mining.forms``, what a form is in
``forms``. Beside the contrasts of datasets that hold the same texts, which are few, these need no shared text: any
two datasets of different forms that touch on one subject give some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from instructvec.medi.config import FormOptions
from instructvec.medi.forms import Place
from instructvec.medi.mine import VectorsOf, word_ids
from instructvec.medi.mining import Contrast, Mined, form_subject_triplets
from instructvec.medi.mix import finished, generator
from instructvec.medi.registry import GOALS, Dataset, Permission, Source, Wordings
from instructvec.medi.triplets import schema

if TYPE_CHECKING:
    import pyarrow as pa

MIN_FORMS = 4
"""Of fewer forms, what tells them apart is their datasets more than their form."""
REVISION = 1
"""Raised whenever the same texts give other rows than before."""

TOO_FEW = f"fewer than {MIN_FORMS} forms"

_COLUMN = {"query": "first", "text": "first", "positive": "second"}


class Texts(NamedTuple):
    """Texts that are looked at.

    Attributes:
        texts: sorted by form, then by themselves.
        forms: of each.
        datasets: where each is from.
        left_out: reason -> texts that were drawn and are not among them.
    """

    texts: list[str]
    forms: list[str]
    datasets: list[str]
    left_out: Mapping[str, int]


class FormRows(NamedTuple):
    """Rows of the mixture and what is known of them.

    Attributes:
        table: of the mixture's schema, the two rows of a group one after the other.
        facts: ``forms`` -> texts of each, ``left_out`` and ``without_triplet`` by reason, ``groups``, and
            ``datasets``, those whose texts are in rows.
    """

    table: pa.Table
    facts: dict[str, Any]


def draw_texts(
    places: Sequence[Place],
    rows_of: Callable[[str], pa.Table],
    options: FormOptions,
    *,
    seed: int,
) -> Texts:
    """The texts of each form that are looked at.

    Those of a form do not change when other forms come or go, but for texts that are in two: they are left out.

    Args:
        places: where texts of forms are.
        rows_of: a dataset's name -> ``first`` and ``second``, the rows that survived filters and decontamination.
        options: how many, and how long.
        seed: of the draws.
    """
    found: dict[str, dict[str, str]] = {}
    for dataset in sorted({place.dataset for place in places}):
        rows = rows_of(dataset)
        for place in places:
            if place.dataset == dataset:
                of = found.setdefault(place.form, {})
                for text in rows.column(_COLUMN[place.side]).to_pylist():
                    if options.min_characters <= len(text) <= options.max_characters:
                        of.setdefault(text, dataset)
    drawn = []
    for form in sorted(found):
        texts = sorted(found[form])
        if len(texts) > options.texts:
            rng = generator(seed, "forms", form, "texts")
            texts = [texts[at] for at in np.sort(rng.choice(len(texts), options.texts, replace=False))]
        drawn += [(text, form, found[form][text]) for text in texts]
    return _of_one_form(drawn)


def _of_one_form(drawn: Sequence[tuple[str, str, str]]) -> Texts:
    """Those that no other form has too, in other case, punctuation or spacing."""
    keys = word_ids([text for text, _, _ in drawn]).tolist()
    forms_of: dict[int, set[str]] = {}
    for key, (_, form, _) in zip(keys, drawn, strict=True):
        forms_of.setdefault(key, set()).add(form)
    kept = [one for key, one in zip(keys, drawn, strict=True) if len(forms_of[key]) == 1]
    n = len(drawn) - len(kept)
    texts, forms, datasets = (list(column) for column in zip(*kept, strict=True)) if kept else ([], [], [])
    return Texts(texts, forms, datasets, {"a text in two forms": n} if n else {})


def form_rows(
    given: Texts,
    vectors_of: VectorsOf,
    goals: Mapping[str, Wordings],
    options: FormOptions,
    *,
    share: float,
    seed: int,
) -> FormRows:
    """The rows of both goals under drawn wordings, two a group.

    Args:
        given: texts of forms.
        vectors_of: the miner's model.
        goals: how each is asked for.
        options: thresholds, and groups at most.
        share: of paraphrases.
        seed: of the draws.
    """

    n_texts = dict(Counter(given.forms))
    facts: dict[str, Any] = {"forms": n_texts, "left_out": dict(given.left_out), "groups": 0, "datasets": []}
    if len(n_texts) < MIN_FORMS:
        return FormRows(schema().empty_table(), {**facts, "without_triplet": {TOO_FEW: len(given.texts)}})
    rng = generator(seed, *GOALS, "contrast")
    found = form_subject_triplets(
        vectors_of(given.texts),
        given.forms,
        rng=rng,
        limit=options.groups,
        min_near=options.min_near,
        n_near=options.n_near,
        max_far=options.max_far,
        max_far_other=options.max_far_other,
    )
    entries = (goal_entry("form", goals), goal_entry("subject", goals))
    table = two_goal_rows(entries, given.texts, given.forms, found, share=share, rng=rng)
    used = np.unique(np.concatenate(found.a[:3]))
    datasets = sorted({given.datasets[at] for at in used})
    facts |= {"groups": len(found.a.anchors), "without_triplet": dict(found.a.dropped), "datasets": datasets}
    return FormRows(table, facts)


def two_goal_rows(
    entries: tuple[Dataset, Dataset],
    texts: Sequence[str],
    labels: Sequence[str],
    found: Contrast,
    *,
    share: float,
    rng: np.random.Generator,
) -> pa.Table:
    """Rows of the mixture of two goals, the two of a group one after the other.

    Args:
        entries: the dataset of each goal, which says how it is asked for.
        texts: what the triplets number.
        labels: of each text under the first goal; under the second there are none.
        found: the triplets of both.
        share: of paraphrases.
        rng: draws the wordings.
    """
    import pyarrow as pa

    n = len(found.a.anchors)
    names = [entry.name for entry in entries]
    both = [
        finished(entry, _table(texts, known, mined, names), np.arange(n), share, rng)
        for entry, known, mined in zip(entries, (labels, None), found, strict=True)
    ]
    return pa.concat_tables(both).take(np.arange(2 * n).reshape(2, n).T.reshape(-1))


def _table(texts: Sequence[str], labels: Sequence[str] | None, mined: Mined, names: Sequence[str]) -> pa.Table:
    """The columns that ``finished`` takes."""
    import pyarrow as pa

    n = len(mined.anchors)
    column = pa.array(texts, pa.string())
    return pa.table(
        {
            "query": column.take(mined.anchors),
            "positive": column.take(mined.positives),
            "negative": column.take(mined.negatives),
            "rule": pa.array(["other_goal"] * n, pa.string()),
            "group": pa.array([f"{'|'.join(names)}|{at}" for at in range(n)], pa.string()),
            "label": pa.nulls(n, pa.string()) if labels is None else pa.array(labels).take(mined.anchors),
        }
    )


def goal_entry(name: str, goals: Mapping[str, Wordings], sources: Sequence[Dataset] = ()) -> Dataset:
    """A goal as a dataset, with the rights of those that its texts are from: what one forbids is forbidden.

    Example:
        >>> from instructvec.medi.forms import read_forms
        >>> entry = Dataset("a", "label", "MIT", "Topic: ", Source(file="a"), commercial="yes")
        >>> goal = goal_entry("form", read_forms().goals, [entry, entry])
        >>> goal.licence, goal.commercial, goal.redistribution
        ('MIT', 'yes', 'unknown')
    """
    licences = sorted({entry.licence for entry in sources})
    wordings = goals[name]
    return Dataset(
        name,
        "label",
        licences[0] if len(licences) == 1 else f"several: {'; '.join(licences) or 'none stated'}",
        wordings.instruction,
        Source(file="forms.toml"),
        redistribution=_joined([entry.redistribution for entry in sources]),
        commercial=_joined([entry.commercial for entry in sources]),
        paraphrases=wordings.paraphrases,
        note=f"Texts of {', '.join(entry.name for entry in sources)}." if sources else "",
    )


def _joined(permissions: Sequence[Permission]) -> Permission:
    if "no" in permissions:
        return "no"
    return "yes" if permissions and "unknown" not in permissions else "unknown"
