"""The driver: results in place, workers busy, interruption harmless."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest

from instructvec.engines.drive import Driver
from instructvec.engines.fake import FakeEngine
from instructvec.errors import EngineError
from tests.encoding.test_batches import token_rows

LENGTHS = [3, 9, 1, 4, 9, 2, 7, 7, 1, 30]


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_come_back_in_their_places(workers):
    tokens = token_rows(LENGTHS)
    engine = FakeEngine(8, workers=workers)
    together = Driver(engine, 0).run(tokens, 8, max_batch_tokens=20)
    alone = np.concatenate([Driver(engine, 0).run(row_of(tokens, row), 8) for row in range(len(LENGTHS))])
    assert np.array_equal(together, alone)
    assert engine.n_rows == 2 * len(LENGTHS)


def row_of(tokens, row):
    from instructvec.types import TokenRows

    own = slice(tokens.offsets[row], tokens.offsets[row + 1])
    length = np.array([LENGTHS[row]])
    return TokenRows(tokens.ids[own], tokens.pooled[own], np.array([0, LENGTHS[row]]), length, np.array([0]))


def test_every_finished_batch_is_reported():
    finished: list[int] = []
    Driver(FakeEngine(4, workers=2), 0).run(token_rows(LENGTHS), 4, max_batch_tokens=20, on_rows=finished.append)
    assert sum(finished) == len(LENGTHS)
    assert len(finished) > 2


def test_nothing_to_run_is_nothing():
    assert Driver(FakeEngine(4), 0).run(token_rows([]), 4).shape == (0, 4)


class Failing(FakeEngine):
    def __init__(self, error: BaseException) -> None:
        super().__init__(4, workers=2)
        self.error: BaseException | None = error

    def run(self, batch):
        if self.error is not None and self.n_batches >= 1:
            raise self.error
        return super().run(batch)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EngineError("no room")])
def test_an_interruption_ends_the_run_and_leaves_the_driver_usable(error):
    engine = Failing(error)
    driver = Driver(engine, 0)
    with pytest.raises(type(error)):
        driver.run(token_rows([1] * 500), 4, max_batch_tokens=1)
    assert engine.n_rows < 500
    engine.error = None
    assert driver.run(token_rows(LENGTHS), 4, max_batch_tokens=9).shape == (len(LENGTHS), 4)


class Interrupted(FakeEngine):
    """Gets a real SIGINT sent to the main thread in its third batch, once."""

    def run(self, batch):
        vectors = super().run(batch)
        if self.n_batches == 3:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.001)
        return vectors


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_stops_within_a_batch(workers):
    engine = Interrupted(4, workers=workers)
    driver = Driver(engine, 0)
    with pytest.raises(KeyboardInterrupt):
        driver.run(token_rows([1] * 500), 4, max_batch_tokens=1)
    seen = engine.n_rows
    assert seen < 500
    time.sleep(0.05)
    assert engine.n_rows == seen  # nothing goes on in the background
    again = driver.run(token_rows(LENGTHS), 4, max_batch_tokens=9)
    assert np.array_equal(again, Driver(FakeEngine(4), 0).run(token_rows(LENGTHS), 4))


def test_vectors_that_are_not_finite_are_an_error():
    engine = FakeEngine(4)
    engine.run = lambda batch: np.full((len(batch.rows), 4), np.nan, np.float32)
    with pytest.raises(EngineError, match="NaN or infinite vectors for 10 of 10 texts"):
        Driver(engine, 0).run(token_rows(LENGTHS), 4)
