"""A template and columns of values -> solved examples and open questions, as they stand in a prompt.

Knows names in braces; nothing of vectors, tokens or files. Braces around anything that is no name, as in JSON,
stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instructvec.errors import ConfigError

SOLVED = "Input: {input}\nOutput: {output}"
"""The template where outputs are known; the words of Su et al. 2022."""
UNSOLVED = "{input}"
"""The template where they are not."""

INPUT, OUTPUT = "input", "output"
_NAME = re.compile(r"\{([^\W\d][^{}\"\n:]*)\}")


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """How an example stands in a prompt, with the names of its parts in braces.

    Attributes:
        text: such as ``"Q: {input}\\nA: {output}"``.

    Raises:
        ConfigError: it does not name ``{input}``.

    Example:
        >>> PromptTemplate(SOLVED).examples({"input": ["2 + 2"], "output": ["4"]})
        ['Input: 2 + 2\\nOutput: 4']
        >>> PromptTemplate(SOLVED).questions({"input": ["2 + 3"]})
        ['Input: 2 + 3\\nOutput:']
    """

    text: str

    def __post_init__(self) -> None:
        if INPUT not in self.names:
            raise ConfigError(f"template {self.text!r}: has no {{input}}; expected such as {SOLVED!r}")

    @property
    def names(self) -> list[str]:
        """What stands in braces, in order of first use."""
        return list(dict.fromkeys(_NAME.findall(self.text)))

    @property
    def question(self) -> str:
        """What comes before the output, without blanks at its end; all of it where there is no output."""
        return self.text.split(f"{{{OUTPUT}}}", 1)[0].rstrip() if OUTPUT in self.names else self.text

    def examples(self, columns: Mapping[str, Sequence[object]], what: str = "the pool") -> list[str]:
        """A solved example for each row.

        Args:
            columns: n values by name.
            what: whose columns they are, for the message.

        Raises:
            ConfigError: a name that is none of the columns.
        """
        return _filled(self.text, columns, what)

    def questions(self, columns: Mapping[str, Sequence[object]], what: str = "the inputs") -> list[str]:
        """An open question for each row; as :meth:`examples`."""
        return _filled(self.question, columns, what)


def _filled(text: str, columns: Mapping[str, Sequence[object]], what: str) -> list[str]:
    names = list(dict.fromkeys(_NAME.findall(text)))
    for name in names:
        if name not in columns:
            hint = "; give the outputs of the pool (--output-column)" if name == OUTPUT else ""
            known = ", ".join(f"{{{one}}}" for one in columns)
            raise ConfigError(f"template: {{{name}}} is no column of {what}; known are {known}{hint}")
    n_rows = len(next(iter(columns.values())))
    return [_row(text, columns, row) for row in range(n_rows)]


def _row(text: str, columns: Mapping[str, Sequence[object]], row: int) -> str:
    def value(found: re.Match[str]) -> str:
        one = columns[found[1]][row]
        return "" if one is None else str(one)

    return _NAME.sub(value, text)
