"""New inputs and a pool of solved examples -> a prompt for each input that shows it the nearest examples that fit.

Knows texts, templates and budgets; nothing of language models. Source: prompt retrieval for in-context learning
(Su et al. 2022; Su et al. 2023, section 2.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.instruction import Instruction
from instructvec.tasks.arrays import Vectors32
from instructvec.tasks.instructions import DEMONSTRATIONS
from instructvec.tasks.packing import MAX_EXAMPLE_TOKENS, compared, orders, others_than, pack, within_budget
from instructvec.tasks.prompt_template import INPUT, OUTPUT, SOLVED, UNSOLVED, PromptTemplate
from instructvec.tasks.token_counts import CountTokens, token_counter
from instructvec.tasks.vectors import Texts, embedded_together

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

DEFAULT_K = 8
SEPARATOR = "\n\n"

Columns = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a prompt may hold.

    Attributes:
        size: tokens or characters, from 1.
        unit: which of both.
        count: texts -> how many each has.
        max_example: longer examples are passed over.
    """

    size: int
    unit: Literal["tokens", "characters"]
    count: CountTokens
    max_example: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"budget_{self.unit} is {self.size}; expected 1 or more")
        if self.max_example < 1:
            raise ConfigError(f"max_example_tokens is {self.max_example}; expected 1 or more")


@dataclass(frozen=True, slots=True, eq=False)
class Demonstrations:
    """Which examples each input is shown.

    Attributes:
        rows: for each input, rows of the pool in the order in which they are shown, the nearest last.
        similarities: the cosine of each with the input (of centred vectors, if these were asked for).
        prompts: what to give to the language model, without what it sets around a prompt by itself.
        lengths: (n,) int64, tokens or characters of each prompt; ``None`` without a budget.
        unit: of these lengths.
        over_budget: inputs that alone exceed the budget, from 0; they were left without examples.
        contract: under which model and instruction the vectors were made.
    """

    rows: tuple[tuple[int, ...], ...]
    similarities: tuple[tuple[float, ...], ...]
    prompts: tuple[str, ...]
    lengths: NDArray[np.int64] | None
    unit: Literal["tokens", "characters"] | None
    over_budget: tuple[int, ...]
    contract: EmbeddingContract


def select_demonstrations(
    inputs: Texts,
    pool: Texts,
    *,
    pool_outputs: Sequence[str] | None = None,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    k: int | None = None,
    budget_tokens: int | None = None,
    tokenizer: Any = None,
    budget_characters: int | None = None,
    max_example_tokens: int = MAX_EXAMPLE_TOKENS,
    centre: bool = False,
    template: str | None = None,
    separator: str = SEPARATOR,
    input_columns: Columns | None = None,
    pool_columns: Columns | None = None,
    on_error: Literal["fail", "skip"] = "fail",
) -> Demonstrations:
    """Pick, for each input, the nearest examples of a pool that fit into a prompt, and write the prompt.

    An example with the very text of the input is never shown. As in the paper, the first example that exceeds what
    is left of the budget ends the search, even if a farther one would fit.

    Args:
        inputs: n texts to be answered.
        pool: texts of the examples.
        pool_outputs: their answers.
        embedder: makes the vectors; ``None`` takes the bundled model.
        instruction: what the vectors are for, on both sides; ``None`` takes the job's, an empty one is none.
        k: examples at most; ``None`` for as many as fit, and for 8 where there is no budget.
        budget_tokens: of the whole prompt, in tokens of ``tokenizer``, special ones left out. Leave room for the
            answer.
        tokenizer: a ``tokenizers.Tokenizer``, a transformers tokenizer, or the path of a ``tokenizer.json``.
        budget_characters: of the whole prompt, in its place.
        max_example_tokens: under ``budget_tokens``, longer examples are passed over.
        centre: subtract from each side its own mean first, as the paper's code does; an input's examples then
            depend on the other inputs.
        template: how an example stands in the prompt, with ``{input}``, ``{output}`` and names of the columns in
            braces; the input's own question is what comes before ``{output}``. ``None``: ``"Input: {input}"``, a
            line end and ``"Output: {output}"``; without outputs ``"{input}"``.
        separator: between examples.
        input_columns: further values of the inputs that the template may name, n of each.
        pool_columns: the same of the pool.
        on_error: what becomes of an input that alone exceeds the budget: an error, or a prompt without examples.

    Raises:
        InputError: no texts, columns of other lengths, an input over the budget, or (``centre``) a single input.
        ConfigError: two budgets, one without a tokenizer, a number below 1, or a name in the template that is
            nothing.
        ContractMismatch: vectors of another model or instruction than asked.

    Example:
        >>> pool = ["What is 2 + 2?", "Who wrote Faust?", "What is 3 + 3?"]
        >>> found = select_demonstrations(["Who wrote Emma?"], pool, pool_outputs=["4", "Goethe", "6"], k=1)
        >>> print(found.prompts[0])
        Input: Who wrote Faust?
        Output: Goethe
        <BLANKLINE>
        Input: Who wrote Emma?
        Output:
    """
    budget = _budget(budget_tokens, tokenizer, budget_characters, max_example_tokens)
    if k is not None and k < 1:
        raise ConfigError(f"k is {k}; expected 1 or more examples")
    wanted, examples = embedded_together(
        inputs, pool, embedder, instruction, default=DEMONSTRATIONS, names=("inputs", "pool")
    )
    asked, solved = wanted.need_texts("picking demonstrations"), examples.need_texts("picking demonstrations")
    outputs = {} if pool_outputs is None else {OUTPUT: pool_outputs}
    form = PromptTemplate(template if template is not None else UNSOLVED if pool_outputs is None else SOLVED)
    shown = form.examples(_columns(solved, {**(pool_columns or {}), **outputs}, "the pool"))
    questions = form.questions(_columns(asked, input_columns or {}, "the inputs"))

    def prompt(at: int, rows: Sequence[int]) -> str:
        return separator.join([*(shown[row] for row in rows), questions[at]])

    limit = k if k is not None or budget is not None else DEFAULT_K
    sides = compared(wanted.vectors, examples.vectors, centre=centre)
    nearest = others_than(asked, solved, (row for block in orders(*sides) for row in block))
    if budget is None:
        chosen, over = [[int(row) for row in one[:limit][::-1]] for one in nearest], []
    else:
        lengths = budget.count([one + separator for one in shown])
        packed = _packed(nearest, lengths, budget.count(questions), budget, on_error)
        chosen = [[] if one is None else one[max(0, len(one) - (limit or len(one))) :] for one in packed]
        over = [at for at, one in enumerate(packed) if one is None]
        chosen = within_budget(chosen, prompt, budget.count, budget.size)
    prompts = tuple(prompt(at, rows) for at, rows in enumerate(chosen))
    return Demonstrations(
        rows=tuple(map(tuple, chosen)),
        similarities=_similarities(chosen, *sides),
        prompts=prompts,
        lengths=None if budget is None else np.array(budget.count(prompts), np.int64),
        unit=None if budget is None else budget.unit,
        over_budget=tuple(over),
        contract=wanted.contract,
    )


def _budget(
    budget_tokens: int | None, tokenizer: Any, budget_characters: int | None, max_example_tokens: int
) -> Budget | None:
    if budget_tokens is not None and budget_characters is not None:
        raise ConfigError("budget_tokens and budget_characters: both given; leave one out")
    if (budget_tokens is None) != (tokenizer is None):
        missing, given = ("tokenizer", "budget_tokens") if tokenizer is None else ("budget_tokens", "tokenizer")
        raise ConfigError(f"{given} without {missing}; give both, or budget_characters")
    if budget_tokens is not None:
        return Budget(budget_tokens, "tokens", token_counter(tokenizer), max_example_tokens)
    if budget_characters is None:
        return None
    return Budget(budget_characters, "characters", lambda texts: list(map(len, texts)), max(budget_characters, 1))


def _columns(texts: Sequence[str], others: Columns, what: str) -> Columns:
    """What the template may name; ``{input}`` is the text."""
    columns = {**others, INPUT: texts}
    for name, values in columns.items():
        if len(values) != len(texts):
            raise InputError(f"{name} of {what}: {len(values)} values; expected {len(texts)}, one for each text")
    return columns


def _packed(
    nearest: Any, lengths: Sequence[int], own: Sequence[int], budget: Budget, on_error: Literal["fail", "skip"]
) -> list[list[int] | None]:
    """What fits for each input; ``None`` for one that alone does not."""
    found: list[list[int] | None] = []
    for at, (order, length) in enumerate(zip(nearest, own, strict=True), start=1):
        if length > budget.size and on_error == "skip":
            found.append(None)
            continue
        if length > budget.size:
            raise InputError(
                f"input {at}: has {length} {budget.unit} by itself; expected at most budget_{budget.unit} = "
                f"{budget.size}: raise the budget, shorten the input, or leave such inputs without examples "
                "(on_error skip)"
            )
        found.append(pack(order, lengths, length, budget.size, max_example_tokens=budget.max_example))
    return found


def _similarities(
    chosen: Sequence[Sequence[int]], inputs: Vectors32, pool: Vectors32
) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple((pool[list(rows)] @ one).tolist()) if rows else () for rows, one in zip(chosen, inputs, strict=True)
    )
