"""mteb tasks of each type over a few generated rows, so that mteb runs without a hub."""

import tempfile
from unittest.mock import patch

import numpy as np

with tempfile.TemporaryDirectory() as folder, patch.dict("os.environ", {"MTEB_CACHE": folder}):
    # mteb makes its default cache on import; not in the home of whoever runs the tests.
    import mteb

from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClassification, AbsTaskPairClassification, AbsTaskRetrieval, AbsTaskSTS
from mteb.abstasks.aggregate_task_metadata import AggregateTaskMetadata
from mteb.abstasks.aggregated_task import AbsTaskAggregate
from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.abstasks.text.summarization import AbsTaskSummarization

__all__ = ["mteb"]

WORDS = {
    "sea": ["ship", "harbour", "wave", "sailor", "tide", "anchor", "gull"],
    "kitchen": ["oven", "flour", "spoon", "recipe", "butter", "soup", "salt"],
    "court": ["judge", "verdict", "lawyer", "appeal", "witness", "law", "trial"],
}
TOPICS = sorted(WORDS)


def sentences(seed, topics, n_words=5):
    rng = np.random.default_rng(seed)
    # Half of the words are of any topic, so that no score is perfect.
    every = [word for words in WORDS.values() for word in words]
    return [
        " ".join([*rng.choice(WORDS[topic], n_words - n_words // 2), *rng.choice(every, n_words // 2)])
        for topic in topics
    ]


TRAIN = TOPICS * 12
TEST = TOPICS * 8
TRAIN_TEXTS, TEST_TEXTS = sentences(1, TRAIN), sentences(2, TEST)
SETS = [sentences(3, TOPICS * 10), sentences(4, TOPICS * 10)]
PARTNERS = TOPICS * 4 + TOPICS[::-1] * 4
FIRST, SECOND = sentences(5, TEST), sentences(6, PARTNERS)
TOGETHER = [a == b for a, b in zip(TEST, PARTNERS, strict=True)]
LIKENESS = [3.0 * same + 0.05 * at for at, same in enumerate(TOGETHER)]
QUERIES = {f"q{at}": text for at, text in enumerate(sentences(7, TOPICS * 3, n_words=3))}
DOCUMENTS = {f"d{at}": text for at, text in enumerate(sentences(8, TOPICS * 7))}
TITLES = {name: f"Title of {name}" for name in DOCUMENTS}
QRELS = {
    query: {name: 1 for d, name in enumerate(DOCUMENTS) if d % 3 == q % 3 and d < 12}
    for q, query in enumerate(QUERIES)
}
CANDIDATES = {query: list(DOCUMENTS)[:12] for query in QUERIES}
OWN = {query: f"Only texts of kind {at} count." for at, query in enumerate(QUERIES)}
HUMAN = [sentences(20 + at, [topic] * 2) for at, topic in enumerate(TOPICS)]
MACHINE = [sentences(30 + at, TOPICS + TOPICS) for at in range(3)]
RELEVANCE = [[4.0 * (other == topic) + 0.1 * at for at, other in enumerate(TOPICS + TOPICS)] for topic in TOPICS]


def about(name, kind, main_score, **more):
    return TaskMetadata(
        name=name,
        type=kind,
        main_score=main_score,
        **{
            "description": "Generated rows.",
            "reference": None,
            "dataset": {"path": "generated/rows", "revision": "1"},
            "category": "t2t",
            "eval_splits": ["test"],
            "eval_langs": ["eng-Latn"],
            "date": ("2024-01-01", "2024-01-01"),
            "domains": ["Written"],
            "task_subtypes": [],
            "license": "cc0-1.0",
            "annotations_creators": "derived",
            "dialect": [],
            "modalities": ["text"],
            "sample_creation": "created",
            "bibtex_citation": "",
        }
        | more,
    )


class LocalClassification(AbsTaskClassification):
    metadata = about("LocalClassification", "Classification", "accuracy")

    def load_data(self, **_):
        self.dataset = DatasetDict(
            train=Dataset.from_dict({"text": TRAIN_TEXTS, "label": [TOPICS.index(one) for one in TRAIN]}),
            test=Dataset.from_dict({"text": TEST_TEXTS, "label": [TOPICS.index(one) for one in TEST]}),
        )
        self.data_loaded = True


class LocalClustering(AbsTaskClusteringLegacy):
    metadata = about("LocalClustering", "Clustering", "v_measure", prompt="Tell what the text is about.")

    def load_data(self, **_):
        self.dataset = DatasetDict(
            test=Dataset.from_dict({"sentences": SETS, "labels": [TOPICS * 10] * len(SETS)})
        )
        self.data_loaded = True


class LocalPairs(AbsTaskPairClassification):
    metadata = about("LocalPairs", "PairClassification", "max_ap")

    def load_data(self, **_):
        rows = {"sentence1": FIRST, "sentence2": SECOND, "labels": list(map(int, TOGETHER))}
        self.dataset = DatasetDict(test=Dataset.from_dict(rows))
        self.data_loaded = True


class LocalSts(AbsTaskSTS):
    metadata = about("LocalSts", "STS", "cosine_spearman")
    min_score, max_score = 0, 5

    def load_data(self, **_):
        rows = {"sentence1": FIRST, "sentence2": SECOND, "score": LIKENESS}
        self.dataset = DatasetDict(test=Dataset.from_dict(rows))
        self.data_loaded = True


class LocalSummarization(AbsTaskSummarization):
    metadata = about("LocalSummarization", "Summarization", "cosine_spearman")
    min_score, max_score = 0, 5

    def load_data(self, **_):
        rows = {"text": TOPICS, "human_summaries": HUMAN, "machine_summaries": MACHINE, "relevance": RELEVANCE}
        self.dataset = DatasetDict(test=Dataset.from_dict(rows))
        self.data_loaded = True


def collection(*, candidates=None, titles=None, instructions=None):
    queries = [{"id": name, "text": text} for name, text in QUERIES.items()]
    corpus = [
        {"id": name, "text": text, "title": (titles or {}).get(name, "")} for name, text in DOCUMENTS.items()
    ]
    for row in queries if instructions else ():
        row["instruction"] = instructions[row["id"]]
    return {
        "default": {
            "test": {
                "queries": Dataset.from_list(queries),
                "corpus": Dataset.from_list(corpus),
                "relevant_docs": QRELS,
                "top_ranked": candidates,
            }
        }
    }


class LocalRetrieval(AbsTaskRetrieval):
    metadata = about(
        "LocalRetrieval", "Retrieval", "ndcg_at_10", prompt={"query": "Find texts on the same matter"}
    )

    def load_data(self, **_):
        self.dataset = collection()
        self.data_loaded = True


class LocalTitled(AbsTaskRetrieval):
    metadata = about("LocalTitled", "Retrieval", "ndcg_at_10")

    def load_data(self, **_):
        self.dataset = collection(titles=TITLES)
        self.data_loaded = True


class LocalReranking(AbsTaskRetrieval):
    metadata = about("LocalReranking", "Reranking", "map_at_1000")

    def load_data(self, **_):
        self.dataset = collection(candidates=CANDIDATES)
        self.data_loaded = True


class LocalInstructed(AbsTaskRetrieval):
    metadata = about("LocalInstructed", "InstructionRetrieval", "ndcg_at_10")

    def load_data(self, **_):
        self.dataset = collection(instructions=OWN)
        self.data_loaded = True


class LocalPart(AbsTaskRetrieval):
    metadata = about("LocalPart", "Retrieval", "ndcg_at_10", dataset={"path": "generated/part-a", "revision": "1"})

    def load_data(self, **_):
        self.dataset = collection()
        self.data_loaded = True


class LocalWhole(AbsTaskAggregate):
    metadata = AggregateTaskMetadata(
        **LocalPart.metadata.model_dump(exclude={"name", "dataset"}), name="LocalWhole", tasks=[LocalPart()]
    )
