"""What vectors are for, each as one function: texts and an embedder in, a typed result out.

Every function takes texts, or :class:`Embedded` texts whose vectors are there already; an ``instruction`` of
``None`` is the job's default (:mod:`instructvec.tasks.instructions`), an empty one is none at all. Importing this
package loads nothing else; each name arrives on first use. No module has the name of a function, which it would
hide once it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructvec.tasks.index.hits import Hit, IndexInfo
    from instructvec.tasks.index.index import Index
    from instructvec.tasks.reranking import Ranked, rerank
    from instructvec.tasks.vectors import Embedded, embedded

__all__ = ["Embedded", "Hit", "Index", "IndexInfo", "Ranked", "embedded", "rerank"]
    from instructvec.tasks.classification import classify
    from instructvec.tasks.classified import Classified, HeldOut
    from instructvec.tasks.classifier import Classifier
    from instructvec.tasks.clustering import Cluster, Clusters, cluster
    from instructvec.tasks.vectors import Embedded, embedded

__all__ = [
    "Classified",
    "Classifier",
    "Cluster",
    "Clusters",
    "Embedded",
    "HeldOut",
    "classify",
    "cluster",
    "embedded",
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
    "Classified": "instructvec.tasks.classified",
    "Classifier": "instructvec.tasks.classifier",
    "Cluster": "instructvec.tasks.clustering",
    "Clusters": "instructvec.tasks.clustering",
    "HeldOut": "instructvec.tasks.classified",
    "classify": "instructvec.tasks.classification",
    "cluster": "instructvec.tasks.clustering",
    "Embedded": "instructvec.tasks.vectors",
    "Hit": "instructvec.tasks.index.hits",
    "Index": "instructvec.tasks.index.index",
    "IndexInfo": "instructvec.tasks.index.hits",
    "Ranked": "instructvec.tasks.reranking",
    "embedded": "instructvec.tasks.vectors",
    "rerank": "instructvec.tasks.reranking",
    from instructvec.tasks.annotation import Pool, select_pool
    from instructvec.tasks.calibration import Calibration, calibrate
    from instructvec.tasks.demonstrations import Demonstrations, select_demonstrations
    from instructvec.tasks.duplicates import Duplicates, find_duplicates
    from instructvec.tasks.judging import Judged, judge
    from instructvec.tasks.vectors import Embedded, embedded

__all__ = [
    "Calibration",
    "Demonstrations",
    "Duplicates",
    "Embedded",
    "Judged",
    "Pool",
    "calibrate",
    "embedded",
    "find_duplicates",
    "judge",
    "select_demonstrations",
    "select_pool",
]

_HOMES = {
    "Calibration": "instructvec.tasks.calibration",
    "Demonstrations": "instructvec.tasks.demonstrations",
    "Duplicates": "instructvec.tasks.duplicates",
    "Embedded": "instructvec.tasks.vectors",
    "Judged": "instructvec.tasks.judging",
    "Pool": "instructvec.tasks.annotation",
    "calibrate": "instructvec.tasks.calibration",
    "embedded": "instructvec.tasks.vectors",
    "find_duplicates": "instructvec.tasks.duplicates",
    "judge": "instructvec.tasks.judging",
    "select_demonstrations": "instructvec.tasks.demonstrations",
    "select_pool": "instructvec.tasks.annotation",
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
