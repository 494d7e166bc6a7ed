from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.spec import DenseSpec, PoolingSpec
from instructvec.errors import CheckpointError, CheckpointNotFound, UnsupportedModule

BERT = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}
T5 = {"model_type": "t5", "vocab_size": 100, "d_model": 32, "d_kv": 6, "d_ff": 64, "num_layers": 2, "num_heads": 4}
MODERNBERT = BERT | {"model_type": "modernbert", "num_hidden_layers": 7, "max_position_embeddings": 8192}
OLD = "sentence_transformers.models."
NEW = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}
DENSE = {
    "in_features": 32,
    "out_features": 16,
    "bias": False,
    "activation_function": "torch.nn.modules.linear.Identity",
}


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def checkpoint(
    path: Path,
    config: dict[str, Any] | None = None,
    kinds: tuple[str, ...] = ("Transformer", "Pooling", "Normalize"),
    *,
    types: dict[str, str] | None = None,
    pooling: dict[str, Any] | None = None,
    dense: dict[str, Any] | None = None,
) -> Path:
    """A directory with every file but real weights, which reading a spec does not open."""
    write(path / "config.json", BERT if config is None else config)
    (path / "model.safetensors").write_bytes(b"")
    types = types or {}
    folders = ["", *(f"{index}_{kind}" for index, kind in enumerate(kinds) if index)]
    write(
        path / "modules.json",
        [
            {"idx": index, "name": str(index), "path": folder, "type": types.get(kind, OLD + kind)}
            for index, (kind, folder) in enumerate(zip(kinds, folders, strict=True))
        ],
    )
    for kind, folder in zip(kinds, folders, strict=True):
        if kind == "Pooling":
            write(path / folder / "config.json", pooling or {"word_embedding_dimension": 32})
        if kind == "Dense":
            write(path / folder / "config.json", dense or DENSE)
    write(path / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    return path


@pytest.mark.parametrize("types", [{}, NEW])
def test_the_chain_is_read_under_old_and_new_module_paths(tmp_path, types):
    path = checkpoint(tmp_path, kinds=("Transformer", "Pooling", "Dense", "Normalize"), types=types)
    spec = read_spec(path)
    assert spec.pooling == PoolingSpec(("mean",), include_prompt=True)
    assert spec.dense == (DenseSpec("2_Dense", 32, 16, bias=False, activation="identity"),)
    assert spec.normalize
    assert spec.dimension == 16
    assert spec.max_seq_length == 64
    assert spec.joining == "prompt"


def test_the_encoder_may_lie_in_a_folder_of_its_own(tmp_path):
    path = checkpoint(tmp_path)
    for name in ("config.json", "model.safetensors", "sentence_bert_config.json"):
        (path / "0_Transformer").mkdir(exist_ok=True)
        shutil.move(path / name, path / "0_Transformer" / name)
    modules = json.loads((path / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    write(path / "modules.json", modules)
    assert read_spec(path).transformer_folder == path / "0_Transformer"


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode_lasttoken": True}, ("last",)),
        ({"pooling_mode_weightedmean_tokens": True, "pooling_mode_max_tokens": True}, ("max", "weighted_mean")),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ("mean_sqrt_len",)),
        ({"pooling_mode": "lasttoken"}, ("last",)),
        ({"pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
        ({}, ("mean",)),
    ],
)
def test_pooling_modes_in_flags_and_in_the_newer_string(tmp_path, config, modes):
    path = checkpoint(tmp_path, pooling={"embedding_dimension": 32, **config})
    assert read_spec(path).pooling.modes == modes
    assert read_spec(path).dimension == 32 * len(modes)


@pytest.mark.parametrize("value", [True, False])
def test_include_prompt_is_read(tmp_path, value):
    path = checkpoint(tmp_path, pooling={"word_embedding_dimension": 32, "include_prompt": value})
    assert read_spec(path).pooling.include_prompt is value


def test_prompts_similarity_and_truncation_of_the_model_are_read(tmp_path):
    path = checkpoint(tmp_path)
    content = {
        "prompts": {"query": "query: ", "document": "", "none": None},
        "default_prompt_name": "query",
        "similarity_fn_name": "dot",
        "truncate_dim": 8,
    }
    write(path / "config_sentence_transformers.json", content)
    spec = read_spec(path)
    assert spec.prompts == {"query": "query: ", "document": ""}
    assert (spec.default_prompt_name, spec.similarity, spec.truncate_dim) == ("query", "dot", 8)


class TestMaxSeqLength:
    def test_stated_length_is_cut_to_the_position_table(self, tmp_path):
        path = checkpoint(tmp_path)
        write(path / "sentence_bert_config.json", {"max_seq_length": 4096})
        assert read_spec(path).max_seq_length == 128

    def test_roberta_positions_start_after_the_padding_id(self, tmp_path):
        config = BERT | {"model_type": "xlm-roberta", "max_position_embeddings": 130, "pad_token_id": 1}
        path = checkpoint(tmp_path, config)
        write(path / "sentence_bert_config.json", {"max_seq_length": 130})
        assert read_spec(path).max_seq_length == 128

    def test_t5_has_no_position_table(self, tmp_path):
        path = checkpoint(tmp_path, T5)
        write(path / "sentence_bert_config.json", {"max_seq_length": 2048})
        assert read_spec(path).max_seq_length == 2048

    @pytest.mark.parametrize(
        ("tokenizer_limit", "expected"), [(100, 100), (512, 128), (int(1e30), 128), (None, 128)]
    )
    def test_unstated_length_is_the_least_of_tokenizer_and_positions(self, tmp_path, tokenizer_limit, expected):
        path = checkpoint(tmp_path)
        write(path / "sentence_bert_config.json", {"max_seq_length": None})
        write(path / "tokenizer_config.json", {"model_max_length": tokenizer_limit})
        assert read_spec(path).max_seq_length == expected

    def test_t5_without_any_limit_takes_its_training_length(self, tmp_path):
        path = checkpoint(tmp_path, T5)
        (path / "sentence_bert_config.json").unlink()
        assert read_spec(path).max_seq_length == 512


class TestBareEncoder:
    def bare(self, tmp_path: Path, **config: Any) -> Path:
        write(tmp_path / "config.json", BERT | config)
        (tmp_path / "model.safetensors").write_bytes(b"")
        return tmp_path

    def test_mean_pooling_without_normalisation(self, tmp_path):
        spec = read_spec(self.bare(tmp_path))
        assert (spec.pooling.modes, spec.dense, spec.normalize) == (("mean",), (), False)

    def test_last_token_for_a_causal_language_model(self, tmp_path):
        config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
        assert read_spec(self.bare(tmp_path, **config)).pooling.modes == ("last",)

    def test_mean_for_a_language_model_that_says_it_is_not_causal(self, tmp_path):
        config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "is_causal": False}
        assert read_spec(self.bare(tmp_path, **config)).pooling.modes == ("mean",)


class TestArchitecture:
    def test_t5(self, tmp_path):
        architecture = read_spec(checkpoint(tmp_path, T5)).architecture
        assert (architecture.family, architecture.activation, architecture.gated) == ("t5", "relu", False)
        assert (architecture.head_width, architecture.n_heads, architecture.width) == (6, 4, 32)
        assert (architecture.relative_buckets, architecture.relative_max_distance) == (32, 128)

    def test_gated_t5_uses_the_tanh_form_of_gelu(self, tmp_path):
        config = T5 | {"feed_forward_proj": "gated-gelu"}
        architecture = read_spec(checkpoint(tmp_path, config)).architecture
        assert (architecture.activation, architecture.gated) == ("gelu_tanh", True)

    def test_modernbert_of_transformers_4(self, tmp_path):
        config = MODERNBERT | {"global_attn_every_n_layers": 3, "global_rope_theta": 5e4, "local_rope_theta": 2e4}
        architecture = read_spec(checkpoint(tmp_path, config)).architecture
        assert (architecture.global_every, architecture.rope_theta, architecture.local_rope_theta) == (3, 5e4, 2e4)

    def test_modernbert_of_transformers_5(self, tmp_path):
        kinds = ["full_attention" if index % 3 == 0 else "sliding_attention" for index in range(7)]
        rope = {
            "full_attention": {"rope_type": "default", "rope_theta": 5e4},
            "sliding_attention": {"rope_type": "default", "rope_theta": 2e4},
        }
        config = MODERNBERT | {"layer_types": kinds, "rope_parameters": rope}
        architecture = read_spec(checkpoint(tmp_path, config)).architecture
        assert (architecture.global_every, architecture.rope_theta, architecture.local_rope_theta) == (3, 5e4, 2e4)

    def test_distilbert(self, tmp_path):
        config = {
            "model_type": "distilbert",
            "vocab_size": 9,
            "dim": 32,
            "n_layers": 1,
            "n_heads": 4,
            "hidden_dim": 8,
        }
        architecture = read_spec(checkpoint(tmp_path, config)).architecture
        assert (architecture.family, architecture.ffn_width, architecture.n_positions) == ("distilbert", 8, 512)

    @pytest.mark.parametrize(
        ("config", "named"),
        [
            ({"model_type": "umt5"}, "umt5"),
            ({"model_type": "deberta-v2"}, "deberta-v2"),
            ({"position_embedding_type": "relative_key"}, "relative_key"),
            ({"hidden_act": "quick_gelu"}, "quick_gelu"),
            ({"is_decoder": True}, "is_decoder"),
            ({"auto_map": {"AutoModel": "modeling.Custom"}}, "modeling.Custom"),
            ({"model_type": "mpnet", "relative_attention_num_buckets": 16}, "16"),
        ],
    )
    def test_what_is_not_understood_is_refused_by_name(self, tmp_path, config, named):
        with pytest.raises(UnsupportedModule, match=named) as caught:
            read_spec(checkpoint(tmp_path, BERT | config))
        assert str(tmp_path / "config.json") in str(caught.value)

    def test_irregular_modernbert_layers_are_refused(self, tmp_path):
        kinds = ["full_attention"] * 3 + ["sliding_attention"] * 4
        with pytest.raises(UnsupportedModule, match="layer_types"):
            read_spec(checkpoint(tmp_path, MODERNBERT | {"layer_types": kinds}))


class TestRefusals:
    def test_no_such_directory(self, tmp_path):
        with pytest.raises(CheckpointNotFound, match="no such directory"):
            read_spec(tmp_path / "absent")

    def test_a_directory_without_a_model_says_what_was_looked_for_and_found(self, tmp_path):
        write(tmp_path / "notes.txt", "hello")
        with pytest.raises(CheckpointNotFound, match=r"modules\.json.*config\.json.*notes\.txt"):
            read_spec(tmp_path)

    def test_configuration_without_weights(self, tmp_path):
        (checkpoint(tmp_path) / "model.safetensors").unlink()
        with pytest.raises(CheckpointNotFound, match=r"model\.safetensors.*pytorch_model\.bin"):
            read_spec(tmp_path)

    def test_an_adapter(self, tmp_path):
        (checkpoint(tmp_path) / "config.json").unlink()
        write(tmp_path / "adapter_config.json", {})
        with pytest.raises(UnsupportedModule, match="merge"):
            read_spec(tmp_path)

    @pytest.mark.parametrize(
        ("kinds", "named"),
        [
            (("Transformer", "Pooling", "LayerNorm"), "LayerNorm' at index 2"),
            (("Transformer", "Pooling", "Normalize", "Dense"), "Dense' at index 3"),
            (("Transformer", "Normalize"), "Pooling"),
            (("Transformer",), "Pooling"),
            (("Pooling", "Transformer"), "Pooling' at index 0"),
            (("Transformer", "WordWeights", "Pooling"), "WordWeights' at index 1"),
        ],
    )
    def test_modules_out_of_order_or_unknown(self, tmp_path, kinds, named):
        with pytest.raises(UnsupportedModule, match=named) as caught:
            read_spec(checkpoint(tmp_path, kinds=kinds))
        assert "modules.json" in str(caught.value)

    def test_a_module_with_code_of_its_own(self, tmp_path):
        with pytest.raises(UnsupportedModule, match="custom_st"):
            read_spec(checkpoint(tmp_path, types={"Transformer": "custom_st.Transformer"}))

    @pytest.mark.parametrize("folder", ["../outside", "/outside", "C:/outside"])
    def test_a_module_path_that_leaves_the_directory(self, tmp_path, folder):
        modules = json.loads((checkpoint(tmp_path) / "modules.json").read_text())
        modules[1]["path"] = folder
        write(tmp_path / "modules.json", modules)
        with pytest.raises(CheckpointError, match="leaves"):
            read_spec(tmp_path)

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"activation_function": "mine.Swish"}, "mine.Swish"),
            ({"activation_function": "torch.nn.modules.activation.PReLU"}, "PReLU"),
            ({"use_residual": True}, "use_residual"),
            ({"module_input_name": "token_embeddings"}, "token_embeddings"),
        ],
    )
    def test_a_projection_that_is_not_understood(self, tmp_path, change, named):
        path = checkpoint(tmp_path, kinds=("Transformer", "Pooling", "Dense"), dense=DENSE | change)
        with pytest.raises(UnsupportedModule, match=named):
            read_spec(path)

    def test_a_projection_of_another_width(self, tmp_path):
        path = checkpoint(tmp_path, kinds=("Transformer", "Pooling", "Dense"), dense=DENSE | {"in_features": 48})
        with pytest.raises(CheckpointError, match=r"48.*32"):
            read_spec(path)

    @pytest.mark.parametrize("config", [{"pooling_mode": "attention"}, {"pooling_mode_attention": True}])
    def test_an_unknown_pooling(self, tmp_path, config):
        path = checkpoint(tmp_path, pooling={"word_embedding_dimension": 32, **config})
        with pytest.raises(UnsupportedModule, match="attention"):
            read_spec(path)

    def test_a_pooling_of_another_width(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"word_embedding_dimension is 48.*32"):
            read_spec(checkpoint(tmp_path, pooling={"word_embedding_dimension": 48}))

    def test_a_normalize_of_tokens(self, tmp_path):
        path = checkpoint(tmp_path)
        write(path / "2_Normalize" / "config.json", {"module_input_name": "token_embeddings"})
        with pytest.raises(UnsupportedModule, match="token_embeddings"):
            read_spec(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"transformer_task": "fill-mask"},
            {"query_expansion": {"strategy": "fixed", "length": 32}},
            {"tokenizer_args": {"padding_side": "left"}},
            {"modality_config": {"image": {"method": "forward"}}},
        ],
    )
    def test_a_transformer_option_that_changes_the_vectors(self, tmp_path, change):
        path = checkpoint(tmp_path)
        write(path / "sentence_bert_config.json", {"max_seq_length": 64, **change})
        with pytest.raises(UnsupportedModule, match=r"sentence_bert_config\.json"):
            read_spec(path)

    def test_another_kind_of_model(self, tmp_path):
        write(checkpoint(tmp_path) / "config_sentence_transformers.json", {"model_type": "SparseEncoder"})
        with pytest.raises(UnsupportedModule, match="SparseEncoder"):
            read_spec(tmp_path)

    @pytest.mark.parametrize("key", ["vocab_size", "hidden_size", "num_hidden_layers", "model_type"])
    def test_a_missing_key_is_named_with_its_file(self, tmp_path, key):
        config = {name: value for name, value in BERT.items() if name != key}
        with pytest.raises(CheckpointError, match=rf"config\.json.*'{key}'"):
            read_spec(checkpoint(tmp_path, config))

    @pytest.mark.parametrize("value", ["many", [2], True, 2.5])
    def test_a_key_of_the_wrong_type(self, tmp_path, value):
        with pytest.raises(CheckpointError, match=r"'num_hidden_layers'.*whole number"):
            read_spec(checkpoint(tmp_path, BERT | {"num_hidden_layers": value}))

    @pytest.mark.parametrize("file", ["config.json", "modules.json", "1_Pooling/config.json"])
    def test_broken_json_names_file_line_and_column(self, tmp_path, file):
        write(checkpoint(tmp_path) / file, '{"a": 1,\n oops}')
        with pytest.raises(CheckpointError, match="line 2, column") as caught:
            read_spec(tmp_path)
        assert str(tmp_path / file) in str(caught.value)

    def test_json_that_is_not_an_object(self, tmp_path):
        write(checkpoint(tmp_path) / "config.json", "[]")
        with pytest.raises(CheckpointError, match="expected a JSON object, found a list"):
            read_spec(tmp_path)

    def test_json_that_is_not_text(self, tmp_path):
        (checkpoint(tmp_path) / "config.json").write_bytes(b'{"a": "\xff"}')
        with pytest.raises(CheckpointError, match="UTF-8"):
            read_spec(tmp_path)

    def test_a_missing_pooling_config(self, tmp_path):
        (checkpoint(tmp_path) / "1_Pooling" / "config.json").unlink()
        with pytest.raises(CheckpointError, match="missing"):
            read_spec(tmp_path)

    @pytest.mark.parametrize(
        "content", [{"prompts": ["a"]}, {"prompts": {"query": 3}}, {"default_prompt_name": "q"}]
    )
    def test_prompts_that_are_none(self, tmp_path, content):
        write(checkpoint(tmp_path) / "config_sentence_transformers.json", content)
        with pytest.raises(CheckpointError, match="prompt"):
            read_spec(tmp_path)


class TestManifest:
    def test_joining_and_graphs_are_read(self, tmp_path):
        path = checkpoint(tmp_path, pooling={"word_embedding_dimension": 32, "include_prompt": True})
        (path / "onnx").mkdir()
        (path / "onnx" / "model_int8.onnx").write_bytes(b"")
        (path / "model.safetensors").unlink()
        content = {"joining": "exact", "weights_digest": "ab", "onnx": {"int8": "onnx/model_int8.onnx"}}
        write(path / "instructvec.json", {"format_version": 1, "recipe": "r.toml", **content})
        spec = read_spec(path)
        assert (spec.joining, spec.pooling.include_prompt) == ("exact", False)
        assert spec.onnx_files == {"int8": path / "onnx" / "model_int8.onnx"}
        assert (spec.has_weights, spec.weights_digest) == (False, "ab")

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            ({"format_version": 99}, "newer.*upgrade"),
            ({"joining": "exact"}, "format_version"),
            ({"format_version": 1, "joining": "mixed"}, "mixed.*instructor"),
            ({"format_version": 1, "weights_digest": 3}, "weights_digest"),
            ({"format_version": 1, "onnx": ["model.onnx"]}, "onnx"),
            ({"format_version": 1, "onnx": {"int8": "onnx/absent.onnx"}}, "absent.onnx"),
            ({"format_version": 1, "onnx": {"int8": "../model.onnx"}}, "leaves"),
        ],
    )
    def test_a_manifest_that_cannot_be_used_is_refused(self, tmp_path, content, match):
        write(checkpoint(tmp_path) / "instructvec.json", content)
        with pytest.raises(CheckpointError, match=match):
            read_spec(tmp_path)


class TestInstructorRecognition:
    KINDS = ("Transformer", "Pooling", "Dense", "Normalize")

    def plain(self, path: Path, **pooling: Any) -> Path:
        """The module chain that GTR, sentence-T5 and INSTRUCTOR share."""
        return checkpoint(path, T5, self.KINDS, pooling={"word_embedding_dimension": 32, **pooling})

    def test_the_chain_alone_proves_nothing(self, tmp_path):
        assert read_spec(self.plain(tmp_path / "gtr-t5-base")).joining == "prompt"

    @pytest.mark.parametrize("name", ["hkunlp/instructor-large", "models/instructor_base", "Instructor"])
    def test_by_the_given_name(self, tmp_path, name):
        spec = read_spec(self.plain(tmp_path / "m"), name=name)
        assert (spec.joining, spec.pooling.include_prompt) == ("instructor", False)

    @pytest.mark.parametrize("name", ["my/constructor-large", "instructors/gtr-base", "reinstructor"])
    def test_not_by_part_of_a_word_or_by_the_owner(self, tmp_path, name):
        assert read_spec(self.plain(tmp_path / "m"), name=name).joining == "prompt"

    def test_by_the_name_of_the_directory(self, tmp_path):
        assert read_spec(self.plain(tmp_path / "instructor-xl")).joining == "instructor"

    def test_by_the_repository_in_the_hub_cache(self, tmp_path):
        path = (
            tmp_path
            / "models--hkunlp--instructor-large"
            / "snapshots"
            / "54e5ffb8d484de506e59443b07dc819fb15c7233"
        )
        assert read_spec(self.plain(path)).joining == "instructor"

    def test_by_the_origin_in_the_config(self, tmp_path):
        path = checkpoint(tmp_path / "m", T5 | {"_name_or_path": "out/instructor-large"}, self.KINDS)
        assert read_spec(path).joining == "instructor"

    def test_by_the_module_types_of_its_own_save(self, tmp_path):
        types = {"Transformer": "InstructorEmbedding.instructor", "Pooling": "InstructorEmbedding.instructor"}
        assert read_spec(checkpoint(tmp_path / "m", BERT, types=types)).joining == "instructor"

    @pytest.mark.parametrize(
        "card",
        [
            "---\ntags:\n- mteb\nmodel-index:\n- name: INSTRUCTOR\n  results: []\n---\nA card\n",
            "---\ntags:\n- arxiv:2212.09741\n---\n",
            "---\nbase_model: hkunlp/instructor-base\n---\n# Mine\n",
            "# hkunlp/instructor-large\nWe introduce Instructor.\n",
            "---\nlicense: apache-2.0\n---\n\n# hkunlp/instructor-large\n",
        ],
    )
    def test_by_a_model_card_that_calls_itself_so(self, tmp_path, card):
        write(self.plain(tmp_path / "m") / "README.md", card)
        assert read_spec(tmp_path / "m").joining == "instructor"

    @pytest.mark.parametrize(
        "card",
        [
            "---\ntags:\n- mteb\n---\n# Other\n| [it](https://huggingface.co/hkunlp/instructor-xl) | 61.8 |\n",
            "# Other\nBetter than INSTRUCTOR (arxiv:2212.09741).\n",
            "---\nbroken front matter\n",
        ],
    )
    def test_not_by_a_card_that_mentions_it(self, tmp_path, card):
        write(self.plain(tmp_path / "m") / "README.md", card)
        assert read_spec(tmp_path / "m").joining == "prompt"

    def test_not_where_the_pooling_includes_the_prompt_in_so_many_words(self, tmp_path):
        spec = read_spec(self.plain(tmp_path / "instructor-x", include_prompt=True))
        assert (spec.joining, spec.pooling.include_prompt) == ("prompt", True)

    def test_the_manifest_overrules_every_sign(self, tmp_path):
        path = self.plain(tmp_path / "instructor-x")
        write(path / "instructvec.json", {"format_version": 1, "joining": "prompt"})
        assert read_spec(path, name="hkunlp/instructor-xl").joining == "prompt"
