from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.names import canonical_names, expected_shapes
from instructvec.checkpoints.tensors import StoredTensor, read_safetensors, write_safetensors
from instructvec.checkpoints.weights import load_dense, load_weights, stored_weights, weights_digest
from instructvec.errors import CheckpointError, MissingExtra
from tests.parity.tiny import TINY, tiny_bert, tiny_t5


def state(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "model.safetensors")


def rewrite(path: Path, tensors: dict[str, torch.Tensor], *, as_bin: bool = False) -> None:
    (path / "model.safetensors").unlink(missing_ok=True)
    if as_bin:
        torch.save(tensors, path / "pytorch_model.bin")
    else:
        contiguous = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        save_file(contiguous, path / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("family", sorted(TINY))
def test_weights_are_the_encoders_own_under_plain_names(tmp_path, family):
    path = TINY[family](tmp_path / "model")
    spec = read_spec(path)
    weights, stored = load_weights(spec), state(path)
    expected = {name for name in stored if not name.startswith("pooler.")}
    assert set(weights) == expected
    assert set(expected_shapes(spec.architecture)) <= set(weights)
    for name, array in weights.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, stored[name].numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("as_bin", [False, True])
def test_other_number_types_become_float32(tmp_path, dtype, as_bin):
    path = tiny_bert(tmp_path / "model")
    narrow = {name: tensor.to(dtype) for name, tensor in state(path).items()}
    rewrite(path, narrow, as_bin=as_bin)
    for name, array in load_weights(read_spec(path)).items():
        assert array.dtype == np.float32
        assert np.array_equal(array, narrow[name].float().numpy())


class TestNames:
    @pytest.mark.parametrize("prefix", ["bert.", "auto_model.", "0.auto_model.", "model.bert."])
    def test_wrapper_prefixes_come_off_and_heads_stay_out(self, tmp_path, prefix):
        path = tiny_bert(tmp_path / "model")
        spec = read_spec(path)
        before, digest = load_weights(spec), weights_digest(spec)
        before = {name: array.copy() for name, array in before.items()}
        wrapped = {prefix + name: tensor for name, tensor in state(path).items()}
        rewrite(path, wrapped | {"cls.predictions.bias": torch.zeros(3)})
        after = load_weights(spec)
        assert set(after) == set(before)
        assert all(np.array_equal(after[name], before[name]) for name in before)
        assert weights_digest(spec) == digest

    def test_tensorflow_names_of_layer_norms(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        digest = weights_digest(read_spec(path))
        rewrite(
            path,
            {
                name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                    "LayerNorm.bias", "LayerNorm.beta"
                ): tensor
                for name, tensor in state(path).items()
            },
        )
        assert weights_digest(read_spec(path)) == digest

    def test_t5_copies_of_the_word_embedding_and_the_decoder_stay_out(self, tmp_path):
        path = tiny_t5(tmp_path / "model")
        digest, tensors = weights_digest(read_spec(path)), state(path)
        extra = {
            "encoder.embed_tokens.weight": tensors["shared.weight"],
            "decoder.embed_tokens.weight": tensors["shared.weight"],
            "decoder.final_layer_norm.weight": torch.ones(32),
            "lm_head.weight": tensors["shared.weight"],
        }
        rewrite(path, tensors | extra)
        assert set(load_weights(read_spec(path))) == set(tensors)
        assert weights_digest(read_spec(path)) == digest

    def test_t5_with_the_encoders_word_embedding_alone(self, tmp_path):
        path = tiny_t5(tmp_path / "model")
        digest, tensors = weights_digest(read_spec(path)), state(path)
        tensors["encoder.embed_tokens.weight"] = tensors.pop("shared.weight")
        rewrite(path, tensors)
        assert "shared.weight" in load_weights(read_spec(path))
        assert weights_digest(read_spec(path)) == digest

    def test_old_buffers_stay_out(self):
        stored = ["embeddings.word_embeddings.weight", "embeddings.position_ids", "pooler.dense.weight"]
        names = canonical_names(stored, "bert", Path("model.safetensors"))
        assert set(names) == {"embeddings.word_embeddings.weight"}

    def test_no_word_embedding_at_all(self):
        with pytest.raises(CheckpointError, match=r"x\.bin.*word_embeddings.*vision"):
            canonical_names(["vision.patch.weight"], "bert", Path("x.bin"))


class TestShards:
    def shard(self, path: Path, suffix: str) -> None:
        tensors = state(path)
        names = sorted(tensors)
        (path / "model.safetensors").unlink()
        stem, index = ("model", "model.safetensors") if suffix == "safetensors" else ("pytorch_model",) * 2
        weight_map = {}
        for number, part in enumerate((names[::2], names[1::2])):
            file = f"{stem}-{number}.{suffix}"
            held = {name: tensors[name] for name in part}
            save_file(held, path / file) if suffix == "safetensors" else torch.save(held, path / file)
            weight_map |= dict.fromkeys(part, file)
        index = f"{index}.index.json" if suffix == "safetensors" else "pytorch_model.bin.index.json"
        (path / index).write_text(json.dumps({"weight_map": weight_map}))

    @pytest.mark.parametrize("suffix", ["safetensors", "bin"])
    def test_shards_read_as_the_whole(self, tmp_path, suffix):
        path = tiny_bert(tmp_path / "model")
        digest = weights_digest(read_spec(path))
        self.shard(path, suffix)
        assert weights_digest(read_spec(path)) == digest

    def test_a_missing_shard_is_named(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        self.shard(path, "safetensors")
        (path / "model-1.safetensors").unlink()
        with pytest.raises(CheckpointError, match=r"model-1\.safetensors.*missing"):
            load_weights(read_spec(path))


class TestDigest:
    def test_bin_and_safetensors_of_the_same_weights_agree(self, tmp_path):
        path = tiny_t5(tmp_path / "model", dense=24)
        digest = weights_digest(read_spec(path))
        rewrite(path, state(path) | {"encoder.embed_tokens.weight": state(path)["shared.weight"]}, as_bin=True)
        dense = load_file(path / "2_Dense" / "model.safetensors")
        (path / "2_Dense" / "model.safetensors").unlink()
        torch.save(dense, path / "2_Dense" / "pytorch_model.bin")
        assert weights_digest(read_spec(path)) == digest

    def test_every_part_of_the_content_changes_it(self, tmp_path):
        path = tiny_t5(tmp_path / "model", dense=24)
        digests = {weights_digest(read_spec(path))}
        tensors = state(path)
        nudged = {name: tensor.clone() for name, tensor in tensors.items()}
        nudged["encoder.final_layer_norm.weight"][0] += 1e-3
        rewrite(path, nudged)
        digests.add(weights_digest(read_spec(path)))
        rewrite(path, {name: tensor.half() for name, tensor in tensors.items()})
        digests.add(weights_digest(read_spec(path)))
        rewrite(path, tensors)
        dense = load_file(path / "2_Dense" / "model.safetensors")
        save_file({name: tensor + 1 for name, tensor in dense.items()}, path / "2_Dense" / "model.safetensors")
        digests.add(weights_digest(read_spec(path)))
        assert len(digests) == 4

    def test_a_directory_of_graphs_answers_with_the_recorded_one(self, tmp_path):
        spec = replace(read_spec(tiny_bert(tmp_path / "model")), has_weights=False, weights_digest="recorded")
        assert weights_digest(spec) == "recorded"
        with pytest.raises(CheckpointError, match="no weights_digest"):
            weights_digest(replace(spec, weights_digest=None))


class TestDense:
    @pytest.mark.parametrize("bias", [True, False])
    def test_weight_and_bias(self, tmp_path, bias):
        path = tiny_t5(tmp_path / "model", dense=24, dense_bias=bias)
        stored = load_file(path / "2_Dense" / "model.safetensors")
        weight, found = load_dense(read_spec(path), 0)
        assert np.array_equal(weight, stored["linear.weight"].numpy())
        assert (found is None) is (not bias)
        assert found is None or np.array_equal(found, stored["linear.bias"].numpy())

    def test_a_shape_against_the_config(self, tmp_path):
        path = tiny_t5(tmp_path / "model", dense=24)
        save_file(
            {"linear.weight": torch.zeros(8, 32), "linear.bias": torch.zeros(8)},
            path / "2_Dense" / "model.safetensors",
        )
        with pytest.raises(CheckpointError, match=r"linear\.weight.*\(8, 32\).*\(24, 32\)"):
            load_dense(read_spec(path), 0)

    def test_a_missing_bias(self, tmp_path):
        path = tiny_t5(tmp_path / "model", dense=24)
        save_file({"linear.weight": torch.zeros(24, 32)}, path / "2_Dense" / "model.safetensors")
        with pytest.raises(CheckpointError, match=r"2_Dense.*linear\.bias"):
            load_dense(read_spec(path), 0)


class TestDamage:
    @pytest.mark.parametrize("keep", [0, 5, 200, -10])
    def test_truncated_safetensors(self, tmp_path, keep):
        path = tiny_bert(tmp_path / "model")
        file = path / "model.safetensors"
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(CheckpointError, match="truncated") as caught:
            load_weights(read_spec(path))
        assert str(file) in str(caught.value)

    @pytest.mark.parametrize(
        ("header", "match"),
        [
            (b"not json", "no JSON object"),
            (b"[1, 2]", "no JSON object"),
            (b'{"a": {"dtype": "F5", "shape": [1], "data_offsets": [0, 4]}}', "'a'.*dtype"),
            (b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}', r"'a' takes 4 bytes"),
            (b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 99]}}', "truncated.*'a'"),
            (b'{"a": 3}', "'a'.*described"),
        ],
    )
    def test_a_header_that_lies(self, tmp_path, header, match):
        file = tmp_path / "model.safetensors"
        file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
        with pytest.raises(CheckpointError, match=match):
            read_safetensors(file)

    def test_pickled_objects_are_refused_and_not_executed(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        marker = tmp_path / "executed"

        class Payload:
            def __reduce__(self):
                return (Path.touch, (marker,))

        (path / "model.safetensors").unlink()
        torch.save({"weight": Payload()}, path / "pytorch_model.bin")
        with pytest.raises(CheckpointError, match=r"pytorch_model\.bin.*pickled.*not executed.*safetensors"):
            load_weights(read_spec(path))
        (path / "pytorch_model.bin").write_bytes(pickle.dumps(Payload()))
        with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
            load_weights(read_spec(path))
        assert not marker.exists()

    @pytest.mark.parametrize("keep", [0, 100, -100])
    def test_a_truncated_bin(self, tmp_path, keep):
        path = tiny_bert(tmp_path / "model")
        rewrite(path, state(path), as_bin=True)
        file = path / "pytorch_model.bin"
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(CheckpointError, match=r"pytorch_model\.bin.*(truncated|damaged)"):
            load_weights(read_spec(path))

    def test_a_bin_of_something_else(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        rewrite(path, {"epoch": 3}, as_bin=True)  # type: ignore[dict-item]
        with pytest.raises(CheckpointError, match="dict of tensors"):
            load_weights(read_spec(path))

    def test_a_bin_without_torch(self, tmp_path, monkeypatch):
        path = tiny_bert(tmp_path / "model")
        rewrite(path, state(path), as_bin=True)
        monkeypatch.setattr("instructvec.extras.has", lambda package: False)
        with pytest.raises(MissingExtra, match=r"safetensors.*pip install"):
            load_weights(read_spec(path))

    def test_a_missing_tensor_is_named_with_its_file_and_shape(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        tensors = state(path)
        del tensors["encoder.layer.1.output.dense.weight"]
        rewrite(path, tensors)
        with pytest.raises(
            CheckpointError, match=r"model\.safetensors.*layer\.1\.output\.dense\.weight.*\(32, 64\)"
        ):
            load_weights(read_spec(path))

    def test_a_tensor_of_another_shape(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        tensors = state(path) | {"embeddings.word_embeddings.weight": torch.zeros(7, 32)}
        rewrite(path, tensors)
        with pytest.raises(CheckpointError, match=r"word_embeddings\.weight.*\(7, 32\)"):
            load_weights(read_spec(path))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_no_numbers(self, tmp_path, value):
        path = tiny_bert(tmp_path / "model")
        tensors = state(path)
        tensors["encoder.layer.0.output.dense.bias"][3] = value
        rewrite(path, tensors)
        with pytest.raises(CheckpointError, match=r"layer\.0\.output\.dense\.bias.*NaN"):
            load_weights(read_spec(path))

    def test_a_quantised_tensor(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        tensors = state(path)
        tensors["encoder.layer.0.output.dense.weight"] = torch.zeros(32, 64, dtype=torch.int8)
        rewrite(path, tensors)
        with pytest.raises(CheckpointError, match=r"int8.*unquantised"):
            load_weights(read_spec(path))

    def test_no_weights(self, tmp_path):
        path = tiny_t5(tmp_path / "model", dense=24)
        (path / "2_Dense" / "model.safetensors").unlink()
        with pytest.raises(CheckpointError, match=r"2_Dense: no weights"):
            load_dense(read_spec(path), 0)


def test_written_safetensors_read_back_byte_for_byte_here_and_in_safetensors(tmp_path):
    file, copy = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    tensors = {
        "float": torch.randn(3, 5),
        "brain": torch.randn(7).bfloat16(),
        "half": torch.randn(2, 2, 2).half(),
        "whole": torch.arange(4),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
    }
    save_file(tensors, file)
    write_safetensors(copy, read_safetensors(file))
    read = load_file(copy)
    assert set(read) == set(tensors)
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_float32_safetensors_are_views_of_the_file(tmp_path):
    path = tiny_bert(tmp_path / "model")
    weight = load_weights(read_spec(path))["embeddings.word_embeddings.weight"]
    assert not weight.flags.owndata
    assert not weight.flags.writeable


def test_pooler_comes_along_on_request_only(tmp_path):
    spec = read_spec(tiny_bert(tmp_path / "model"))
    assert set(stored_weights(spec, pooler=True)) - set(stored_weights(spec)) == {
        "pooler.dense.weight",
        "pooler.dense.bias",
    }


def test_stored_tensor_counts_its_bytes():
    tensor = StoredTensor(Path("f"), "t", "bfloat16", (3, 4), lambda: np.zeros((3, 4), np.uint16))
    assert tensor.n_bytes == 24 == len(tensor.raw())


def test_weights_outlive_a_rename_of_the_directory(tmp_path):
    path = tiny_bert(tmp_path / "model")
    weights = load_weights(read_spec(path))
    expected = state(path)["embeddings.LayerNorm.bias"].numpy()
    shutil.move(path, tmp_path / "moved")
    assert np.array_equal(weights["embeddings.LayerNorm.bias"], expected)
