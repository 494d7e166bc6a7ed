"""Rows held in Arrow are the triplets they were made of; ids of their texts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructvec.errors import InputError, InputTypeError
from instructvec.medi.triplets import RULES, Side, Triplet
from instructvec.training import rows as module
from instructvec.training.row_ids import RowIdTable
from instructvec.training.rows import rows_of
from tests.training.made import contrasts, row, usual

texts = st.sampled_from(["a", "A ", "b", "é", "漢字", "two words", "c\x00d"])
sides = st.builds(Side, st.sampled_from(["", "Topic: ", "Mood: "]), texts)
triplets = st.builds(
    Triplet,
    sides,
    sides,
    sides | st.none(),
    st.sampled_from(["d", "e"]),
    st.sampled_from(["pair", "label"]),
    st.sampled_from(RULES),
    st.sampled_from(["g", "h"]) | st.none(),
    st.sampled_from(["yes", "no", ""]) | st.none(),
)


@settings(deadline=None)
@given(st.lists(triplets, max_size=20), st.integers(1, 7), st.randoms())
def test_any_row_is_the_triplet_it_was_made_of(own, chunk, random):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_ROWS", chunk)
        rows = rows_of(iter(own))
    assert len(rows) == len(own)
    assert [rows[at] for at in range(len(own))] == own
    wanted = [random.randrange(len(own)) for _ in range(2 * len(own))]
    assert rows.triplets(wanted) == [own[at] for at in wanted]


@settings(deadline=None)
@given(st.lists(triplets, max_size=20), st.integers(1, 7))
def test_text_ids_are_equal_where_texts_are_whatever_the_chunks(own, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK_ROWS", chunk)
        found = rows_of(own).text_ids
    numbers = {}
    expected = [
        [
            -1 if side is None else numbers.setdefault(side.text.strip().casefold(), len(numbers))
            for side in (one.query, one.positive, one.negative)
        ]
        for one in own
    ]
    assert found.tolist() == expected


def test_a_row_takes_less_space_than_its_texts():
    long = ["word " * 60 + str(at) for at in range(100)]
    own = [row("d", long[at % 100], long[(at * 7 + 1) % 100], long[(at * 3 + 2) % 100]) for at in range(2000)]
    assert rows_of(own).n_bytes < 0.15 * sum(len(side.text) for one in own for side in one[:3])


@pytest.mark.parametrize("wanted", [[3], [-1], [0, 99]])
def test_a_number_that_no_row_has_is_refused(wanted):
    with pytest.raises(InputError, match=f"row {wanted[-1]}: there are 3 rows"):
        rows_of(usual()[:3]).triplets(wanted)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"positive": Side("i", " \t")}, InputError, "row 2: its positive is an empty text"),
        ({"negative": Side("i", "")}, InputError, "row 2: its negative is an empty text"),
        ({"query": Side("i", None)}, InputTypeError, "row 2: its query has as its text a NoneType"),
        ({"query": Side(3, "a")}, InputTypeError, "row 2: its query has as its instruction a int"),
        ({"query": Side("i", "a\ud800")}, InputError, "row 2: its query has half a character at 1"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(changed, error, message):
    own = usual()[:4]
    own[2] = own[2]._replace(**changed)
    with pytest.raises(error, match=message):
        rows_of(own)


# ------------------------------------------------------------ who is who


def ids_of(own):
    return RowIdTable(rows_of(own)).of(range(len(own)))


def labelled(label, *texts, dataset="mood", rule="labelled"):
    return row(dataset, *texts, kind="label", rule=rule, label=label)


def test_pairs_are_equal_where_goal_and_text_are_whatever_the_wording():
    wordings = [row("d", "a", "b", "c"), row("d", "b", "c", instruction="the same in other words: ")]
    ids = ids_of([*wordings, row("e", "a", "b", "c")])
    assert ids.pairs[0, 1] == ids.pairs[1, 0]
    assert ids.pairs[0, 2] == ids.pairs[1, 1]
    assert ids.pairs[1, 2] == -1
    assert not set(ids.pairs[:2].ravel()) & set(ids.pairs[2])
    assert ids.texts[0].tolist() == ids.texts[2].tolist()


def test_a_text_under_a_wrong_instruction_is_another_pair_than_under_its_own():
    wrong = row("d", "a", "b", rule="wrong_instruction")._replace(negative=Side("Another job: ", "b"))
    ids = ids_of([wrong, row("d", "c", "b")])
    assert ids.texts[0, 1] == ids.texts[0, 2]
    assert ids.pairs[0, 2] not in (ids.pairs[0, 1], ids.pairs[1, 1])


def test_both_rows_of_a_contrast_have_their_texts_as_other_pairs_and_one_group():
    ids = ids_of(contrasts("x", "y", 3))
    assert ids.groups.tolist() == [0, 1, 2, 0, 1, 2]
    assert len(np.unique(ids.pairs)) == 18
    assert len(np.unique(ids.texts)) == 9


def test_rows_of_one_label_and_dataset_share_an_id():
    own = [
        labelled("glad", "a", "b"),
        labelled("sad", "c", "d"),
        labelled("glad", "e", "f"),
        labelled("glad", "a", "b", dataset="tone"),
        row("mood", "a", "g"),
    ]
    glad, sad, again, of_tone, none = ids_of(own).labels.tolist()
    assert glad == again
    assert len({glad, sad, of_tone, -1}) == 4
    assert none == -1


def test_a_negatives_label_is_that_of_its_text_in_other_rows_of_the_dataset():
    own = [
        labelled("glad", "a", "b", "C"),
        labelled("sad", "c", "d", "b"),
        labelled("glad", "e", "f", "nowhere else"),
        labelled("glad", "g", "h"),
        labelled("glad", "a", "b", "only of tone"),
        labelled("sad", "only of tone", "c", dataset="tone"),
        row("mood", "a", "g", "c"),
    ]
    ids = ids_of(own)
    glad, sad = ids.labels[:2]
    assert ids.negative_labels.tolist() == [sad, glad, -1, -1, -1, -1, -1]


def test_labels_that_contradict_each_other_tell_nothing_of_a_negative():
    own = [labelled("glad", "a", "b"), labelled("sad", "A ", "c"), labelled("angry", "d", "e", "a")]
    assert ids_of(own).negative_labels.tolist() == [-1, -1, -1]
    assert len(set(ids_of(own).labels)) == 3
    own = [labelled("glad", "a", "b"), labelled("glad", "d", "e", "a")]
    assert ids_of(own).negative_labels.tolist() == [-1, -1]


def test_a_wrong_instructions_negative_has_no_label():
    wrong = labelled("glad", "a", "b", "b", rule="wrong_instruction")
    wrong = wrong._replace(negative=Side("Another job: ", "b"))
    ids = ids_of([labelled("glad", "a", "b"), labelled("sad", "c", "d"), wrong])
    assert ids.labels[2] == ids.labels[0]
    assert ids.negative_labels[2] == -1


@settings(deadline=None)
@given(st.lists(triplets, max_size=20))
def test_labels_and_negatives_labels_are_those_a_dictionary_gives(own):
    ids = ids_of(own)
    numbers, known = {None: -1}, {}
    for one, found in zip(own, ids.labels.tolist(), strict=True):
        key = None if one.label is None else (one.dataset, one.label)
        assert numbers.setdefault(key, found) == found
        for side in (one.query, one.positive) if one.label is not None else ():
            known.setdefault((one.dataset, side.text.strip().casefold()), set()).add(one.label)
    assert len(set(numbers.values())) == len(numbers)
    for one, found in zip(own, ids.negative_labels.tolist(), strict=True):
        text = one.negative.text.strip().casefold() if one.negative else None
        said = known.get((one.dataset, text), set()) if one.label is not None else set()
        is_known = len(said) == 1 and said != {one.label}
        assert found == (numbers[(one.dataset, *said)] if is_known else -1)
