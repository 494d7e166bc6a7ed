"""Random rows of a mixture -> a file to judge by hand; the judged file -> how many are right, per rule.

    python benchmarks/medi_check.py draw mixture rows.jsonl        # 200 rows, as many of each rule
    python benchmarks/medi_check.py table benchmarks/data/medi-judged.jsonl

A judge writes true or false at "positive_is_right" (the positive does match the query for the instructed job,
better than the negative does) and "negative_is_right" (the negative does not match it for this job). What is kept
in the repository are judgements with each row's dataset and a hash of its texts, not the texts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from instructvec.medi.manifest import MixtureRows, manifest_of
from instructvec.medi.triplets import RULES, Triplet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    draw = actions.add_parser("draw")
    draw.add_argument("mixture", type=Path)
    draw.add_argument("out", type=Path)
    draw.add_argument("--rows", type=int, default=200)
    draw.add_argument("--seed", type=int, default=42)
    for name in ("strip", "table"):
        actions.add_parser(name).add_argument("judged", type=Path)
    arguments = parser.parse_args()
    if arguments.action == "draw":
        rows = drawn(arguments.mixture, arguments.rows, arguments.seed)
        arguments.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    elif arguments.action == "strip":
        for row in judged(arguments.judged):
            print(json.dumps({key: row[key] for key in KEPT}))
    else:
        print("\n".join(table(judged(arguments.judged))))


KEPT = ("row", "dataset", "rule", "positive_is_right", "negative_is_right")


def drawn(mixture: Path, n_rows: int, seed: int) -> list[dict[str, object]]:
    """As many rows of each mined rule: those whose texts hash lowest, so that a row stays drawn if others come."""
    rules = [rule for rule in RULES if rule != "given"]
    size = -(-n_rows // len(rules))
    kept: dict[str, list[tuple[str, dict[str, object]]]] = {rule: [] for rule in rules}
    for row in MixtureRows(manifest_of(mixture)):
        if row.rule in kept and row.negative is not None:
            own = kept[row.rule]
            place = hashlib.sha256(f"{seed} {digest_of(row)}".encode()).hexdigest()
            if len(own) < size or place < own[-1][0]:
                own.append((place, as_row(row)))
                own.sort(key=lambda one: one[0])
                del own[size:]
    return [row for rule in rules for _, row in kept[rule]][:n_rows]


def texts_of(row: Triplet) -> dict[str, str]:
    assert row.negative is not None
    sides = {"query": row.query, "positive": row.positive, "negative": row.negative}
    return {
        f"{name}{part}": value
        for name, side in sides.items()
        for part, value in zip(("_instruction", ""), side, strict=True)
    }


def digest_of(row: Triplet) -> str:
    """16 hex characters, of dataset, instructions and texts."""
    whole = "\0".join([row.dataset, *texts_of(row).values()])
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def as_row(row: Triplet) -> dict[str, object]:
    blank = {"positive_is_right": None, "negative_is_right": None}
    return {"row": digest_of(row), "dataset": row.dataset, "rule": row.rule, **texts_of(row), **blank}


def judged(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(rows: list[dict[str, object]]) -> list[str]:
    lines = ["| rule | rows | positive right | negative right | both |", "|---|---|---|---|---|"]
    for rule in [*dict.fromkeys(str(row["rule"]) for row in rows), "all"]:
        own = [row for row in rows if rule in (row["rule"], "all")]
        right = [sum(bool(row[key]) for row in own) for key in KEPT[3:]]
        both = sum(bool(row[KEPT[3]]) and bool(row[KEPT[4]]) for row in own)
        lines.append(f"| `{rule}` | {len(own)} | {right[0]} | {right[1]} | {both} |")
    return lines


if __name__ == "__main__":
    main()
