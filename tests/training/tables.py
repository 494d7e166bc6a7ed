"""Tables as users have them: messages with their topic, questions with their answers, as files of every format."""

import csv
import io
import json
from itertools import product

from instructvec.corpus.sources import source_of

TOPICS = {
    "sea": ["ship", "harbour", "wave", "sailor", "tide", "anchor"],
    "kitchen": ["oven", "flour", "spoon", "recipe", "butter", "soup"],
    "court": ["judge", "verdict", "lawyer", "appeal", "witness", "law"],
}
VERBS = ["open", "close", "change", "share", "print", "move", "lock", "find"]
THINGS = ["account", "invoice", "calendar", "password", "photo"]


def messages(n_each=12):
    """``n_each`` texts of each of three topics, all different."""
    return [
        {"message": f"the {words[at % 6]} and the {words[(at * 5 + 1) % 6]} number {at}", "topic": topic}
        for topic, words in TOPICS.items()
        for at in range(n_each)
    ]


def faq():
    """40 questions, an answer each."""
    return [
        {
            "question": f"how do i {verb} my {thing}?",
            "answer": f"to {verb} the {thing} press {verb} beside {thing}.",
        }
        for verb, thing in product(VERBS, THINGS)
    ]


def write(path, rows):
    """A file of the format that its suffix names."""
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue())
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def source(path, rows):
    return source_of(write(path, rows))
