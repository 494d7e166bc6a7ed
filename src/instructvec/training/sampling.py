"""Units with weights -> a sequence of batches of row numbers, the same in every process and after every resume.

Knows units, weights and ids of texts; nothing of tokens or models. Every draw is made by the seed and the number
of the batch, so the state is a counter and where each unit's pass stands.
Source: Su et al. 2023, section 2.3: a batch comes from one dataset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from instructvec.corpus.cache import digest
from instructvec.errors import ConfigError, InputError
from instructvec.medi.mix import generator
from instructvec.training.mixture import TrainingMixture
from instructvec.training.passes import Passes, Texts
from instructvec.training.units import Unit, combined

Small: TypeAlias = Literal["keep", "combine", "drop"]
"""What becomes of units that cannot fill the least batch: their own small batches, one unit together, or none."""
SMALL: tuple[Small, ...] = get_args(Small)

_LEAST_ROWS = 16
_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How batches are put together.

    Attributes:
        batch_size: rows of a batch, over all processes together.
        datasets_per_batch: 1 as in the paper; more gives each the same share of the batch.
        contrast_share: share of batches that are contrasts of two datasets; ``None`` for the share that they have
            of the rows.
        least_rows: rows for which a batch is worth it; ``None`` for 16, or ``batch_size`` where that is less.
        small: what becomes of datasets and contrasts that have fewer.
        seed: of all draws.
    """

    batch_size: int = 128
    datasets_per_batch: int = 1
    contrast_share: float | None = None
    least_rows: int | None = None
    small: Small = "combine"
    seed: int = 42

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ConfigError(f"batch_size is {self.batch_size}; expected 2 or more, each other's negatives")
        if not 1 <= self.datasets_per_batch <= self.batch_size:
            raise ConfigError(
                f"datasets_per_batch is {self.datasets_per_batch}; expected a number from 1 to batch_size"
            )
        if self.contrast_share is not None and not 0 <= self.contrast_share <= 1:
            raise ConfigError(f"contrast_share is {self.contrast_share}; expected a share from 0 to 1")
        if self.least_rows is not None and not 1 <= self.least_rows <= self.batch_size:
            raise ConfigError(f"least_rows is {self.least_rows}; expected a number from 1 to batch_size")
        if self.small not in SMALL:
            raise ConfigError(f"small is {self.small!r}; expected one of {', '.join(SMALL)}")

    @property
    def least(self) -> int:
        """Rows that a batch should have."""
        return min(_LEAST_ROWS, self.batch_size) if self.least_rows is None else self.least_rows


class RowBatch(NamedTuple):
    """Rows that are trained on in one step.

    Attributes:
        step: number of the batch, from 0.
        rows: (n,) int64 row numbers, those of this process; groups stand together.
        units: names of the units they are from.
        is_contrast: whether they are groups of rows that contrast.
    """

    step: int
    rows: NDArray[np.int64]
    units: tuple[str, ...]
    is_contrast: bool


class BatchSampler:
    """Draws batches of rows; iterating goes on where it was left.

    Args:
        mixture: what is drawn from.
        options: how.
        n_steps: batches in all; ``None`` for no end.
        rank: which of the processes this is: each gets its part of the same batch, groups whole.
        world_size: how many processes there are; each part of a batch has the same number of rows or groups.

    Attributes:
        counts: what happened so far: ``batches``, ``rows``, ``short_batches`` (fewer rows than ``batch_size``),
            ``small_batches`` (fewer than the least), ``redrawn`` (a unit had not a row for each process); those of
            :class:`Passes`; and of units too small ``combined``, ``kept``, ``dropped`` and ``dropped_rows``.
        contrast_share: share of batches that are contrasts.

    Raises:
        ConfigError: a contrast is asked for and there is none, a group is larger than a batch, or a process or
            number of steps that cannot be.
        InputError: no unit is left.

    Example:
        >>> from instructvec.medi.triplets import Side, Triplet
        >>> from instructvec.training.mixture import mixture_of
        >>> def row(at):
        ...     return Triplet(Side("", f"question {at}"), Side("", f"answer {at}"), None, "faq", "pair", "mined")
        >>> sampler = BatchSampler(mixture_of(map(row, range(10))), SamplingOptions(batch_size=4), n_steps=3)
        >>> [len(batch.rows) for batch in sampler]
        [4, 4, 4]
    """

    def __init__(
        self,
        mixture: TrainingMixture,
        options: SamplingOptions | None = None,
        *,
        n_steps: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.options = options or SamplingOptions()
        self.n_steps = n_steps
        self.counts: Counter[str] = Counter()
        if not 0 <= rank < world_size or (n_steps is not None and n_steps < 0):
            raise ConfigError(
                f"n_steps is {n_steps}, rank {rank} of {world_size}; expected no negative number, and ranks below "
                "world_size"
            )
        self._rank, self._world_size = rank, world_size
        self._text_ids = mixture.rows.text_ids
        self._step = 0
        pools = [
            _Pool(self._prepared([unit for unit in mixture.units if unit.is_contrast is which]))
            for which in (False, True)
        ]
        self._pools = tuple(pools)
        self._passes = [one for pool in pools for one in pool.passes]
        self.contrast_share = _share(pools[0], pools[1], self.options.contrast_share)
        units = [[unit.name, unit.n_items, len(unit.rows), unit.weight] for unit in self.units]
        self._fingerprint = digest([asdict(self.options), len(mixture.rows), units])

    @property
    def step(self) -> int:
        """Batches drawn so far."""
        return self._step

    @property
    def units(self) -> tuple[Unit, ...]:
        """What is drawn from, small ones combined or dropped."""
        return tuple(one.unit for one in self._passes)

    def __len__(self) -> int:
        if self.n_steps is None:
            raise TypeError("a sampler without n_steps has no length; give n_steps")
        return self.n_steps

    def __iter__(self) -> Iterator[RowBatch]:
        while self.n_steps is None or self._step < self.n_steps:
            yield self.draw()

    def draw(self) -> RowBatch:
        """The next batch.

        Raises:
            InputError: no unit can give each process a row.
        """
        for attempt in range(_ATTEMPTS):
            rng = generator(self.options.seed, "batch", str(self._step), str(attempt))
            is_contrast = bool(rng.random() < self.contrast_share)
            drawn = self._pools[is_contrast].draw(self.options.datasets_per_batch, rng)
            batch = self._batch(drawn, is_contrast)
            if batch is not None:
                return batch
            self.counts["redrawn"] += 1
        raise InputError(
            f"no dataset has {self._world_size} rows that fit into one batch, one for each process; use fewer "
            "processes, or more data"
        )

    def state_dict(self) -> dict[str, Any]:
        """Where drawing stands, of plain JSON values; equal in all processes."""
        return {
            "fingerprint": self._fingerprint,
            "step": self._step,
            "units": {str(at): list(one.state) for at, one in enumerate(self._passes) if one.is_begun},
            "counts": dict(self.counts),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another sampler stood: the next batches are those that it would have drawn.

        Raises:
            ConfigError: the state is of another mixture, choice, weighting or other options.
        """
        if state.get("fingerprint") != self._fingerprint:
            raise ConfigError(
                "the sampler's state is of another mixture or other options: its batches cannot be gone on with; "
                "use the same recipe and data, or start anew"
            )
        self._step = state["step"]
        for at, one in enumerate(self._passes):
            one.restore(*state["units"].get(str(at), (0, 0, ())))
        self.counts.clear()
        self.counts.update(state["counts"])

    # ------------------------------------------------------------ one batch

    def _batch(self, drawn: Sequence[Passes], is_contrast: bool) -> RowBatch | None:
        """The batch of the drawn units; ``None`` if it has not a row or group for each process."""
        texts = Texts()
        parts, n_all, size = [], 0, self.options.batch_size
        for at, one in enumerate(drawn):
            items = one.take((size - n_all) // (len(drawn) - at), texts, parts=self._world_size)
            n_all += len(one.rows(items))
            parts.append(one.rows(items[self._rank :: self._world_size]))
        if not n_all:
            return None
        self.counts.update(batches=1, rows=n_all, short_batches=int(n_all < size))
        self.counts["small_batches"] += n_all < self.options.least
        step, self._step = self._step, self._step + 1
        return RowBatch(step, np.concatenate(parts), tuple(one.unit.name for one in drawn), is_contrast)

    # ------------------------------------------------------------ what is drawn from

    def _prepared(self, units: Sequence[Unit]) -> list[Passes]:
        """Those that can fill the least batch, and of the others what the options say."""
        made = [self._passes_of(unit) for unit in units]
        large = [one for one in made if not one.is_small]
        small = [one for one in made if one.is_small]
        if self.options.small == "combine":
            bins = _bins(small)
            self.counts["combined"] += sum(len(one) for one in bins if len(one) > 1)
            made = [self._passes_of(combined([one.unit for one in own])) for own in bins]
            large += [one for one in made if not one.is_small]
            small = [one for one in made if one.is_small]
        kept = [one for one in small if self.options.small != "drop" and one.least >= self._one_each(one.unit)]
        self.counts["kept"] += len(kept)
        self.counts["dropped"] += len(small) - len(kept)
        self.counts["dropped_rows"] += sum(len(one.unit.rows) for one in small) - sum(
            len(one.unit.rows) for one in kept
        )
        return large + kept

    def _passes_of(self, unit: Unit) -> Passes:
        if unit.largest_item * self._world_size > self.options.batch_size:
            raise ConfigError(
                f"batch_size is {self.options.batch_size}; expected at least {self._one_each(unit)}, as a group "
                f"of {unit.name} has {unit.largest_item} rows and there are {self._world_size} processes"
            )
        least = max(self.options.least // self.options.datasets_per_batch, self._one_each(unit))
        return Passes(unit, self._text_ids, least=least, seed=self.options.seed, counts=self.counts)

    def _one_each(self, unit: Unit) -> int:
        """Rows of a batch that has a row, or group, for each process."""
        return unit.largest_item * self._world_size


class _Pool:
    """Units that are drawn from by their weights."""

    def __init__(self, passes: Sequence[Passes]) -> None:
        self.passes = passes
        weights = np.array([one.unit.weight for one in passes])
        self._weights = weights / weights.sum() if len(weights) else weights
        self._cumulative = np.cumsum(self._weights)

    @property
    def n_rows(self) -> int:
        return sum(len(one.unit.rows) for one in self.passes)

    def draw(self, n: int, rng: np.random.Generator) -> list[Passes]:
        """``n`` different units, or all where there are fewer."""
        if n == 1:
            at = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
            return [self.passes[min(at, len(self.passes) - 1)]]
        n = min(n, len(self.passes))
        return [self.passes[at] for at in rng.choice(len(self.passes), n, replace=False, p=self._weights)]


def _share(datasets: _Pool, contrasts: _Pool, wanted: float | None) -> float:
    """The share of batches that are contrasts.

    Raises:
        InputError: there is nothing to draw from.
        ConfigError: what is wanted is not there.
    """
    n_rows = datasets.n_rows + contrasts.n_rows
    if not n_rows:
        raise InputError(
            "every dataset has fewer rows that fit into one batch than the least; lower least_rows or the number "
            "of processes, or let small be 'combine'"
        )
    share = contrasts.n_rows / n_rows if wanted is None else wanted
    if share > 0 and not contrasts.passes:
        raise ConfigError(
            f"contrast_share is {share}, but there are no contrasts of two datasets; set it to 0, or choose rows "
            "by the rule 'other_goal'"
        )
    if share < 1 and not datasets.passes:
        raise ConfigError(f"contrast_share is {share}, but there are only contrasts; set it to 1, or leave it out")
    return share


def _bins(small: Sequence[Passes]) -> list[list[Passes]]:
    """Neighbours that can fill the least batch together; the last ones, if they cannot, join those before."""
    bins: list[list[Passes]] = []
    found = wanted = 0
    for one in small:
        if found >= wanted:
            bins.append([])
            found, wanted = 0, one.wanted
        bins[-1].append(one)
        found += one.least
    if found < wanted and len(bins) > 1:
        bins[-2:] = [bins[-2] + bins[-1]]
    return bins
