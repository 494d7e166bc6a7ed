"""What vectors are for, each as one function: texts and an embedder in, a typed result out.

Every function takes texts, or :class:`Embedded` texts whose vectors are there already; an ``instruction`` of
``None`` is the job's default (:mod:`instructvec.tasks.instructions`), an empty one is none at all. Importing this
package loads nothing else; each name arrives on first use. No module has the name of a function, which it would
hide once it is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructvec.tasks.annotation import Pool, select_pool
    from instructvec.tasks.calibration import Calibration, calibrate
    from instructvec.tasks.classification import classify
    from instructvec.tasks.classified import Classified, HeldOut
    from instructvec.tasks.classifier import Classifier
    from instructvec.tasks.clustering import Cluster, Clusters, cluster
    from instructvec.tasks.demonstrations import Demonstrations, select_demonstrations
    from instructvec.tasks.duplicates import Duplicates, find_duplicates
    from instructvec.tasks.index.hits import Hit, IndexInfo
    from instructvec.tasks.index.index import Index
    from instructvec.tasks.judging import Judged, judge
    from instructvec.tasks.maps.page import render_map
    from instructvec.tasks.maps.picture import draw_map
    from instructvec.tasks.maps.points import TextMap, text_map
    from instructvec.tasks.reranking import Ranked, rerank
    from instructvec.tasks.switching import Switch, learn_switch
    from instructvec.tasks.tuning.choice import Candidate, Tuned, tune_instruction
    from instructvec.tasks.tuning.data import Judgements, LabelledTexts, TextPairs
    from instructvec.tasks.vectors import Embedded, embedded

__all__ = [
    "Calibration",
    "Candidate",
    "Classified",
    "Classifier",
    "Cluster",
    "Clusters",
    "Demonstrations",
    "Duplicates",
    "Embedded",
    "HeldOut",
    "Hit",
    "Index",
    "IndexInfo",
    "Judged",
    "Judgements",
    "LabelledTexts",
    "Pool",
    "Ranked",
    "Switch",
    "TextMap",
    "TextPairs",
    "Tuned",
    "calibrate",
    "classify",
    "cluster",
    "draw_map",
    "embedded",
    "find_duplicates",
    "judge",
    "learn_switch",
    "render_map",
    "rerank",
    "select_demonstrations",
    "select_pool",
    "text_map",
    "tune_instruction",
]

_HOMES = {
    "Calibration": "instructvec.tasks.calibration",
    "Candidate": "instructvec.tasks.tuning.choice",
    "Classified": "instructvec.tasks.classified",
    "Classifier": "instructvec.tasks.classifier",
    "Cluster": "instructvec.tasks.clustering",
    "Clusters": "instructvec.tasks.clustering",
    "Demonstrations": "instructvec.tasks.demonstrations",
    "Duplicates": "instructvec.tasks.duplicates",
    "Embedded": "instructvec.tasks.vectors",
    "HeldOut": "instructvec.tasks.classified",
    "Hit": "instructvec.tasks.index.hits",
    "Index": "instructvec.tasks.index.index",
    "IndexInfo": "instructvec.tasks.index.hits",
    "Judged": "instructvec.tasks.judging",
    "Judgements": "instructvec.tasks.tuning.data",
    "LabelledTexts": "instructvec.tasks.tuning.data",
    "Pool": "instructvec.tasks.annotation",
    "Ranked": "instructvec.tasks.reranking",
    "Switch": "instructvec.tasks.switching",
    "TextMap": "instructvec.tasks.maps.points",
    "TextPairs": "instructvec.tasks.tuning.data",
    "Tuned": "instructvec.tasks.tuning.choice",
    "calibrate": "instructvec.tasks.calibration",
    "classify": "instructvec.tasks.classification",
    "cluster": "instructvec.tasks.clustering",
    "draw_map": "instructvec.tasks.maps.picture",
    "embedded": "instructvec.tasks.vectors",
    "find_duplicates": "instructvec.tasks.duplicates",
    "judge": "instructvec.tasks.judging",
    "learn_switch": "instructvec.tasks.switching",
    "render_map": "instructvec.tasks.maps.page",
    "rerank": "instructvec.tasks.reranking",
    "select_demonstrations": "instructvec.tasks.demonstrations",
    "select_pool": "instructvec.tasks.annotation",
    "text_map": "instructvec.tasks.maps.points",
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
