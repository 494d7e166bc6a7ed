"""A suite of every kind over a few generated rows, on disk as a user would have it."""

import gzip
import json
from itertools import product

import numpy as np

TOPICS = {
    "sea": ["ship", "harbour", "wave", "sailor", "tide", "anchor", "gull"],
    "kitchen": ["oven", "flour", "spoon", "recipe", "butter", "soup", "salt"],
    "court": ["judge", "verdict", "lawyer", "appeal", "witness", "law", "trial"],
}
STYLES = {"calm": ["quietly", "slowly", "gently"], "loud": ["shouting", "banging", "roaring"]}

SAID = """
instruction = "Represent the {domain} sentence for {objective}: "
paraphrases = [
  "{domain}, {objective}: ", "Encode this so that {objective} works: ", "What about {objective} is said here? ",
  "Represent the sentence for {objective}: ", "A {domain} sentence, to be used for {objective}: ",
]
tag = "{domain}: "
simple = "Represent the sentence: "
wrong = "Represent the photograph for counting its colours: "
"""
DOCUMENTS = """
document_instruction = "Represent the {domain} document for retrieval: "
document_paraphrases = [
  "{domain} document: ", "Encode the document: ", "What does it answer? ", "Represent the document: ",
  "A document: ",
]
"""
HEAD = """
[suite]
name = "tiny"
description = "Generated rows of every kind."
placebo = "Represent whatever stands after this colon as it is: "
"""


def sentence(rng, topic, style=None, n_words=6):
    words = list(rng.choice(TOPICS[topic], n_words))
    return " ".join(words if style is None else [*words, *rng.choice(STYLES[style], 4)])


def labelled(rng, n_rows, split):
    names = sorted(TOPICS)
    return [{"text": sentence(rng, names[at % 3]), "label": names[at % 3], "split": split} for at in range(n_rows)]


def rows_of_every_kind():
    rng = np.random.default_rng(7)
    names = sorted(TOPICS)
    pairs = [(sentence(rng, a), sentence(rng, b), a == b) for a, b in product(names, names) for _ in range(4)]
    return {
        "classification": labelled(rng, 60, "train") + labelled(rng, 30, "test"),
        "clustering": [row | {"set": at % 2} for at, row in enumerate(labelled(rng, 60, "test"))],
        "pair_classification": [{"a": a, "b": b, "label": int(same)} for a, b, same in pairs],
        "sts": [{"a": a, "b": b, "score": 5.0 * same + 0.01 * at} for at, (a, b, same) in enumerate(pairs)],
        "reranking": [
            {
                "query": sentence(rng, name),
                "positive": [sentence(rng, name) for _ in range(2)],
                "negative": [sentence(rng, other) for other in names if other != name],
            }
            for name in names * 3
        ],
        "summarization": [
            {
                "human_summaries": [sentence(rng, name) for _ in range(2)],
                "machine_summaries": [sentence(rng, other) for other in names],
                "relevance": [5.0 if other == name else 1.0 + at for at, other in enumerate(names)],
            }
            for name in names * 2
        ],
        "text_generation_evaluation": [
            {
                "hypothesis": sentence(rng, other),
                "references": [sentence(rng, name) for _ in range(2)],
                "human_score": 4.0 * (other == name) + 0.1 * at,
                "doc": f"{name} {turn}",
            }
            for turn in range(3)
            for name in names
            for at, other in enumerate(names)
        ],
        "prompt_retrieval": [
            {"input": row["text"], "output": row["label"], "split": row["split"]}
            for row in labelled(rng, 30, "train") + labelled(rng, 12, "test")
        ],
        "following": [
            {"text": sentence(rng, topic, style), "topic": topic, "style": style}
            for _ in range(12)
            for topic, style in product(names, STYLES)
        ],
    }


def write_rows(folder, rows):
    folder.mkdir(parents=True)
    with gzip.open(folder / "data.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write_collection(folder):
    rng = np.random.default_rng(8)
    names = sorted(TOPICS)
    folder.mkdir(parents=True)
    corpus = [{"_id": f"d{at}", "title": "", "text": sentence(rng, names[at % 3])} for at in range(30)]
    queries = [{"_id": f"q{at}", "text": sentence(rng, names[at % 3], n_words=3)} for at in range(9)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in corpus))
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    judged = [f"q{q}\td{d}\t1\n" for q in range(9) for d in range(30) if q % 3 == d % 3 and d < 12]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))


def task_table(kind):
    name = kind.title().replace("_", "")
    table = (
        f'\n[[task]]\nname = "{name}"\nkind = "{kind}"\nlicence = "CC0-1.0"\nsource = "generated"\n'
        f'folder = "{name}"\n'
    )
    if kind == "following":
        goals = "".join(
            f'[task.goals.{goal}]\ninstruction = "Represent the text by {goal}: "\n'
            f'paraphrases = ["{goal}: ", "The {goal} of this: "]\n'
            for goal in ("topic", "style")
        )
        return table + goals
    said = SAID.format(domain=name, objective=f"the work of {kind}")
    documents = DOCUMENTS.format(domain=name) if kind in ("retrieval", "reranking") else ""
    return table + said + documents


def write_suite(folder):
    """``tiny.toml`` and the data of its tasks beside it."""
    rows = rows_of_every_kind()
    for kind, own in rows.items():
        write_rows(folder / kind.title().replace("_", ""), own)
    write_collection(folder / "Retrieval")
    (folder / "tiny.toml").write_text(HEAD + "".join(map(task_table, [*rows, "retrieval"])))
