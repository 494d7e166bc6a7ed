"""Turns the parts of an instruction into the paper's unified sentence, and back.

Knows the sentence's form only; nothing of how it is joined to a text.
Source: Su et al. 2023, section 2.3 and appendix A ("unified instruction template").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from instructvec.errors import InputError

# The text type is the last word before " for "/":", the domain whatever stands before it.
_FORM = re.compile(r"^Represent the (?P<what>.+?)(?: for (?P<objective>.+?))?\s*:\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the vector is for: "Represent the [domain] [text type] for [objective]: ".

    ``str()`` gives the sentence, with the colon and space that the paper's models were
    trained with. Free text is always allowed wherever an ``Instruction`` is.

    Args:
        text_type: what the text is, such as ``"sentence"`` or ``"document"``; one word is
            usual, and only one-word types survive :meth:`parse` unchanged.
        domain: where it comes from, such as ``"Medicine"``.
        objective: what the vector is for, such as ``"retrieving a duplicate sentence"``.

    Raises:
        InputError: an empty part.

    Example:
        >>> str(Instruction("sentence", "Medicine", "retrieving a duplicate sentence"))
        'Represent the Medicine sentence for retrieving a duplicate sentence: '
    """

    text_type: str
    domain: str | None = None
    objective: str | None = None

    def __post_init__(self) -> None:
        for name in ("text_type", "domain", "objective"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise InputError(f"Instruction: {name} is empty; leave it out or give it words")

    def __str__(self) -> str:
        domain = f"{self.domain} " if self.domain else ""
        objective = f" for {self.objective}" if self.objective else ""
        return f"Represent the {domain}{self.text_type}{objective}: "

    @classmethod
    def parse(cls, sentence: str) -> Instruction:
        """The parts of a sentence in the unified form.

        The last word before the objective is taken as the text type, those before it as the domain.

        Raises:
            InputError: the sentence has another form.

        Example:
            >>> Instruction.parse("Represent the Medicine sentence for clustering: ").domain
            'Medicine'
        """
        match = _FORM.match(sentence)
        if match is None:
            raise InputError(
                f"{sentence!r} does not have the form "
                '"Represent the [domain] [text type] for [objective]: "; '
                "free text needs no parsing: pass the string itself as the instruction"
            )
        *domain, text_type = match["what"].split()
        return cls(text_type, " ".join(domain) or None, match["objective"])
