"""What vectors are for, each as one function: texts and an embedder in, a typed result out.

Every function takes texts, or :class:`Embedded` texts whose vectors are there already; an ``instruction`` of
``None`` is the job's default (:mod:`instructvec.tasks.instructions`), an empty one is none at all. Importing this
package loads nothing else; each name arrives on first use. No module has the name of a function, which it would
hide once it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructvec.tasks.maps.page import render_map
    from instructvec.tasks.maps.picture import draw_map
    from instructvec.tasks.maps.points import TextMap, text_map
    from instructvec.tasks.switching import Switch, learn_switch
    from instructvec.tasks.tuning.choice import Candidate, Tuned, tune_instruction
    from instructvec.tasks.tuning.data import Judgements, LabelledTexts, TextPairs
    from instructvec.tasks.vectors import Embedded, embedded

__all__ = [
    "Candidate",
    "Embedded",
    "Judgements",
    "LabelledTexts",
    "Switch",
    "TextMap",
    "TextPairs",
    "Tuned",
    "draw_map",
    "embedded",
    "learn_switch",
    "render_map",
    "text_map",
    "tune_instruction",
]

_HOMES = {
    "Embedded": "instructvec.tasks.vectors",
    "embedded": "instructvec.tasks.vectors",
    "Switch": "instructvec.tasks.switching",
    "learn_switch": "instructvec.tasks.switching",
    "TextMap": "instructvec.tasks.maps.points",
    "text_map": "instructvec.tasks.maps.points",
    "render_map": "instructvec.tasks.maps.page",
    "draw_map": "instructvec.tasks.maps.picture",
    "Candidate": "instructvec.tasks.tuning.choice",
    "Judgements": "instructvec.tasks.tuning.data",
    "LabelledTexts": "instructvec.tasks.tuning.data",
    "TextPairs": "instructvec.tasks.tuning.data",
    "Tuned": "instructvec.tasks.tuning.choice",
    "tune_instruction": "instructvec.tasks.tuning.choice",
}


def __getattr__(name: str) -> object:
    """Import a public name from the module that owns it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
