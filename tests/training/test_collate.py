"""Rows to tensors: the same ids and masks as in use, whatever the grouping, and who is who among the texts."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instructvec import Embedder
from instructvec.checkpoints.layout import read_spec
from instructvec.encoding.tokens import Tokenizer
from instructvec.errors import ConfigError, InputError
from instructvec.medi.triplets import Side, Triplet
from instructvec.training.collate import Collator, SubBatch
from instructvec.training.false_negatives import same_label, same_text
from instructvec.training.mixture import mixture_of, open_mixture
from instructvec.types import JOININGS, Batch
from tests.conftest import GOLDEN, TINY
from tests.training.made import contrasts, pairs, row, usual, write_mixture

CHECKPOINTS = [TINY, GOLDEN / "instructor_t5_tiny"]


def collator(triplets, *, checkpoint=TINY, changes=None, **options):
    spec = replace(read_spec(checkpoint), **(changes or {}))
    tokenizer = tokenizer_of(spec.transformer_folder, spec.architecture.pad_token_id)
    return Collator(mixture_of(triplets), spec, tokenizer, **options)


@cache
def tokenizer_of(folder, pad_token_id):
    return Tokenizer.load(folder, pad_token_id=pad_token_id)


def sides_of(triplets):
    """Texts in the order of ``places``."""
    columns = ([one[at] for one in triplets] for at in range(3))
    return [side for column in columns for side in column if side is not None]


def tokens_of(batch):
    """(ids, pooled) of each text, in the order of ``places``, without padding."""
    rows = []
    for one in batch.sub_batches:
        for ids, seen, pooled in zip(one.ids, one.attention_mask, one.pooling_mask, strict=True):
            assert not pooled[~seen].any()
            rows.append((ids[seen].tolist(), pooled[seen].tolist()))
    return [rows[at] for at in torch.argsort(batch.places).tolist()]


class Recording:
    """An engine whose vectors say which row they were made of."""

    name, device, dtype, workers = "recording", "cpu", "float32", 1

    def __init__(self, dimension):
        self.dimension = dimension
        self.seen = []

    def run(self, batch):
        vectors = np.zeros((len(batch.rows), self.dimension), np.float32)
        vectors[:, 0] = len(self.seen) + np.arange(len(vectors))
        for ids, attended, pooled in zip(batch.ids, batch.attention_mask, batch.pooling_mask, strict=True):
            self.seen.append((ids[attended].tolist(), pooled[attended].tolist()))
        return vectors


@cache
def recorded(checkpoint, **options):
    """An embedder over such an engine."""
    engine = Recording(read_spec(checkpoint).dimension)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("instructvec.embedder.open_engine", lambda spec, **_: engine)
        return Embedder(checkpoint, **options), engine


def used(sides, checkpoint, **options):
    """(ids, pooled) of each text as the embedder gives them to its engine."""
    embedder, engine = recorded(checkpoint, **options)
    texts = [side.text for side in sides]
    vectors = embedder.encode(texts, [side.instruction or None for side in sides], long_text="truncate")
    return [engine.seen[int(vector[0])] for vector in vectors]


words = st.lists(st.sampled_from(["the", "Cat", "sat,", "on", "é", "x" * 30, "mat."]), min_size=1, max_size=12)
instructions = st.sampled_from(["", "Represent the text: ", "Topic of this:", "a "])
sides = st.builds(Side, instructions, words.map(" ".join))
triplets = st.lists(
    st.builds(
        Triplet, sides, sides, sides | st.none(), st.just("d"), st.just("pair"), st.just("given"), st.none()
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("joining", JOININGS)
@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=["bert", "t5"])
@settings(max_examples=15, deadline=None)
@given(own=triplets, limit=st.sampled_from([12, 20, 512]))
def test_ids_and_pooled_tokens_are_those_of_the_embedder(joining, checkpoint, own, limit):
    changes = {"joining": joining, "max_seq_length": limit}
    try:
        expected = used(sides_of(own), checkpoint, **changes)
    except InputError as refused:  # an instruction without room for text: refused by both
        with pytest.raises(InputError, match=re.escape(str(refused).partition(": ")[2][:20])):
            collator(own, checkpoint=checkpoint, changes=changes)(range(len(own)))
        return
    assert tokens_of(collator(own, checkpoint=checkpoint, changes=changes)(range(len(own)))) == expected


@pytest.mark.parametrize("budget", [1, 60, 200, 16_384])
def test_padding_and_grouping_do_not_matter(tiny, budget):
    own = usual()[:20]
    batch = collator(own, max_batch_tokens=budget)(range(20))
    engine = tiny._driver.engine
    vectors = [
        engine.run(
            Batch(one.ids.numpy(), one.attention_mask.numpy(), one.pooling_mask.numpy(), np.arange(len(one.ids)))
        )
        for one in batch.sub_batches
    ]
    found = batch.sides(torch.from_numpy(np.concatenate(vectors)))
    expected = [
        tiny.encode([side.text for side in column], [side.instruction for side in column])
        for column in ([one[at] for one in own if one[at] is not None] for at in range(3))
    ]
    for mine, theirs in zip((found.queries, found.positives, found.negatives), expected, strict=True):
        # Float32 sums in another order, unit vectors.
        np.testing.assert_allclose(mine.numpy(), theirs, atol=2e-6)


def test_sub_batches_keep_the_budget_and_hold_like_lengths():
    own = [row("d", "word " * (1 + at % 40), f"p{at}", f"n{at}") for at in range(60)]
    batch = collator(own, max_batch_tokens=400, max_batch_rows=30)(range(60))
    assert sorted(batch.places.tolist()) == list(range(180))
    assert all(one.ids.numel() <= 400 and len(one.ids) <= 30 for one in batch.sub_batches)
    assert batch.n_tokens == sum(int(one.attention_mask.sum()) for one in batch.sub_batches)
    assert batch.n_padded == sum(one.ids.numel() for one in batch.sub_batches)
    whole = collator(own, max_batch_tokens=100_000)(range(60))
    assert len(whole.sub_batches) == 1
    assert batch.n_tokens == whole.n_tokens > 0.9 * batch.n_padded
    assert batch.n_padded < 0.3 * whole.n_padded


def test_cut_texts_are_counted():
    own = [row("d", "word " * 50, "short"), row("d", "also short", "and this", "word " * 60)]
    assert collator(own, changes={"max_seq_length": 30})([0, 1]).n_truncated == 2


def test_sub_batches_move_as_a_whole():
    moved = collator(pairs("d", 2))([0]).sub_batches[0].to("meta")
    assert isinstance(moved, SubBatch)
    assert {tensor.device.type for tensor in (moved.ids, moved.attention_mask, moved.pooling_mask)} == {"meta"}


# ------------------------------------------------------------ instructions


def test_without_instructions_texts_are_as_they_are_without_any():
    own = usual()[:12]
    plain = [Side("", side.text) for side in sides_of(own)]
    found = collator(own, instructions="none")(range(12))
    assert tokens_of(found) == used(plain, TINY)
    assert tokens_of(found) != tokens_of(collator(own)(range(12)))


def test_texts_without_an_instruction_get_the_checkpoints_default_prompt_as_in_use(checkpoint):
    path = checkpoint(
        **{"config_sentence_transformers.json": {"prompts": {"own": "Own words: "}, "default_prompt_name": "own"}}
    )
    own = [row("d", "a text", "another", instruction="")]
    prompted = [row("d", "a text", "another", instruction="Own words: ")]
    expected = tokens_of(collator(prompted)([0]))
    assert tokens_of(collator(own, checkpoint=path)([0])) == expected
    assert tokens_of(collator(prompted, checkpoint=path, instructions="none")([0])) == expected


@pytest.mark.parametrize("rule", ["other_goal", "wrong_instruction"])
def test_rows_that_mean_nothing_without_their_instruction_are_refused_without_it(rule):
    own = [*pairs("d", 3), *(one._replace(rule=rule) for one in contrasts("x", "y", 1))]
    assert collator(own)([0, 3]).n_rows == 2
    with pytest.raises(InputError, match=f"row 4 was made by the rule '{rule}'.*without_rules"):
        collator(own, instructions="none")([0, 4])


def test_a_tag_stands_instead_of_what_is_written_on_every_side():
    own = [
        *pairs("two_words", 3),
        row("other", "q", "p", "n"),
        row("other", "no instruction", "p2", instruction=""),
    ]
    found = collator(own, instructions="tag")(range(5))
    said = {"two_words": "two words: ", "other": "other: "}
    expected = [
        one._replace(
            **{
                name: Side(said[one.dataset], side.text)
                for name in ("query", "positive", "negative")
                if (side := getattr(one, name)) is not None
            }
        )
        for one in own
    ]
    assert tokens_of(found) == used(sides_of(expected), TINY)


def test_a_tag_tells_two_goals_of_one_text_apart():
    own = contrasts("the sentence", "word", 2)
    found = collator(own, instructions="tag")([0, 2])
    assert tokens_of(found)[0] != tokens_of(found)[1]
    assert torch.equal(same_text(found.identities).positives, torch.eye(2, dtype=torch.bool))


FACTS = (
    {"name": "faq", "kind": "pair", "symmetric": False, "text_type": "question", "document_type": "answer"},
    {"name": "mood", "kind": "label", "symmetric": True, "text_type": "tweet"},
)


def described(folder, triplets):
    """The mixture with a manifest."""
    return open_mixture(write_mixture(folder, triplets, [one | {"weight": 0.5} for one in FACTS]))


def collator_of(mixture, **options):
    spec = read_spec(TINY)
    return Collator(
        mixture, spec, tokenizer_of(spec.transformer_folder, spec.architecture.pad_token_id), **options
    )


def test_a_simple_sentence_has_the_sides_own_text_type(tmp_path):
    own = [row("faq", "q", "p", "n"), row("mood", "a", "b", "c", kind="label", rule="labelled")]
    found = collator_of(described(tmp_path / "m", own), instructions="simple")([0, 1])
    question, answer, tweet = (
        f"Represent the {one}: "
        for one in ("question for retrieval", "answer for retrieval", "tweet for classification")
    )
    said = [question, tweet, answer, tweet, answer, tweet]
    assert tokens_of(found) == used([Side(*one) for one in zip(said, "qapbnc", strict=True)], TINY)


def test_simple_sentences_need_a_manifest():
    with pytest.raises(ConfigError, match="instructions is 'simple', and no manifest says .* 'd'"):
        collator(pairs("d", 2), instructions="simple")


def test_under_simple_sentences_a_text_is_the_same_under_every_goal(tmp_path):
    own = [row("mood", "a", "b", kind="label", rule="labelled"), row("faq", "a", "c")]
    found = collator_of(described(tmp_path / "m", own), instructions="simple")([0, 1]).identities
    assert len(set(found.queries.tolist())) == 1


def test_rows_that_a_level_of_detail_makes_untrue_are_refused_under_it(tmp_path):
    wrong = row("mood", "a", "b", "b", kind="label", rule="wrong_instruction")
    other = row("faq", "a", "c", "b", rule="other_goal", group="g")
    mixture = described(tmp_path / "m", [wrong, other, row("mood", "a", "b", "c", rule="other_goal", group="g")])
    with pytest.raises(InputError, match="row 0 was made by the rule 'wrong_instruction'.*instructions is 'tag'"):
        collator_of(mixture, instructions="tag")([0])
    assert collator_of(mixture, instructions="tag")([1, 2]).n_rows == 2
    with pytest.raises(InputError, match="row 1 was made by the rule 'other_goal'.*instructions is 'simple'"):
        collator_of(mixture, instructions="simple")([1])


# ------------------------------------------------------------ who is who


def identities(own, rows=None, **options):
    return collator(own, **options)(range(len(own)) if rows is None else rows).identities


def test_hard_negatives_know_their_rows():
    found = identities(pairs("d", 9), [8, 0, 4, 5, 1])  # every third row has none
    assert found.negative_rows.tolist() == [1, 2, 4]
    assert found.negatives.shape == (3,)
    assert collator(pairs("d", 9))([2, 5]).identities.negatives.shape == (0,)


def test_a_contrasts_texts_are_each_goals_own_and_no_false_negatives():
    own = contrasts("x", "y", 2)
    found = identities(own, [0, 2, 1, 3])
    assert found.groups.tolist() == [0, 0, 1, 1]
    masked = same_text(found)
    assert masked.negatives.sum() == 0
    assert torch.equal(masked.positives, torch.eye(4, dtype=torch.bool))


def test_equal_texts_and_labels_are_told_to_the_objective():
    own = [
        row("mood", "a", "b", "x", kind="label", rule="labelled", label="glad"),
        row("mood", "c", "b", "y", kind="label", rule="labelled", label="glad"),
        row("mood", "x", "y", "c", kind="label", rule="labelled", label="sad"),
        row("faq", "a", "b", "x"),
    ]
    found = identities(own)
    assert same_text(found).positives[0].tolist() == [True, True, False, False]
    assert same_label(found).positives.tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False] * 4,
    ]
    assert same_label(found).negatives.tolist() == [
        [False, False, True, False],
        [False, False, True, False],
        [True, True, False, False],
        [False] * 4,
    ]


def test_a_wrong_instructions_negative_stays_one_whatever_the_label():
    own = row("mood", "a", "b", "b", kind="label", rule="wrong_instruction", label="glad")
    wrong = own._replace(negative=Side("Another job: ", "b"))
    found = identities([wrong, row("mood", "c", "d", kind="label", rule="labelled", label="glad")])
    assert not same_label(found).negatives.any()
    assert not same_text(found).negatives.any()


def test_without_instructions_a_text_is_the_same_under_every_goal():
    own = [row("mood", "a", "b"), row("faq", "a", "c")]
    assert len(set(identities(own).queries.tolist())) == 2
    assert len(set(identities(own, instructions="none").queries.tolist())) == 1


# ------------------------------------------------------------ refusals


def test_a_row_that_cannot_be_encoded_is_named_by_its_number():
    own = [*pairs("d", 4), row("d", "q", "a text", "word " * 40, instruction="word " * 20)]
    with pytest.raises(InputError, match="row 4: its instruction leaves no room for text"):
        collator(own, changes={"max_seq_length": 20, "joining": "exact"})([1, 4, 2])


def test_a_batch_of_no_rows_and_a_budget_of_no_tokens_are_refused():
    with pytest.raises(InputError, match="no rows"):
        collator(pairs("d", 2))([])
    with pytest.raises(ConfigError, match="max_batch_tokens is 0"):
        collator(pairs("d", 2), max_batch_tokens=0)
