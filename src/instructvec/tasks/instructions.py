"""A job -> the instruction it has where the user gives none.

Knows sentences only. They are the short forms that the suites have (``simple``), in the words of Su et al. 2023,
section 2.3: what the text is, and what the vector is for.
"""

from __future__ import annotations

from instructvec.instruction import Instruction

CLASSIFY = "Represent the text for classification: "
CLUSTER = "Represent the text for clustering: "
DUPLICATES = "Represent the text for similarity: "
JUDGE = "Represent the text for evaluation: "
DEMONSTRATIONS = "Represent the text for retrieval: "
MAP = "Represent the text for clustering: "
QUERY = "Represent the query for retrieval: "
DOCUMENT = "Represent the document for retrieval: "


def chosen(instruction: str | Instruction | None, default: str) -> str:
    """The user's instruction; the job's where it is ``None``. An empty one stays empty: none at all.

    Example:
        >>> chosen(None, CLUSTER), chosen("", CLUSTER)
        ('Represent the text for clustering: ', '')
    """
    return default if instruction is None else str(instruction)
