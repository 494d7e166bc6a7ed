"""Steps of our trainer and of sentence-transformers' -> tokens and rows a second, by turns on the same batches.

Knows jobs, rounds and the table; the trainers run in ``workers/``, a process a turn (A B C A B C ...), each with
the same model, rows, length, number type, optimizer and threads. All that happens between the end of the warm-up
and the last step counts, batches included; nothing is scored or saved. First, both trainers take one step without
dropout: MultipleNegativesRankingLoss at scale 1 / temperature is the forward half of our objective ``full``.

    python benchmarks/training.py                         # measures, prints the table
    python benchmarks/training.py --data MIXTURE --write  # on a mixture's rows; results and the page too
    python benchmarks/training.py --page                  # the page's section from the last results

Needs ``pip install -e '.[train]'`` and an idle machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import models
import sections
from measures import log, spread
from report import origin, table

from instructvec.training.devices import CPU_PASS_TOKENS

HERE = Path(__file__).resolve().parent
WORKERS = HERE / "workers"
RESULTS = HERE / "results" / "training.json"
PACKAGES = (
    "instructvec", "torch", "transformers", "accelerate", "sentence-transformers", "tokenizers", "datasets",
)  # fmt: skip
PRECISIONS = ("float32", "bfloat16")
THEIRS = "sentence-transformers"
ONE_PASS = 10**9
"""A budget of tokens that no batch reaches."""
TEMPERATURE, LEARNING_RATE = 0.05, 2e-5
Answer = dict[str, list[float]]


def contestants(budgets: list[int]) -> dict[str, int | None]:
    """Name -> padded tokens of a pass, in the order of their turns."""
    return {"ours-one-pass": ONE_PASS} | {f"ours-{budget}": budget for budget in budgets} | {THEIRS: None}


def label(name: str) -> str:
    if name == THEIRS:
        return name
    budget = name.removeprefix("ours-")
    how = "one pass a batch" if budget == "one-pass" else f"passes of {int(budget):,} tokens"
    return f"**instructvec, {how}**"


def ask(budget: int | None, job: dict[str, Any]) -> Answer:
    """Have a contestant do the job in a process of its own."""
    worker = "train_sentence_transformers.py" if budget is None else "train_instructvec.py"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), str(job["threads"]))
    done = subprocess.run(
        [sys.executable, str(WORKERS / worker)],
        input=json.dumps(job | {"max_batch_tokens": budget}),
        capture_output=True,
        text=True,
        env=os.environ | models.OFFLINE | threads,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{worker} ended with status {done.returncode}:\n{done.stderr[-3000:]}")
    answer: Answer = json.loads(done.stdout)
    if len(answer["ends"]) != len(job["batches"]) - 1:
        raise RuntimeError(f"{worker} took {len(answer['ends'])} steps of {len(job['batches']) - 1}")
    return answer


def measure(job: dict[str, Any], budgets: list[int], n_rounds: int, n_warmup: int) -> dict[str, Any]:
    """Turns of all contestants under one number type, after a step of both trainers without dropout."""
    named = contestants(budgets)
    one = job | {"dropout": 0.0, "batches": job["batches"][:2]}
    losses = {"instructvec": ask(ONE_PASS, one)["losses"][0], THEIRS: ask(None, one)["losses"][0]}
    log(f"{job['precision']}: loss of the first batch: " + ", ".join(f"{n} {x:.6f}" for n, x in losses.items()))
    found: dict[str, dict[str, Any]] = {
        name: {"tokens_per_s": [], "rows_per_s": [], "tokens_per_cpu_s": []} for name in named
    }
    seen: dict[str, list[float]] = {}
    for turn in range(n_rounds):
        for name, row in found.items():
            answer = ask(named[name], job)
            seen[name] = answer["tokens"]
            seconds = answer["ends"][-1] - answer["ends"][n_warmup - 1]
            tokens = sum(answer["tokens"][n_warmup:])
            row["tokens_per_s"].append(tokens / seconds)
            row["rows_per_s"].append(sum(answer["rows"][n_warmup:]) / seconds)
            row["tokens_per_cpu_s"].append(tokens / (answer["cpu"][-1] - answer["cpu"][n_warmup - 1]))
            row["padded_per_token"] = sum(answer["padded"][n_warmup:]) / tokens
            log(f"{job['precision']}, round {turn + 1}: {name} {row['tokens_per_s'][-1]:,.0f} tokens/s")
        if any(tokens != seen[THEIRS] for tokens in seen.values()):
            raise RuntimeError("the contestants' steps have other numbers of tokens: not the same batches")
    return {"first_losses": losses, "tokens": sum(seen[THEIRS][n_warmup:]), "contestants": found}


# ---------------------------------------------------------------- the table


def shown(values: list[float], form: str = ",.0f") -> str:
    of = spread(values)
    return f"{of['median']:{form}} ({of['min']:{form}} to {of['max']:{form}})"


def result_table(results: dict[str, Any]) -> str:
    rows = []
    for precision, found in results["precisions"].items():
        base = found["contestants"][THEIRS]["tokens_per_s"]
        for name, row in found["contestants"].items():
            ratio = [own / theirs for own, theirs in zip(row["tokens_per_s"], base, strict=True)]
            rows.append([label(name), precision, shown(row["tokens_per_s"]), shown(row["rows_per_s"], ".1f"),
                         shown(ratio, ".2f"), f"{spread(row['tokens_per_cpu_s'])['median']:,.0f}",
                         f"{row['padded_per_token']:.2f}"])  # fmt: skip
    head = [
        "trainer",
        "number type",
        "tokens/s",
        "rows/s",
        f"ratio to {THEIRS}",
        "tokens a second of processor time",
        "padded tokens a token",
    ]
    return table(head, rows)


def loss_lines(results: dict[str, Any]) -> list[str]:
    """What the first batch's loss is to both."""
    lines = []
    for precision, found in results["precisions"].items():
        ours, theirs = found["first_losses"]["instructvec"], found["first_losses"][THEIRS]
        lines.append(
            f"- {precision}: instructvec {ours:.6f}, {THEIRS} {theirs:.6f}, difference {ours - theirs:+.1e}"
        )
    return lines


def section(results: dict[str, Any] | None) -> str:
    """The page's section."""
    lines = ["## Training", ""]
    if results is None:
        return "\n".join([*lines, "Not measured yet: `python benchmarks/training.py --write`."])
    used = results["settings"]
    return "\n".join(
        [
            *lines,
            f"all-MiniLM-L6-v2 with its dropout, fused AdamW, {results['data']}: {used['steps']} steps after "
            f"{used['warmup']} of warm-up, {used['batch_size']} rows of three texts a batch, at most "
            f"{used['max_length']} tokens a text, threads: {used['threads']}. A turn is a process, and all "
            "get the same batches. Tokens are those of the texts, without padding: median, and slowest to "
            "fastest round; the ratio is taken within each round. Ours adds both directions of the loss, "
            "MultipleNegativesRankingLoss has one. Passes of so many tokens, padding "
            f"included, take texts of like length ({CPU_PASS_TOKENS:,} is the default on a CPU); one "
            "pass pads all texts of a batch to its longest. "
            f"{THEIRS} encodes anchors in one pass, positives and negatives in another, and makes a batch "
            "between two steps; ours makes it in a thread meanwhile.",
            "",
            result_table(results),
            "",
            "The loss of the first batch without dropout, by each trainer's own step (of ours the forward half):",
            "",
            *loss_lines(results),
            "",
            f"{origin(results)} {', '.join(f'{name} {number}' for name, number in results['versions'].items())}.",
        ]
    )


# ---------------------------------------------------------------- the command


def shown_command(arguments: argparse.Namespace) -> str:
    """The command that measures this again; paths by their last name."""
    words = ["python", "benchmarks/training.py"]
    for name in ("data", "model", "threads", "batch_size", "max_length", "max_batch_tokens", "steps", "warmup",
                 "rounds", "rows", "precisions", "seed"):  # fmt: skip
        value, default = getattr(arguments, name), arguments.defaults[name]
        if value != default or name == "threads":  # whose default is the machine's
            words += [f"--{name.replace('_', '-')}", value.name if isinstance(value, Path) else str(value)]
    return shlex.join([*words, "--write"])


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    import training_rows
    from run import commit, machine

    began = time.perf_counter()
    rows = training_rows.load(arguments.data, arguments.rows, arguments.seed)
    n_batches = arguments.warmup + arguments.steps + 1
    settings = {name: getattr(arguments, name) for name in ("threads", "batch_size", "max_length", "seed")}
    budgets = [int(word) for word in arguments.max_batch_tokens.split(",")]
    job = settings | {
        "model": str(minilm(arguments.model)),
        "rows": rows,
        "batches": training_rows.batches(rows, arguments.batch_size, n_batches, arguments.seed),
        "temperature": TEMPERATURE,
        "learning_rate": LEARNING_RATE,
        "dropout": None,
    }
    where = f"a mixture ({arguments.data.name})" if arguments.data else "the shipped suite `smoke`"
    return {
        "command": shown_command(arguments),
        "precisions": {
            precision: measure(job | {"precision": precision}, budgets, arguments.rounds, arguments.warmup)
            for precision in arguments.precisions.split(",")
        },
        "data": f"{len(rows):,} rows of {where}",
        "settings": settings | {"steps": arguments.steps, "warmup": arguments.warmup},
        "seed": arguments.seed,
        "rounds": arguments.rounds,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "took_s": round(time.perf_counter() - began, 1),
        "machine": machine(),
        "commit": commit(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def minilm(given: Path | None) -> Path:
    folder = given or models.MODELS / "minilm"
    if given is None and not (folder / "modules.json").exists():
        models.fetch_minilm()
    return folder.resolve()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a mixture, or a file of MEDI's formats; default: suite smoke")
    parser.add_argument("--model", type=Path, help="another copy of all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--batch-size", type=int, default=64, help="rows, of three texts each")
    parser.add_argument("--max-length", type=int, default=128, help="tokens of a text")
    parser.add_argument("--max-batch-tokens", default=str(CPU_PASS_TOKENS), metavar="N,...",
                        help="of our passes, a contestant each; default: a recipe's on a CPU")  # fmt: skip
    parser.add_argument("--steps", type=int, default=12, help="that are timed, each turn")
    parser.add_argument("--warmup", type=int, default=3, help="steps before them")
    parser.add_argument("--rounds", type=int, default=3, help="turns each trainer takes")
    parser.add_argument("--rows", type=int, default=4000, help="drawn from --data")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help=f"of {','.join(PRECISIONS)}")
    parser.add_argument("--seed", type=int, default=20, help="of rows, batches and dropout")
    parser.add_argument("--write", action="store_true", help="write results/training.json and the page's section")
    parser.add_argument("--page", action="store_true", help="only write the page's section from the last results")
    arguments = parser.parse_args()
    for name in ("steps", "warmup", "rounds", "threads"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} is {getattr(arguments, name)}; it must be at least 1")
    if unknown := set(arguments.precisions.split(",")) - set(PRECISIONS):
        parser.error(f"unknown {', '.join(sorted(unknown))}; --precisions takes {','.join(PRECISIONS)}")
    arguments.defaults = {action.dest: action.default for action in parser._actions}
    return arguments


def main() -> int:
    arguments = parse()
    if arguments.page:
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else None
        sections.replace(sections.PAGE, "training", section(results))
        return 0
    results = run(arguments)
    if arguments.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        sections.replace(sections.PAGE, "training", section(results))
    print(section(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
