from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from instructvec.checkpoints.contract import EmbeddingContract, distinct_instructions, fingerprint
from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.spec import PoolingSpec
from instructvec.errors import ContractMismatch, InputError
from tests.parity.tiny import tiny_bert, tiny_t5

CONTRACT = EmbeddingContract(
    fingerprint="0123456789abcdef" * 2,
    instructions=("query: ", None),
    dimension=3,
    normalised=True,
    precision="int8",
    joining="instructor",
    ranges=((-0.5, -0.25, -1.0), (0.5, 0.25, 1e-7)),
    max_seq_length=512,
    long_text="chunk",
    model="hkunlp/instructor-large",
    computed_in="float32",
    version="0.1.0",
)


class TestFingerprint:
    def test_does_not_depend_on_the_path_or_the_limits(self, tmp_path):
        path = tiny_bert(tmp_path / "a")
        shutil.copytree(path, tmp_path / "b")
        (tmp_path / "b" / "sentence_bert_config.json").write_text('{"max_seq_length": 32}')
        (tmp_path / "b" / "config_sentence_transformers.json").write_text('{"prompts": {"query": "q: "}}')
        prints = {fingerprint(read_spec(tmp_path / name), "tokenizer", "prompt") for name in "ab"}
        assert len(prints) == 1
        assert len(prints.pop()) == 32

    def test_depends_on_everything_that_changes_a_vector(self, tmp_path):
        spec = read_spec(tiny_t5(tmp_path / "a", dense=24))
        changed = [
            spec,
            replace(spec, lower_case=True),
            replace(spec, normalize=False),
            replace(spec, pooling=PoolingSpec(("cls",))),
            replace(spec, pooling=PoolingSpec(("mean",), include_prompt=False)),
            replace(spec, dense=(replace(spec.dense[0], activation="relu"),)),
            replace(spec, architecture=replace(spec.architecture, relative_max_distance=99)),
            read_spec(tiny_t5(tmp_path / "b", dense=24, seed=1)),
        ]
        prints = [fingerprint(one, "tokenizer", "prompt") for one in changed]
        prints += [fingerprint(spec, "other tokenizer", "prompt"), fingerprint(spec, "tokenizer", "exact")]
        assert len(set(prints)) == len(prints)

    def test_include_prompt_counts_under_its_own_joining_only(self, tmp_path):
        spec = read_spec(tiny_bert(tmp_path / "a"))
        other = replace(spec, pooling=PoolingSpec(("mean",), include_prompt=False))
        assert fingerprint(spec, "t", "instructor") == fingerprint(other, "t", "instructor")


class TestJson:
    def test_round_trip(self):
        assert EmbeddingContract.from_json(CONTRACT.to_json()) == CONTRACT

    def test_round_trip_without_optional_fields(self):
        text = json.dumps(
            {
                "format_version": 1,
                "fingerprint": "f",
                "instructions": ["é"],
                "dimension": 2,
                "normalised": False,
                "precision": "float32",
                "joining": "prompt",
            }
        )
        contract = EmbeddingContract.from_json(text)
        assert (contract.instruction, contract.ranges, contract.long_text) == ("é", None, "truncate")

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"format_version": None}, "format_version"),
            ({"dimension": "3"}, "dimension"),
            ({"dimension": True}, "dimension"),
            ({"dimension": 0}, "dimension"),
            ({"normalised": 1}, "normalised"),
            ({"precision": "int4"}, "int4.*float32"),
            ({"joining": "glue"}, "glue"),
            ({"long_text": "drop"}, "drop"),
            ({"instructions": "query: "}, "instructions"),
            ({"instructions": [3]}, "instructions"),
            ({"ranges": [[1.0, 2.0]]}, "ranges"),
            ({"ranges": [["a"], ["b"]]}, "ranges"),
            ({"ranges": [[1.0], [2.0]]}, "ranges"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_a_field_that_cannot_be_is_refused_by_name(self, change, match):
        with pytest.raises(InputError, match=match):
            EmbeddingContract.from_json(json.dumps(json.loads(CONTRACT.to_json()) | change))

    def test_a_missing_field(self):
        content = json.loads(CONTRACT.to_json())
        del content["fingerprint"]
        with pytest.raises(InputError, match=r"missing fields \['fingerprint'\]"):
            EmbeddingContract.from_json(json.dumps(content))

    @pytest.mark.parametrize("text", ["", "{", "[]", "null"])
    def test_what_is_no_contract(self, text):
        with pytest.raises(InputError, match="contract"):
            EmbeddingContract.from_json(text)

    def test_a_newer_format_asks_for_an_upgrade(self):
        content = json.loads(CONTRACT.to_json()) | {"format_version": 2, "unknown": 1}
        with pytest.raises(ContractMismatch, match=r"newer.*upgrade"):
            EmbeddingContract.from_json(json.dumps(content))


class TestCheck:
    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"instructions": (None, "query: ")},
            {"model": "elsewhere", "computed_in": "int8", "version": "9"},
            {"max_seq_length": 128, "long_text": "truncate"},
        ],
    )
    def test_what_does_not_decide_passes(self, change):
        CONTRACT.check(replace(CONTRACT, **change))

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"fingerprint": "f" * 32}, "model: expected 0123456789ab.*got ffffffffffff"),
            ({"instructions": ("query: ",)}, r"instructions: expected 'query: ', none, got 'query: '"),
            ({"dimension": 2, "ranges": None}, "dimension: expected 3, got 2; pass the same truncate_dim"),
            ({"normalised": False}, "normalised: expected True, got False"),
            ({"precision": "float32"}, "precision: expected 'int8', got 'float32'.*convert down"),
            ({"joining": "prompt"}, "joining: expected 'instructor', got 'prompt'"),
            ({"ranges": ((0.0,) * 3, (1.0,) * 3)}, "ranges of int8"),
        ],
    )
    def test_what_decides_is_named(self, change, match):
        with pytest.raises(ContractMismatch, match=match):
            CONTRACT.check(replace(CONTRACT, **change))

    def test_every_difference_is_told_at_once(self):
        other = replace(CONTRACT, fingerprint="f" * 32, normalised=False, precision="float32")
        with pytest.raises(ContractMismatch) as caught:
            CONTRACT.check(other)
        assert str(caught.value).count("\n  - ") == 3

    def test_asymmetric_tasks_leave_the_instructions_out(self):
        CONTRACT.check(replace(CONTRACT, instructions=("document: ",)), instructions=False)

    @pytest.mark.parametrize("change", [{"max_seq_length": 128}, {"long_text": "truncate"}])
    def test_limits_decide_on_request(self, change):
        with pytest.raises(ContractMismatch, match=next(iter(change))):
            CONTRACT.check(replace(CONTRACT, **change), limits=True)


class TestInstructions:
    def test_distinct_in_order_of_first_use(self):
        assert distinct_instructions(["b", None, "a", "b", "", None]) == ("b", None, "a", "")

    def test_a_hundred_are_listed_and_more_become_one_digest(self):
        many = [f"instruction {number}: " for number in range(101)]
        assert len(distinct_instructions(many[:100])) == 100
        (digest,) = distinct_instructions(many)
        assert digest is not None
        assert digest.startswith("sha256:")
        assert distinct_instructions(many[::-1]) == (digest,)
        assert distinct_instructions([*many[:-1], None]) != (digest,)

    def test_the_one_instruction(self):
        assert replace(CONTRACT, instructions=("query: ",)).instruction == "query: "
        assert replace(CONTRACT, instructions=(None,)).instruction is None
        assert replace(CONTRACT, instructions=()).instruction is None

    @pytest.mark.parametrize("instructions", [("a", "b"), ("sha256:00",)])
    def test_several_have_no_one_instruction(self, instructions):
        with pytest.raises(InputError, match="several"):
            _ = replace(CONTRACT, instructions=instructions).instruction
