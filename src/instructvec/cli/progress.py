"""Progress of bulk work -> a bar on a terminal: texts/s, tokens/s, time left. Silent elsewhere.

Knows counts; nothing of the work.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from instructvec.training.records import StepRecord


class _Bar:
    """A bar on stderr where that is a terminal and ``quiet`` is not set; otherwise nothing.

    Args:
        quiet: show nothing on a terminal either.
    """

    _unit: str
    _smoothing: float

    def __init__(self, *, quiet: bool) -> None:
        self._shown = sys.stderr.isatty() and not quiet
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, total: int | None) -> None:
        """Begin, with about this much to come; ``None`` where that is not known."""
        if not self._shown:
            return
        from tqdm import tqdm

        self._bar = tqdm(
            total=total, unit=self._unit, unit_scale=True, smoothing=self._smoothing, dynamic_ncols=True
        )

    def _add_known(self, n: int) -> None:
        """What was done before this run counts for the bar, not for the speed."""
        self._bar.initial += n
        self._bar.n += n
        self._bar.refresh()


class ProgressBar(_Bar):
    """Counts texts, of like lengths on the whole."""

    _unit = " texts"
    _smoothing = 0.1

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._n_tokens = 0
        self._began = time.monotonic()

    def start(self, total: int | None) -> None:
        """Begin, with about this many rows to come; ``None`` where that is not known."""
        self._began = time.monotonic()
        super().start(total)

    def say(self, what: str) -> None:
        """Show what is done with the texts."""
        if self._bar is not None:
            self._bar.set_description(what)

    def add(self, n_rows: int, n_tokens: int, *, resumed: bool) -> None:
        """Rows are done; those of an earlier run count for the bar, not for the speed. 0 tokens are unknown."""
        if self._bar is None:
            return
        if resumed:
            self._add_known(n_rows)
            return
        self._n_tokens += n_tokens
        if self._n_tokens:
            seconds = max(time.monotonic() - self._began, 1e-9)
            self._bar.set_postfix_str(f"{self._n_tokens / seconds:,.0f} tokens/s", refresh=False)
        self._bar.update(n_rows)


class StageBar(_Bar):
    """Counts the steps of one stage after another, and says how many texts were encoded meanwhile.

    Args:
        quiet: show nothing on a terminal either.
        gives_way: close the bar with a stage's last step, because another bar may come before the next stage.
    """

    _unit = " steps"
    _smoothing = 0.1

    def __init__(self, *, quiet: bool, gives_way: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._gives_way = gives_way
        self._n_encoded = 0

    def stage(self, name: str, total: int) -> None:
        """A stage begins, with so many steps."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.start(total)
        if self._bar is not None:
            self._bar.set_description(name)

    def step(self, what: str) -> None:
        """A step of it is done."""
        if self._bar is None:
            return
        self._bar.update(1)
        if self._gives_way and self._bar.n >= self._bar.total:
            self._bar.close()
            self._bar = None

    def encoded(self, texts: Sequence[str], known: bool) -> None:
        """Vectors of texts are made, or were there already."""
        if self._bar is not None and not known:
            self._n_encoded += len(texts)
            self._bar.set_postfix_str(f"{self._n_encoded:,} texts encoded")


class TextBar(_Bar):
    """Counts characters, for texts that differ much in length."""

    _unit = " chars"
    _smoothing = 0.05

    def grow(self, n_chars: int) -> None:
        """So much more is to come than was known."""
        if self._bar is not None:
            self._bar.total += n_chars
            self._bar.refresh()

    def add(self, n_chars: int, *, known: bool) -> None:
        """So much is done; what was known from before counts for the bar, not for the speed."""
        if self._bar is None:
            return
        if known:
            self._add_known(n_chars)
        else:
            self._bar.update(n_chars)

    def say(self, what: str) -> None:
        """Show what is worked on."""
        if self._bar is not None:
            self._bar.set_description(what)


class TrainingBar(_Bar):
    """Counts the steps of training, shows their loss, and passes sentences on to stderr."""

    _unit = " steps"
    _smoothing = 0.1

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._quiet = quiet

    def start(self, total: int | None, done: int = 0) -> None:
        """Begin, with so many steps in all, some of them done by an earlier run."""
        super().start(total)
        if self._bar is not None and done:
            self._add_known(done)

    def step(self, record: StepRecord) -> None:
        """A step is done."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {record.loss:.3f}, accuracy {record.accuracy:.2f}", refresh=False)
            self._bar.update(1)

    def say(self, what: str) -> None:
        """Show a sentence, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(what, file=sys.stderr)
        elif not self._quiet:
            print(what, file=sys.stderr, flush=True)
