"""``forms.toml`` and one's own files of this kind -> which side of which dataset holds texts of which form.

Knows the schema of these files, and the wordings of the two goals, form and subject; nothing of rows. A form is
one ``[[form]]`` table: adding a genre is adding a table, or a source to one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from instructvec.errors import ConfigError
from instructvec.medi.registry import GOALS, Dataset, Wordings
from instructvec.toml import make, read_toml

FORMS = Path(__file__).parent / "forms.toml"

TextSide: TypeAlias = Literal["query", "positive", "text"]
"""Where in a row the text is: ``text`` where a dataset has one side only."""


@dataclass(frozen=True, slots=True)
class FormSource:
    """Texts of one form.

    Attributes:
        dataset: a name of the registry.
        side: of its rows.
    """

    dataset: str
    side: TextSide = "text"


@dataclass(frozen=True, slots=True)
class Form:
    """A genre, kind of document or style.

    Attributes:
        name: the label of its texts.
        sources: where texts of it are.
    """

    name: str
    sources: tuple[FormSource, ...]

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigError("name is empty; name the form, such as 'e-mail'")
        if not self.sources:
            raise ConfigError("sources is empty; name a dataset and its side")


@dataclass(frozen=True, slots=True)
class _Goal:
    instruction: str
    paraphrases: tuple[str, ...]


class Place(NamedTuple):
    """Where in a build texts of a form are."""

    form: str
    dataset: str
    side: TextSide


class ChosenForms(NamedTuple):
    """What there is of forms in a build.

    Attributes:
        goals: ``form`` and ``subject`` -> how each is asked for.
        places: where texts of forms are, sorted.
        absent: datasets that one's own files name and that do not take part, sorted.
    """

    goals: Mapping[str, Wordings]
    places: list[Place]
    absent: list[str]


@dataclass(frozen=True, slots=True)
class Forms:
    """What the files say.

    Attributes:
        goals: ``form`` and ``subject`` -> how each is asked for.
        bundled: forms of bundled datasets, by their place.
        own: forms of files of one's own, by their place.
    """

    goals: Mapping[str, Wordings]
    bundled: Mapping[str, Form]
    own: Mapping[str, Form]

    def chosen(self, entries: Iterable[Dataset]) -> ChosenForms:
        """What there is in the datasets that take part.

        The bundled forms are those of bundled datasets: one's own under such a name may hold anything.

        Raises:
            ConfigError: a side that a dataset has not; names the file and the form.
        """
        every = {entry.name: entry for entry in entries}
        as_bundled = {name: entry for name, entry in every.items() if entry.folder is None}
        places = {*_places(self.bundled, as_bundled), *_places(self.own, every)}
        named = {source.dataset for form in self.own.values() for source in form.sources}
        return ChosenForms(self.goals, sorted(places), sorted(named - every.keys()))


def _places(forms: Mapping[str, Form], entries: Mapping[str, Dataset]) -> Iterator[Place]:
    for where, form in forms.items():
        for source in form.sources:
            entry = entries.get(source.dataset)
            if entry is None:
                continue
            if source.side not in sides_of(entry):
                raise ConfigError(
                    f"{where}: {entry.name!r} of kind {entry.kind!r} has no side {source.side!r}; expected "
                    + " or ".join(map(repr, sides_of(entry)))
                )
            yield Place(form.name, source.dataset, source.side)


def sides_of(entry: Dataset) -> tuple[TextSide, ...]:
    """The sides of a dataset that hold texts.

    Example:
        >>> from instructvec.medi.registry import read_registry
        >>> [sides_of(entry) for entry in read_registry() if entry.name in ("jeopardy", "goemotions")]
        [('text',), ('query', 'positive')]
    """
    return ("text",) if entry.kind in ("label", "superni") else ("query", "positive")


def read_forms(paths: Sequence[Path] = ()) -> Forms:
    """The package's forms and those of files of one's own.

    Args:
        paths: TOML files of ``[[form]]`` tables. A form of a bundled one's name is the same form.

    Raises:
        FileError: a file that cannot be read.
        ConfigError: a file of something else; a key or value that a form has not; a form twice in one file.

    Example:
        >>> forms = read_forms()
        >>> forms.goals["form"].instruction.startswith("Represent the ")
        True
    """
    goals, bundled = _bundled()
    own: dict[str, Form] = {}
    for path in paths:
        content = read_toml(path)
        other = [key for key in content if key != "form"]
        if other:
            raise ConfigError(f"{path}: unknown key {other[0]!r}; expected tables [[form]]")
        own.update(_forms(content, path))
    return Forms(goals, bundled, own)


@cache
def _bundled() -> tuple[Mapping[str, Wordings], Mapping[str, Form]]:
    content = read_toml(FORMS)
    goals = {}
    for name in GOALS:
        goal = make(_Goal, content["goal"][name], f"{FORMS}: goal.{name}")
        goals[name] = Wordings(goal.instruction, goal.paraphrases)
    return goals, _forms(content, FORMS)


def _forms(content: Mapping[str, Any], path: Path) -> dict[str, Form]:
    """The forms of a file by their place."""
    tables = content.get("form")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{path}: no form; begin each with [[form]], two brackets")
    found: dict[str, Form] = {}
    for at, table in enumerate(tables, start=1):
        place = f"{path}: form {at} ({table.get('name', 'without a name')})"
        form = make(Form, table, place)
        if any(form.name == other.name for other in found.values()):
            raise ConfigError(f"{place}: the name {form.name!r} is taken; put its sources into one table")
        found[place] = form
    return found
