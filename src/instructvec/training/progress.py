"""Who is told how far training is.

Knows what there is to tell; nothing of where it is shown.
"""

from __future__ import annotations

from typing import Protocol

from instructvec.training.records import StepRecord


class Progress(Protocol):
    """Told how far training is."""

    def start(self, total: int, done: int) -> None:
        """There are so many steps in all, and so many are done."""

    def step(self, record: StepRecord) -> None:
        """A step is done."""

    def say(self, what: str) -> None:
        """A sentence for people."""


class Silent:
    """Tells nobody."""

    def start(self, total: int, done: int) -> None:
        """Nothing."""

    def step(self, record: StepRecord) -> None:
        """Nothing."""

    def say(self, what: str) -> None:
        """Nothing."""
