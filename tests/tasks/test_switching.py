"""A switch learns a linear map where there is one, says how much it keeps, and never passes for encoding."""

import numpy as np
import pytest

from instructvec.errors import ContractMismatch, FileError, InputError
from instructvec.tasks import Embedded, Switch, learn_switch
from instructvec.tasks.switching import ridge, rotation
from tests.tasks.planted import DIMENSION, PlantedEncoder

TEXTS = [f"{at % 4} text {at}" for at in range(200)]


class TurnedEncoder(PlantedEncoder):
    """The second instruction's vectors are the first's, turned and shifted."""

    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSION, DIMENSION)))[0].astype(np.float32)

    def encode(self, inputs, instruction=None):
        vectors = super().encode(inputs, "from: ")
        return vectors @ self.turn if instruction == "to: " else vectors


@pytest.fixture(scope="module")
def switch():
    return learn_switch(TEXTS, instruction_from="from: ", instruction_to="to: ", embedder=TurnedEncoder({}))


def test_a_linear_map_is_learned_and_its_quality_measured(switch):
    assert switch.kept.cosine == pytest.approx(1.0, abs=1e-3)
    assert switch.kept.overlap > 0.95
    assert switch.kept.cosine_before < 0.9
    assert switch.kept.overlap_before > 0.95  # turning all alike moves no neighbour
    assert (switch.n_learned, switch.kept.n_rows) == (140, 60)


def test_applied_vectors_are_near_the_true_ones_and_of_length_one(switch):
    encoder = TurnedEncoder({})
    new = [f"{at % 4} new {at}" for at in range(20)]
    stored = Embedded(new, encoder.encode(new, "from: "), encoder.contract("from: "))
    made = switch.apply(stored)
    assert made.texts == new
    np.testing.assert_allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-5)
    assert np.einsum("nd,nd->n", made.vectors, encoder.encode(new, "to: ")).min() > 0.99


def test_its_vectors_never_pass_for_encoded_ones(switch):
    encoder = TurnedEncoder({})
    stored = Embedded(None, encoder.encode(TEXTS[:3], "from: "), encoder.contract("from: "))
    made = switch.apply(stored).contract
    assert (made.instruction, made.dimension) == ("to: ", DIMENSION)
    assert "switched from 'from: ' (experimental)" in made.model
    for other in (encoder.contract("to: "), encoder.contract("from: ")):
        with pytest.raises(ContractMismatch, match="model: expected"):
            other.check(made)
    another = learn_switch(
        TEXTS, instruction_from="from: ", instruction_to="to: ", embedder=TurnedEncoder({}), seed=1
    )
    with pytest.raises(ContractMismatch):
        another.contract.check(made)


def test_vectors_of_another_instruction_or_model_are_refused(switch):
    for contract in (TurnedEncoder({}).contract("else: "), TurnedEncoder({}, "0" * 32).contract("from: ")):
        with pytest.raises(ContractMismatch):
            switch.apply(Embedded(None, np.ones((1, DIMENSION), np.float32), contract))


def test_a_saved_switch_is_the_same(switch, tmp_path):
    path = tmp_path / "switch.npz"
    switch.save(path)
    again = Switch.load(path)
    assert (again.contract, again.kept, again.kind) == (switch.contract, switch.kept, switch.kind)
    np.testing.assert_array_equal(again.matrix, switch.matrix)
    with pytest.raises(InputError, match="is saved as .npz"):
        switch.save(tmp_path / "switch.pkl")


def test_files_that_hold_no_switch(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    (tmp_path / "broken.npz").write_bytes(b"PK no zip")
    for name in ("other.npz", "broken.npz", "absent.npz"):
        with pytest.raises(FileError, match=f"{name}: no switch"):
            Switch.load(tmp_path / name)


def test_a_heavy_penalty_leaves_a_shift():
    rng = np.random.default_rng(3)
    x, y = (rng.normal(size=(30, 8)).astype(np.float32) for _ in range(2))
    matrix, offset = ridge(x, y, 1e9)
    np.testing.assert_allclose(matrix, np.eye(8), atol=1e-5)
    np.testing.assert_allclose(offset, (y - x).mean(axis=0), atol=1e-5)


def test_rotation_and_ridge_find_the_map_that_is_there():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    y = (x @ turn + 3).astype(np.float32)
    for matrix, offset in (rotation(x, y), ridge(x, y, 1e-6)):
        np.testing.assert_allclose(matrix, turn, atol=1e-4)
        np.testing.assert_allclose(offset, 3, atol=1e-3)


@pytest.mark.parametrize(
    ("texts", "change", "said"),
    [
        (TEXTS[:20] * 9, {}, "20 different texts; a switch needs 50 or more"),
        (TEXTS, {"instruction_to": "from: "}, "both instructions are 'from: '"),
        (TEXTS, {"held_out": 0.6}, "held_out is 0.6; expected a share above 0 and below 0.5"),
    ],
)
def test_refusals(texts, change, said):
    options = {"instruction_from": "from: ", "instruction_to": "to: ", "embedder": TurnedEncoder({})} | change
    with pytest.raises(InputError, match=said):
        learn_switch(texts, **options)
