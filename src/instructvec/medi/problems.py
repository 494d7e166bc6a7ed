"""What of the data could not be used -> counts by reason and named examples, or an error at the first.

Knows where a problem stands and what kind it is; nothing of how it was found.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from instructvec.errors import FileError

Code: TypeAlias = Literal[
    "broken_entry",
    "duplicate_name",
    "broken_file",
    "broken_row",
    "missing_field",
    "empty_text",
    "empty_output",
    "one_label",
    "left_out_label",
    "no_rows",
]
"""Why an entry, a file or a row is left out."""

WHOLE: tuple[Code, ...] = ("broken_entry", "duplicate_name", "broken_file", "one_label", "no_rows")
"""Those that are not about a single row."""
_EXAMPLES = 3


class Problem(NamedTuple):
    """Something that cannot be used.

    Attributes:
        code: which kind.
        dataset: whose.
        where: file and row or key.
        reason: what is wrong, what was expected, what to do.
    """

    code: Code
    dataset: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(slots=True)
class Problems:
    """Collects problems, or raises at the first.

    Attributes:
        strict: raise instead of collecting.
        counts: (dataset, code) -> how many.
        examples: dataset -> the first few.
    """

    strict: bool = False
    counts: Counter[tuple[str, Code]] = field(default_factory=Counter)
    examples: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, problem: Problem) -> None:
        """Take note of a problem.

        Raises:
            FileError: it is the first and ``strict`` is set.

        Example:
            >>> problems = Problems()
            >>> problems.add(Problem("empty_text", "news", "news.csv, line 3", "'title' is empty"))
            >>> problems.counts["news", "empty_text"]
            1
        """
        if self.strict and problem.code != "left_out_label":  # which is as the registry wants it
            raise FileError(str(problem))
        self.counts[problem.dataset, problem.code] += 1
        if problem.code == "left_out_label":
            return
        kept = self.examples.setdefault(problem.dataset, [])
        if len(kept) < _EXAMPLES:
            kept.append(problem)

    def of(self, dataset: str) -> dict[Code, int]:
        """Code -> how many, of one dataset."""
        return {code: count for (name, code), count in sorted(self.counts.items()) if name == dataset}
