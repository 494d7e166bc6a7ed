"""mteb's tasks and sides -> the instruction their texts get, from one's own, a suite's or mteb's metadata.

Knows mteb's keys for prompts and their order; nothing of encoding.
Source: ``get_prompt_name`` in mteb 2.26's ``models/abs_encoder.py``; Su et al. 2023, section 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructvec.errors import ConfigError
from instructvec.evaluation.suite import Suite, TaskSpec

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata

_QUERY, _DOCUMENT = "query", "document"


@dataclass(frozen=True, slots=True)
class TaskInstructions:
    """Where instructions come from, and in which order.

    Attributes:
        own: by mteb's keys.
        suite: asked next, and mteb's metadata after it; ``None``: neither.

    Raises:
        ConfigError: a key for a side that mteb does not have, or an instruction that is not a string.
    """

    own: Mapping[str, str]
    suite: Suite | None

    def __post_init__(self) -> None:
        for key, value in self.own.items():
            if key == "passage" or key.endswith("-passage"):
                raise ConfigError(
                    f"instructions has the key {key!r}; mteb 2 calls that side 'document': "
                    f"write {key.removesuffix('passage') + _DOCUMENT!r}"
                )
            if not isinstance(value, str):
                raise ConfigError(f'instructions[{key!r}] is {value!r}; expected a string: "" is no instruction')

    def __bool__(self) -> bool:
        return bool(self.own) or self.suite is not None

    def find(self, task: TaskMetadata, side: str | None) -> str | None:
        """A side's instruction; ``""`` where it is to have none, ``None`` where there is nothing to be found."""
        for key in _keys(task, side):
            if key in self.own:
                return self.own[key]
        if self.suite is None:
            return None
        found = next((one for one in self.suite.tasks if _is_same(one, task)), None)
        if found is not None:
            said = found.document_instruction if side == _DOCUMENT else None
            if said is None:
                said = found.instruction
            if said:
                return said
        return _of_metadata(task.prompt, side)


def as_instruction(prompt: str) -> str:
    """A prompt without a separator of its own, parted from the text by a colon, as the paper's instructions are.

    Example:
        >>> as_instruction("Retrieve duplicate questions from StackOverflow forum.")
        'Retrieve duplicate questions from StackOverflow forum: '
    """
    bare = prompt.strip().rstrip(".:").rstrip()
    return f"{bare}: " if bare else ""


def combined(instruction: str | None, own: str) -> str | None:
    """A task's instruction followed by a query's own; whichever there is.

    Example:
        >>> combined("Represent the question: ", "Only answers from before 1990 count.")
        'Represent the question; Only answers from before 1990 count: '
    """
    own = as_instruction(own)
    if not own:
        return instruction
    return f"{as_instruction(instruction)[:-2]}; {own}" if instruction else own


def _keys(task: TaskMetadata, side: str | None) -> list[str]:
    """mteb's keys for a task's side, the most special first."""
    if side is None:
        return [task.name, task.type]
    return [f"{task.name}-{side}", task.name, f"{task.type}-{side}", task.type, side]


def _is_same(spec: TaskSpec, task: TaskMetadata) -> bool:
    """Whether a suite's task is mteb's, or mteb's is one of several parts of it (CQADupstack's forums)."""
    return spec.mteb_name == task.name or (len(spec.hub) > 1 and task.dataset.get("path") in spec.hub)


def _of_metadata(prompt: str | Mapping[str, str] | None, side: str | None) -> str | None:
    if isinstance(prompt, Mapping):
        prompt = prompt.get(side or _QUERY)
    return as_instruction(prompt) if prompt else None
