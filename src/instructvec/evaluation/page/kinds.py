"""Kinds of task and their metrics -> what to call them and what they mean, for people who know neither.

Knows the names that suites use; nothing of scores. Source: Muennighoff et al. 2023 (MTEB), Su et al. 2023
(INSTRUCTOR), Weller et al. 2024 (FollowIR), Oh et al. 2024 (InstructIR), each where it describes its tasks.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """What a reader is told about a kind.

    Attributes:
        title: what it is called.
        task: what the vectors are used for.
        score: what its score says.
    """

    title: str
    task: str
    score: str


MEANINGS: dict[str, Meaning] = {
    "classification": Meaning(
        "Classification",
        "A simple classifier learns from a few labelled texts' vectors and labels the rest.",
        "Accuracy: the share of texts it labels correctly, averaged over several draws of training texts.",
    ),
    "clustering": Meaning(
        "Clustering",
        "Vectors are put into groups without any labels, and the groups are held against the true ones.",
        "V-measure: 100 when groups and labels are the same, about 0 for groups made at random.",
    ),
    "pair_classification": Meaning(
        "Pair classification",
        "Are two texts a pair, say paraphrases? Pairs are sorted by how alike their vectors are.",
        "Average precision: 100 when all true pairs come first; random order gives the share of true pairs.",
    ),
    "reranking": Meaning(
        "Reranking",
        "For each query, a short list of candidates is sorted by how alike query and candidate are.",
        "MAP (mean average precision): 100 when all good candidates come before all others.",
    ),
    "retrieval": Meaning(
        "Retrieval",
        "For each query, the most similar documents of a whole collection are looked up.",
        "nDCG@10: how much of what is relevant stands among the first ten, the first places counting most.",
    ),
    "sts": Meaning(
        "Sentence similarity (STS)",
        "How alike are two sentences? The similarity of their vectors is held against people's ratings.",
        "Spearman correlation: 100 when both sort the pairs alike, 0 when they are unrelated.",
    ),
    "summarization": Meaning(
        "Summarisation",
        "Machine summaries are rated by how close they come to a person's summary.",
        "Spearman correlation with people's ratings, averaged over the documents.",
    ),
    "text_generation_evaluation": Meaning(
        "Judging generated text",
        "Generated texts, such as captions, are rated by how close they come to the nearest reference.",
        "Pearson correlation with people's ratings: 100 is perfect agreement, 0 none.",
    ),
    "prompt_retrieval": Meaning(
        "Choosing demonstrations",
        "For a language model's prompt, the solved examples most like a new input are picked.",
        "How well the outputs of those examples agree with the right one, or how well a language model answers "
        "with them; the task's metric says which.",
    ),
    "following": Meaning(
        "Following the goal",
        "The same texts are grouped by different goals, say topic and style; only the instruction says by which.",
        "Harmonic mean over the goals of the v-measure: high only when each is met under its own instruction.",
    ),
    "instruction_retrieval": Meaning(
        "Retrieval with instructions per query",
        "The same query comes with different instructions that change which documents answer it.",
        "Robustness@10: nDCG@10 under the worst instruction of each query. p-MRR: above 0 when documents that an "
        "altered instruction rules out fall in rank, below 0 when they rise.",
    ),
}

_METRICS = {
    "accuracy": "accuracy",
    "v_measure": "v-measure",
    "max_ap": "average precision",
    "map": "MAP",
    "ndcg_at_10": "nDCG@10",
    "cosine_spearman": "Spearman",
    "pearson_max_cosine": "Pearson",
    "knn_output_agreement": "agreement of outputs",
    "retrieved_output_f1": "F1 of outputs",
    "reader_rouge_l": "ROUGE-L of the reader",
    "harmonic_v_measure": "harmonic v-measure",
    "robustness_at_10": "Robustness@10",
    "p_mrr": "p-MRR",
}


def title(kind: str) -> str:
    """What a kind is called.

    Example:
        >>> title("sts"), title("some_other")
        ('Sentence similarity (STS)', 'Some other')
    """
    return MEANINGS[kind].title if kind in MEANINGS else kind.replace("_", " ").capitalize()


def metric_name(metric: str) -> str:
    """What a metric is called.

    Example:
        >>> metric_name("ndcg_at_10"), metric_name("some_other")
        ('nDCG@10', 'some other')
    """
    return _METRICS.get(metric, metric.replace("_", " "))
