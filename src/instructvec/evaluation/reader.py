"""Demonstrations and a language model -> how well it answers with them: prompt retrieval as the paper scores it.

Knows prompts, token budgets and answers; nothing of embeddings, and of the language model only what
:class:`LanguageModel` says. Source: Su et al. 2022; Su et al. 2023, section 2.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.evaluation.data import PromptRetrieval
from instructvec.evaluation.language_model import LanguageModel, Reader
from instructvec.evaluation.protocols.demonstrations import without_itself
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.protocols.overlap import rouge_l
from instructvec.tasks.packing import pack, within_budget
from instructvec.tasks.prompt_template import SOLVED, PromptTemplate

__all__ = ["LanguageModel", "Reader", "prompt_retrieval_with_reader"]

MAX_INPUTS = 256
"""Test inputs that the paper puts to its reader."""


def prompt_retrieval_with_reader(
    data: PromptRetrieval,
    order: NDArray[np.int64],
    reader: LanguageModel,
    *,
    budget_tokens: int,
    max_inputs: int | None = MAX_INPUTS,
    seed: int = 42,
) -> Outcome:
    """How well a language model answers when it is shown the nearest examples that fit into its prompt.

    Args:
        data: pool and inputs, with their outputs.
        order: (inputs, pool) rows of the pool, most similar first, from :func:`retrieve` (the paper centres).
        reader: answers.
        budget_tokens: of a prompt, in the reader's tokens; no more than the reader has room for, see ``details``.
        max_inputs: inputs to ask at most, drawn without repetition; ``None`` for all.
        seed: of that draw.

    Returns:
        ``score`` is ``reader_rouge_l``, the mean ROUGE-L F1 of the answer and the right output; beside it
        ``reader_exact_match``, which ignores blanks at the ends. Units are the inputs asked. ``details``: the
        ``rows`` of these inputs, their ``answers``, ``n_demonstrations`` that each was shown, and the
        ``budget_tokens`` that held.

    Raises:
        ConfigError: an option below 1, or a reader without room for a prompt.
        InputError: ``order`` does not fit the data, an input has no example or alone exceeds the budget; names it.
        EngineError: the reader ran out of memory.
    """
    for option, value in (("budget_tokens", budget_tokens), ("max_inputs", max_inputs)):
        if value is not None and value < 1:
            raise ConfigError(f"{option} is {value}; expected 1 or more")
    budget = budget_tokens if reader.max_prompt_tokens is None else min(budget_tokens, reader.max_prompt_tokens)
    if budget < 1:
        raise ConfigError(
            f"the reader has room for {reader.max_prompt_tokens} tokens before its answer; expected 1 or more: "
            "lower max_new_tokens or use another reader"
        )
    demonstrations = without_itself(data, order)
    rows = _drawn(len(data.inputs), max_inputs, seed)
    prompts, shown = _prompts(data, [demonstrations[row] for row in rows], rows, reader, budget)
    answers = [answer.strip() for answer in reader.complete(prompts)]
    wanted = [_line(data.outputs[row]) for row in rows]
    pairs = list(zip(answers, wanted, strict=True))
    overlaps = np.array([rouge_l(answer, output) for answer, output in pairs])
    score = float(overlaps.mean())
    return Outcome(
        score,
        {
            "reader_rouge_l": score,
            "reader_exact_match": float(np.mean([answer == output for answer, output in pairs])),
        },
        (len(rows),),
        lambda units: float(overlaps[units].mean()),
        {"rows": rows, "answers": answers, "n_demonstrations": shown, "budget_tokens": budget},
    )


def example(text: str, output: str) -> str:
    """A solved example as it stands in a prompt; an output is one line, for a line break ends an answer.

    Example:
        >>> example("2 + 2", "4")
        'Input: 2 + 2\\nOutput: 4\\n\\n'
    """
    return PromptTemplate(SOLVED).examples({"input": [text], "output": [_line(output)]})[0] + "\n\n"


def question(text: str) -> str:
    """The input at a prompt's end.

    Example:
        >>> question("2 + 3")
        'Input: 2 + 3\\nOutput:'
    """
    return PromptTemplate(SOLVED).questions({"input": [text]})[0]


def _line(text: str) -> str:
    return " ".join(text.split())


def _drawn(n_inputs: int, max_inputs: int | None, seed: int) -> list[int]:
    if max_inputs is None or n_inputs <= max_inputs:
        return list(range(n_inputs))
    drawn: list[int] = np.sort(np.random.default_rng(seed).choice(n_inputs, max_inputs, replace=False)).tolist()
    return drawn


def _prompts(
    data: PromptRetrieval,
    demonstrations: Sequence[NDArray[np.int64]],
    rows: Sequence[int],
    reader: LanguageModel,
    budget: int,
) -> tuple[list[str], list[int]]:
    """A prompt for each row, and how many examples it shows."""
    examples = [example(*pair) for pair in zip(data.pool_inputs, data.pool_outputs, strict=True)]
    questions = [question(data.inputs[row]) for row in rows]
    lengths = reader.count_tokens(examples)
    chosen: list[list[int]] = []
    for row, order, n_tokens in zip(rows, demonstrations, reader.count_tokens(questions), strict=True):
        try:
            chosen.append(pack(order, lengths, n_tokens, budget))
        except InputError as error:
            raise InputError(f"input {row + 1}: {error}") from None

    def prompt(at: int, shown: Sequence[int]) -> str:
        return "".join(examples[one] for one in shown) + questions[at]

    kept = within_budget(chosen, prompt, reader.count_tokens, budget)
    return [prompt(at, shown) for at, shown in enumerate(kept)], list(map(len, kept))
