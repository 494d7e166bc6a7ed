"""A folder of upstream data -> the small files of the suite ``smoke``, the same ones each time.

    python make_smoke.py DATA [OUT]     OUT: src/instructvec/evaluation/suites/smoke unless given

DATA holds, as rows in ``data.jsonl.gz``, the folders ``Banking77Classification`` and ``CLINC150`` (text, label,
split, in upstream's order), ``STS17`` (a, b, score) and ``SummEval`` (ten crowd summaries after the original
one, summaries by systems, experts' mean scores). The medical passages are those of ``examples/`` in this
repository; the domains of CLINC150 stand in ``open.toml``. Rows are drawn by ``random.Random``, each task's
under a seed of its own name. Which data may be passed on, and on which terms, is said in ``smoke/README.md``:
this script only leaves out summaries that are copied from newspapers, and articles on crimes and misfortunes,
as no test needs the names of those concerned.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
SUITES = ROOT / "src" / "instructvec" / "evaluation" / "suites"
COPYING_SYSTEMS = {"Lead-3", "NEUSUM", "BanditSum", "RNES"}
"""Systems that select sentences of the article: their summaries are the newspaper's text."""
MISFORTUNES = re.compile(
    r"arrest|accus|alleg|charge|abus|murder|kill|\brape|\bsex|assault|police|jail|prison|suicid|terror|\bshot|robb"
    r"|victim|\bdie[ds]?\b|\bdead|death|court|lawsuit|drug|cancer|crash|bomb|racis|naked|attack|war\b|injur|cheat"
    r"|custody",
    re.IGNORECASE,
)

QUESTIONS = {
    "what it is": "What is {}?",
    "how common": "How many people are affected by {}?",
    "genes": "What are the genetic changes related to {}?",
    "treatment": "What are the treatments for {}?",
}
WANTED = {
    "what it is": "Represent the disease name for retrieving passages that say what it is: ",
    "how common": "Represent the disease name for retrieving passages on how common it is: ",
    "genes": "Represent the disease name for retrieving passages on the genes behind it: ",
    "treatment": "Represent the disease name for retrieving passages on its treatment: ",
}
ANYTHING = "Represent the disease name for retrieving passages about it: "


def rows_of(data: Path, task: str, split: str | None = None) -> list[Row]:
    with gzip.open(data / task / "data.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row for row in rows if split is None or row["split"] == split]


def passages() -> list[Row]:
    """Medical passages, without those on inheritance: most of them do not say which disease they are about."""
    with (ROOT / "examples" / "medical_passages.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["question"] in QUESTIONS]


def domains() -> dict[str, str]:
    """CLINC150's intents -> their domains."""
    tasks = tomllib.loads((SUITES / "open.toml").read_text(encoding="utf-8"))["task"]
    task = next(task for task in tasks if task["name"] == "CLINC150Following")
    return {name: domain for domain, own in task["goals"]["domain"]["groups"].items() for name in own}


def drawn(rows: Iterable[Row], labels: Iterable[str], n_each: int, rng: Random) -> list[Row]:
    """``n_each`` rows of each label, in random order."""
    by_label: dict[str, list[Row]] = {label: [] for label in labels}
    for row in rows:
        by_label.get(row["label"], []).append(row)
    found = [row for own in by_label.values() for row in rng.sample(own, n_each)]
    rng.shuffle(found)
    return found


def intents_by_domain(n_each: int, rng: Random) -> list[str]:
    """``n_each`` intents of each of CLINC150's domains."""
    own: dict[str, list[str]] = {}
    for name, domain in domains().items():
        own.setdefault(domain, []).append(name)
    return [name for names in own.values() for name in rng.sample(sorted(names), n_each)]


def banking77(data: Path, rng: Random) -> list[Row]:
    """Classification: ten intents."""
    train, test = (rows_of(data, "Banking77Classification", split) for split in ("train", "test"))
    labels = rng.sample(sorted({row["label"] for row in train}), 10)
    return drawn(train, labels, 20, rng) + drawn(test, labels, 20, rng)


def banking77_examples(data: Path, rng: Random) -> list[Row]:
    """Prompt retrieval: the intent's name in words is what a demonstration shows."""
    train, test = (rows_of(data, "Banking77Classification", split) for split in ("train", "test"))
    labels = rng.sample(sorted({row["label"] for row in train}), 30)
    return [
        {"input": row["text"], "output": row["label"].replace("_", " ").lower(), "split": row["split"]}
        for row in drawn(train, labels, 8, rng) + drawn(test, labels, 4, rng)
    ]


def clinc_domains(data: Path, rng: Random) -> list[Row]:
    """Clustering: two sets of texts, labelled by domain."""
    of = domains()
    rows = [row | {"label": of[row["label"]]} for row in rows_of(data, "CLINC150", "test")]
    found = drawn(rows, sorted(set(of.values())), 40, rng)
    return [row | {"set": at % 2} for at, row in enumerate(found)]


def clinc_pairs(data: Path, rng: Random) -> list[Row]:
    """Pair classification: pairs of one intent, and pairs of two intents of one domain."""
    of = domains()
    texts: dict[str, list[str]] = {}
    for row in rows_of(data, "CLINC150", "test"):
        texts.setdefault(row["label"], []).append(row["text"])
    found = []
    for label in sorted(texts):
        a, b, c = rng.sample(texts[label], 3)
        other = rng.choice([one for one in sorted(texts) if of[one] == of[label] and one != label])
        found.append({"a": a, "b": b, "label": 1, "split": "test"})
        found.append({"a": c, "b": rng.choice(texts[other]), "label": 0, "split": "test"})
    rng.shuffle(found)
    return found


def clinc_following(data: Path, rng: Random) -> list[Row]:
    """Following: two intents of each domain."""
    rows = drawn(rows_of(data, "CLINC150", "test"), intents_by_domain(2, rng), 12, rng)
    of = domains()
    return [{"text": row["text"], "intent": row["label"], "domain": of[row["label"]]} for row in rows]


def medical_following(data: Path, rng: Random) -> list[Row]:
    """Following: thirty diseases, four passages each, by disease and by the question they answer."""
    diseases = set(rng.sample(sorted({row["disease"] for row in passages()}), 30))
    rows = [row for row in passages() if row["disease"] in diseases]
    rng.shuffle(rows)
    return [{name: row[name] for name in ("text", "disease", "question")} for row in rows]


def medical_reranking(data: Path, rng: Random) -> list[Row]:
    """Reranking: one question a disease; its other passages and five answers on other diseases are wrong."""
    rows = passages()
    found = []
    for at, disease in enumerate(sorted({row["disease"] for row in rows})):
        asked = list(QUESTIONS)[at % len(QUESTIONS)]
        own = [row for row in rows if row["disease"] == disease]
        others = [row["text"] for row in rows if row["disease"] != disease and row["question"] == asked]
        found.append({
            "query": QUESTIONS[asked].format(disease),
            "positive": [row["text"] for row in own if row["question"] == asked],
            "negative": [row["text"] for row in own if row["question"] != asked] + rng.sample(others, 5),
            "split": "test",
        })  # fmt: skip
    return found


def captions(data: Path, rng: Random) -> list[Row]:
    """STS: most of the English pairs of STS 2017, whose sentences are SNLI's."""
    return rng.sample(rows_of(data, "STS17", "test"), 200)


def summaries(data: Path, rng: Random) -> tuple[list[Row], list[Row]]:
    """Two draws of different articles from SummEval, without original and copied summaries."""
    rows = []
    for row in rows_of(data, "SummEval", "test"):
        if any(map(MISFORTUNES.search, row["human_summaries"][1:] + row["machine_summaries"])):
            continue
        kept = [at for at, system in enumerate(row["systems"]) if system not in COPYING_SYSTEMS]
        rows.append({
            "id": row["id"],
            "human_summaries": row["human_summaries"][1:7],
            **{name: [row[name][at] for at in kept] for name in ("machine_summaries", "systems", "relevance")},
            "split": "test",
        })  # fmt: skip
    found = rng.sample(rows, 24)
    return found[:12], found[12:]


def summarization(data: Path, rng: Random) -> list[Row]:
    """Summarization: a row an article."""
    return summaries(data, rng)[0]


def summary_scores(data: Path, rng: Random) -> list[Row]:
    """Text-generation evaluation: a row a summary, of other articles than summarization has."""
    return [
        {"hypothesis": text, "references": row["human_summaries"], "human_score": score, "system": system,
         "doc": row["id"], "split": "test"}
        for row in summaries(data, rng)[1]
        for text, score, system in zip(row["machine_summaries"], row["relevance"], row["systems"], strict=True)
    ]  # fmt: skip


ROWS = {
    "Banking77Smoke": ("banking", banking77),
    "CLINC150DomainsSmoke": ("domains", clinc_domains),
    "CLINC150PairsSmoke": ("pairs", clinc_pairs),
    "MedicalRerankingSmoke": ("reranking", medical_reranking),
    "CaptionsSmoke": ("captions", captions),
    "SummEvalSmoke": ("summaries", summarization),
    "SummEvalScoresSmoke": ("summaries", summary_scores),
    "Banking77ExamplesSmoke": ("examples", banking77_examples),
    "CLINC150FollowingSmoke": ("following", clinc_following),
    "MedicalFollowingSmoke": ("medical following", medical_following),
}
"""Folder -> the name that its draws are seeded with, and what makes its rows. Equal names make equal draws."""


def questions(rng: Random) -> tuple[list[Row], list[Row]]:
    """Retrieval: 120 of the 240 questions, and which passage answers each."""
    asked = sorted(rng.sample(passages(), 120), key=lambda row: int(row["id"]))
    queries = [
        {"_id": f"q{row['id']}", "text": QUESTIONS[row["question"]].format(row["disease"])} for row in asked
    ]
    return queries, [judgement(f"q{row['id']}", row) for row in asked]


def variants(rng: Random) -> Iterator[tuple[Row, list[Row]]]:
    """Instruction retrieval: names of 30 diseases, each for everything about it and for one thing at a time."""
    rows = passages()
    for at, disease in enumerate(sorted(rng.sample(sorted({row["disease"] for row in rows}), 30))):
        own = [row for row in rows if row["disease"] == disease]
        changed = list(QUESTIONS)[at % len(QUESTIONS)]
        wanted: list[tuple[str, str, list[Row]]] = [("og", ANYTHING, own)]
        for row in own:
            name = "changed" if row["question"] == changed else row["question"].replace(" ", "-")
            wanted.append((name, WANTED[row["question"]], [row]))
        for name, instruction, relevant in wanted:
            query = f"d{at + 1}-{name}"
            yield (
                {"_id": query, "text": disease, "instruction": instruction, "group": f"d{at + 1}"},
                [judgement(query, row) for row in relevant],
            )


def altered(queries: Iterable[Row], judgements: Iterable[Row]) -> list[Row]:
    """For each disease the passages that are relevant to it, but not under the altered instruction."""
    relevant: dict[str, list[str]] = {}
    for one in judgements:
        relevant.setdefault(one["query-id"], []).append(one["corpus-id"])
    groups = dict.fromkeys(query["group"] for query in queries)
    return [
        {"query": name, "documents": [
            one for one in relevant[f"{name}-og"] if one not in relevant[f"{name}-changed"]
        ]}
        for name in groups
    ]  # fmt: skip


def judgement(query: str, passage: Row) -> Row:
    return {"query-id": query, "corpus-id": passage["id"], "score": 1}


def write_lines(path: Path, rows: Iterable[Row]) -> None:
    """Gzipped JSON lines, without a date or a name in the gzip header."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.encode("utf-8"))


def write_collection(folder: Path, queries: list[Row], judgements: list[Row]) -> None:
    """A BEIR folder over all passages."""
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(
        folder / "corpus.jsonl.gz", ({"_id": row["id"], "title": "", "text": row["text"]} for row in passages())
    )
    write_lines(folder / "queries.jsonl.gz", queries)
    lines = io.StringIO(newline="")
    writer = csv.DictWriter(lines, list(judgements[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(judgements)
    (folder / "qrels.tsv").write_text(lines.getvalue(), encoding="utf-8")


def main(data: Path, out: Path) -> None:
    for task, (seed, rows) in ROWS.items():
        (out / task).mkdir(parents=True, exist_ok=True)
        write_lines(out / task / "data.jsonl.gz", rows(data, Random(seed)))
    write_collection(out / "MedicalRetrievalSmoke", *questions(Random("questions")))
    found = list(variants(Random("variants")))
    queries, judgements = [query for query, _ in found], [one for _, own in found for one in own]
    write_collection(out / "MedicalInstructionsSmoke", queries, judgements)
    write_lines(out / "MedicalInstructionsSmoke" / "changed.jsonl.gz", altered(queries, judgements))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else SUITES / "smoke")
