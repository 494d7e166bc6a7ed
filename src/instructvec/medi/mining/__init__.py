"""Vectors and what is known of their texts -> triplets: one function a rule, each with its equation.

Rules take arrays and give row numbers; they read no files, call no encoder and draw only from what they are given.
Adding a rule is adding a function that returns :class:`Mined`.
"""

from instructvec.medi.mining.forms import form_subject_triplets
from instructvec.medi.mining.goals import Contrast, crossed_label_triplets, other_goal_triplets
from instructvec.medi.mining.instructions import wrong_instructions
from instructvec.medi.mining.labels import class_label_triplets, label_agreement, labelled_triplets
from instructvec.medi.mining.mined import Mined
from instructvec.medi.mining.outputs import text_output_triplets
from instructvec.medi.mining.retrieval import hard_negatives
from instructvec.medi.mining.shared import SharedTexts, shared_texts

__all__ = [
    "Contrast",
    "Mined",
    "SharedTexts",
    "class_label_triplets",
    "crossed_label_triplets",
    "form_subject_triplets",
    "hard_negatives",
    "label_agreement",
    "labelled_triplets",
    "other_goal_triplets",
    "shared_texts",
    "text_output_triplets",
    "wrong_instructions",
]
