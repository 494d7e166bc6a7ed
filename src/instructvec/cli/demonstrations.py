"""``instructvec demonstrations``: inputs and a pool of solved examples -> prompts that show the nearest examples.

Knows options, files and messages; the work is that of ``tasks/demonstrations.py`` and ``tasks/annotation.py``.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from instructvec.cli.columns import with_columns
from instructvec.cli.inputs import (
    Loaded,
    add_input_options,
    add_output_option,
    encode,
    load,
    load_files,
    shown_instruction,
    tell,
    with_vectors,
)
from instructvec.cli.options import new_parser, open_embedder, positive
from instructvec.errors import ConfigError
from instructvec.tasks.instructions import DEMONSTRATIONS, chosen

if TYPE_CHECKING:
    from instructvec.embedder import Embedder
    from instructvec.tasks.annotation import Pool
    from instructvec.tasks.demonstrations import Demonstrations
    from instructvec.tasks.vectors import Embedded

ADDED = ("prompt", "demonstrations", "similarities")
ANNOTATED = ("votes",)

_EXAMPLES = """\
  instructvec demonstrations new.jsonl --pool solved.jsonl --column input --output-column output \\
      --budget-tokens 2048 --tokenizer path/to/tokenizer.json -o prompts.jsonl
  instructvec demonstrations new.csv --pool solved.csv --output-column answer -k 4 -o prompts.csv \\
      --template 'Q: {input}\\nTopic: {topic}\\nA: {output}'
  instructvec demonstrations unlabelled.txt --annotate 100 -o to-annotate.csv"""

_OF_PROMPTS = {
    "output_column": "--output-column", "pool_column": "--pool-column", "id_column": "--id-column",
    "template": "--template", "k": "-k", "budget_tokens": "--budget-tokens", "tokenizer": "--tokenizer",
    "budget_characters": "--budget-characters", "max_example_tokens": "--max-example-tokens",
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser(
        "demonstrations", "Pick examples for prompts under a budget, or texts worth annotating.", _EXAMPLES
    )
    add_input_options(parser, instruction=DEMONSTRATIONS)
    add_output_option(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--pool", metavar="FILE", help="solved examples to pick from")
    what.add_argument(
        "--annotate", type=positive, metavar="K", help="choose K of the inputs to annotate, by vote-k; no pool"
    )
    pool = parser.add_argument_group("pool")
    pool.add_argument("--pool-column", metavar="COLUMN", help="holds the pool's texts (default: as of the inputs)")
    pool.add_argument("--output-column", metavar="COLUMN", help="holds the pool's answers")
    pool.add_argument("--id-column", metavar="COLUMN", help="names examples in the output (default: rows from 0)")
    prompt = parser.add_argument_group("prompt")
    prompt.add_argument(
        "--template", metavar="T",
        help="an example, with {input}, {output} and columns in braces; \\n is a line end "
        "(default: 'Input: {input}\\nOutput: {output}')",
    )  # fmt: skip
    prompt.add_argument("-k", type=positive, metavar="N", help="examples at most (default: 8, or what fits)")
    prompt.add_argument("--budget-tokens", type=positive, metavar="N", help="tokens of the whole prompt")
    prompt.add_argument("--tokenizer", metavar="PATH", help="a tokenizer.json, or a model directory with one")
    prompt.add_argument("--budget-characters", type=positive, metavar="N", help="characters of the whole prompt")
    prompt.add_argument(
        "--max-example-tokens", type=positive, metavar="N", help="longer examples are passed over (default: 250)"
    )
    prompt.add_argument(
        "--centre", action="store_true", help="subtract each side's mean vector first, as the paper's code does"
    )
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Pick, write, and say what was picked."""
    from instructvec.corpus.table_files import table_writer

    table_writer(arguments.output)
    if arguments.annotate is None:
        _pick(arguments)
        return
    given = [option for name, option in _OF_PROMPTS.items() if getattr(arguments, name) is not None]
    if given or arguments.centre:
        raise ConfigError(f"--annotate with {(given or ['--centre'])[0]}: that is for prompts; leave one out")
    _annotate(arguments)


def _pick(arguments: argparse.Namespace) -> None:
    from instructvec.corpus.table_files import write_table
    from instructvec.tasks.demonstrations import select_demonstrations
    from instructvec.tasks.packing import MAX_EXAMPLE_TOKENS

    _check_budget(arguments)
    loaded = load(arguments)
    with_columns(loaded.columns.slice(0, 0), {name: [] for name in ADDED})  # refused before the work
    pool = load_files([arguments.pool], arguments.pool_column or arguments.column, None, arguments.on_error)
    outputs = None
    if arguments.output_column is not None:
        outputs = [_text(one) for one in pool.values_of(arguments.output_column, "--output-column")]
    ids = None if arguments.id_column is None else pool.values_of(arguments.id_column, "--id-column")
    inputs, examples = _both(loaded, pool, arguments)
    found = select_demonstrations(
        inputs,
        examples,
        pool_outputs=outputs,
        k=arguments.k,
        budget_tokens=arguments.budget_tokens,
        tokenizer=arguments.tokenizer,
        budget_characters=arguments.budget_characters,
        max_example_tokens=arguments.max_example_tokens or MAX_EXAMPLE_TOKENS,
        centre=arguments.centre,
        template=None if arguments.template is None else _unescaped(arguments.template),
        input_columns=_values(loaded),
        pool_columns=_values(pool),
        on_error=arguments.on_error,
    )
    shown = [[row if ids is None else ids[row] for row in rows] for rows in found.rows]
    added = dict(zip(ADDED, (found.prompts, shown, list(map(list, found.similarities))), strict=True))
    write_table(with_columns(loaded.columns, added), arguments.output)
    tell(*_summary(arguments, loaded, found), quiet=arguments.quiet)
    if arguments.json:
        print(json.dumps(_result(arguments, loaded, found), ensure_ascii=False))


def _check_budget(arguments: argparse.Namespace) -> None:
    if arguments.budget_tokens is not None and arguments.budget_characters is not None:
        raise ConfigError("--budget-tokens and --budget-characters: both given; leave one out")
    if arguments.budget_tokens is not None and arguments.tokenizer is None:
        raise ConfigError(
            "--budget-tokens needs --tokenizer to count with; give the language model's tokenizer.json"
        )
    for option in ("tokenizer", "max_example_tokens"):
        if getattr(arguments, option) is not None and arguments.budget_tokens is None:
            raise ConfigError(f"{_OF_PROMPTS[option]} without --budget-tokens; give both")


def _both(loaded: Loaded, pool: Loaded, arguments: argparse.Namespace) -> tuple[Embedded, Embedded]:
    """Inputs and pool with vectors, made now where a file holds none, under the instruction of one that does."""
    from instructvec.tasks.vectors import check_made_so

    needed = arguments.model is not None or loaded.embedded is None or pool.embedded is None
    embedder: Embedder | None = open_embedder(arguments) if needed else None
    before = next((one.embedded for one in (loaded, pool) if one.embedded is not None), None)
    said: str | None = chosen(arguments.instruction, DEMONSTRATIONS)
    if before is not None:
        check_made_so(before, embedder, arguments.instruction, "a file with vectors")
        said = before.contract.instruction
    sides = []
    for one in (loaded, pool):
        if one.embedded is None and embedder is not None:
            sides.append(encode(one.texts or [], embedder, said, quiet=arguments.quiet))
        else:
            sides.append(with_vectors(one, arguments, DEMONSTRATIONS, embedder))
    return sides[0], sides[1]


def _values(loaded: Loaded) -> dict[str, list[Any]]:
    """Columns that the template may name."""
    return {name: loaded.columns.column(name).to_pylist() for name in loaded.columns.column_names}


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _unescaped(template: str) -> str:
    """With line ends and tabs where a shell's user wrote them as such."""
    return template.replace("\\n", "\n").replace("\\t", "\t")


def _annotate(arguments: argparse.Namespace) -> None:
    from instructvec.corpus.table_files import write_table
    from instructvec.tasks.annotation import select_pool

    loaded = load(arguments)
    with_columns(loaded.columns.slice(0, 0), {name: [] for name in ANNOTATED})
    found = select_pool(with_vectors(loaded, arguments, DEMONSTRATIONS), arguments.annotate)
    table = with_columns(loaded.columns.take(found.rows), dict(zip(ANNOTATED, (found.n_votes,), strict=True)))
    write_table(table, arguments.output)
    lines = [
        f"{arguments.output}: {len(found.rows):,} of {len(loaded):,} texts to annotate, in the order chosen",
        shown_instruction(found, arguments.instruction),
        *_rejected(loaded),
    ]
    tell(*lines, quiet=arguments.quiet)
    if arguments.json:
        print(json.dumps(_chosen_rows(arguments, loaded, found), ensure_ascii=False))


def _summary(arguments: argparse.Namespace, loaded: Loaded, found: Demonstrations) -> list[str]:
    counts = list(map(len, found.rows))
    lines = [
        f"{arguments.output}: {len(counts):,} prompts with {sum(counts) / len(counts):.1f} examples on average "
        f"({min(counts)} to {max(counts)})"
    ]
    if found.lengths is not None:
        lines.append(
            f"{found.unit} of a prompt: {found.lengths.mean():,.0f} on average, {found.lengths.max():,} at most"
        )
    n_without = sum(not count for count in counts) - len(found.over_budget)
    if found.over_budget:
        lines.append(
            f"{len(found.over_budget):,} inputs exceed the budget by themselves and have no examples: rows "
            f"{', '.join(str(row + 1) for row in found.over_budget[:10])}" + (" …" * (len(found.over_budget) > 10))
        )
    if n_without:
        lines.append(f"{n_without:,} inputs have no examples: the nearest is too long, or no other is there")
    return [*lines, shown_instruction(found, arguments.instruction), *_rejected(loaded)]


def _rejected(loaded: Loaded) -> list[str]:
    return [f"{loaded.n_rejected:,} rows without text were left out"] if loaded.n_rejected else []


def _result(arguments: argparse.Namespace, loaded: Loaded, found: Demonstrations) -> dict[str, Any]:
    return {
        "out": str(arguments.output),
        "rows": len(found.rows),
        "rejected": loaded.n_rejected,
        "demonstrations": sum(map(len, found.rows)),
        "longest_prompt": None if found.lengths is None else int(found.lengths.max()),
        "unit": found.unit,
        "over_budget": list(found.over_budget),
        "contract": json.loads(found.contract.to_json()),
    }


def _chosen_rows(arguments: argparse.Namespace, loaded: Loaded, found: Pool) -> dict[str, Any]:
    return {
        "out": str(arguments.output),
        "rows": found.rows.tolist(),
        "rejected": loaded.n_rejected,
        "contract": json.loads(found.contract.to_json()),
    }
