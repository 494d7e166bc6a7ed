"""Data and vectors under an instruction -> a score to choose by, and figures of held-out rows to compare by.

Knows labels, pairs and rankings; nothing of candidates. Labels: accuracy of logistic regression, by
cross-validation where it is chosen by. Pairs: Spearman's correlation of cosines, or average precision. Retrieval:
nDCG@10. Units are texts, pairs or queries.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.extras import require
from instructvec.tasks.tuning.data import Judgements, LabelledTexts, TextPairs, TuningData, codes_of
from instructvec.tasks.tuning.measures import average_precision, ndcg, spearman

Vectors32: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.int64]
View: TypeAlias = Callable[[Sequence[str]], Vectors32]
"""Texts -> (n, d) float32 of length 1, under one instruction."""

Statistic: TypeAlias = Callable[[Rows], float]
"""Which of the held-out units were drawn -> the figure."""

_N_FOLDS = 5
_DOCUMENTS_A_QUERY = 8


class Views(NamedTuple):
    """Under which instruction each side is seen; ``document`` counts in retrieval alone."""

    query: View
    document: View


class Problem(Protocol):
    """What an instruction is chosen for."""

    @property
    def metric(self) -> str:
        """What a score is: ``"accuracy"``, ``"spearman"``, ``"average precision"``, ``"nDCG@10"``."""
        ...

    @property
    def strata(self) -> Rows:
        """(units,) of which samples take their share; all 0 where there are none."""
        ...

    @property
    def n_first(self) -> int:
        """Units without which a first comparison says too little."""
        ...

    def score(self, units: Rows, views: Views, *, whole: bool = True) -> float:
        """How well these units come out; ``whole=False`` may look at fewer documents."""
        ...

    def held_out(self, chosen_by: Rows, held_out: Rows, views: Views) -> Statistic:
        """How well units come out by which nothing was chosen."""
        ...


def problem_of(data: TuningData, *, seed: int, max_documents: int) -> Problem:
    """The problem that data poses."""
    if isinstance(data, LabelledTexts):
        require("sklearn", "tuning on labels", extra="tasks")
        return _Labels(data, seed)
    return _Pairs(data) if isinstance(data, TextPairs) else _Ranking(data, seed, max_documents)


class _Labels:
    metric = "accuracy"

    def __init__(self, data: LabelledTexts, seed: int) -> None:
        self._texts, self.strata, self._seed = list(data.texts), codes_of(data.labels), seed
        self.n_first = max(200, 8 * (int(self.strata.max()) + 1))

    def score(self, units: Rows, views: Views, *, whole: bool = True) -> float:
        vectors, codes = views.query([self._texts[at] for at in units]), self.strata[units]
        fold = np.empty(len(units), np.int64)
        # In the order of their labels, so that every fold has its share of each.
        fold[np.argsort(codes, kind="stable")] = np.arange(len(units)) % _N_FOLDS
        right = np.zeros(len(units), bool)
        for at in range(_N_FOLDS):
            out = fold == at
            right[out] = _predicted(vectors[~out], codes[~out], vectors[out], self._seed) == codes[out]
        return float(right.mean())

    def held_out(self, chosen_by: Rows, held_out: Rows, views: Views) -> Statistic:
        vectors = views.query([self._texts[at] for at in [*chosen_by, *held_out]])
        train, test = vectors[: len(chosen_by)], vectors[len(chosen_by) :]
        predicted = _predicted(train, self.strata[chosen_by], test, self._seed)
        return _mean_of((predicted == self.strata[held_out]).astype(np.float64))


class _Pairs:
    def __init__(self, data: TextPairs) -> None:
        self._first, self._second = list(data.first), list(data.second)
        self._scores = np.asarray(data.scores, np.float64)
        self._is_binary = data.is_binary
        self.metric = "average precision" if data.is_binary else "spearman"
        self.strata = self._scores.astype(np.int64) if data.is_binary else np.zeros(len(data), np.int64)
        self.n_first = 200

    def score(self, units: Rows, views: Views, *, whole: bool = True) -> float:
        return self.held_out(units, units, views)(np.arange(len(units)))

    def held_out(self, chosen_by: Rows, held_out: Rows, views: Views) -> Statistic:
        texts = [side[at] for side in (self._first, self._second) for at in held_out]
        first, second = np.split(views.query(texts).astype(np.float64), 2)
        cosines, scores = np.einsum("nd,nd->n", first, second), self._scores[held_out]
        if self._is_binary:
            return lambda drawn: average_precision(scores[drawn] > 0, cosines[drawn])
        return lambda drawn: spearman(cosines[drawn], scores[drawn])


class _Ranking:
    metric = "nDCG@10"
    n_first = 50

    def __init__(self, data: Judgements, seed: int, max_documents: int) -> None:
        self._data, self._ids = data, data.judged_queries
        self.strata = np.zeros(len(self._ids), np.int64)
        # Descending ids, because trec_eval ranks the greater one first where scores are equal.
        self._documents = sorted(data.documents, reverse=True)
        self._order = np.random.default_rng(seed).permutation(len(self._documents))
        self._max_documents = max_documents

    def score(self, units: Rows, views: Views, *, whole: bool = True) -> float:
        return float(self._by_query(units, views, whole).mean())

    def held_out(self, chosen_by: Rows, held_out: Rows, views: Views) -> Statistic:
        return _mean_of(self._by_query(held_out, views, whole=True))

    def _by_query(self, units: Rows, views: Views, whole: bool) -> NDArray[np.float64]:
        ids = [self._ids[at] for at in units]
        pool = self._pool(None if whole else ids)
        queries = views.query([self._data.queries[one] for one in ids])
        scores = queries @ views.document([self._data.documents[one] for one in pool]).T
        places = {document: place for place, document in enumerate(pool)}
        found = np.empty(len(ids))
        for at, one in enumerate(ids):
            gains = np.zeros(len(pool))
            for document, relevance in self._data.qrels[one].items():
                gains[places[document]] = max(relevance, 0)
            found[at] = ndcg(gains, scores[at], gains[gains > 0])
        return found

    def _pool(self, ids: Sequence[str] | None) -> list[str]:
        """The judged documents of these queries, and others up to the limit; ``None``: of all queries."""
        limit = self._max_documents
        if ids is not None:
            limit = min(limit, _DOCUMENTS_A_QUERY * len(ids))
        judged = {document for one in ids or self._ids for document in self._data.qrels[one]}
        others = (one for one in (self._documents[at] for at in self._order) if one not in judged)
        kept = judged | {one for one, _ in zip(others, range(limit - len(judged)), strict=False)}
        return [one for one in self._documents if one in kept]


def _predicted(train: Vectors32, codes: Rows, test: Vectors32, seed: int) -> Rows:
    if len(np.unique(codes)) < 2:
        return np.full(len(test), codes[0])
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    # On fits this small, threads wait for each other longer than they work.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a ranking of candidates needs no last digit
        model = LogisticRegression(max_iter=100, random_state=seed).fit(train, codes)
        return np.asarray(model.predict(test), np.int64)


def _mean_of(values: NDArray[np.float64]) -> Statistic:
    return lambda drawn: float(values[drawn].mean())
