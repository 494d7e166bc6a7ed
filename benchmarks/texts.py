"""Turns pools of real texts into one realistic mix of lengths, and reads the mix that is shipped.

Knows tokens only as counts; nothing of models or timings. The shipped ``data/texts.jsonl.gz`` holds
4,000 different texts of 5 to 300 tokens whose lengths follow a log-normal (median 35), the usual
shape of sentences, questions and passages met together; sources and licences: ``data/README.md``.

    python benchmarks/texts.py stats                       # what is in the shipped file
    python benchmarks/texts.py make SOURCES TOKENIZER OUT  # how it was made; needs `tokenizers`
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import sys
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent / "data" / "texts.jsonl.gz"
SEED = 20
MEDIAN, SIGMA, SHORTEST, LONGEST = 35, 0.85, 5, 300
# file in SOURCES (gzipped JSON lines) -> which of its fields hold texts
SOURCES = {
    "query_wellformedness": ("text",),
    "wiki_split": ("a", "b"),
    "squad_xquad_en": ("a", "b"),
    "qed_natural_questions": ("b",),
    "onestopenglish_level": ("text",),
    "sgd_intent": ("text",),
    "medquad": ("a", "b"),
    "mts_dialog": ("a", "b"),
}


def load(n: int | None = None, path: Path | None = None, seed: int = SEED) -> list[str]:
    """``n`` texts, drawn without replacement under ``seed``; all of them, in file order, for None.

    ``path``: gzipped or plain JSON lines with a field ``text``, or a plain file of one text a line.
    """
    path = path or SHIPPED
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        if ".jsonl" in path.name:
            texts = [json.loads(line)["text"] for line in lines]
        else:
            texts = [line.rstrip("\n") for line in lines if line.strip()]
    if n is None or n == len(texts):
        return texts
    if n > len(texts):
        raise ValueError(f"{path} holds {len(texts)} texts, {n} were asked for: ask for fewer")
    return random.Random(seed).sample(texts, n)


def short_texts(n: int) -> list[str]:
    """``n`` different short texts (about 8 tokens), cheap to make: shipped words in random order."""
    words = sorted({word for text in load() for word in text.split() if word.isalpha()})
    rng = random.Random(SEED)
    return [" ".join(rng.choices(words, k=rng.randint(3, 6))) for _ in range(n)]


def target_lengths(n: int, seed: int = SEED) -> list[int]:
    """``n`` token counts from the log-normal, cut to [5, 300]."""
    rng = random.Random(seed)
    drawn: list[int] = []
    while len(drawn) < n:
        length = round(rng.lognormvariate(math.log(MEDIAN), SIGMA))
        if SHORTEST <= length <= LONGEST:
            drawn.append(length)
    return drawn


def read_pool(folder: Path, tokenizer_file: Path) -> dict[int, list[tuple[str, str]]]:
    """Token count (special tokens included) -> the (text, source) pairs that have it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pool: dict[int, list[tuple[str, str]]] = {}
    seen: set[str] = set()
    for source, fields in SOURCES.items():
        with gzip.open(folder / f"{source}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        texts = dict.fromkeys(" ".join(row[field].split()) for row in rows for field in fields)
        new = [text for text in texts if text and text.casefold() not in seen]
        seen.update(text.casefold() for text in new)
        for text, encoding in zip(new, tokenizer.encode_batch(new), strict=True):
            pool.setdefault(len(encoding.ids), []).append((text, source))
    return pool


def make(folder: Path, tokenizer_file: Path, out: Path, n: int = 4000) -> None:
    """Draw ``n`` different texts of the wanted lengths, sources in even shares where they reach."""
    pool = read_pool(folder, tokenizer_file)
    rng = random.Random(SEED)
    for texts in pool.values():
        rng.shuffle(texts)
    rows = []
    for length in target_lengths(n):
        here = next(pool[k] for d in range(LONGEST) for k in (length + d, length - d) if pool.get(k))
        source = rng.choice(sorted({source for _, source in here}))
        text = next(pair for pair in here if pair[1] == source)
        here.remove(text)
        rows.append({"text": text[0], "source": source})
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    out.write_bytes(gzip.compress(body, 9, mtime=0))


def stats(path: Path) -> None:
    words = sorted(len(text.split()) for text in load(path=path))
    tenths = [words[min(len(words) - 1, len(words) * i // 10)] for i in range(11)]
    print(f"{len(words)} texts, {sum(words)} words; tenths of the word count: {tenths}")
    if ".jsonl" in path.name:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            sources = [json.loads(line)["source"] for line in lines]
        print({source: sources.count(source) for source in sorted(set(sources))})


def main() -> int:
    parser = argparse.ArgumentParser(description="Make or describe the mix of texts.")
    commands = parser.add_subparsers(dest="command", required=True)
    describe = commands.add_parser("stats")
    describe.add_argument("path", type=Path, nargs="?", default=SHIPPED)
    maker = commands.add_parser("make")
    for name in ("sources", "tokenizer", "out"):
        maker.add_argument(name, type=Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.sources, arguments.tokenizer, arguments.out)
    else:
        stats(arguments.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
