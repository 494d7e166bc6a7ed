"""A sampler and a collator -> batches that are ready when they are asked for, made in a thread of their own.

Knows queues and threads; nothing of what is done with a batch. Each batch carries the sampler's state after it, so
that training can stop behind any batch although others were drawn already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, NamedTuple

from instructvec.training.collate import Collator, TrainingBatch
from instructvec.training.sampling import BatchSampler, RowBatch

if TYPE_CHECKING:
    from instructvec.training.rows import RowNumbers
    from instructvec.training.vectors import BatchVectors

_AHEAD = 2
_LOOK_S = 0.1


class Prepared(NamedTuple):
    """A batch, ready for a step.

    Attributes:
        drawn: its rows, and what they were drawn from.
        batch: their tensors.
        teacher: a teacher's vectors of them; ``None`` without a teacher.
        sampler: the sampler's state behind it.
    """

    drawn: RowBatch
    batch: TrainingBatch
    teacher: BatchVectors | None
    sampler: dict[str, Any]


class Prefetcher:
    """Iterates over a sampler's batches, of which the next two are made meanwhile; use it in ``with``.

    What goes wrong in the making is raised where the batch is asked for.

    Args:
        sampler: draws; nobody else may.
        collator: makes tensors of rows.
        teacher: row numbers -> a teacher's vectors; ``None`` without one.
    """

    def __init__(
        self,
        sampler: BatchSampler,
        collator: Collator,
        teacher: Callable[[RowNumbers], BatchVectors] | None = None,
    ) -> None:
        self._sampler, self._collator, self._teacher = sampler, collator, teacher
        self._ready: Queue[Prepared | BaseException | None] = Queue(_AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._make, name="batches", daemon=True)

    def __enter__(self) -> Prefetcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=_LOOK_S)
            except Empty:
                continue
        self._thread.join()

    def __iter__(self) -> Iterator[Prepared]:
        while True:
            made = self._ready.get()
            if made is None:
                return
            if isinstance(made, BaseException):
                raise made
            yield made

    def _make(self) -> None:
        last: BaseException | None = None
        try:
            for drawn in self._sampler:
                if self._stopped.is_set() or not self._put(self._prepared(drawn)):
                    return
        except BaseException as error:  # raised again by whoever waits for the batch
            last = error
        self._put(last)

    def _prepared(self, drawn: RowBatch) -> Prepared:
        state = self._sampler.state_dict()
        teacher = None if self._teacher is None else self._teacher(drawn.rows)
        return Prepared(drawn, self._collator(drawn.rows), teacher, state)

    def _put(self, made: Prepared | BaseException | None) -> bool:
        """Whether it was taken; not, where nobody asks any more."""
        while not self._stopped.is_set():
            try:
                self._ready.put(made, timeout=_LOOK_S)
            except Full:
                continue
            return True
        return False
