"""Token rows -> vectors: plans batches, keeps an engine's workers busy, puts results in place.

Knows batches and threads; nothing of texts or instructions.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait

import numpy as np
from numpy.typing import NDArray

from instructvec.encoding.batches import collate, plan
from instructvec.errors import EngineError
from instructvec.types import Engine, TokenRows

CPU_BATCH_TOKENS = 256
"""Padded tokens a batch holds by default on a CPU: activations of a layer stay in its cache."""
GPU_BATCH_TOKENS = 65536
"""… and on a GPU, which small batches leave idle."""


class Driver:
    """Runs any number of token rows through one engine.

    Args:
        engine: what multiplies.
        pad_token_id: fills the batches.
    """

    def __init__(self, engine: Engine, pad_token_id: int) -> None:
        self.engine = engine
        self._pad_token_id = pad_token_id
        self._pool: ThreadPoolExecutor | None = None
        self._process = os.getpid()

    def run(
        self,
        tokens: TokenRows,
        dimension: int,
        *,
        max_batch_tokens: int | None = None,
        max_batch_rows: int | None = None,
        on_rows: Callable[[int], object] | None = None,
    ) -> NDArray[np.float32]:
        """(rows, dimension) float32, in the order of the rows.

        Args:
            tokens: what to run.
            dimension: width of the vectors.
            max_batch_tokens: padded tokens a batch may hold.
            max_batch_rows: rows a batch may hold.
            on_rows: called with the number of rows of each finished batch.

        Raises:
            EngineError: the engine failed, or gave vectors that are not finite.
        """
        budget = max_batch_tokens or (CPU_BATCH_TOKENS if self.engine.device == "cpu" else GPU_BATCH_TOKENS)
        groups = plan(
            tokens.lengths, max_batch_tokens=budget, max_batch_rows=max_batch_rows, parts=self.engine.workers
        )
        vectors = np.empty((len(tokens), dimension), dtype=np.float32)

        def run_group(rows: NDArray[np.int64]) -> int:
            batch = collate(tokens, rows, pad_token_id=self._pad_token_id)
            vectors[batch.rows] = self.engine.run(batch)
            return len(rows)

        if self.engine.workers == 1 or len(groups) == 1:
            for rows in groups:
                _report(on_rows, run_group(rows))
        else:
            self._run_side_by_side(groups, run_group, on_rows)
        _check_finite(vectors)
        return vectors

    def _run_side_by_side(
        self,
        groups: list[NDArray[np.int64]],
        run_group: Callable[[NDArray[np.int64]], int],
        on_rows: Callable[[int], object] | None,
    ) -> None:
        # Threads do not live on in a forked process, though the pool believes so.
        if self._pool is None or self._process != os.getpid():
            self._pool = ThreadPoolExecutor(self.engine.workers, thread_name_prefix="instructvec")
            self._process = os.getpid()
        futures: list[Future[int]] = []
        try:
            # Ctrl-C may come while batches are still handed out, too.
            for rows in groups:
                futures.append(self._pool.submit(run_group, rows))
            for future in as_completed(futures):
                _report(on_rows, future.result())
        finally:
            # An error or Ctrl-C: what has not begun never will, what runs ends within a batch.
            for future in futures:
                future.cancel()
            wait(futures)


def _report(on_rows: Callable[[int], object] | None, n_rows: int) -> None:
    if on_rows is not None:
        on_rows(n_rows)


def _check_finite(vectors: NDArray[np.float32]) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise EngineError(
            f"the model gave NaN or infinite vectors for {len(bad)} of {len(vectors)} texts: its weights may be "
            "damaged, or overflow in this dtype; try dtype='float32'"
        )
