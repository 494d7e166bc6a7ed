"""Turns the shipped suite ``smoke``, or a mixture, into triplets of texts, and these into the batches of one run.

Knows files and rows; nothing of trainers. Instructions are left out, as sentence-transformers' trainer has none
for single rows, and with them rows that are true under their instruction only. The smoke suite's rows are trained
on for a few seconds, for the lengths of their texts; a model made from them would be of no use.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import instructvec
from instructvec.medi.triplets import Side, Triplet
from instructvec.training.choice import DataChoice
from instructvec.training.mixture import TrainingMixture, mixture_of, open_mixture
from instructvec.training.sampling import BatchSampler, SamplingOptions

SMOKE = Path(instructvec.__file__).parent / "evaluation" / "suites" / "smoke"
DRAWS = 1000
"""Batches that are drawn from a mixture at most, in search of enough rows."""


class Row(NamedTuple):
    dataset: str
    anchor: str
    positive: str
    negative: str


def load(data: Path | None, n_rows: int, seed: int) -> list[Row]:
    """Rows of the shipped suite, or ``n_rows`` of a mixture."""
    return shipped(seed) if data is None else drawn(data, n_rows, seed)


def shipped(seed: int) -> list[Row]:
    """Rows of four of the suite's tasks, each text in one row."""
    rng = Random(seed)
    labelled = [row for task in ("Banking77Smoke", "CLINC150DomainsSmoke") for row in _labelled(task, rng)]
    return [*labelled, *_captions(rng), *_medical(rng)]


def drawn(path: Path, n_rows: int, seed: int) -> list[Row]:
    """Different rows of a mixture that have a hard negative, drawn by its own weights."""
    source = open_mixture(path, DataChoice(without_rules=("other_goal", "wrong_instruction")))
    sampler = BatchSampler(source, SamplingOptions(seed=seed), n_steps=DRAWS)
    found: dict[int, Row] = {}
    for batch in sampler:
        for number, one in zip(batch.rows.tolist(), source.rows.triplets(batch.rows), strict=True):
            if one.negative is not None:
                found[number] = Row(one.dataset, one.query.text, one.positive.text, one.negative.text)
        if len(found) >= n_rows:
            break
    if not found:
        raise ValueError(f"{path}: no row of {DRAWS} batches has a hard negative; give another mixture")
    return list(found.values())


def mixture(rows: Sequence[Sequence[str]]) -> TrainingMixture:
    """As our trainer takes them."""
    return mixture_of(
        Triplet(Side("", anchor), Side("", positive), Side("", negative), dataset, "triplet", "given")
        for dataset, anchor, positive, negative in rows
    )


def batches(rows: Sequence[Row], batch_size: int, n_steps: int, seed: int) -> list[list[int]]:
    """Row numbers of the batches that our trainer will draw, for those who are to be given the same."""
    options = SamplingOptions(batch_size=batch_size, seed=seed)
    return [batch.rows.tolist() for batch in BatchSampler(mixture(rows), options, n_steps=n_steps)]


# ---------------------------------------------------------------- the suite's tasks


def _labelled(task: str, rng: Random) -> Iterator[Row]:
    """Two texts of a label and one of the next label; every text once."""
    by_label: dict[str, list[str]] = {}
    for text, label in dict.fromkeys((row["text"], row["label"]) for row in _lines(task, "data")):
        by_label.setdefault(label, []).append(text)
    names = sorted(by_label)
    for name in names:
        rng.shuffle(by_label[name])
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        own, n = by_label[name], len(by_label[name]) // 3
        others = by_label[following][2 * (len(by_label[following]) // 3) :]
        for anchor, positive, negative in zip(own[:n], own[n : 2 * n], others, strict=False):
            yield Row(task, anchor, positive, negative)


def _captions(rng: Random) -> Iterator[Row]:
    """Two captions that are compared, and one of another pair."""
    rows = _lines("CaptionsSmoke", "data")
    rng.shuffle(rows)
    for own, other in zip(rows[::2], rows[1::2], strict=False):
        yield Row("CaptionsSmoke", own["a"], own["b"], other["b"])


def _medical(rng: Random) -> Iterator[Row]:
    """A question, its passage, and a passage that answers none."""
    task = "MedicalRetrievalSmoke"
    passages = {row["_id"]: row["text"] for row in _lines(task, "corpus")}
    questions = {row["_id"]: row["text"] for row in _lines(task, "queries")}
    with (SMOKE / task / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        answers = {row["query-id"]: row["corpus-id"] for row in csv.DictReader(file, delimiter="\t")}
    others = [text for name, text in passages.items() if name not in answers.values()]
    rng.shuffle(others)
    for (question, answer), other in zip(answers.items(), others, strict=False):
        yield Row(task, questions[question], passages[answer], other)


def _lines(task: str, name: str) -> list[dict[str, Any]]:
    with gzip.open(SMOKE / task / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
