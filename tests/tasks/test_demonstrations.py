"""The nearest examples that fit are shown, nearest last, as the benchmark picks them."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError
from instructvec.evaluation.data import PromptRetrieval
from instructvec.evaluation.protocols.demonstrations import pack, retrieve, without_itself
from instructvec.tasks import Embedded, select_demonstrations
from tests.conftest import TINY
from tests.tasks.table_encoder import at_angles

ANGLES = {"q": 0, "near": 10, "mid": 30, "far": 60}
POOL = ["far", "near", "mid", "q"]


def picked(inputs=("q",), pool=POOL, **options):
    options = {"embedder": at_angles(**ANGLES), "pool_outputs": [f"{one}!" for one in pool], **options}
    return select_demonstrations(list(inputs), list(pool), **options)


def test_nearest_last_and_never_the_very_text():
    found = picked(k=2)
    assert found.rows == ((2, 1),)
    assert found.similarities[0] == pytest.approx((np.cos(np.pi / 6), np.cos(np.pi / 18)), abs=1e-6)
    assert found.prompts == ("Input: mid\nOutput: mid!\n\nInput: near\nOutput: near!\n\nInput: q\nOutput:",)
    assert (found.lengths, found.unit, found.over_budget) == (None, None, ())
    assert picked().rows == ((0, 2, 1),)


def test_a_budget_in_characters_holds_for_the_whole_prompt():
    whole = picked(k=2).prompts[0]
    assert picked(budget_characters=len(whole)).rows == ((2, 1),)
    assert picked(budget_characters=len(whole) - 1).rows == ((1,),)
    assert picked(budget_characters=1000, k=1).rows == ((1,),)
    found = picked(budget_characters=len(whole) + 3)
    assert (found.lengths.tolist(), found.unit) == ([len(whole)], "characters")


def test_a_budget_in_tokens_picks_what_the_protocol_packs(bundled):
    pool = [f"The {noun} is {kind}." for noun in ("film", "book", "meal") for kind in ("good", "bad", "very long")]
    outputs = [str(len(one)) for one in pool]
    inputs = ["The film is great.", pool[0], "A meal."]
    found = select_demonstrations(
        inputs, pool, pool_outputs=outputs, embedder=bundled, instruction="x: ", budget_tokens=150, tokenizer=TINY
    )
    assert found.unit == "tokens"
    assert found.lengths.max() <= 150
    from instructvec.tasks.token_counts import token_counter

    count = token_counter(TINY)
    order = retrieve(bundled.encode(inputs, "x: "), bundled.encode(pool, "x: "), centre=False)
    rest = without_itself(PromptRetrieval(pool, outputs, inputs, [""] * 3), order)
    lengths = count([f"Input: {one}\nOutput: {said}\n\n" for one, said in zip(pool, outputs, strict=True)])
    own = count([f"Input: {one}\nOutput:" for one in inputs])
    wanted = [tuple(pack(rows, lengths, n, 150)) for rows, n in zip(rest, own, strict=True)]
    assert list(found.rows) == wanted
    assert 0 not in found.rows[1] and min(map(len, wanted)) > 1


def test_longer_examples_are_passed_over_under_a_token_budget(bundled):
    pool = ["rain " * 200, "snow"]
    options = {"embedder": bundled, "budget_tokens": 2000, "tokenizer": TINY}
    assert select_demonstrations(["rain"], pool, **options).rows == ((1,),)
    assert select_demonstrations(["rain"], pool, max_example_tokens=1000, **options).rows == ((0, 1),)


def test_an_input_over_the_budget_is_an_error_or_left_without_examples():
    with pytest.raises(
        InputError, match="input 1: has 16 characters by itself; expected at most budget_characters"
    ):
        picked(budget_characters=10)
    found = picked(["q", "near"], budget_characters=17, on_error="skip")
    assert (found.rows, found.over_budget) == (((), ()), (1,))
    assert found.prompts[1] == "Input: near\nOutput:"


def test_templates_name_columns_of_both_sides():
    found = picked(
        k=1,
        template="[{lang}] {input} => {output}",
        separator="\n",
        pool_columns={"lang": ["fr", "en", "de", "it"]},
        input_columns={"lang": ["es"]},
    )
    assert found.prompts == ("[en] near => near!\n[es] q =>",)
    assert picked(k=1, pool_outputs=None).prompts == ("near\n\nq",)
    with pytest.raises(InputError, match="lang of the pool: 1 values; expected 4"):
        picked(template="{input}{lang}", pool_columns={"lang": ["fr"]})
    with pytest.raises(ConfigError, match=r"\{lang\} is no column of the inputs"):
        picked(template="{input}{lang}", pool_columns={"lang": POOL})


def test_equal_inputs_and_a_pool_of_one():
    assert picked(["q", "q"], ["near"]).rows == ((0,), (0,))
    assert picked(["q"], ["q"]).rows == ((),)


def test_centred_vectors_order_as_the_paper_does():
    options = {"k": 3, "centre": True}
    encoder = at_angles(**ANGLES)
    order = retrieve(encoder.encode(["q", "near"]), encoder.encode(POOL))
    found = picked(["q", "near"], **options)
    assert found.rows[0] == tuple(row for row in order[0][::-1] if row != 3)
    with pytest.raises(InputError, match="one vector, which is 0 when centred"):
        picked(["q"], **options)


def test_vectors_made_before_set_the_instruction_of_the_other_side():
    encoder = at_angles(**ANGLES)
    pool = Embedded(POOL, encoder.encode(POOL), encoder.contract("x: "))
    encoder.asked.clear()
    assert select_demonstrations(["q"], pool, embedder=encoder, k=1).rows == ((1,),)
    assert encoder.asked == [("x: ", "q")]
    other = Embedded(["q"], encoder.encode(["q"]), encoder.contract("y: "))
    with pytest.raises(ContractMismatch, match="inputs and pool do not compare"):
        select_demonstrations(other, pool, k=1)


def test_a_pool_embedded_without_instruction_takes_inputs_without(bundled):
    pool = Embedded(["rain", "tax"], bundled.encode(["rain", "tax"]), bundled.contract())
    for said in (None, ""):
        found = select_demonstrations(["snow"], pool, embedder=bundled, instruction=said, k=1)
        assert (found.rows, found.contract.instruction) == (((0,),), None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget_tokens": 5}, "budget_tokens without tokenizer"),
        ({"tokenizer": TINY}, "tokenizer without budget_tokens"),
        ({"budget_tokens": 5, "tokenizer": TINY, "budget_characters": 9}, "both given"),
        ({"budget_tokens": 0, "tokenizer": TINY}, "budget_tokens is 0"),
        ({"budget_characters": 0}, "budget_characters is 0"),
        ({"budget_tokens": 5, "tokenizer": TINY, "max_example_tokens": 0}, "max_example_tokens is 0"),
        ({"k": 0}, "k is 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        picked(**options)
