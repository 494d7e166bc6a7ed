"""Codes of kinds, rules, reasons and permissions -> words for people.

Knows words; nothing of numbers. A code it does not know stands for itself.
"""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "pair": "pairs",
    "triplet": "triplets",
    "label": "labelled texts",
    "superni": "Super-NaturalInstructions tasks",
}
RULES: Mapping[str, str] = {
    "given": "as the source has it",
    "class": "class labels of a task: same label, other label",
    "text_output": "outputs alike, inputs alike",
    "labelled": "labels: same label far, other label near",
    "mined": "negative mined by retrieval",
    "other_goal": "same text, other goal",
    "wrong_instruction": "instruction made wrong",
}
REASONS: Mapping[str, str] = {
    "equal_to_positive": "the negative has the same words as the positive",
    "equal_to_query": "the negative has the same words as the query",
    "positive_elsewhere": "the negative is a positive of the same query in another row",
    "alike": "negative and positive share at least 80% of their words",
    "nearer": "the negative's vector is nearer to the query than the positive's",
}
PERMISSIONS: Mapping[str, str] = {"yes": "yes", "no": "no", "unknown": "not known"}
CODES: Mapping[str, str] = {
    "broken_entry": "entry that cannot be used",
    "broken_file": "file that cannot be read",
    "broken_row": "row that cannot be read",
    "missing_field": "missing field",
    "empty_text": "empty text",
    "empty_output": "empty output",
    "one_label": "one label only",
    "no_rows": "no rows",
}


def said(code: str, words: Mapping[str, str]) -> str:
    """What a code means.

    Example:
        >>> said("label", KINDS), said("too_short", CODES)
        ('labelled texts', 'too short')
    """
    return words.get(code) or code.replace("_", " ")
