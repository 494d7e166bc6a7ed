"""A dataset's facts -> what its texts are instructed with where less than its own instructions is to be read.

Knows levels of detail, and names and simple sentences worded as the ``tag`` and ``simple`` of evaluation's suites;
nothing of rows or tokens.
Source: Su et al. 2023, section 4.3 and figure 5 (no instruction, dataset tag, simple and detailed instruction).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

from instructvec.errors import ConfigError
from instructvec.medi.manifest import DatasetFacts
from instructvec.medi.triplets import Kind, Rule

Detail: TypeAlias = Literal["as_written", "simple", "tag", "none"]
"""How much of its instruction a text has before it: all, a sentence without domain, a name, or nothing."""
DETAILS: tuple[Detail, ...] = get_args(Detail)

CONTRADICTING: Mapping[Detail, tuple[Rule, ...]] = {
    "as_written": (),
    # Two datasets may share a sentence, as they share the lack of one.
    "simple": ("other_goal", "wrong_instruction"),
    # A row does not say which dataset its wrong instruction is of.
    "tag": ("wrong_instruction",),
    "none": ("other_goal", "wrong_instruction"),
}
"""Rules whose rows contradict each other, or themselves, where no more than that is read."""

_OBJECTIVES: Mapping[Kind, str] = {"label": "classification", "superni": "answering"}


class SidesOf(NamedTuple):
    """What the two sides of a dataset's rows are instructed with: queries, and what is compared with them."""

    query: str
    document: str


def tag(name: str) -> SidesOf:
    """A dataset's name in words.

    Example:
        >>> tag("ag_news_topic").query
        'ag news topic: '
    """
    said = f"{name.replace('_', ' ')}: "
    return SidesOf(said, said)


def simple(facts: DatasetFacts) -> SidesOf:
    """A sentence that says what the texts are, and in a word what for.

    Example:
        >>> simple(DatasetFacts("ag_news_topic", "label", "AG News", text_type="article")).query
        'Represent the article for classification: '
        >>> simple(DatasetFacts("nq", "pair", symmetric=False, text_type="question", document_type="passage"))
        SidesOf(query='Represent the question for retrieval: ', document='Represent the passage for retrieval: ')
    """
    pairs = "similarity" if facts.symmetric else "retrieval"
    objective = _OBJECTIVES.get(facts.kind, pairs)  # type: ignore[call-overload]  # other kinds are of pairs
    query = facts.text_type or "text"
    document = query if facts.symmetric else facts.document_type or "text"
    return SidesOf(*(f"Represent the {one} for {objective}: " for one in (query, document)))


def reworded(
    detail: Detail, names: Iterable[str], facts: Mapping[str, DatasetFacts]
) -> Mapping[str, SidesOf] | None:
    """What the texts of each dataset are instructed with; ``None`` where rows keep their own, or have none.

    Args:
        detail: how much.
        names: of the datasets.
        facts: the manifest's, by name.

    Raises:
        ConfigError: the manifest that a simple sentence needs is missing, or says nothing of a dataset.
    """
    if detail == "tag":
        return {name: tag(name) for name in names}
    if detail != "simple":
        return None
    found = {}
    for name in names:
        if name not in facts:
            raise ConfigError(
                f"instructions is 'simple', and no manifest says what the texts of {name!r} are; train on a "
                "mixture that `instructvec medi build` wrote, or take 'tag', which needs only names"
            )
        found[name] = simple(facts[name])
    return found
