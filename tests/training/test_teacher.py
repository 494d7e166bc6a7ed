"""A teacher's vectors: those of its encoder, each text once, kept for later runs."""

import numpy as np

from instructvec.training.rows import rows_of
from instructvec.training.teacher import Teacher
from instructvec.training.vectors import BatchVectors
from tests.training.made import pairs


class Counting:
    """An encoder that counts what it encodes."""

    def __init__(self, encoder):
        self.encoder, self.n_texts = encoder, 0
        self.dimension, self.contract = encoder.dimension, encoder.contract

    def encode(self, texts, instruction=None):
        self.n_texts += len(texts)
        return self.encoder.encode(texts, instruction)


def expected(encoder, triplets, instructions):
    def of(side):
        return encoder.encode(side.text, side.instruction if instructions else None)

    negatives = [of(one.negative) for one in triplets if one.negative is not None]
    return [of(one.query) for one in triplets], [of(one.positive) for one in triplets], negatives


def check(teacher, encoder, triplets, numbers, instructions):
    found = teacher(numbers)
    wanted = expected(encoder, [triplets[at] for at in numbers], instructions)
    for ours, theirs in zip((found.queries, found.positives, found.negatives), wanted, strict=True):
        np.testing.assert_allclose(ours.numpy(), np.stack(theirs), atol=1e-5)


def test_vectors_are_the_encoder_s_with_and_without_instructions(exact, tmp_path):
    triplets = [*pairs("a", 4), *pairs("b", 4)]
    for instructions in (True, False):
        teacher = Teacher(exact, rows_of(triplets), tmp_path / str(instructions), instructions=instructions)
        check(teacher, exact, triplets, [1, 6, 2, 3], instructions)
        check(teacher, exact, triplets, [5, 6], instructions)


def test_rows_without_negatives(exact, tmp_path):
    found = Teacher(exact, rows_of(pairs("a", 3)), tmp_path)([2])
    assert found.negatives.shape == (0, exact.dimension)


def test_rows_with_a_label_or_in_a_contrast_cost_nothing_where_they_are_not_held(exact, tmp_path):
    triplets = pairs("a", 4)
    triplets[1] = triplets[1]._replace(label="x")
    triplets[2] = triplets[2]._replace(group="g")
    counting = Counting(exact)
    found = Teacher(counting, rows_of(triplets), tmp_path, labelled=False)([0, 1, 2, 3])
    sides = (found.queries, found.positives, found.negatives)  # of rows 0, 1 and 3 a negative
    kept = BatchVectors(*(side[at] for side, at in zip(sides, ([0, 3], [0, 3], [0, 2]), strict=True)))
    check(lambda numbers: kept, exact, triplets, [0, 3], instructions=False)
    assert not any(side[at].any() for side, at in zip(sides, ([1, 2], [1, 2], [1]), strict=True))
    assert counting.n_texts == 6


def test_texts_are_encoded_once_in_all_runs(exact, tmp_path):
    counting, rows = Counting(exact), rows_of(pairs("a", 3))
    for _ in range(2):
        teacher = Teacher(counting, rows, tmp_path)
        teacher([0, 1]), teacher([0, 1])
    assert counting.n_texts == 6
