"""Turns the table of peers' packages into one virtual environment a peer, under ``.envs/``.

Knows pip and nothing of models or measurements. Run it once before ``run.py``:

    python benchmarks/environments.py            # build what is missing
    python benchmarks/environments.py --rebuild ours ours-torch

Needs Python >= 3.11 with ``venv`` and a package index. Where the index offers CPU builds of torch
under a local version (``2.13.0+cpu``), pip prefers them; otherwise set ``PIP_EXTRA_INDEX_URL`` to
an index that has them, or expect gigabytes of CUDA libraries in the environments with torch.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENTS = REPOSITORY / ".envs"
WHEEL = "<wheel of this repository>"
# Every environment with torch gets the same one, first, so that nothing later picks another.
TORCH = "torch==2.13.0"


@dataclass(frozen=True, slots=True)
class Environment:
    """What pip is asked for, one command a step; ``why`` goes into the report."""

    name: str
    steps: tuple[tuple[str, ...], ...]
    why: str = ""


TABLE: tuple[Environment, ...] = (
    Environment("ours", ((WHEEL,),), "the base install: no torch"),
    Environment("ours-torch", ((TORCH,), (f"{WHEEL}[torch]", TORCH)), "with the extra `torch`"),
    Environment("st", ((TORCH,), ("sentence-transformers==6.2.0", TORCH))),
    Environment(
        "st-onnx",
        ((TORCH,), ("sentence-transformers[onnx]==5.7.0", "optimum-onnx==0.1.0", TORCH)),
        "optimum-onnx 0.1.0 needs transformers < 4.58, which sentence-transformers 6 does not take",
    ),
    Environment(
        "st-openvino",
        (
            (TORCH,),
            (
                "sentence-transformers==6.2.0",
                "transformers==5.5.4",
                "huggingface-hub==1.21.0",
                "optimum==2.3.0",
                "openvino==2026.4.1",
                "openvino-tokenizers",
                "nncf==3.4.0",
                "requests",
                TORCH,
            ),
            ("--no-deps", "optimum-intel==2.2.0"),
        ),
        "optimum-intel without its dependency torchvision, which would replace torch by a CUDA build",
    ),
    Environment("fastembed", (("fastembed==0.9.1",),)),
    Environment(
        "instructor",
        (
            (TORCH,),
            (
                "transformers==4.36.2",
                "huggingface_hub<0.26",
                "numpy<2",
                "scikit-learn",
                "scipy",
                "nltk",
                "sentencepiece",
                "tqdm",
                "pillow",
                TORCH,
            ),
            ("--no-deps", "sentence-transformers==2.2.2", "InstructorEmbedding==1.0.1"),
        ),
        "the last versions it runs with; torchvision, which only CLIP needs, left out",
    ),
)
BY_NAME = {environment.name: environment for environment in TABLE}


def python_of(name: str) -> Path:
    """The interpreter of an environment, whether or not it exists yet."""
    folder = "Scripts" if os.name == "nt" else "bin"
    return ENVIRONMENTS / name / folder / "python"


def site_packages(name: str) -> Path:
    command = [str(python_of(name)), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def installed_versions(name: str) -> dict[str, str]:
    """Package name -> version, as pip sees them; empty where the environment is missing."""
    if not python_of(name).exists():
        return {}
    command = [str(python_of(name)), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {row["name"].lower(): row["version"] for row in json.loads(out)}


def build_wheel() -> Path:
    """Build the wheel of this repository; what is measured is what users install."""
    folder = ENVIRONMENTS / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(REPOSITORY)], check=True)
    return next(folder.glob("*.whl"))


def build(environment: Environment, wheel: Path | None) -> float:
    """Make the environment from nothing; returns the seconds it took."""
    began = time.perf_counter()
    folder = ENVIRONMENTS / environment.name
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    for step in environment.steps:
        arguments = [word.replace(WHEEL, str(wheel)) for word in step]
        pip = [str(python_of(environment.name)), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", *arguments], check=True)
    (folder / "complete").write_text("built by benchmarks/environments.py\n")
    return time.perf_counter() - began


def is_complete(name: str) -> bool:
    return (ENVIRONMENTS / name / "complete").exists()


def ensure(names: list[str], rebuild: list[str]) -> dict[str, str]:
    """Build what is missing or asked anew; returns name -> reason for those that failed."""
    failed: dict[str, str] = {}
    wanted = [n for n in names if n in rebuild or not is_complete(n)]
    wheel = None
    for name in wanted:
        environment = BY_NAME[name]
        if wheel is None and any(WHEEL in word for step in environment.steps for word in step):
            wheel = build_wheel()
        print(f"{name}: building ...", file=sys.stderr, flush=True)
        try:
            seconds = build(environment, wheel)
        except subprocess.CalledProcessError as error:
            failed[name] = f"pip failed: {' '.join(map(str, error.cmd))}"
            print(f"{name}: FAILED, its peers will be left out ({failed[name]})", file=sys.stderr)
        else:
            print(f"{name}: built in {seconds:.0f} s", file=sys.stderr, flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the benchmark peers' virtual environments.")
    parser.add_argument("names", nargs="*", default=[], help=f"default: all of {', '.join(BY_NAME)}")
    parser.add_argument("--rebuild", nargs="*", default=[], metavar="NAME", help="build these anew")
    arguments = parser.parse_args()
    names = arguments.names or (arguments.rebuild or list(BY_NAME))
    unknown = sorted({*names, *arguments.rebuild} - set(BY_NAME))
    if unknown:
        parser.error(f"unknown environment {', '.join(unknown)}; there are: {', '.join(BY_NAME)}")
    return 1 if ensure(names, arguments.rebuild) else 0


if __name__ == "__main__":
    sys.exit(main())
