"""A figure with its interval, as pages write and draw it.

Knows three numbers; nothing of what they measure.
"""

from __future__ import annotations

from typing import NamedTuple


class Estimate(NamedTuple):
    """A figure and its 95% interval, each ``None`` where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def includes_zero(self) -> bool:
        """Whether there is an interval and zero lies in it."""
        return self.low is not None and self.high is not None and self.low <= 0 <= self.high
