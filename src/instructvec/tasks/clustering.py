"""Texts -> clusters of texts that are about the same under the instruction, each with a name.

Knows vectors, texts and what makes a cluster worth reading; nothing of files. How many clusters there are is
given, or chosen by silhouette (Rousseeuw 1987). Names are words by class-based TF-IDF (Grootendorst 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.instruction import Instruction
from instructvec.tasks.distinctive_terms import terms_of
from instructvec.tasks.instructions import CLUSTER
from instructvec.tasks.partitions import (
    N_STARTS,
    agglomerative,
    by_size,
    grid,
    hdbscan,
    k_means,
    mini_batch_k_means,
    silhouettes,
)
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded, normalised

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

Algorithm: TypeAlias = Literal["kmeans", "minibatch_kmeans", "agglomerative", "hdbscan"]
ALGORITHMS: tuple[Algorithm, ...] = ("kmeans", "minibatch_kmeans", "agglomerative", "hdbscan")

MOST_KMEANS_ROWS = 10_000
"""Above so many texts, ``kmeans`` goes in mini-batches."""
MOST_ROWS = {"agglomerative": 15_000, "hdbscan": 50_000}
"""Texts that an algorithm takes at most: of the first a distance for each pair has to fit into memory (0.9 GB)."""
MIN_CLUSTER_SIZE = 5
N_CENTRAL = 3

_SAMPLE_ROWS = 3000
_MOST_CLUSTERS = 200
_NEARLY = 0.95
_WEAK = 0.12


@dataclass(frozen=True, slots=True)
class Cluster:
    """Texts that belong together.

    Attributes:
        number: as in ``Clusters.labels``; 0 is the largest.
        size: how many texts.
        terms: words that tell it from the other clusters, the most telling first; none without texts.
        central: rows of the texts nearest to its centre, nearest first, no text twice.
        central_texts: these texts.
        cohesion: mean cosine of its texts with its centre; 1 where all are the same.
    """

    number: int
    size: int
    terms: tuple[str, ...]
    central: tuple[int, ...]
    central_texts: tuple[str, ...]
    cohesion: float

    @property
    def name(self) -> str:
        """The terms as one line."""
        return ", ".join(self.terms)


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Texts, each in a cluster or in none.

    Attributes:
        labels: (n,) int64, the number of each text's cluster; -1 for none.
        clusters: by number, the largest first.
        algorithm: by which they were found.
        contract: under which model and instruction the texts were compared.
        silhouettes: (number of clusters, mean silhouette on a sample) of every number that was tried, where it was
            not given.
        notes: what is worth knowing about the result, a sentence each.
    """

    labels: NDArray[np.int64]
    clusters: tuple[Cluster, ...]
    algorithm: Algorithm
    contract: EmbeddingContract
    silhouettes: tuple[tuple[int, float], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clusters)

    @property
    def n_noise(self) -> int:
        """How many texts are in no cluster."""
        return int((self.labels < 0).sum())


def cluster(
    texts: Texts,
    *,
    n_clusters: int | None = None,
    algorithm: Algorithm = "kmeans",
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    seed: int = 42,
    min_cluster_size: int | None = None,
) -> Clusters:
    """Group texts.

    Vectors are compared by cosine; ``minibatch_kmeans`` is the benchmark's and takes them as they are.

    Args:
        texts: texts, or texts embedded before.
        n_clusters: how many; ``None`` takes the smallest number whose silhouette is within a twentieth of the
            best, of numbers up to twice the square root of the texts and 200. Fewer distinct texts make fewer
            clusters.
        algorithm: ``kmeans``; ``minibatch_kmeans``, as MTEB's; ``agglomerative`` (Ward), for up to 15,000 texts;
            ``hdbscan``, in the first 20 principal components, which finds the number by itself and leaves texts
            out, for up to 50,000.
        embedder: ``None`` takes the bundled model.
        instruction: what the texts are compared by; ``None`` takes that of clustering, an empty one is none.
        seed: of every draw; the same texts and seed give the same clusters.
        min_cluster_size: of ``hdbscan`` (5): fewer texts are no cluster.

    Raises:
        InputError: no texts, fewer texts than clusters, or more than the algorithm can take.
        ConfigError: an unknown algorithm, or an option that is not of this one.
        ContractMismatch: texts embedded by another model or under another instruction.
        MissingExtra: scikit-learn or scipy is not installed.

    Example:
        >>> found = cluster(["red wine", "white wine", "a train", "the trains"], n_clusters=2)
        >>> found.labels.tolist(), found.clusters[0].central_texts
        ([0, 0, 1, 1], ('red wine', 'white wine'))
    """
    texts = texts if isinstance(texts, Embedded) else checked_texts(texts)
    check_options(len(texts), n_clusters, algorithm, min_cluster_size)
    made = embedded(texts, embedder, instruction, default=CLUSTER)
    labels, curve, notes = _partition(made, n_clusters, algorithm, seed, min_cluster_size or MIN_CLUSTER_SIZE)
    labels = by_size(labels)
    return Clusters(labels, _described(made, labels), algorithm, made.contract, curve, tuple(notes))


def check_options(n_texts: int, n_clusters: int | None, algorithm: str, min_cluster_size: int | None) -> None:
    """Refuse options of :func:`cluster` that do not fit each other or the number of texts; encodes nothing.

    Raises:
        InputError: more texts than the algorithm takes, or fewer than clusters.
        ConfigError: an option that is out of its range or not of this algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"algorithm is {algorithm!r}; expected one of {', '.join(ALGORITHMS)}")
    if n_clusters is not None and n_clusters < 1:
        raise ConfigError(f"n_clusters is {n_clusters}; expected 1 or more")
    if min_cluster_size is not None and min_cluster_size < 2:
        raise ConfigError(f"min_cluster_size is {min_cluster_size}; expected 2 or more")
    if algorithm == "hdbscan" and n_clusters is not None:
        raise ConfigError("n_clusters with hdbscan, which finds the number itself; give min_cluster_size instead")
    if algorithm != "hdbscan" and min_cluster_size is not None:
        raise ConfigError(f"min_cluster_size is an option of hdbscan, not of {algorithm}; give n_clusters")
    if n_clusters is not None and n_clusters > n_texts > 0:
        raise InputError(f"n_clusters is {n_clusters}, with {n_texts} texts; expected at most as many clusters")
    most = MOST_ROWS.get(algorithm)
    if most is not None and n_texts > most:
        raise InputError(f"{n_texts:,} texts; {algorithm} takes at most {most:,}: use kmeans, or a sample")


_Found: TypeAlias = tuple[NDArray[np.int64], tuple[tuple[int, float], ...], list[str]]


def _partition(
    made: Embedded, n_clusters: int | None, algorithm: Algorithm, seed: int, min_cluster_size: int
) -> _Found:
    """Labels, the curve of silhouettes and notes."""
    vectors = made.vectors if algorithm == "minibatch_kmeans" else made.unit
    if algorithm == "hdbscan":
        labels = hdbscan(vectors, min_cluster_size)
        return labels, (), [f"{(labels < 0).sum():,} of {len(labels):,} texts are in no cluster"]
    distinct = _distinct(vectors)
    curve: tuple[tuple[int, float], ...] = ()
    notes = []
    wanted = n_clusters
    if wanted is None:
        wanted, curve, note = _chosen(made.unit[distinct], algorithm, seed)
        notes.append(note)
    count = min(wanted, len(distinct))
    if count < wanted:
        notes.append(f"{count} clusters instead of {wanted}: no more texts are distinct")
    if algorithm == "kmeans" and len(vectors) > MOST_KMEANS_ROWS:
        notes.append(f"more than {MOST_KMEANS_ROWS:,} texts: k-means went in mini-batches")
    labels = _cuts(vectors, algorithm, seed)(count)
    n_found = len(set(labels.tolist()))
    if n_found < count:
        notes.append(f"{n_found} clusters instead of {count}: the others stayed empty")
    return labels, curve, notes


def _cuts(
    vectors: NDArray[np.float32], algorithm: Algorithm, seed: int, *, n_starts: int = N_STARTS
) -> Callable[[int], NDArray[np.int64]]:
    """From a number of clusters to the cluster of each row."""
    if len(vectors) == 1:
        return lambda _: np.zeros(1, np.int64)
    if algorithm == "agglomerative":
        return agglomerative(vectors)
    if algorithm == "minibatch_kmeans" or len(vectors) > MOST_KMEANS_ROWS:
        return lambda n_clusters: mini_batch_k_means(vectors, n_clusters, seed=seed)
    return lambda n_clusters: k_means(vectors, n_clusters, seed=seed, n_starts=n_starts)


def _distinct(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """The first row of each distinct vector."""
    first: dict[bytes, int] = {}
    for row, vector in enumerate(vectors):
        first.setdefault(vector.tobytes(), row)
    return np.fromiter(first.values(), np.int64, len(first))


def _chosen(
    unit: NDArray[np.float32], algorithm: Algorithm, seed: int
) -> tuple[int, tuple[tuple[int, float], ...], str]:
    """How many clusters, the curve they were chosen by, and the choice in words; of distinct vectors."""
    if len(unit) < 3:
        return len(unit), (), "a cluster for each distinct text: too few to choose a number by"
    most = min(_MOST_CLUSTERS, int(2 * np.sqrt(len(unit))), len(unit) - 1)
    rows = np.random.default_rng(seed).permutation(len(unit))[:_SAMPLE_ROWS]
    sample = unit[np.sort(rows)]
    cuts = _cuts(sample, "agglomerative" if algorithm == "agglomerative" else "kmeans", seed, n_starts=2)
    curve = silhouettes(sample, cuts, grid(min(most, len(sample) - 1)))
    best = max(value for _, value in curve)
    count = next(count for count, value in curve if value >= best - (1 - _NEARLY) * abs(best))
    note = (
        f"{count} clusters, chosen by silhouette ({dict(curve)[count]:.3f}; best {best:.3f}) among "
        f"{curve[0][0]} to {curve[-1][0]} on {len(sample):,} distinct texts"
    )
    if best < _WEAK:
        note += "; no number stands out at values this low: say how many you want"
    elif count == curve[-1][0] and len(curve) > 1:
        note += "; it is the most that were tried, and more might separate better: say how many you want"
    return count, curve, note


def _described(made: Embedded, labels: NDArray[np.int64]) -> tuple[Cluster, ...]:
    """Size, name, central texts and cohesion of each cluster."""
    n_clusters = int(labels.max(initial=-1)) + 1
    terms = [()] * n_clusters if made.texts is None else terms_of(made.texts, labels)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(n_clusters + 1))
    found = []
    for number in range(n_clusters):
        rows = order[starts[number] : starts[number + 1]]
        unit = made.unit[rows]
        centre = normalised(unit.mean(axis=0, dtype=np.float64).astype(np.float32)[None])[0]
        nearness = np.einsum("nd,d->n", unit, centre)
        central = _central(made, rows[np.argsort(-nearness, kind="stable")])
        texts = () if made.texts is None else tuple(made.texts[row] for row in central)
        found.append(Cluster(number, len(rows), terms[number], central, texts, float(nearness.mean())))
    return tuple(found)


def _central(made: Embedded, nearest: NDArray[np.int64]) -> tuple[int, ...]:
    """The first rows whose texts, or vectors where there are none, differ."""
    kept: dict[str | bytes, int] = {}
    for row in nearest.tolist():
        kept.setdefault(made.vectors[row].tobytes() if made.texts is None else made.texts[row], row)
        if len(kept) == N_CENTRAL:
            break
    return tuple(kept.values())
