"""Turns whatever a caller passes into validated (instruction, text) pairs, and a pair into one string.

Knows the shapes inputs come in and the rules by which instruction and text are joined; nothing
of token ids, which ``tokens.py`` decides. Source of the joining rules: the two released codes of
INSTRUCTOR (InstructorEmbedding 1.0.1 and 1.0.2) and sentence-transformers' ``prompt=``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, TypeAlias

from instructvec.errors import InputError, InputTypeError
from instructvec.instruction import Instruction
from instructvec.types import EncodeInput, EncodeInstruction, Joining, Pairs

_Rows: TypeAlias = list[Any]
_PAIR_FORM = '["instruction", "text"]'


def pair_up(
    inputs: EncodeInput, instruction: EncodeInstruction = None, *, first_row: int = 0
) -> tuple[Pairs, bool]:
    """Validate inputs and instructions, and pair them row by row.

    A flat sequence of strings is always a sequence of texts: ``["a", "b"]`` is two texts, never
    an instruction and a text. Pairs are recognised by their nesting: ``[["instruction", "text"]]``;
    a third element that is a number, as in old INSTRUCTOR code (``[i, t, 0]``), is ignored.

    Args:
        inputs: a string; a sequence of n strings (list, tuple, array, data frame column); or a
            sequence of n pairs, each a list or tuple.
        instruction: none, one for all, or a sequence of n; only with plain strings.
        first_row: what messages call the first row.

    Returns:
        The n pairs, and whether ``inputs`` was one single string.

    Raises:
        InputTypeError: a row or instruction that is not text (None, NaN, bytes, a number …).
        InputError: wrong number of instructions, pairs as well as ``instruction=``, strings and
            pairs mixed, text that cannot be encoded as UTF-8. Every message names the row.

    Example:
        >>> pair_up(["a cat", "a dog"], "Represent the animal: ")[0].instructions
        ['Represent the animal: ', 'Represent the animal: ']
        >>> pair_up([["Represent the animal: ", "a cat"]])[0].texts
        ['a cat']
    """
    if isinstance(inputs, str):
        texts = [str(inputs)]
        instructions = _instructions(instruction, len(texts), first_row)
        _check_unicode(texts, instructions, first_row)
        return Pairs(instructions, texts), True
    rows = _rows(inputs, "inputs", "a string, a sequence of strings or a sequence of pairs")
    pairs_given = bool(rows) and _is_pair(rows[0])
    if pairs_given:
        if instruction is not None:
            raise InputError(
                f"inputs are {_PAIR_FORM} pairs, and instruction= is given as well: which one counts "
                "is unclear; pass plain texts with instruction=, or pairs without it"
            )
        instructions, texts = _split_pairs(rows, first_row)
    else:
        texts = _texts(rows, first_row)
        instructions = _instructions(instruction, len(texts), first_row)
    _check_unicode(texts, instructions, first_row)
    return Pairs(instructions, texts), False


def join(instruction: str | None, text: str, joining: Joining) -> str:
    """One string of instruction and text.

    ===================  =========================================  =======================
    joining              with an instruction                        without (``None``)
    ===================  =========================================  =======================
    ``instructor``       ``(instruction + text.strip()).strip()``   ``text.strip()``
    ``instructor-1.0.2`` ``instruction.strip() + text.strip()``     ``text.strip()``
    ``prompt, exact``    ``instruction + text``                     ``text``
    ===================  =========================================  =======================

    Strips are Python's (all Unicode white space), as the original's are.

    Example:
        >>> join("Represent the title: ", " A cat ", "instructor")
        'Represent the title: A cat'
        >>> join("Represent the title: ", " A cat ", "instructor-1.0.2")
        'Represent the title:A cat'
        >>> join("Represent the title: ", " A cat ", "prompt")
        'Represent the title:  A cat '
    """
    if joining == "instructor":
        return (instruction + text.strip()).strip() if instruction else text.strip()
    if joining == "instructor-1.0.2":
        return (instruction or "").strip() + text.strip()
    return instruction + text if instruction else text


def _rows(value: Any, what: str, expected: str) -> _Rows:
    """A list of the rows of any sequence; arrays and columns become plain Python objects."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, (bytes, bytearray, Mapping, Set)) or value is None:
        raise InputTypeError(f"{what}: got {_name(value)}; expected {expected}")
    for method in ("tolist", "to_pylist", "to_list"):  # numpy and pandas; pyarrow; polars
        if callable(getattr(value, method, None)):
            rows = getattr(value, method)()
            if isinstance(rows, list):
                return rows
    if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        return [value[index] for index in range(len(value))]
    remedy = "; make it a list first, or use encode_stream" if isinstance(value, Iterable) else ""
    raise InputTypeError(f"{what}: got {_name(value)}; expected {expected}{remedy}")


def _is_pair(row: Any) -> bool:
    """Whether a row is meant as a pair: a sequence that is no text."""
    is_sequence = hasattr(row, "__len__") and hasattr(row, "__getitem__")
    return is_sequence and not isinstance(row, (str, bytes, bytearray, Mapping))


def _texts(rows: _Rows, first_row: int) -> list[str]:
    kinds = set(map(type, rows))
    if kinds <= {str}:
        return rows.copy()
    for number, row in enumerate(rows, first_row):
        if not isinstance(row, str):
            if _is_pair(row):
                raise InputError(
                    f"row {number} is a {_name(row)}, but the rows before it are strings; "
                    f"pass either strings only or {_PAIR_FORM} pairs only"
                )
            raise InputTypeError(f"row {number} is {_name(row)}; expected a string{_remedy(row)}")
    return [str(row) for row in rows]


def _split_pairs(rows: _Rows, first_row: int) -> tuple[list[str | None], list[str]]:
    instructions: list[str | None] = []
    texts: list[str] = []
    for number, row in enumerate(rows, first_row):
        if isinstance(row, str):
            raise InputError(
                f"row {number} is a string, but the rows before it are pairs; "
                f"pass either strings only or {_PAIR_FORM} pairs only"
            )
        if not _is_pair(row):
            raise InputTypeError(f"row {number} is {_name(row)}; expected {_PAIR_FORM}{_remedy(row)}")
        parts = list(row)
        if len(parts) != 2 and not (len(parts) == 3 and isinstance(parts[2], (int, float))):
            raise InputError(f"row {number} has {len(parts)} elements; expected two: {_PAIR_FORM}")
        if not isinstance(parts[1], str):
            raise InputTypeError(
                f"row {number}: its text is {_name(parts[1])}; expected a string{_remedy(parts[1])}"
            )
        instructions.append(_one(parts[0], f"row {number}: its instruction"))
        texts.append(str(parts[1]))
    return instructions, texts


def _instructions(instruction: EncodeInstruction, n_texts: int, first_row: int) -> list[str | None]:
    if instruction is None or isinstance(instruction, (str, Instruction)):
        return [_one(instruction, "instruction")] * n_texts
    rows = _rows(instruction, "instruction", "a string, an Instruction, or a sequence with one per text")
    if len(rows) != n_texts:
        texts = "1 text" if n_texts == 1 else f"{n_texts} texts"
        given = "1 instruction" if len(rows) == 1 else f"{len(rows)} instructions"
        raise InputError(
            f"{given} for {texts}; expected one per text; "
            "to use the same for all, pass it as a plain string, not in a list"
        )
    if set(map(type, rows)) <= {str}:
        return list(rows)
    return [_one(row, f"instruction of row {number}") for number, row in enumerate(rows, first_row)]


def _one(instruction: Any, what: str) -> str | None:
    if instruction is None:
        return None
    if isinstance(instruction, (str, Instruction)):
        return str(instruction)
    raise InputTypeError(
        f"{what} is {_name(instruction)}; expected a string, an Instruction or None{_remedy(instruction)}"
    )


def _check_unicode(texts: list[str], instructions: list[str | None], first_row: int) -> None:
    for number, text in enumerate(texts, first_row):
        if not text.isascii():
            _encodable(text, f"row {number}")
    for instruction in set(instructions):
        if instruction is not None and not instruction.isascii():
            _encodable(instruction, f"instruction of row {first_row + instructions.index(instruction)}")


def _encodable(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} holds a lone surrogate, {text[error.start]!r} at character {error.start}, which is not "
            "text; it comes from bytes that were not UTF-8: read the file in its own encoding, or repair "
            "the string with s.encode('utf-8', 'replace').decode()"
        ) from None


def _name(value: Any) -> str:
    """The value as a message shows it: its kind, and itself where short."""
    if value is None:
        return "None"
    shown = repr(value)
    kind = type(value).__name__
    return f"{kind} {shown}" if len(shown) <= 40 else kind


def _remedy(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return "; decode it first: value.decode('utf-8')"
    is_nan = isinstance(value, float) and value != value  # noqa: PLR0124
    if value is None or is_nan or type(value).__name__ in ("NAType", "NaTType"):
        return '; drop or fill the missing value ("" is embedded)'
    return "; convert it with str() if its digits are the text" if isinstance(value, (int, float)) else ""
