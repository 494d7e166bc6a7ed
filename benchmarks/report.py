"""Turns a results file into ``docs/benchmarks.md``: tables, and each target beside what was measured.

Knows the results file and the targets; measures nothing.

    python benchmarks/report.py benchmarks/results/cpu.json docs/benchmarks.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
import sections
import targets
from measures import spread

Part = dict[str, Any]


def label(name: str) -> str:
    return peers.ALL[name].label if name in peers.ALL else name


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def origin(part: Part) -> str:
    """The line under a table: what made it, when, on what."""
    machine = part["machine"]
    features = ", ".join(machine["cpu_features"])
    return (
        f"Made by `{part['command']}` on {part['date']} (commit {part['commit']}, seed {part['seed']}, "
        f"{part['took_s']:.0f} s): {machine['cpu']} ({features}), {machine['cores']} cores, "
        f"{machine['ram_gib']} GiB, {machine['os']}, Python {machine['python']}."
    )


def left_out(part: Part) -> str:
    reasons = [f"{label(name)}: {reason.splitlines()[0]}" for name, reason in part.get("skipped", {}).items()]
    return "\n\nNot measured: " + "; ".join(reasons) + "." if reasons else ""


def per_second(part: Part, name: str, which: str) -> str:
    rate = spread([part["n_texts"] / s for s in part["peers"][name]["seconds"][which]])
    return f"{rate['median']:.1f} ({rate['min']:.1f} to {rate['max']:.1f})"


def throughput(part: Part, baseline: str) -> str:
    rows = []
    for name, row in part["peers"].items():
        base = part["peers"].get(baseline)
        ratio = "-"
        if base:
            pairs = zip(base["seconds"]["default"], row["seconds"]["default"], strict=True)
            by_round = spread([b / s for b, s in pairs])
            ratio = f"{by_round['median']:.2f} ({by_round['min']:.2f} to {by_round['max']:.2f})"
        default = row["default_batch"] or "token budget"
        best = row["best_batch"] or "the same"
        rows.append([label(name), f"{default}", per_second(part, name, "default"), ratio,
                     f"{best}", per_second(part, name, "best")])  # fmt: skip
    head = [
        "peer",
        "default batch",
        "texts/s at default",
        f"ratio to {label(baseline)}",
        "best batch",
        "texts/s at best",
    ]
    return table(head, rows)


def deviation(part: Part) -> str:
    rows = []
    reference = part["peers"][part["reference"]]
    for name, row in part["peers"].items():
        line = [label(name), f"{row['mean_cosine']:.5f}", f"{row['worst_cosine']:.5f}",
                f"{row['largest_component_difference']:.1e}"]  # fmt: skip
        if "sts_spearman" in reference:
            change = row["sts_spearman"] - reference["sts_spearman"]
            line += [f"{row['sts_spearman']:.2f}", f"{change:+.2f}"]
        rows.append(line)
    head = ["peer", "mean cosine", "worst cosine", "largest component difference"]
    if "sts_spearman" in reference:
        head += ["STS-B Spearman", "change"]
    return table(head, rows)


def latency(part: Part) -> str:
    rows = [[label(n), f"{r['p50']:.2f}", f"{r['p95']:.2f}"] for n, r in part["peers"].items()]
    return table(["peer", "p50, ms", "p95, ms"], rows)


def start(part: Part) -> str:
    rows = [[label(n), *(f"{v:.2f}" for v in spread(s).values())] for n, s in part["peers"].items()]
    text = table(["process start to first vector", "median, s", "fastest", "slowest"], rows)
    imports = part["imports"]
    if imports:
        lines = [[f"`{n}`", *(f"{v:.0f}" for v in spread(ms).values())] for n, ms in imports.items()]
        text += "\n\n" + table(["whole process that only imports", "median, ms", "fastest", "slowest"], lines)
    return text


def memory(part: Part) -> str:
    rows = [
        [label(n), f"{r.get('n_texts', part['n_texts']):,}", f"{r['peak_mb']:.0f}"]
        for n, r in part["peers"].items()
    ]
    return table(["fresh process", "texts", "peak resident memory, MB"], rows)


def stream(part: Part) -> str:
    rows = [
        [label(n), f"{r['rss_mb'][0]:.0f}", f"{max(r['rss_mb']):.0f}", f"{r['growth_mb']:.0f}",
         f"{part['n_texts'] / r['seconds']:,.0f}"]
        for n, r in part["peers"].items()
    ]  # fmt: skip
    head = [f"{part['n_texts']:,} short texts", "MB after 5%", "highest after", "growth, MB", "texts/s"]
    return table(head, rows)


def size(part: Part) -> str:
    rows = [
        [
            f"`{name}`",
            f"{row['mb']:,.0f}",
            f"{row['mb'] - row['bytecode_mb']:,.0f}",
            ", ".join(f"{p} {mb:.0f}" for p, mb in row["largest_mb"].items()),
        ]
        for name, row in part["environments"].items()
    ]
    return table(["environment", "MB", "without bytecode", "largest packages, MB"], rows)


def versions(parts: dict[str, Part]) -> str:
    rows = []
    latest = max(parts.values(), key=lambda part: part["date"])["versions"]
    for name, packages in latest.items():
        rows.append([f"`{name}`", ", ".join(f"{package} {version}" for package, version in packages.items())])
    return table(["environment", "packages"], rows)


SECTIONS: tuple[tuple[str, str, str, Callable[[Part], str]], ...] = (
    (
        "throughput",
        "Throughput",
        "all-MiniLM-L6-v2 and the same real texts for every peer (5 to 300 tokens, median 36). Texts a second: "
        "median, and slowest to fastest round. The ratio is taken within each round. No instruction is given.",
        lambda part: throughput(part, "st-torch-fp32"),
    ),
    (
        "t5",
        "INSTRUCTOR's layout: T5-base encoder",
        "[instruction, text] pairs, three instructions by turns; random weights, which cost the same time.",
        lambda part: (
            throughput(part, "instructor")
            + "\n\nAgainst the original's vectors:\n\n"
            + (deviation(part["deviation"]) if part["deviation"]["peers"] else "not measured")
        ),
    ),
    ("latency", "Latency of one query", "Calls with one text of at most 12 words, one after the other.", latency),
    ("start", "Cold start", "The file cache is warm; each process is new.", start),
    (
        "memory",
        "Memory",
        "Largest resident memory (`ru_maxrss`), default batch sizes; the slower peers embed fewer of the texts.",
        memory,
    ),
    (
        "stream",
        "Memory while streaming",
        "Resident memory twenty times on the way through `encode_stream`.",
        stream,
    ),
    (
        "size",
        "Install size",
        "All files in `site-packages` but pip's and setuptools', in MB of 10^6 bytes, as pip leaves them.",
        size,
    ),
    (
        "deviation",
        "What each precision costs",
        "Against sentence-transformers' torch float32 vectors on the benchmark's texts, and on STS-B's test.",
        deviation,
    ),
)


def render(results: dict[str, Any]) -> str:
    parts = results["parts"]
    pieces = [
        "# Benchmarks\n\nWritten by `benchmarks/run.py` from `benchmarks/results/`; not edited by hand. "
        "How to repeat it and what is compared: [benchmarks/README.md](../benchmarks/README.md).\n\n"
        "Every peer runs in an environment of its own with its own default threads. Only one computes at a "
        "time, and within a table they take turns, round after round, so that ratios hold even where the "
        "machine's speed drifts."
    ]
    rows = [[target.text, target.limit_text, *target.outcome(parts)] for target in targets.TARGETS]
    pieces.append("## Targets\n\n" + table(["target", "wanted", "measured", "met"], rows))
    for name, title, about, render_part in SECTIONS:
        if name in parts:
            part = parts[name]
            pieces.append(f"## {title}\n\n{about}\n\n{render_part(part)}{left_out(part)}\n\n{origin(part)}")
    if parts:
        pieces.append("## Versions\n\n" + versions(parts))
    return "\n\n".join(pieces) + "\n"


def main() -> int:
    results = json.loads(Path(sys.argv[1]).read_text())
    sections.write_around(Path(sys.argv[2]), render(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
