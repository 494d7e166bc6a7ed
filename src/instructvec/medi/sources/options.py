"""Multiple-choice questions with their letters -> the texts of the options that the letters stand for.

Knows the ways in which Super-NaturalInstructions writes options ("(A) x (B) y", "a ) x , b ) y", "<1> x <2> y",
"Option A: x", "Completion A: x"); nothing of tasks or files. An option letter means nothing from one question to
the next.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_POSITION = re.compile(r"(?:\w+ )?\(?([A-Ja-j])\)?\.?")
_RESOLVED = 0.9
"""Share of a task's letters that must be found among the options before texts stand for them."""
_LETTER = re.compile(r"\(?(?:(?:option|completion) )?([A-Ja-j1-9])\)?\.?", re.IGNORECASE)
_HEADING = re.compile(r"\b(?:options?|choices)\s*:", re.IGNORECASE)
_SPEAKER = r"X:(?=\s)"
"""A form in which dialogues name who speaks: it marks options only where each letter stands once."""


def _marks(ranges: Sequence[str], *forms: str) -> dict[re.Pattern[str], bool]:
    """Patterns of what stands before an option, a letter of a range in a form, and whether it must stand once."""
    return {
        re.compile(rf"(?:^|(?<=[\s,;:?.\['\"])){form.replace('X', f'([{letters}])')}\s*", re.M): form == _SPEAKER
        for letters in ranges
        for form in forms
    }


# "3.5" is no third option, but "[A.1967 B.1955]" are two.
_MARKS = _marks(("A-J", "a-j"), r"(?:[Oo]pt|[Cc]omplet)ion X:", r"\(X\s?\)", r"X\s?\)", r"X\.", _SPEAKER)
_NUMBER_MARKS = _marks(("1-9",), r"[Oo]ption X:", r"\(X\s?\)", r"X\s?\)", r"X\.(?!\d)", _SPEAKER, "<X>")
_BARE_MARKS = _marks(("A-J",), r"X(?=\s)")  # "Options: A tool shed B tool kit"


def are_positions(outputs: Sequence[str]) -> bool:
    """Whether a task's outputs say which option is right, and not what is: "B", "Completion B".

    Example:
        >>> are_positions(["(A)", "(B)"]), are_positions(["choice A", "choice B"]), are_positions(["C", "N"])
        (True, True, False)
    """
    found = [_POSITION.fullmatch(output) for output in set(outputs)]
    letters = {match[1].lower() for match in found if match}
    return len(found) > 1 and all(found) and {"a", "b"} <= letters and max(letters) <= "e"


def spelled_out(inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Outputs, with option letters replaced by the texts of the options they stand for.

    A letter is the same label in every question but never the same answer. Outputs stay as they are unless nearly
    all of them are letters found among the options of their input.

    Example:
        >>> spelled_out(["Sky? (A) blue (B) green", "Grass? (A) blue (B) green"], ["A", "B"])
        ['blue', 'green']
    """
    letters = [_LETTER.fullmatch(output) for output in outputs]
    if not outputs or not all(letters):
        return list(outputs)
    texts = [
        _options(text, numbered=letter[1].isdigit()).get(letter[1].lower())
        for text, letter in zip(inputs, letters, strict=True)
        if letter
    ]
    if sum(text is not None for text in texts) < _RESOLVED * len(texts):
        return list(outputs)
    return [output if text is None else text for output, text in zip(outputs, texts, strict=True)]


def _options(text: str, *, numbered: bool) -> dict[str, str]:
    """The options of a multiple-choice question: letter, or number, -> text."""
    marks = _NUMBER_MARKS if numbered else _MARKS
    headings = list(_HEADING.finditer(text))
    listed = text[headings[-1].end() :] if headings else text
    for part, some in ((listed, marks), (text, marks), (listed if headings else "", _BARE_MARKS)):
        runs = [(not once, _longest_run(part, mark, once=once)) for mark, once in some.items()]
        _, found = max(runs, key=lambda one: (one[0] and len(one[1]) > 1, len(one[1])))
        if len(found) > 1:
            return found
    return {}


def _longest_run(text: str, mark: re.Pattern[str], *, once: bool) -> dict[str, str]:
    """The options whose letters follow each other from the first on; of several such runs the longest, last one.

    Asking for the order keeps out what only looks like a letter before an option: "7 a.m.", "vitamin A.".
    """
    found = list(mark.finditer(text))
    if once and len({one[1] for one in found}) < len(found):
        return {}
    longest: dict[str, str] = {}
    for at, first in enumerate(found):
        if first[1] not in "Aa1":
            continue
        run = [first]
        for match in found[at + 1 :]:
            if ord(match[1]) == ord(run[-1][1]) + 1:
                run.append(match)
        options = _between(text, run, mark)
        if len(options) >= len(longest):
            longest = options
    return longest


def _between(text: str, run: Sequence[re.Match[str]], mark: re.Pattern[str]) -> dict[str, str]:
    """Each option's text, up to the next option or the end of its line; a mark that is written twice goes."""
    options = {}
    for match, following in zip(run, [*run[1:], None], strict=True):
        option = text[match.end() : following.start() if following else len(text)]
        again = mark.match(option)
        if again and again[1] == match[1]:
            option = option[again.end() :]
        option = option.partition("\n")[0].strip(" \t\n,;'\"")
        if "[" not in option:  # "[A.1967 B.1955]"
            option = option.rstrip("] ")
        if option:
            options[match[1].lower()] = option
    return options
