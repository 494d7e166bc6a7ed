"""Each kind of dataset takes its rule; texts of the triplets are those of the rows that the rule chose."""

import numpy as np
import pyarrow as pa
import pytest

from instructvec.errors import ConfigError
from instructvec.medi.config import MiningOptions
from instructvec.medi.mine import ids_of, mine
from instructvec.medi.registry import Dataset, Source
from instructvec.medi.vectors import TextVectors
from tests.evaluation.fake import FakeEncoder

OPTIONS = MiningOptions()


def entry(kind, *, symmetric=True):
    document = None if symmetric else "Represent the answer: "
    return Dataset(
        "faq", kind, "MIT", "Represent it: ", Source(file="x"), symmetric=symmetric, document_instruction=document
    )


def table(first, second, others=None):
    return pa.table(
        {
            "first": pa.array(first, pa.string()),
            "second": pa.array(second, pa.string()),
            "others": pa.array(others or [[] for _ in first], pa.list_(pa.string())),
        }
    )


@pytest.fixture
def vectors_of():
    """Texts lie the nearer the more words they share."""
    return TextVectors(FakeEncoder())


def triplets(found):
    columns = (found.table.column(name).to_pylist() for name in ("query", "positive", "negative"))
    return list(zip(*columns, strict=True))


def rules(found):
    return set(found.table.column("rule").to_pylist()) | {found.facts["rule"]}


def refuse(texts):
    raise AssertionError("no vectors are needed")


@pytest.mark.parametrize("kind", ["pair", "triplet", "label", "superni"])
def test_empty_dataset_gives_an_empty_table_of_the_same_columns(kind, vectors_of):
    found = mine(entry(kind), table([], []), refuse, OPTIONS)
    full = mine(entry("triplet"), table(["q"], ["p"], [["n"]]), refuse, OPTIONS)
    assert found.table.num_rows == 0
    assert found.table.schema == full.table.schema
    assert found.facts["without_triplet"] == {}


def test_triplets_keep_the_sources_negatives_a_row_each_and_need_no_model():
    rows = table(["q", "r", "s"], ["p", "o", "m"], [["n1", "n2"], [], ["n3"]])
    found = mine(entry("triplet"), rows, refuse, OPTIONS)
    assert triplets(found) == [("q", "p", "n1"), ("q", "p", "n2"), ("r", "o", None), ("s", "m", "n3")]
    assert found.table.column("row").to_pylist() == [0, 0, 1, 2]
    assert found.table.column("positive_row").to_pylist() == [-1] * 4
    assert found.table.column("margin").null_count == 4
    assert rules(found) == {"given"}


QUESTIONS = [
    ("how old is the cat", "the cat is nine"),
    ("how old is the dog", "the dog is ten"),
    ("where is the sea", "the sea is far off"),
    ("where is the wood", "the wood is near by"),
]


def test_pairs_get_mined_negatives_among_the_documents_of_an_asymmetric_set(vectors_of):
    rows = table(*zip(*QUESTIONS, strict=True))
    found = mine(entry("pair", symmetric=False), rows, vectors_of, OPTIONS)
    answers = {answer for _, answer in QUESTIONS}
    assert [row[:2] for row in triplets(found)] == QUESTIONS
    assert {row[2] for row in triplets(found)} - {None} <= answers
    assert any(row[2] for row in triplets(found))
    assert all(row[2] != row[1] for row in triplets(found))
    assert rules(found) == {"mined"}
    assert found.table.column("positive_row").to_pylist() == [-1] * 4
    for margin, (_, _, negative) in zip(found.table.column("margin").to_pylist(), triplets(found), strict=True):
        assert (margin is None) == (negative is None)
        assert margin is None or margin > 0


def test_pairs_of_a_symmetric_set_get_negatives_from_either_side(vectors_of):
    first = ["a b c d", "e f g h", "a b x y"]
    second = ["a b c e", "e f g i", "a b x z"]
    found = mine(entry("pair"), table(first, second), vectors_of, OPTIONS)
    negatives = {row[2] for row in triplets(found)} - {None}
    assert negatives & set(first)
    assert negatives & set(second)


def test_texts_that_a_chain_of_symmetric_pairs_links_are_no_negatives(vectors_of):
    """a ~ b and b ~ c, so c is none of a's negatives."""
    first, second = ["m n o a", "m n o b", "r s t u"], ["m n o b", "m n o c", "r s t v"]
    found = mine(entry("pair"), table(first, second), vectors_of, MiningOptions(relative_margin=1))
    for query, _, negative in triplets(found)[:2]:
        assert query.startswith("m n o")
        assert negative is None or negative.startswith("r s t")


def test_pair_of_a_text_with_itself_is_left_out_and_counted(vectors_of):
    found = mine(entry("pair"), table(["a b", "c d"], ["a b", "c e"]), vectors_of, OPTIONS)
    assert [row[:2] for row in triplets(found)] == [("c d", "c e")]
    assert found.facts["without_triplet"] == {"the positive is the query's own text": 1}


SPORT = [f"ball goal team match player number {n}" for n in range(12)]
FOOD = [f"bread soup salt oven plate number {n}" for n in range(12)]


def test_labelled_texts_get_a_positive_of_their_label_and_a_negative_of_another(vectors_of):
    labels = ["sport"] * 12 + ["food"] * 12
    found = mine(entry("label"), table(SPORT + FOOD, labels), vectors_of, OPTIONS)
    assert rules(found) == {"labelled"}
    assert found.table.num_rows == 24
    for query, positive, negative in triplets(found):
        own = SPORT if query in SPORT else FOOD
        assert positive in own and positive != query
        assert negative not in own
    assert (found.facts["labels"], found.facts["agreement"]) == (2, 1.0)
    rows = (SPORT + FOOD)[found.table.column("positive_row")[0].as_py()]
    assert rows == triplets(found)[0][1]
    assert found.table.column("row").to_pylist() == list(range(24))


def test_text_whose_neighbours_have_another_label_takes_no_part(vectors_of):
    labels = ["sport"] * 11 + ["food"] * 13  # the last match is labelled as food
    for kind, rule in (("label", "labelled"), ("superni", "class")):
        found = mine(entry(kind), table(SPORT + FOOD, labels), vectors_of, OPTIONS)
        assert rules(found) == {rule}
        assert SPORT[11] not in {text for row in triplets(found) for text in row}
        assert found.facts["without_triplet"] == {"its label cannot be told from its neighbours": 1}


def test_labels_that_the_model_does_not_see_cost_no_text(vectors_of):
    labels = ["even", "odd"] * 12
    for kind in ("label", "superni"):
        found = mine(entry(kind), table(SPORT + FOOD, labels), vectors_of, OPTIONS)
        assert found.facts["agreement"] < 0.05
        assert found.table.num_rows == 24


def test_task_with_few_outputs_takes_the_rule_for_classes(vectors_of):
    found = mine(entry("superni"), table(SPORT + FOOD, ["yes"] * 12 + ["no"] * 12), vectors_of, OPTIONS)
    assert rules(found) == {"class"}
    assert found.table.num_rows == 24
    assert all(
        (query in SPORT) == (positive in SPORT) != (negative in SPORT)
        for query, positive, negative in triplets(found)
    )


# Few enough of one output that it is an answer of its own.
REST = [f"input {n} r{n} s{n} t{n}" for n in range(8)]


def test_task_of_texts_takes_the_rule_for_outputs(vectors_of):
    inputs = ["one a b c", "two d e f", "three a b g", *REST]
    outputs = ["the red house on a hill"] * 2 + [f"o{n} p{n} q{n} u{n} v{n}" for n in range(9)]
    found = mine(entry("superni"), table(inputs, outputs), vectors_of, OPTIONS)
    assert rules(found) == {"text_output"}
    assert [row[:2] for row in triplets(found)] == [(inputs[0], inputs[1]), (inputs[1], inputs[0])]
    assert triplets(found)[0][2] == inputs[2]  # the nearest input with another output
    assert found.table.column("positive_row").to_pylist() == [1, 0]


def test_output_that_many_rows_have_is_no_answer_and_rows_keep_their_numbers(vectors_of):
    inputs = [f"input {n} of words {n} x{n}" for n in range(10)]
    outputs = (
        ["not found at all"] * 4 + ["the red house on a hill"] * 2 + [f"o{n} p{n} q{n} r{n}" for n in range(4)]
    )
    found = mine(entry("superni"), table(inputs, outputs), vectors_of, OPTIONS)
    assert [row[:2] for row in triplets(found)] == [(inputs[4], inputs[5]), (inputs[5], inputs[4])]
    assert found.table.column("row").to_pylist() == [4, 5]
    assert found.facts["without_triplet"]["an output that many rows have"] == 4
    assert not {text for row in triplets(found) for text in row} & set(inputs[:4])


def test_task_whose_outputs_are_all_shared_by_many_gives_nothing(vectors_of):
    found = mine(
        entry("superni"), table(list("abcd"), ["x y z w", "x y z w", "u v t s", "u v t s"]), vectors_of, OPTIONS
    )
    assert found.table.num_rows == 0
    assert found.facts["without_triplet"] == {"an output that many rows have": 4}


def test_numbers_are_alike_only_if_they_are_equal(vectors_of):
    def near(texts):
        """A model to which numbers are much alike."""
        return vectors_of(["a number is a number " + text if text.isdigit() else text for text in texts])

    inputs = ["one a b c", "two d e f", "three a b g", *REST]
    outputs = ["1995", "1995", *(str(n) for n in range(1996, 2005))]
    found = mine(entry("superni"), table(inputs, outputs), near, OPTIONS)
    assert [row[:2] for row in triplets(found)] == [(inputs[0], inputs[1]), (inputs[1], inputs[0])]


def test_task_whose_answers_are_letters_of_options_gives_nothing(vectors_of):
    found = mine(entry("superni"), table(SPORT, ["(A)", "(B)"] * 6), refuse, OPTIONS)
    assert found.table.num_rows == 0
    [(reason, n)] = found.facts["without_triplet"].items()
    assert "letters" in reason and n == 12


@pytest.mark.parametrize("kind", ["pair", "label", "superni"])
def test_one_row_gives_no_error(kind, vectors_of):
    found = mine(entry(kind), table(["a b"], ["c d"]), vectors_of, OPTIONS)
    assert found.table.num_rows == (1 if kind == "pair" else 0)


def test_one_label_gives_no_negative(vectors_of):
    found = mine(entry("label"), table(SPORT, ["sport"] * 12), vectors_of, OPTIONS)
    assert {negative for *_, negative in triplets(found)} <= {None}


def test_mining_twice_gives_the_same(vectors_of):
    rows = table(SPORT + FOOD, ["sport"] * 12 + ["food"] * 12)
    assert mine(entry("label"), rows, vectors_of, OPTIONS) == mine(entry("label"), rows, vectors_of, OPTIONS)


def test_ids_are_equal_where_texts_are():
    ids = ids_of(["a", "b", "a", "A", ""])
    assert ids.dtype == np.int64
    assert ids[0] == ids[2]
    assert len(set(ids.tolist())) == 4
    assert ids_of([]).shape == (0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": 0}, "pool is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"relative_margin": 0}, "relative_margin is 0; expected a share above 0"),
        ({"relative_margin": 1.1}, "relative_margin is 1.1"),
        ({"min_agreement": 2}, "min_agreement is 2"),
        ({"min_agreement": float("nan")}, "min_agreement is nan"),
        ({"other_goal": -1}, "other_goal is -1"),
        ({"wrong_instruction": -0.1}, "wrong_instruction is -0.1"),
    ],
)
def test_options_refuse_what_has_no_meaning(options, message):
    with pytest.raises(ConfigError, match=message):
        MiningOptions(**options)


def test_a_document_that_differs_in_case_only_is_no_negative(vectors_of):
    answers = ["press the red key", "Press the red key!", "ask the desk"]
    rows = table(["how to open it", "how is it opened", "who helps"], answers)
    found = mine(entry("pair", symmetric=False), rows, vectors_of, MiningOptions(relative_margin=1))
    assert {(one, other) for _, one, other in triplets(found)} & {
        tuple(answers[:2]),
        tuple(answers[1::-1]),
    } == set()


def test_rows_of_labels_tell_their_label(vectors_of):
    texts = ["good food", "good soup", "bad food", "bad soup"]
    rows = table(texts, ["yes", "yes", "no", "no"])
    found = mine(entry("label"), rows, vectors_of, MiningOptions(min_agreement=-1))
    assert [
        dict(zip(texts, rows.column("second").to_pylist(), strict=True))[one] for one, _, _ in triplets(found)
    ] == found.table.column("label").to_pylist()
    assert mine(entry("triplet"), table(["q"], ["p"]), refuse, OPTIONS).table.column("label").null_count == 1
