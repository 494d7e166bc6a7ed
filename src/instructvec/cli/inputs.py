"""What the commands over files of texts share: which files, which column, which vectors, which output.

Knows options, reading and progress; nothing of what is done with the texts. A file that ``embed`` wrote comes with
its vectors, and nothing is encoded again.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from instructvec.cli.options import add_model_options, open_embedder
from instructvec.cli.progress import ProgressBar
from instructvec.corpus.sources import FORMATS
from instructvec.errors import ConfigError, FileError, OutputError, TruncationWarning
from instructvec.instruction import Instruction
from instructvec.types import Encoder

if TYPE_CHECKING:
    import pyarrow as pa

    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.embedder import Embedder
    from instructvec.tasks.vectors import Embedded

_CHUNK_ROWS = 4096
_READ = ("examples", "labels_file", "classifier", "pool", "pairs", "map")
_WRITTEN = ("output", "groups", "save_classifier", "save_map")
"""Options that name one file."""


@dataclass(slots=True, eq=False)
class Loaded:
    """Rows of the input files.

    Attributes:
        texts: n strings; none where only vectors were given.
        columns: n rows of every column, the texts' included.
        column: the column that holds the texts.
        embedded: the rows with their vectors, where the files held them.
        n_rejected: rows left out under ``--on-error skip``.
    """

    texts: list[str] | None
    columns: pa.Table
    column: str
    embedded: Embedded | None = None
    n_rejected: int = field(default=0)

    def __len__(self) -> int:
        return len(self.embedded) if self.embedded is not None else len(self.texts or [])

    def values_of(self, name: str, option: str) -> list[Any]:
        """The values of a column.

        Args:
            name: the column.
            option: the option that names it, for the message.

        Raises:
            FileError: there is no such column.
        """
        if name not in self.columns.column_names:
            listed = ", ".join(map(repr, self.columns.column_names)) or "none"
            raise FileError(f"{option} {name!r}: no such column in the input; the columns are {listed}")
        return list(self.columns.column(name).to_pylist())


def add_input_options(parser: argparse.ArgumentParser, *, instruction: str | None) -> None:
    """``INPUT…``, its columns, the instruction, and the options of the model.

    Args:
        parser: of the command.
        instruction: the job's default, for the help; ``None`` where the command has its own options for it.
    """
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="txt, csv, tsv, jsonl, parquet (.gz too), a folder, a glob, or -; or what instructvec embed wrote",
    )
    rows = parser.add_argument_group("rows")
    rows.add_argument("--column", help="holds the texts (default: the only column, or 'text')")
    rows.add_argument("--format", choices=FORMATS, help="what the inputs are, whatever their suffix")
    rows.add_argument(
        "--on-error", choices=("fail", "skip"), default="fail", help="at a row without text: stop, or leave it out"
    )
    rows.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    if instruction is not None:
        parser.add_argument(
            "--instruction", metavar="TEXT",
            help=f"what the vectors are for (default: {instruction!r}; '' for none)",
        )  # fmt: skip
    add_model_options(parser)


def add_output_option(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """``-o OUT``, a table."""
    parser.add_argument(
        "-o", "--output", type=Path, required=required, metavar="OUT", help=".csv, .tsv, .jsonl or .parquet"
    )


def check_folder(output: Path) -> None:
    """Refuse an output whose folder is not there, before any work is done for it.

    Raises:
        OutputError: naming the folder.
    """
    if not output.parent.is_dir():
        raise OutputError(f"{output}: the folder {output.parent} is not there; make it, or give another output")


def load(arguments: argparse.Namespace) -> Loaded:
    """The rows of the inputs, with their vectors where the files hold them.

    Raises:
        FileError: a file that cannot be read, lacks the column, or has a bad row.
        ConfigError: embedded files among others, or an output that is one of the inputs.
    """
    check_not_replaced(arguments)
    return load_files(arguments.inputs, arguments.column, arguments.format, arguments.on_error)


def check_not_replaced(arguments: argparse.Namespace) -> None:
    """Refuse to write over a file that is read, which would be lost.

    Raises:
        ConfigError: naming it.
    """
    several = (getattr(arguments, name, None) or () for name in ("inputs", "queries_file"))
    read = [*chain.from_iterable(several), *(getattr(arguments, name, None) for name in _READ)]
    written = [one for one in (getattr(arguments, name, None) for name in _WRITTEN) if one is not None]
    for out in written:
        if any(one is not None and Path(one).exists() and out.exists() and out.samefile(one) for one in read):
            raise ConfigError(f"{out}: is read too, and would be replaced; give another name for what is written")
    for at, out in enumerate(written):
        if any(out.absolute() == other.absolute() for other in written[:at]):
            raise ConfigError(f"{out}: would be written twice; give two names")


def load_files(inputs: list[str], column: str | None, format: Any = None, on_error: Any = "fail") -> Loaded:
    """As :func:`load`, of files that other options name."""
    from instructvec.corpus.embedded import is_embedded

    known = [is_embedded(Path(one)) for one in inputs]
    if not any(known):
        return _load_texts(inputs, column, format, on_error)
    if not all(known):
        without = inputs[known.index(False)]
        raise ConfigError(f"{without}: holds no vectors, while another input does; give files of one sort")
    return _load_embedded(inputs, column)


def _load_texts(inputs: list[str], column: str | None, format: Any, on_error: Any) -> Loaded:
    import tempfile

    from instructvec.corpus.readers import read
    from instructvec.corpus.records import Selection
    from instructvec.corpus.rows import join
    from instructvec.corpus.sources import STDIN, expand, spool, standard_input

    with tempfile.TemporaryDirectory() as folder:
        spooled = spool(standard_input(), Path(folder) / "stdin", format) if STDIN in inputs else None
        sources = expand(inputs, format, spooled=spooled, leave_out=Path(folder))
        parts = list(read(sources, Selection(column, on_error=on_error)))
    if not parts or not sum(map(len, parts)):
        raise FileError(f"{', '.join(inputs[:5])}: no rows; expected at least one row of text")
    rows = join(parts)
    named = column or _default_column(rows.columns.column_names)
    return Loaded(rows.texts, rows.columns, named, n_rejected=len(rows.rejected))


def _default_column(names: list[str]) -> str:
    """The readers' rule: the column named ``text``, or the only one."""
    return "text" if "text" in names or len(names) != 1 else names[0]


def _load_embedded(inputs: list[str], column: str | None) -> Loaded:
    import pyarrow as pa

    from instructvec.corpus.embedded import read_embedded
    from instructvec.tasks.vectors import Embedded

    files = [read_embedded(Path(one)) for one in inputs]
    for one in files[1:]:
        files[0].contract.check(one.contract)
    columns = pa.concat_tables([one.columns for one in files], promote_options="permissive")
    named = column or files[0].column or _default_column(columns.column_names)
    if column is not None and column not in columns.column_names:
        listed = ", ".join(map(repr, columns.column_names)) or "none"
        raise FileError(f"{inputs[0]}: no column {column!r}; the columns are {listed}")
    texts = None
    if named in columns.column_names:
        texts = [text if isinstance(text, str) else "" for text in columns.column(named).to_pylist()]
    vectors = np.concatenate([one.vectors for one in files])
    return Loaded(texts, columns, named, Embedded(texts, vectors, files[0].contract))


def with_vectors(
    loaded: Loaded, arguments: argparse.Namespace, default: str, embedder: Embedder | None = None
) -> Embedded:
    """The rows with vectors: those of the files, or made now, with a bar.

    Args:
        loaded: the rows.
        arguments: with ``instruction`` and the options of the model.
        default: the job's instruction.
        embedder: opened already.

    Raises:
        ContractMismatch: the files' vectors were made under another instruction, or by another model than asked.
    """
    from instructvec.tasks.instructions import chosen
    from instructvec.tasks.vectors import check_made_so

    if loaded.embedded is not None:
        asked = embedder if embedder is not None or arguments.model is None else open_embedder(arguments)
        check_made_so(loaded.embedded, asked, arguments.instruction, "the input")
        return loaded.embedded
    encoder = embedder or open_embedder(arguments)
    return encode(loaded.texts or [], encoder, chosen(arguments.instruction, default), quiet=arguments.quiet)


def encode(texts: list[str], embedder: Embedder, instruction: str | None, *, quiet: bool) -> Embedded:
    """Texts with their vectors under an instruction, with a bar on a terminal."""
    from instructvec.tasks.vectors import Embedded

    vectors = np.empty((len(texts), embedder.dimension), np.float32)
    with cuts_told(embedder), ProgressBar(quiet=quiet) as bar:
        bar.start(len(texts))
        for start in range(0, len(texts), _CHUNK_ROWS):
            part = texts[start : start + _CHUNK_ROWS]
            vectors[start : start + len(part)] = embedder.encode(part, instruction)
            bar.add(len(part), 0, resumed=False)
    return Embedded(texts, vectors, embedder.contract(instruction))


@contextmanager
def cuts_told(embedder: Embedder) -> Iterator[None]:
    """Says once, in a command's words, that texts were cut at the model's limit; with ``--quiet`` too.

    What lies behind the limit decides nothing, and two texts that differ only there have one vector.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TruncationWarning)
        yield
    for one in caught:
        if not issubclass(one.category, TruncationWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if any(issubclass(one.category, TruncationWarning) for one in caught):
        tell(
            f"warning: some texts are longer than {embedder.max_seq_length} tokens; what follows was not read: "
            "instructvec embed --long-text chunk reads all of it, and its output can be given here",
            quiet=False,
        )


class CountedEncoder:
    """An encoder for tasks that encode by themselves: passes on, and tells a bar.

    Args:
        embedder: encodes.
        bar: is told of every text.
    """

    def __init__(self, embedder: Encoder, bar: ProgressBar) -> None:
        self._embedder, self._bar = embedder, bar

    @property
    def dimension(self) -> int:
        """Width of the vectors."""
        return self._embedder.dimension

    def encode(self, inputs: Any, instruction: Any = None) -> Any:
        """As the embedder's; of many texts under one instruction, so many at a time that the bar moves."""
        if isinstance(inputs, str) or not (instruction is None or isinstance(instruction, str | Instruction)):
            return self._counted(inputs, instruction)
        starts = range(0, len(inputs), _CHUNK_ROWS) if len(inputs) else [0]
        return np.concatenate([self._counted(inputs[at : at + _CHUNK_ROWS], instruction) for at in starts])

    def _counted(self, inputs: Any, instruction: Any) -> Any:
        vectors = self._embedder.encode(inputs, instruction)
        self._bar.add(1 if isinstance(inputs, str) else len(inputs), 0, resumed=False)
        return vectors

    def contract(self, instruction: Any = None) -> Any:
        """As the embedder's."""
        return self._embedder.contract(instruction)


class MadeUnder(Protocol):
    """Vectors, or what was found with them."""

    @property
    def contract(self) -> EmbeddingContract:
        """Under which model and instruction they were made."""
        ...


def shown_instruction(embedded: MadeUnder, given: str | None) -> str:
    """Under which instruction the vectors were made, and whether the user chose it, as a line for the summary."""
    said = ", ".join(repr(one or "") for one in embedded.contract.instructions[:3])
    return f"instruction: {said}" + ("" if given is not None else " (--instruction changes it)")


def tell(*lines: str, quiet: bool) -> None:
    """Messages, on stderr."""
    if not quiet:
        print("\n".join(lines), file=sys.stderr)
