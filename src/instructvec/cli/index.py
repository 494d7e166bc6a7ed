"""``instructvec index``: build an index of documents, add to it, delete from it, search it, look into it.

Knows arguments and what to print; nothing of how an index works.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.columns import shortened
from instructvec.cli.inputs import (
    CountedEncoder,
    Loaded,
    add_input_options,
    check_not_replaced,
    load,
    load_files,
    tell,
    with_vectors,
)
from instructvec.cli.options import add_action, add_model_options, new_parser, open_model, positive
from instructvec.cli.progress import ProgressBar
from instructvec.errors import CheckpointError, ConfigError, ContractMismatch
from instructvec.page.markup import counted
from instructvec.tasks.instructions import DOCUMENT, QUERY

if TYPE_CHECKING:
    import pyarrow as pa

    from instructvec.embedder import Embedder
    from instructvec.tasks.index.hits import Hit, IndexInfo
    from instructvec.tasks.index.index import Index
    from instructvec.tasks.vectors import Embedded

MODES = ("vectors", "hybrid", "bm25")
DEFAULT_K = 10

_SHOWN_CHARACTERS = 100
_ID_NAMES = ("id", "_id", "doc_id", "docid", "uuid")

_EXAMPLES = """\
  instructvec index build articles.jsonl -o articles.index --id-column url
  instructvec index search articles.index "how do vaccines work" -k 5
  instructvec index add articles.index new.jsonl
  instructvec index delete articles.index https://example.org/old
  instructvec index info articles.index --check"""
_BUILD_EXAMPLES = """\
  instructvec index build articles.jsonl -o articles.index --id-column url --hybrid
  instructvec index build faq.csv -o faq.index --column answer \\
      --instruction "Represent the support answer for retrieval: " \\
      --query-instruction "Represent the customer question for retrieving an answer: "

of many documents, embed first: embed continues after an interruption, and build takes its vectors:
  instructvec embed corpus/ -o corpus.parquet --instruction "Represent the document for retrieval: "
  instructvec index build corpus.parquet -o corpus.index"""
_ADD_EXAMPLES = """\
  instructvec index add articles.index new.jsonl
  instructvec index add articles.index changed.jsonl --replace"""
_DELETE_EXAMPLES = """\
  instructvec index delete articles.index 17 42
  instructvec index delete articles.index --ids-file gone.txt"""
_SEARCH_EXAMPLES = """\
  instructvec index search articles.index "how do vaccines work"
  instructvec index search articles.index "vaccines" --where "year>=2020" --where "lang in en,de" -k 3 --json
  instructvec index search articles.index "error E1234" --mode hybrid
  instructvec index search articles.index --queries questions.csv --column question -o found.csv"""
_INFO_EXAMPLES = """\
  instructvec index info articles.index
  instructvec index info articles.index --check --json"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("index", "Documents that are found by what a query means, kept in a folder.", _EXAMPLES)
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="ACTION", help="build, add, delete, search or info"
    )
    _add_build(actions)
    _add_add(actions)
    _add_delete(actions)
    _add_search(actions)
    _add_info(actions)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Do what was asked for."""
    {"build": _build, "add": _add, "delete": _delete, "search": _search, "info": _info}[arguments.action](
        arguments
    )


def _add_build(actions: Any) -> None:
    parser = add_action(
        actions,
        "build",
        "make an index of documents",
        "Make an index of the documents in files. What instructvec embed wrote comes with its vectors. Where it "
        "is interrupted, nothing is there, or the index that was.",
        _BUILD_EXAMPLES,
    )
    add_input_options(parser, instruction=DOCUMENT)
    _add_folder(parser, "-o", "--output", required=True)
    parser.add_argument("--id-column", metavar="COLUMN", help="holds the ids (default: 0, 1, 2, …)")
    parser.add_argument(
        "--query-instruction", metavar="TEXT",
        help=f"what the vectors of queries are for (default: {QUERY!r}, or none where documents have none)",
    )  # fmt: skip
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--approximate", action="store_true", help="search through a graph")
    kind.add_argument(
        "--exact", action="store_true", help="look at every vector (default: as long as that is fast)"
    )
    parser.add_argument("--hybrid", action="store_true", help="keep an index of words too, for --mode hybrid")
    parser.add_argument("--overwrite", action="store_true", help="replace an index that is there")


def _add_add(actions: Any) -> None:
    parser = add_action(
        actions,
        "add",
        "add documents",
        "Add the documents in files, encoded as those of the index are. All of them or, where it is interrupted, "
        "none.",
        _ADD_EXAMPLES,
    )
    _add_folder(parser, "index")
    add_input_options(parser, instruction=None)
    parser.add_argument(
        "--id-column", metavar="COLUMN", help="holds the ids (default: the one the index was built with)"
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace documents whose ids are in the index already"
    )


def _add_delete(actions: Any) -> None:
    parser = add_action(actions, "delete", "delete documents", "Delete documents by id.", _DELETE_EXAMPLES)
    _add_folder(parser, "index")
    parser.add_argument("ids", nargs="*", metavar="ID", help="of a document")
    parser.add_argument("--ids-file", type=Path, metavar="FILE", help="holds more ids, one a line")
    parser.add_argument("--quiet", action="store_true", help="no summary")


def _add_search(actions: Any) -> None:
    parser = add_action(
        actions,
        "search",
        "find documents",
        "Find the documents nearest to each query, best first. Queries are encoded under the index's query "
        "instruction, by its model.",
        _SEARCH_EXAMPLES,
    )
    _add_folder(parser, "index")
    parser.add_argument("queries", nargs="*", metavar="QUERY", help="a text")
    parser.add_argument(
        "--queries", dest="queries_file", nargs="+", metavar="FILE",
        help="files of queries instead, or what instructvec embed wrote under the query instruction",
    )  # fmt: skip
    parser.add_argument("--column", help="of --queries: holds the texts (default: the only column, or 'text')")
    parser.add_argument("-k", type=positive, default=DEFAULT_K, help=f"documents a query (default: {DEFAULT_K})")
    parser.add_argument(
        "--where", action="append", default=[], metavar="CONDITION",
        help="only documents that meet it, such as 'year>=2020', lang=en or 'lang in en,de'; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--mode", choices=MODES, default="vectors", help="by meaning, by words too, or by words alone"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT",
        help="a row for each hit, behind the query's columns, to .csv, .tsv, .jsonl or .parquet",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    add_model_options(parser)


def _add_info(actions: Any) -> None:
    parser = add_action(
        actions, "info", "look into an index", "What an index holds, and what it was made with.", _INFO_EXAMPLES
    )
    _add_folder(parser, "index")
    parser.add_argument(
        "--check", action="store_true", help="read all files and compare them with what was written"
    )


def _add_folder(parser: argparse.ArgumentParser, *names: str, **options: Any) -> None:
    parser.add_argument(*names, type=Path, metavar="DIR", help="folder of the index", **options)


def _build(arguments: argparse.Namespace) -> None:
    from instructvec.tasks.index.folder import check_new
    from instructvec.tasks.index.index import Index

    check_new(arguments.output, overwrite=arguments.overwrite)
    loaded = load(arguments)
    ids, hint = _ids(loaded, arguments.id_column)
    index = Index.build(
        with_vectors(loaded, arguments, DOCUMENT),
        columns=_others(loaded, arguments.id_column),
        ids=ids,
        query_instruction=arguments.query_instruction,
        approximate=True if arguments.approximate else False if arguments.exact else "auto",
        hybrid=arguments.hybrid,
    )
    index.remember(loaded.column, arguments.id_column)
    index.save(arguments.output, overwrite=arguments.overwrite)
    tell(*_left_out(loaded), *hint, *_summary(index.info()), quiet=arguments.quiet)
    _print_json(arguments, index)


def _add(arguments: argparse.Namespace) -> None:
    from instructvec.tasks.index.index import Index

    with Index.load(arguments.index, writing=True) as index:
        column, id_column = (
            arguments.column or index.settings.column,
            arguments.id_column or index.settings.id_column,
        )
        loaded = load_files(arguments.inputs, *_known_column(arguments, column))
        ids, hint = _ids(loaded, id_column)
        before = len(index)
        with ProgressBar(quiet=arguments.quiet) as bar:
            texts: Any = loaded.embedded
            if texts is None:
                texts = loaded.texts
                bar.start(len(loaded))
            embedder = CountedEncoder(_embedder(arguments, index), bar) if loaded.embedded is None else None
            index.add(
                texts,
                columns=_others(loaded, id_column),
                ids=ids,
                embedder=embedder,
                replace_existing=arguments.replace,
            )
        index.save()
    n_new = len(index) - before
    replaced = f", {len(loaded) - n_new:,} replaced" if arguments.replace else ""
    tell(*_left_out(loaded), *hint, f"{counted(n_new, 'document')} added{replaced}", *_summary(index.info()),
         quiet=arguments.quiet)  # fmt: skip
    _print_json(arguments, index)


def _delete(arguments: argparse.Namespace) -> None:
    from instructvec.tasks.index.index import Index

    ids = [*arguments.ids, *_lines(arguments.ids_file)]
    if not ids:
        raise ConfigError("delete: no ids; expected some, or --ids-file with one a line")
    with Index.load(arguments.index, writing=True) as index:
        before = len(index)
        index.delete(ids)
        index.save()
    tell(f"{counted(before - len(index), 'document')} deleted, {len(index):,} left",
         quiet=arguments.quiet)  # fmt: skip
    _print_json(arguments, index)


def _search(arguments: argparse.Namespace) -> None:
    from instructvec.corpus.table_files import table_writer, write_table
    from instructvec.tasks.index.filters import parse_where
    from instructvec.tasks.index.index import Index

    if arguments.output is not None:
        check_not_replaced(arguments)
        table_writer(arguments.output)
    index = Index.load(arguments.index)
    queries, texts, columns = _queries(arguments)
    embedder = None
    if arguments.mode != "bm25" and isinstance(queries, list):
        embedder = _embedder(arguments, index)
    where = parse_where(arguments.where)
    found: list[list[Hit]] = index.search(queries, arguments.k, where, arguments.mode, embedder=embedder)
    if arguments.output is not None:
        write_table(_table_of_hits(columns, found, list(index.info().columns)), arguments.output)
        tell(f"{arguments.output}: {sum(map(len, found)):,} hits of {len(found):,} queries", quiet=arguments.quiet)
    if arguments.mode != "bm25":
        tell(f"query instruction: {index.settings.query_instruction!r}", quiet=arguments.quiet)
    if arguments.json:
        answers = [
            {"query": text, "hits": [asdict(hit) for hit in hits]} for text, hits in zip(texts, found, strict=True)
        ]
        print(json.dumps(answers, ensure_ascii=False, default=str))
    elif arguments.output is None:
        print("\n".join(_shown(texts, found)))


def _info(arguments: argparse.Namespace) -> None:
    from instructvec.tasks.index.index import Index

    index = Index.load(arguments.index)
    if arguments.check:
        index.check()
    info = index.info()
    if arguments.json:
        print(json.dumps(asdict(info) | ({"checked": True} if arguments.check else {}), ensure_ascii=False))
        return
    print("\n".join(_summary(info)))
    if arguments.check:
        print("all files are as they were written")


def _known_column(arguments: argparse.Namespace, column: str | None) -> tuple[str | None, Any, Any]:
    """The column the index was built from, unless the input is of another form and its own rule applies."""
    suffixes = {Path(one.removesuffix(".gz")).suffix for one in arguments.inputs}
    plain = arguments.format == "txt" or suffixes <= {".txt", ".npy"}
    return (arguments.column if plain else column), arguments.format, arguments.on_error


def _ids(loaded: Loaded, id_column: str | None) -> tuple[list[Any] | None, list[str]]:
    """The ids, and a hint where a column looks like ids and is not used so."""
    if id_column is not None:
        return loaded.values_of(id_column, "--id-column"), []
    likely = [name for name in loaded.columns.column_names if name.lower() in _ID_NAMES]
    if not likely:
        return None, []
    return None, [f"ids are numbers; --id-column {likely[0]} takes them from the column {likely[0]!r}"]


def _others(loaded: Loaded, id_column: str | None) -> pa.Table:
    """The columns that are neither the texts nor the ids."""
    dropped = [name for name in (loaded.column, id_column) if name in loaded.columns.column_names]
    return loaded.columns.drop_columns(dropped)


def _embedder(arguments: argparse.Namespace, index: Index) -> Embedder:
    """The model given, or the index's, run as the engine options say; long texts are cut as the index's were."""
    from instructvec.tasks.index.encoding import check_model

    contract = index.settings.contract
    asked = argparse.Namespace(**vars(arguments))
    if arguments.model is not None:
        embedder = open_model(arguments.model, arguments, revision=arguments.revision)
        limit = contract.max_seq_length
        if arguments.max_seq_length or limit in (None, embedder.contract().max_seq_length):
            return embedder
        check_model(contract, embedder)
    asked.max_seq_length = arguments.max_seq_length or contract.max_seq_length
    asked.joining = arguments.joining or contract.joining
    try:
        return open_model(arguments.model or contract.model, asked, revision=arguments.revision)
    except CheckpointError as error:
        raise ContractMismatch(
            f"the index was made with the model {contract.model!r}, which cannot be opened ({error}); "
            "say where it is: --model"
        ) from None


def _queries(arguments: argparse.Namespace) -> tuple[list[str] | Embedded, Sequence[str | None], pa.Table]:
    """What to search for, the texts to show, and the columns of the queries."""
    import pyarrow as pa

    if bool(arguments.queries) == bool(arguments.queries_file):
        raise ConfigError("search: expected queries as arguments, or --queries with files of them, and not both")
    if arguments.queries:
        return arguments.queries, arguments.queries, pa.table({"query": pa.array(arguments.queries, pa.string())})
    loaded = load_files(arguments.queries_file, arguments.column)
    texts: Sequence[str | None] = loaded.texts if loaded.texts is not None else [None] * len(loaded)
    columns = loaded.columns if loaded.columns.num_columns else pa.table({"row": list(range(1, len(loaded) + 1))})
    return loaded.embedded or loaded.texts or [], texts, columns


def _table_of_hits(columns: pa.Table, found: list[list[Hit]], names: list[str]) -> pa.Table:
    """A row for each hit: the columns of its query, then ``hit_rank``, ``hit_id``, ``hit_score``, ``hit_text`` and
    the document's columns behind ``hit_``."""
    import pyarrow as pa

    owners = [row for row, hits in enumerate(found) for _ in hits]
    flat = [hit for hits in found for hit in hits]
    table = columns.take(pa.array(owners, pa.int64()))
    values: dict[str, list[Any]] = {
        "hit_rank": [rank for hits in found for rank, _ in enumerate(hits, start=1)],
        "hit_id": [hit.id for hit in flat],
        "hit_score": [hit.score for hit in flat],
        "hit_text": [hit.text for hit in flat],
    }
    values |= {f"hit_{name}": [hit.columns[name] for hit in flat] for name in names if f"hit_{name}" not in values}
    for name, column in values.items():
        if name in table.column_names:
            raise ConfigError(
                f"--queries: the column {name!r} would be written twice; rename it in the file of queries"
            )
        table = table.append_column(name, [column])
    return table


def _shown(texts: Sequence[str | None], found: list[list[Hit]]) -> Iterable[str]:
    for text, hits in zip(texts, found, strict=True):
        if len(found) > 1:
            yield f"# {text if text is not None else 'query without a text'}"
        if not hits:
            yield "nothing found"
        for rank, hit in enumerate(hits, start=1):
            shown = shortened(hit.text or "", _SHOWN_CHARACTERS)
            yield f"{rank:>3}  {hit.score:.4f}  {hit.id}  {shown}{_columns_of(hit)}"


def _columns_of(hit: Hit) -> str:
    known = [
        f"{name}={shortened(str(value), 40)}" for name, value in hit.columns.items() if value not in (None, "")
    ]
    return f"  [{', '.join(known)}]" if known else ""


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    from instructvec.errors import FileError

    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            f"--ids-file {path}: cannot be read ({error}); expected ids in UTF-8, one a line"
        ) from None


def _left_out(loaded: Loaded) -> list[str]:
    return [f"{loaded.n_rejected:,} rows without text were left out"] if loaded.n_rejected else []


def _summary(info: IndexInfo) -> list[str]:
    """What an index holds, a line each."""
    deleted = f" and {info.n_deleted:,} deleted" if info.n_deleted else ""
    said = ", ".join(repr(one or "") for one in info.instruction[:3])
    search = info.search
    if info.n_in_graph:
        search += f", {info.n_in_graph:,} rows in the graph"
    columns = ", ".join(f"{name} ({kind})" for name, kind in info.columns.items()) or "none"
    size = f"{info.n_bytes / 1e6:,.1f} MB"
    return [
        f"{info.path}: {counted(info.n_rows, 'document')}{deleted}, {size}, generation {info.generation}",
        f"  model: {info.model} ({info.fingerprint[:12]}…), {info.dimension} dimensions",
        f"  instruction: {said}",
        f"  query instruction: {info.query_instruction!r}",
        f"  search: {search}; word index {'kept' if info.hybrid else 'made when asked for'}",
        f"  columns: {columns}",
    ]


def _print_json(arguments: argparse.Namespace, index: Index) -> None:
    if arguments.json:
        print(index.info().to_json())
