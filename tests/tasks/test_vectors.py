"""Texts become vectors once; vectors made otherwise than asked are refused."""

import numpy as np
import pytest

from instructvec.errors import ContractMismatch, InputError, InputTypeError
from instructvec.tasks import Embedded, embedded
from instructvec.tasks.vectors import normalised

SAID = "Represent the noun: "


def test_none_is_the_jobs_instruction_and_an_empty_one_is_none(tiny):
    assert embedded(["rain"], tiny, default=SAID).contract.instruction == SAID
    assert (
        embedded(["rain"], tiny, "Represent the word: ", default=SAID).contract.instruction
        == "Represent the word: "
    )
    np.testing.assert_array_equal(embedded(["rain"], tiny, "", default=SAID).vectors, tiny.encode(["rain"], ""))


def test_what_is_embedded_is_taken_as_it_is(tiny):
    made = embedded(["rain", "snow"], tiny, SAID)
    assert embedded(made, tiny, SAID) is embedded(made, default="Represent the word: ") is made
    assert made.take([1]).texts == ["snow"] and len(made.take([1, 0])) == 2


def test_vectors_of_another_instruction_or_model_are_refused(tiny, bundled):
    made = embedded(["rain"], tiny, SAID)
    with pytest.raises(ContractMismatch, match="made under the instruction 'Represent the noun: ', not 'x: '"):
        embedded(made, instruction="x: ")
    with pytest.raises(ContractMismatch, match="model: expected"):
        embedded(made, bundled)


def test_without_an_instruction_none_and_an_empty_one_are_the_same(tiny):
    made = Embedded(["rain"], tiny.encode(["rain"]), tiny.contract())
    assert embedded(made, instruction="") is made


def test_what_is_no_text_or_no_vector_is_named(tiny):
    with pytest.raises(InputTypeError, match="labels, row 2: int; expected a string"):
        embedded(["rain", 3], tiny, name="labels")
    with pytest.raises(InputTypeError, match="one string; expected a sequence"):
        embedded("rain", tiny)
    with pytest.raises(InputError, match="texts: empty"):
        embedded([], tiny)
    contract = tiny.contract(SAID)
    with pytest.raises(InputError, match=r"shape \(1, 3\); expected \(n, 32\)"):
        Embedded(None, np.ones((1, 3)), contract)
    with pytest.raises(InputError, match="2 vectors for 1 texts"):
        Embedded(["rain"], np.ones((2, 32)), contract)
    with pytest.raises(InputError, match="row 2: the vector has a NaN"):
        Embedded(None, np.array([[1.0] * 32, [np.nan] * 32]), contract)
    with pytest.raises(InputError, match="precision 'binary'; expected float32 or float16"):
        Embedded(None, np.ones((1, 4)), tiny.contract(SAID, precision="binary"))
    with pytest.raises(InputError, match="clustering needs the texts"):
        Embedded(None, np.ones((1, 32)), contract).need_texts("clustering")


def test_a_zero_vector_stays_zero():
    found = normalised(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
