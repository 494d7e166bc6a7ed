"""Data and a user's own sentences -> the instructions that are tried.

Knows words; nothing of vectors or scores. Candidates are the job's default, none, the user's, and by turns
sentences from templates (domain x text type x objective, in words found in the data) and other ways of saying the
most promising ones; the words are data, in ``wordings.toml``. The form is that of Su et al. 2023, section 2.3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product, zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from instructvec.errors import ConfigError, InputError
from instructvec.instruction import Instruction
from instructvec.tasks.instructions import CLASSIFY, DOCUMENT, DUPLICATES, QUERY
from instructvec.tasks.tuning.data import Judgements, LabelledTexts, TuningData
from instructvec.toml import read_toml

Origin: TypeAlias = Literal["default", "none", "given", "template", "paraphrase"]

_SAMPLE = 2000
_N_DOMAINS = 3
_MIN_SHARE = 0.04
"""A word of the data is a domain when this share of the texts, or of the labels, has it."""

_WORD = re.compile(r"[^\W\d_]{4,}(?:'[a-z]+)?")


class Wording(NamedTuple):
    """A candidate and where it is from."""

    instruction: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Words:
    """What the data says of itself.

    Attributes:
        domains: words that say where the texts are from; may be empty.
        text_types: what one text is, the likeliest first.
        objectives: what the vectors are for.
    """

    domains: tuple[str, ...]
    text_types: tuple[str, ...]
    objectives: tuple[str, ...]


def default_of(data: TuningData, *, of_documents: bool = False) -> str:
    """The instruction that the job has where the user gives none."""
    if isinstance(data, Judgements):
        return DOCUMENT if of_documents else QUERY
    return CLASSIFY if isinstance(data, LabelledTexts) else DUPLICATES


def candidates_for(
    data: TuningData,
    given: Sequence[str | Instruction] = (),
    *,
    domain: str | None = None,
    text_type: str | None = None,
    max_candidates: int,
    generate: bool = True,
    of_documents: bool = False,
) -> list[Wording]:
    """The instructions to try, each once: the default, none, the user's, then generated ones.

    Args:
        data: whose words are used.
        given: the user's, all of which are kept.
        domain: where the texts are from, instead of words found in them.
        text_type: what one text is, instead of a guess.
        max_candidates: how many at most, the user's apart.
        generate: whether to make templates and paraphrases.
        of_documents: for the documents of a retrieval instead of its queries.

    Raises:
        ConfigError: fewer than two candidates are allowed.
        InputError: a candidate that is no text.
    """
    if max_candidates < 2:
        raise ConfigError(f"max_candidates is {max_candidates}; expected 2 or more: a choice needs two")
    default = default_of(data, of_documents=of_documents)
    for at, own in enumerate(given, start=1):
        if not isinstance(own, str | Instruction):
            raise InputError(f"candidate {at}: {type(own).__name__}; expected a string or an Instruction")
    kept = [Wording(default, "default"), Wording("", "none"), *(Wording(str(one), "given") for one in given)]
    made: Iterable[Wording] = ()
    if generate:
        words = words_of(data, domain=domain, text_type=text_type, of_documents=of_documents)
        templates = list(_templates(words))
        likeliest = [*map(str, given), *templates[:3], default]
        made = _by_turns(
            [Wording(one, "template") for one in templates],
            [Wording(one, "paraphrase") for one in _paraphrases(likeliest)],
        )
    found: dict[str, Wording] = {}
    for one in kept:
        found.setdefault(one.instruction, one)
    for one in made:
        if len(found) >= max_candidates:
            break
        found.setdefault(one.instruction, one)
    return list(found.values())


def words_of(
    data: TuningData, *, domain: str | None = None, text_type: str | None = None, of_documents: bool = False
) -> Words:
    """What the data says of itself: frequent words, lengths, names of columns and labels."""
    texts, name = _texts(data, of_documents)
    kind = ("document" if of_documents else "query",) if isinstance(data, Judgements) else ()
    types = [text_type] if text_type else [*_named(name), *kind, *_types(texts)]
    domains = [domain] if domain else _domains(texts, data.labels if isinstance(data, LabelledTexts) else ())
    return Words(
        tuple(domains),
        tuple(dict.fromkeys(types)),
        tuple(dict.fromkeys(_objectives(data, of_documents))),
    )


def _texts(data: TuningData, of_documents: bool) -> tuple[list[str], str | None]:
    if isinstance(data, Judgements):
        side, name = (data.documents, data.document_name) if of_documents else (data.queries, data.name)
        return _sampled(list(side.values())), name
    return _sampled(data.texts if isinstance(data, LabelledTexts) else [*data.first, *data.second]), data.name


def _sampled(texts: Sequence[str]) -> list[str]:
    step = max(1, len(texts) // _SAMPLE)
    return list(texts[::step])


def _named(name: str | None) -> list[str]:
    """A column's name as a text type, where it is a word that says something."""
    words = _parts(name or "")
    return [" ".join(words)] if words and len(words) <= 2 and not set(words) & _generic() else []


def _parts(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()) if word]


def _types(texts: Sequence[str]) -> list[str]:
    """By the median length, and by how many are questions."""
    n_words = float(np.median([len(text.split()) for text in texts]))
    asked = sum(text.rstrip().endswith("?") for text in texts) / len(texts)
    form = next(
        name
        for limit, name in ((3, "phrase"), (30, "sentence"), (90, "paragraph"), (np.inf, "document"))
        if n_words <= limit
    )
    return ["question", form, "text"] if asked > 0.4 else [form, "text"]


def _domains(texts: Sequence[str], labels: Sequence[object]) -> list[str]:
    """Words that many texts, or several label names, have, those of both first."""
    stop = set(_wordings()["stop"]["words"].split())
    n_texts = Counter(word for text in texts for word in set(_WORD.findall(text.lower())) - stop)
    names = {str(label) for label in labels}
    n_names = Counter(word for name in names for word in set(_parts(name)) if len(word) > 3 and word not in stop)
    shared = {word: count / len(names) for word, count in n_names.items() if count > 1}  # one label is no domain
    share = {word: n_texts[word] / len(texts) + shared.get(word, 0.0) for word in n_texts.keys() | shared.keys()}
    best = sorted(share, key=lambda word: (-share[word], word))
    return [word for word in best[:_N_DOMAINS] if share[word] >= _MIN_SHARE]


def _objectives(data: TuningData, of_documents: bool) -> Iterator[str]:
    table = _wordings()["objectives"]
    if isinstance(data, LabelledTexts):
        for pattern, facet in product(table["labels"], _facets(data)):
            yield pattern.format(facet=facet)
    elif isinstance(data, Judgements):
        document = (_named(data.document_name) or _types(_sampled(list(data.documents.values()))))[0]
        for pattern in table["documents" if of_documents else "queries"]:
            yield pattern.format(document=document)
    else:
        yield from table["pairs"]


def _facets(data: LabelledTexts) -> list[str]:
    """What the labels tell apart: their column's name, what their words say, or the usual ones."""
    table = _wordings()["facets"]
    names = {str(label).lower() for label in data.labels}
    fitting = [facet for facet, words in table["words"].items() if 2 * len(names & set(words)) > len(names)]
    return [*_named(data.label_name), *fitting] or list(table["fallback"])


def _templates(words: Words) -> Iterator[str]:
    """Domain x text type x objective, so that early ones differ in each."""
    domains: list[str | None] = [*words.domains, None]
    combined = list(product(enumerate(words.objectives), enumerate(words.text_types), enumerate(domains)))
    for (_, objective), (_, text_type), (_, domain) in sorted(combined, key=lambda c: sum(at for at, _ in c)):
        yield str(Instruction(text_type, domain, objective))


def _paraphrases(instructions: Sequence[str]) -> Iterator[str]:
    """Other ways of saying the same: a synonym in it, another form, by turns over the instructions."""
    ways = [list(_said_otherwise(one)) for one in instructions]
    return (one for turn in zip_longest(*ways) for one in turn if one is not None)


def _said_otherwise(instruction: str) -> Iterator[str]:
    try:
        parts = Instruction.parse(instruction)
    except InputError:
        return
    what = f"{parts.domain} {parts.text_type}" if parts.domain else parts.text_type
    forms = _wordings()["paraphrase"]["forms"] if parts.objective else ()
    filled = (form.format(what=what, objective=parts.objective) for form in forms)
    written = (one[0].upper() + one[1:] for one in filled)
    replaced = (
        re.sub(rf"\b{word}\b", other, instruction, count=1)
        for word, others in _wordings()["paraphrase"]["synonyms"].items()
        if re.search(rf"\b{word}\b", instruction)
        for other in others
    )
    yield from (one for pair in zip_longest(written, replaced) for one in pair if one is not None)


def _by_turns(*lists: Sequence[Wording]) -> Iterator[Wording]:
    return (one for turn in zip_longest(*lists) for one in turn if one is not None)


def _generic() -> set[str]:
    return set(_wordings()["generic"]["columns"])


@cache
def _wordings() -> dict[str, Any]:
    return read_toml(Path(str(files("instructvec.tasks.tuning").joinpath("wordings.toml"))))
