"""Halves of each kind of data: disjoint, whole together, and the same whatever the order."""

from dataclasses import replace

import numpy as np
import pytest

from instructvec.errors import FileError, InputError
from instructvec.evaluation import data as kinds
from instructvec.evaluation.halves import half_of, halved
from instructvec.evaluation.sources.load import load
from tests.evaluation.sources.test_load import PART, ROWS_STS, VALUES, every_kind
from tests.evaluation.specs import spec, write_jsonl

BOTH = ("development", "test")
IN = {half: [f"{at}" for at in range(100) if half_of(f"{at}") == half] for half in BOTH}


def scored_rows(data):
    """The scored rows of a kind as values that can be compared and sorted; of every set and part."""
    match data:
        case kinds.Classification():
            found = zip(data.texts, data.labels, strict=True)
        case kinds.Clustering():
            sets = enumerate(zip(data.texts, data.labels, strict=True))
            found = [(at, *row) for at, (texts, labels) in sets for row in zip(texts, labels, strict=True)]
        case kinds.PairClassification():
            found = zip(data.a, data.b, data.labels, strict=True)
        case kinds.Sts():
            found = zip(data.a, data.b, data.scores, strict=True)
        case kinds.Reranking():
            found = zip(data.queries, data.positives, data.negatives, strict=True)
        case kinds.Retrieval():
            found = [(at, *row) for at, part in enumerate(data.parts) for row in queries_of(part)]
        case kinds.InstructionRetrieval():
            rows = zip(queries_of(data.collection), data.instructions, data.groups, strict=True)
            found = [(*query, said, group, data.changed.get(group)) for query, said, group in rows]
        case kinds.Summarization():
            found = zip(data.human, data.machine, data.scores, strict=True)
        case kinds.TextGenerationEvaluation():
            found = zip(data.hypotheses, data.references, data.human_scores, data.groups, strict=True)
        case kinds.PromptRetrieval():
            found = zip(data.inputs, data.outputs, strict=True)
        case kinds.Following():
            found = zip(data.texts, *data.goals.values(), strict=True)
    return [repr(row) for row in found]


def queries_of(part):
    assert set(part.qrels) == set(part.query_ids)
    return [(name, text, part.qrels[name]) for name, text in zip(part.query_ids, part.queries, strict=True)]


# The same kinds of data as for limits, with labels and scores that differ in both halves.
MEASURABLE = VALUES | {
    "clustering": kinds.Clustering(
        [VALUES["clustering"].texts[0], [f"{at}" for at in range(12)]],
        [VALUES["clustering"].labels[0], [0, 1, 2] * 4],
    ),
    "pair_classification": replace(VALUES["pair_classification"], labels=[at % 3 == 0 for at in range(40)]),
    "sts": replace(VALUES["sts"], scores=[float(at) for at in range(40)]),
    "following": replace(
        VALUES["following"], goals={"topic": [at % 3 for at in range(40)], "style": [at % 4 for at in range(40)]}
    ),
}
every_measurable = pytest.mark.parametrize("value", MEASURABLE.values(), ids=MEASURABLE)


@every_measurable
def test_halves_are_disjoint_not_empty_and_together_the_whole(value):
    parts = [scored_rows(halved(value, half)) for half in BOTH]
    assert all(parts)
    assert not set(parts[0]) & set(parts[1])
    assert sorted(parts[0] + parts[1]) == sorted(scored_rows(value))


@every_measurable
def test_halves_keep_the_order_of_the_file(value):
    whole = scored_rows(value)
    for half in BOTH:
        kept = set(own := scored_rows(halved(value, half)))
        assert own == [row for row in whole if row in kept]


@pytest.mark.parametrize("kind", ["classification", "sts", "reranking", "summarization", "prompt_retrieval"])
def test_a_rows_half_does_not_depend_on_the_order_or_on_other_rows(kind):
    value = MEASURABLE[kind]
    names = {
        "classification": ("texts", "labels"),
        "sts": ("a", "b", "scores"),
        "reranking": ("queries", "positives", "negatives"),
        "summarization": ("human", "machine", "scores"),
        "prompt_retrieval": ("inputs", "outputs"),
    }[kind]
    order = np.random.default_rng(0).permutation(40)[:30].tolist()
    some = replace(value, **{name: [getattr(value, name)[at] for at in order] for name in names})
    for half in BOTH:
        assert set(scored_rows(halved(some, half))) <= set(scored_rows(halved(value, half)))


def test_the_half_of_a_text_is_fixed_for_good():
    # Choices that were made on one half must not turn out to have been made on the other: these never change.
    words = ["", "ship", "harbour", "wave", "tide", "Tide", "Straße", "日本", "\ud800"]
    assert "".join(half_of(word)[0] for word in words) == "tdtdddtdt"


def test_halves_of_many_texts_are_nearly_equal():
    n_development = sum(half_of(f"text {at}") == "development" for at in range(10_000))
    assert abs(n_development - 5000) < 200  # four standard deviations of a fair coin


@pytest.mark.parametrize("half", BOTH)
def test_training_texts_documents_and_pools_stay_whole(half):
    for kind in ("classification", "retrieval", "instruction_retrieval", "prompt_retrieval"):
        value, found = MEASURABLE[kind], halved(MEASURABLE[kind], half)
        match value:
            case kinds.Classification():
                assert (found.train_texts, found.train_labels) == (value.train_texts, value.train_labels)
            case kinds.Retrieval():
                assert [part.documents for part in found.parts] == [PART.documents] * 2
                assert all(part.ignore_identical_ids for part in found.parts)
            case kinds.InstructionRetrieval():
                assert found.collection.document_ids == PART.document_ids
                assert set(found.changed) == set(found.groups) & set(value.changed)
            case kinds.PromptRetrieval():
                assert (found.pool_inputs, found.pool_outputs) == (value.pool_inputs, value.pool_outputs)


@pytest.mark.parametrize("kind", ["instruction_retrieval", "text_generation_evaluation"])
def test_groups_are_not_torn_apart(kind):
    groups = [set(halved(MEASURABLE[kind], half).groups) for half in BOTH]
    assert not groups[0] & groups[1]


def test_pairs_of_one_first_text_and_hypotheses_of_one_reference_are_together():
    names = [name for name in IN["development"][:3] + IN["test"][:3] for _ in range(4)]
    pairs = kinds.Sts(names, [f"b{at}" for at in range(24)], [float(at) for at in range(24)])
    assert set(halved(pairs, "development").a) == set(IN["development"][:3])
    # Whatever their groups are called: numbers in the order of a file change with it.
    scores = [float(at) for at in range(24)]
    for groups in (names, [f"{at}" for at in range(24)]):
        generated = kinds.TextGenerationEvaluation(names, [["z", name] for name in names], scores, groups)
        kept = halved(generated, "test").references
        assert {own[1] for own in kept} == set(IN["test"][:3])


@pytest.mark.parametrize("half", BOTH)
def test_a_half_with_nothing_in_it_is_refused(half):
    (other,) = set(BOTH) - {half}
    texts = IN[other][:6]
    value = kinds.Following(texts, {"topic": [0, 1] * 3})
    assert halved(value, other) == value
    with pytest.raises(InputError, match=f"texts: none is in the {half} half, all 6 are in the other"):
        halved(value, half)
    with pytest.raises(InputError, match="queries: none is in the .* half, the only one is in the other"):
        halved(kinds.Reranking(texts[:1], [["p"]], [["n"]]), half)
    with pytest.raises(InputError, match="texts of set 1: none"):
        halved(kinds.Clustering([[*IN[half][:2]], texts], [[0, 1], [0, 1] * 3]), half)


def test_a_half_of_one_label_is_refused():
    texts = IN["development"][:3] + IN["test"][:3]
    value = kinds.PairClassification(texts, texts, [True, True, True, False, False, True])
    with pytest.raises(InputError, match="every row has the label True"):
        halved(value, "development")
    assert halved(value, "test").labels == [False, False, True]


@every_kind
def test_every_kind_is_halved(value):
    try:
        found = halved(value, "test")
    except InputError as error:
        assert "every" in str(error)  # one label is left, or one score
    else:
        assert type(found) is type(value)


def test_loading_a_half_says_which_and_tells_it_from_the_whole(tmp_path):
    write_jsonl(tmp_path / "task" / "data.jsonl", ROWS_STS)
    loaded = {
        half: load(spec("sts"), data_folder=tmp_path, suite_folder=tmp_path, half=half) for half in ("all", *BOTH)
    }
    assert {half: one.half for half, one in loaded.items()} == {half: half for half in loaded}
    assert len({one.digest for one in loaded.values()}) == 3
    assert {one.n_rows for one in loaded.values()} == {10}
    assert sum(len(loaded[half].data.a) for half in BOTH) == 10


def test_expectations_are_of_the_whole_and_a_limit_of_the_half(tmp_path):
    write_jsonl(tmp_path / "task" / "data.jsonl", ROWS_STS)
    task = spec("sts", n_rows=10, first_text="a0")
    for half in BOTH:
        found = load(task, data_folder=tmp_path, suite_folder=tmp_path, half=half, limit=2).data
        assert len(found.a) == 2
        assert {half_of(text) for text in found.a} == {half}


def test_a_half_that_cannot_be_measured_says_where_and_what_to_do(tmp_path):
    write_jsonl(tmp_path / "task" / "data.jsonl", [row | {"a": IN["test"][0]} for row in ROWS_STS])
    with pytest.raises(
        FileError,
        match=r"task, development half: .*all 10 are in the other; leave the task out, or measure the whole",
    ):
        load(spec("sts"), data_folder=tmp_path, suite_folder=tmp_path, half="development")
