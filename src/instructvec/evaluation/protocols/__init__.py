"""Vectors and what is known of their texts -> a score: one pure function a kind of task.

Knows arrays; nothing of texts, instructions, models or files. The protocols are those of MTEB's first version
(Muennighoff et al. 2023), its samples, seeds and metrics, so that published scores can be compared; Billboard's
and prompt retrieval's are the paper's (Su et al. 2023), following's are ours. What goes by labels is in
``labels``, what ranks in ``ranking``, what is held against people's scores in ``agreement``; ``following`` and
``instruction_retrieval`` are modules named as their functions.
"""

from instructvec.evaluation.protocols.agreement import sts, summarization, text_generation_evaluation
from instructvec.evaluation.protocols.demonstrations import prompt_retrieval
from instructvec.evaluation.protocols.labels import classification, clustering, pair_classification, undersample
from instructvec.evaluation.protocols.ranking import evaluate_run, reranking, retrieval, search

__all__ = [
    "classification",
    "clustering",
    "evaluate_run",
    "pair_classification",
    "prompt_retrieval",
    "reranking",
    "retrieval",
    "search",
    "sts",
    "summarization",
    "text_generation_evaluation",
    "undersample",
]
