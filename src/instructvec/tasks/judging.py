"""Generated texts and their references -> a score each, a mean for each system, and how well both follow people.

Knows cosines and scores; nothing of how texts were generated. Source: the Billboard tasks of Su et al. 2023 (after
Kasai et al. 2022): a text is as good as its greatest cosine with one of its references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError, InputTypeError
from instructvec.extras import require
from instructvec.instruction import Instruction
from instructvec.tasks.arrays import Vectors32, cosines
from instructvec.tasks.correlation import Numbers, correlations
from instructvec.tasks.instructions import JUDGE
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded_together, normalised

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

N_RESAMPLES = 1000
_DRAWN_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well scores follow people's.

    Attributes:
        pearson: correlation; NaN where one side does not vary.
        spearman: correlation of ranks; NaN likewise.
        kendall: tau-b; NaN likewise.
        n: scores compared.
    """

    pearson: float
    spearman: float
    kendall: float
    n: int


@dataclass(frozen=True, slots=True)
class SystemScore:
    """What the texts of a system scored.

    Attributes:
        system: its name.
        mean: of its scores.
        interval: the 95% percentile interval of the mean, over resamples of its texts.
        n: how many texts.
        human_mean: mean of the scores that people gave its texts; ``None`` where they gave none.
    """

    system: str
    mean: float
    interval: tuple[float, float]
    n: int
    human_mean: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Scores of generated texts.

    Attributes:
        scores: (n,) float64, -1…1: the greatest cosine with a reference.
        nearest: (n,) int64: which of its references that is, from 0.
        systems: best first; a single one named ``"all"`` where none are named.
        agreement: of the texts' scores with people's; ``None`` without these.
        system_agreement: of the systems' means with people's means; ``None`` for fewer than 3 systems with them.
        contract: under which model and instruction the vectors were made.
    """

    scores: Numbers
    nearest: NDArray[np.int64]
    systems: tuple[SystemScore, ...]
    agreement: Agreement | None
    system_agreement: Agreement | None
    contract: EmbeddingContract


def judge(
    hypotheses: Texts,
    references: Sequence[str] | Sequence[Sequence[str]],
    *,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    human_scores: Sequence[float | None] | None = None,
    systems: Sequence[str] | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Judged:
    """How near each generated text comes to what people wrote.

    Args:
        hypotheses: n generated texts.
        references: of each, one or several; each distinct one is encoded once.
        embedder: makes the vectors; ``None`` takes the bundled model.
        instruction: what the vectors are for, on both sides; ``None`` takes the job's, an empty one is none.
        human_scores: n numbers to compare with; ``None`` or NaN where nobody scored.
        systems: n names of what generated them.
        n_resamples: resamples of the intervals, from 1.
        seed: of these.

    Raises:
        InputError: a text without reference, another number of references, scores or names than of texts, or
            scores that are infinite; names the row.
        ConfigError: ``n_resamples`` below 1.
        ContractMismatch: vectors of another model or instruction than asked.

    Example:
        >>> said = judge(["a dog runs", "stocks fell"], ["a dog is running"] * 2, systems=["A", "B"])
        >>> [one.system for one in said.systems]
        ['A', 'B']
    """
    if n_resamples < 1:
        raise ConfigError(f"n_resamples is {n_resamples}; expected 1 or more")
    if not isinstance(hypotheses, Embedded):
        hypotheses = checked_texts(hypotheses, "hypotheses")
    held = checked_references(references, len(hypotheses))
    places = {text: at for at, text in enumerate(dict.fromkeys(one for row in held for one in row))}
    made, of_references = embedded_together(
        hypotheses, list(places), embedder, instruction, default=JUDGE, names=("hypotheses", "references")
    )
    human = None if human_scores is None else _human(human_scores, len(made))
    names = _names(systems, len(made))
    others = [of_references.vectors[[places[one] for one in row]] for row in held]
    found = [(float(one.max()), int(one.argmax())) for one in reference_cosines(made.vectors, others)]
    scores = np.array([score for score, _ in found], np.float64)
    scored = _system_scores(scores, human, names, n_resamples, np.random.default_rng(seed))
    return Judged(
        scores,
        np.array([at for _, at in found], np.int64),
        scored,
        None if human is None else _agreement(human, scores),
        _system_agreement(scored),
        made.contract,
    )


def max_cosines(vectors: Vectors32, others: Sequence[Vectors32]) -> Numbers:
    """(n,) float64: the greatest cosine of each vector with those it is held against."""
    return np.array([one.max() for one in reference_cosines(vectors, others)], np.float64)


def reference_cosines(vectors: Vectors32, others: Sequence[Vectors32]) -> list[Vectors32]:
    """n arrays of float32: the cosines of each vector with those it is held against.

    Args:
        vectors: (n, d) float32.
        others: n arrays, (references, d) float32.
    """
    own = normalised(vectors)
    return [cosines(one, normalised(held)) for one, held in zip(own, others, strict=True)]


def checked_references(
    references: Sequence[str] | Sequence[Sequence[str]], n_rows: int, name: str = "references"
) -> list[list[str]]:
    """Each row's references as a list.

    Raises:
        InputError: another number of rows, or a row without any.
        InputTypeError: something among them that is no string; names the row.
    """
    if isinstance(references, str):
        raise InputTypeError(f"{name}: one string; expected one or several for each text")
    if len(references) != n_rows:
        raise InputError(f"{name}: {len(references)} rows; expected {n_rows}, one or several for each text")
    held = [[row] if isinstance(row, str) else list(row) for row in references]
    for at, row in enumerate(held, start=1):
        if not row:
            raise InputError(f"{name}, row {at}: none; expected at least one reference: leave the row out")
        for one in row:
            if not isinstance(one, str):
                raise InputTypeError(f"{name}, row {at}: {type(one).__name__}; expected a string")
    return held


def _human(scores: Sequence[float | None], n_rows: int) -> Numbers:
    if len(scores) != n_rows:
        raise InputError(f"human_scores: {len(scores)} numbers; expected {n_rows}, one for each text")
    numbers = np.array([np.nan if one is None else one for one in scores], np.float64)
    if np.isinf(numbers).any():
        row = int(np.argmax(np.isinf(numbers))) + 1
        raise InputError(f"human_scores, row {row}: {numbers[row - 1]}; expected a finite number, or none")
    if np.isnan(numbers).all():
        raise InputError("human_scores: no row has one; leave them out, or check the column")
    require("scipy", "agreement with human scores", extra="tasks")
    return numbers


def _names(systems: Sequence[str] | None, n_rows: int) -> list[str]:
    if systems is None:
        return ["all"] * n_rows
    if len(systems) != n_rows:
        raise InputError(f"systems: {len(systems)} names; expected {n_rows}, one for each text")
    return [str(one) for one in systems]


def _system_scores(
    scores: Numbers, human: Numbers | None, names: Sequence[str], n_resamples: int, rng: np.random.Generator
) -> tuple[SystemScore, ...]:
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_of.setdefault(name, []).append(row)
    found = []
    for name, rows in rows_of.items():
        own = scores[rows]
        given = np.array([]) if human is None else human[rows][~np.isnan(human[rows])]
        mean = float(given.mean()) if len(given) else None
        found.append(SystemScore(name, float(own.mean()), mean_interval(own, n_resamples, rng), len(rows), mean))
    return tuple(sorted(found, key=lambda one: -one.mean))


def mean_interval(values: Numbers, n_resamples: int, rng: np.random.Generator) -> tuple[float, float]:
    """The 95% percentile interval of the mean (Efron & Tibshirani 1993, chapter 13).

    Args:
        values: (n,) float64, at least one.
        n_resamples: how many times n values are drawn with repetition.
        rng: draws.

    Example:
        >>> mean_interval(np.ones(5), 100, np.random.default_rng(0))
        (1.0, 1.0)
    """
    means = np.empty(n_resamples)
    step = max(1, _DRAWN_AT_ONCE // len(values))
    for start in range(0, n_resamples, step):
        n = min(step, n_resamples - start)
        means[start : start + n] = values[rng.integers(0, len(values), (n, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _agreement(human: Numbers, scores: Numbers) -> Agreement:
    known = ~np.isnan(human)
    human, scores = human[known], scores[known]
    if len(human) < 2:
        return Agreement(float("nan"), float("nan"), float("nan"), len(human))
    from scipy.stats import kendalltau

    pearson, spearman = correlations(human, scores)
    varies = np.isfinite(pearson)
    kendall = float(kendalltau(human, scores).statistic) if varies else float("nan")
    return Agreement(pearson, spearman, kendall, len(human))


def _system_agreement(systems: Sequence[SystemScore]) -> Agreement | None:
    both = [(one.human_mean, one.mean) for one in systems if one.human_mean is not None]
    if len(both) < 3:  # two points always lie on a line
        return None
    human, means = np.array(both, np.float64).T
    return _agreement(human, means)
