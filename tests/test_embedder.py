"""The front door: what an embedder says of itself, its contract and fingerprint, copies of it, saving."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import shutil
import subprocess
import sys
import warnings
from typing import get_args, get_type_hints

import numpy as np
import pytest

import instructvec
from instructvec import Embedder, EmbeddingContract
from instructvec.encoding.options import EncodeKeywords, EncodeOptions
from instructvec.errors import ContractMismatch, OutputError
from instructvec.types import Encoder, Joining
from tests.conftest import GOLDEN, TINY

TEXTS = ["A man is playing a guitar.", "Two women", "stocks fell on Monday"]
INSTRUCTION = "Represent the caption: "
TOLERANCE = 1e-5


def close(a, b) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max() < TOLERANCE)


# ---------------------------------------------------------------- what it says of itself


def test_facts(tiny):
    assert (tiny.dimension, tiny.max_seq_length, tiny.backend, tiny.device) == (32, 512, "onnx", "cpu")
    assert (tiny.dtype, tiny.joining, tiny.family) == ("float32", "instructor", "bert")
    assert tiny.get_sentence_embedding_dimension() == tiny.get_embedding_dimension() == 32
    assert tiny.get_max_seq_length() == 512
    assert tiny.similarity_fn_name == "cosine"
    assert dict(tiny.prompts) == {}
    assert repr(tiny) == f"Embedder({str(TINY)!r}, backend='onnx', dtype='float32', dimension=32)"
    assert isinstance(tiny, Encoder)


def test_exported_names_exist_and_others_do_not():
    for name in instructvec.__all__:
        assert getattr(instructvec, name) is not None
    assert dir(instructvec) == sorted(instructvec.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Embeder'"):
        _ = instructvec.Embeder


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, instructvec; from instructvec import Embedder; "
        "heavy = {'torch', 'transformers', 'onnxruntime', 'pyarrow', 'tokenizers', 'tqdm'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_way_to_encode_has_the_same_options():
    shared = set(EncodeKeywords.__annotations__)
    tensors = {"convert_to_numpy", "convert_to_tensor"}
    assert set(EncodeOptions.__dataclass_fields__) == shared - {"prompt", "prompt_name"} | tensors
    for name in ("encode", "encode_query", "encode_document", "encode_counted"):
        parameters = inspect.signature(getattr(Embedder, name)).parameters
        given = set(parameters) - {"self", "inputs", "instruction"}
        assert given == (shared if name == "encode_counted" else shared | tensors), name
        assert all(parameters[option].kind is inspect.Parameter.KEYWORD_ONLY for option in given)
        defaults = EncodeOptions()
        for option in given & set(EncodeOptions.__dataclass_fields__):
            assert parameters[option].default == getattr(defaults, option)
    assert get_type_hints(EncodeKeywords).keys() == shared


# ---------------------------------------------------------------- joining, limit


def test_the_joining_decides_what_is_pooled():
    # One-piece instruction: the original leaves it unmasked for T5; every rule here differs from the others.
    vectors = {
        joining: Embedder(GOLDEN / "instructor_t5_tiny", backend="onnx", joining=joining).encode(" Two women", "a")
        for joining in get_args(Joining)
    }
    names = sorted(vectors)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            assert not close(vectors[one], vectors[other]), (one, other)


def test_a_lower_limit_cuts_earlier_and_a_higher_one_later(checkpoint):
    folder = checkpoint(**{"sentence_bert_config.json": {"max_seq_length": 16}})
    text = "a b c d e f " * 4
    own, lower, higher = (Embedder(folder, backend="onnx", max_seq_length=limit) for limit in (None, 8, 100))
    assert [one.encode_counted([text], long_text="truncate").n_tokens for one in (own, lower, higher)] == [
        16,
        8,
        26,
    ]
    assert higher.max_seq_length == 100
    assert close(higher.encode("Two women"), own.encode("Two women"))


def test_a_longer_limit_than_the_graphs_have_needs_the_weights(tmp_path, checkpoint):
    pytest.importorskip("torch")
    from instructvec.engines.export import export
    from instructvec.errors import CheckpointError

    folder = checkpoint(**{"sentence_bert_config.json": {"max_seq_length": 16}})
    export(folder, tmp_path / "both", dtypes=["float32"])
    export(folder, tmp_path / "graphs", dtypes=["float32"], graphs_only=True)
    text = "a b c d e f " * 4
    longer = Embedder(tmp_path / "both", max_seq_length=100, device="cpu", backend="onnx")
    assert close(longer.encode(text), Embedder(folder, backend="onnx", max_seq_length=100).encode(text))
    with pytest.raises(CheckpointError, match="graphs provide for 16 tokens.*max_seq_length is 100"):
        Embedder(tmp_path / "graphs", max_seq_length=100)
    # What is saved does not claim graphs for a limit they do not have.
    longer.save(tmp_path / "saved")
    again = Embedder(tmp_path / "saved", backend="onnx")
    assert again.max_seq_length == 100
    assert close(again.encode(text), longer.encode(text))


def test_threads_are_honoured(tiny):
    for threads in (1, 3):
        embedder = Embedder(TINY, backend="onnx", threads=threads)
        assert embedder._driver.engine.workers == threads
        assert close(embedder.encode(TEXTS * 20), tiny.encode(TEXTS * 20))


# ---------------------------------------------------------------- fingerprint


def fingerprint(folder, **options) -> str:
    return Embedder(folder, backend="onnx", **options).fingerprint


def test_a_fingerprint_is_of_content_not_of_name_place_or_format(tmp_path, checkpoint):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    original = Embedder(TINY, backend="onnx").fingerprint
    assert len(original) == 32
    int(original, 16)
    assert fingerprint(checkpoint("instructor-renamed")) == original
    pickled = checkpoint("instructor-pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    assert fingerprint(pickled) == original
    # Prompts and limits are not of the model: the contract has them.
    config = {"config_sentence_transformers.json": {"prompts": {"query": "q: "}}}
    assert fingerprint(checkpoint("instructor-prompted", **config)) == original
    assert fingerprint(TINY, max_seq_length=64) == original
    assert Embedder(TINY, backend="torch", device="cpu").fingerprint == original
    assert fingerprint(Embedder(TINY, backend="onnx").save(tmp_path / "saved")) == original


def test_a_fingerprint_changes_with_what_changes_vectors(checkpoint):
    from safetensors.numpy import load_file, save_file

    seen = {joining: fingerprint(TINY, joining=joining) for joining in get_args(Joining)}
    folder = checkpoint("instructor-cls")
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    config = json.loads((folder / "1_Pooling" / "config.json").read_text()) | pooling
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    seen["pooling"] = fingerprint(folder)

    folder = checkpoint("instructor-weights")
    tensors = load_file(folder / "model.safetensors")
    name = next(iter(sorted(tensors)))
    tensors[name] = tensors[name] + np.float32(1e-6)
    save_file(tensors, folder / "model.safetensors")
    seen["weights"] = fingerprint(folder)

    folder = checkpoint("instructor-tokenizer")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"]["clean_text"] = not tokenizer["normalizer"]["clean_text"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    seen["tokenizer"] = fingerprint(folder)

    folder = checkpoint("instructor-normalize")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:-1]))
    seen["normalize"] = fingerprint(folder)
    assert len(set(seen.values())) == len(seen), seen


# ---------------------------------------------------------------- contract


def test_a_contract_says_how_vectors_are_made_and_survives_json(tiny):
    made = tiny.contract(
        [INSTRUCTION, "", INSTRUCTION, None], truncate_dim=16, precision="int8", long_text="chunk"
    )
    assert made.fingerprint == tiny.fingerprint
    assert made.instructions == (INSTRUCTION, "", None)
    assert (made.dimension, made.normalised, made.precision, made.joining) == (16, True, "int8", "instructor")
    assert (made.max_seq_length, made.long_text, made.computed_in) == (512, "chunk", "float32")
    assert len(made.ranges[0]) == 16
    assert made.version == instructvec.__version__
    assert EmbeddingContract.from_json(made.to_json()) == made
    made.check(tiny.contract(["", None, INSTRUCTION], truncate_dim=16, precision="int8"))


def test_contract_under_a_prompt_is_that_of_its_words(checkpoint, faked):
    config = {"config_sentence_transformers.json": {"prompts": {"query": "q: "}}}
    embedder, _ = faked(checkpoint(**config))
    assert embedder.contract(prompt_name="query") == embedder.contract("q: ") == embedder.contract(prompt="q: ")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"instruction": "Represent the title: "}, r"instructions: expected 'Represent the caption: ', got"),
        ({"truncate_dim": 8}, "dimension: expected 32, got 8"),
        ({"precision": "int8"}, "precision: expected 'float32', got 'int8'"),
    ],
)
def test_a_contract_refuses_other_vectors_and_says_why(tiny, other, message):
    contract = tiny.contract(INSTRUCTION)
    contract.check(tiny.contract(INSTRUCTION))
    with pytest.raises(ContractMismatch, match=message):
        contract.check(tiny.contract(**({"instruction": INSTRUCTION} | other)))


def test_a_contract_refuses_another_model_and_joining(tiny, exact, bundled):
    with pytest.raises(
        ContractMismatch, match=r"(?s)model: expected .*joining: expected 'instructor', got 'exact'"
    ):
        tiny.contract().check(exact.contract())
    with pytest.raises(ContractMismatch, match=r"model: expected .*\(bundled\)"):
        bundled.contract().check(tiny.contract())


# ---------------------------------------------------------------- copies


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_encode_alike(duplicate):
    embedder = Embedder(TINY, backend="onnx", joining="exact", max_seq_length=32, threads=1)
    vectors = embedder.encode(TEXTS, INSTRUCTION)
    again = duplicate(embedder)
    assert (again.joining, again.max_seq_length, again._driver.engine.workers) == ("exact", 32, 1)
    assert again.fingerprint == embedder.fingerprint
    assert np.array_equal(again.encode(TEXTS, INSTRUCTION), vectors)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python warns of any fork beside threads")
def test_a_forked_process_can_encode(faked):
    import multiprocessing

    embedder, _ = faked(workers=2)
    vectors = embedder.encode(TEXTS * 5, batch_size=1)  # the threads of this process are running now
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(embedder.encode(TEXTS * 5, batch_size=1)))
    child.start()
    child.join(20)
    hung = child.is_alive()
    if hung:
        child.kill()
    assert not hung
    assert np.array_equal(queue.get(), vectors)


# ---------------------------------------------------------------- saving


def sentence_transformers_vectors(folder, texts, prompt=None):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between it and transformers are not ours
        model = sentence_transformers.SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return model.encode(texts, prompt=prompt)


@pytest.mark.parametrize("family", ["bert", "t5", "t5_gated", "mpnet", "modernbert"])
def test_saved_checkpoints_give_the_same_vectors_here_and_there(tmp_path, family):
    pytest.importorskip("torch")
    from tests.parity.tiny import TINY as BUILDERS

    source = BUILDERS[family](tmp_path / "source", include_prompt=False, dense=24, prompts={"query": "query: "})
    embedder = Embedder(source, backend="onnx")
    saved = embedder.save(tmp_path / "saved")
    again = Embedder(saved, backend="onnx")
    assert again.fingerprint == embedder.fingerprint
    assert dict(again.prompts) == {"query": "query: "}
    for prompt in (None, "Represent the Medicine sentence for retrieval: "):
        vectors = embedder.encode(TEXTS, prompt)
        assert np.array_equal(again.encode(TEXTS, prompt), vectors)
        assert np.abs(sentence_transformers_vectors(saved, TEXTS, prompt) - vectors).max() < 2e-5


@pytest.mark.parametrize("name", ["t5", "bert"])
def test_instructor_checkpoints_are_saved_as_what_sentence_transformers_pools_alike(tmp_path, name):
    embedder = Embedder(GOLDEN / f"instructor_{name}_tiny", backend="onnx")
    saved = embedder.save(tmp_path / "saved")
    assert Embedder(saved).joining == "instructor"
    vectors = embedder.encode(TEXTS, INSTRUCTION)
    assert close(Embedder(saved, backend="onnx").encode(TEXTS, INSTRUCTION), vectors)
    assert np.abs(sentence_transformers_vectors(saved, TEXTS, INSTRUCTION) - vectors).max() < 2e-5


def test_a_joining_that_was_asked_for_is_saved(tmp_path, checkpoint):
    folder = checkpoint("model", **{"1_Pooling/config.json": {"include_prompt": True}})
    embedder = Embedder(folder, backend="onnx", joining="instructor")
    vectors = embedder.encode(TEXTS, INSTRUCTION)
    assert not close(Embedder(folder, backend="onnx").encode(TEXTS, INSTRUCTION), vectors)
    saved = embedder.save(tmp_path / "saved")
    assert close(Embedder(saved, backend="onnx").encode(TEXTS, INSTRUCTION), vectors)
    assert np.abs(sentence_transformers_vectors(saved, TEXTS, INSTRUCTION) - vectors).max() < 2e-5


def test_a_taken_place_is_not_overwritten(tmp_path, tiny):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(OutputError, match="taken: exists already and is not empty"):
        tiny.save(tmp_path / "taken")
    assert [file.name for file in tmp_path.rglob("*")] == ["taken", "file"]


def test_of_graphs_without_weights_float_weights_are_saved(tmp_path, bundled):
    saved = bundled.save(tmp_path / "saved")
    vectors = Embedder(saved, backend="onnx").encode(TEXTS, INSTRUCTION)
    assert np.abs(sentence_transformers_vectors(saved, TEXTS, INSTRUCTION) - vectors).max() < 2e-5
    assert (vectors * bundled.encode(TEXTS, INSTRUCTION)).sum(axis=1).min() > 0.99
    assert Embedder(saved).fingerprint != bundled.fingerprint


def test_graphs_without_weights_are_saved_as_they_are_if_asked_for(tmp_path, bundled):
    saved = bundled.save(tmp_path / "saved", graphs_only=True)
    shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
    moved = Embedder(saved.rename(tmp_path / "elsewhere"))
    assert moved.fingerprint == bundled.fingerprint
    assert np.array_equal(moved.encode("Two women"), bundled.encode("Two women"))
