"""Task specifications and files for tests of data."""

import gzip
import json

from instructvec.evaluation.suite import Goal, TaskSpec

SAID = {
    "instruction": "Represent the text: ",
    "paraphrases": tuple(f"{word} the text: " for word in ("Encode", "Embed", "Show", "Give", "Take")),
    "tag": "text: ",
    "simple": "Represent this: ",
    "wrong": "Represent the number: ",
}
GOALS = {name: Goal(f"Represent the text by {name}: ") for name in ("topic", "style")}


def spec(kind, *, name="Example", **more):
    """A task of a kind whose folder is ``task`` unless ``hub`` is given."""
    said = {"goals": GOALS} if kind == "following" else {} if kind == "instruction_retrieval" else SAID
    place = {} if "hub" in more else {"folder": "task"}
    return TaskSpec(name=name, kind=kind, licence="CC0-1.0", source="generated", **(said | place | more))


def write_jsonl(path, rows):
    """Rows as JSON lines, gzipped where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_beir(folder, *, corpus, queries, qrels, name="qrels.tsv"):
    """A BEIR folder; qrels are lines."""
    write_jsonl(folder / "corpus.jsonl", corpus)
    write_jsonl(folder / "queries.jsonl", queries)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{line}\n" for line in qrels).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
