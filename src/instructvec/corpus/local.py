"""Files of texts -> a file of vectors on this machine, resuming by itself after an interruption.

Work goes through ``OUT.partial/``: each shard is written there whole, then its manifest line; at the end the
output is assembled there, and renamed. Whatever stands under the final name is complete. Knows the order of
work; rows, shards, what may be continued and how outputs are put in place are its neighbours'.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instructvec.corpus.commit import finish, merge_schemas
from instructvec.corpus.files import explained, writing
from instructvec.corpus.manifest import Entry, Job, Manifest, checksum
from instructvec.corpus.readers import read
from instructvec.corpus.records import Selection
from instructvec.corpus.rows import OnError, Rows, regroup
from instructvec.corpus.shard import EncodeConfig, Shard, ShardEncoder, embed_rows
from instructvec.corpus.sources import STDIN, Format, Source, count_rows, expand, spool, standard_input
from instructvec.corpus.workspace import REJECTED, SPOOLED, begin, partial_of, working_folder
from instructvec.corpus.writers import parquet_writer, read_schema, writer_for
from instructvec.errors import ConfigError

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract


@dataclass(frozen=True, slots=True)
class EmbedConfig:
    """One bulk job.

    Attributes:
        inputs: files, folders, glob patterns or ``"-"``.
        out: ``.parquet``, ``.npy``, ``.jsonl``, or a folder of shards.
        column: holds the texts; ``None`` takes the only one, or the one named ``text``.
        instruction_column: holds one instruction a row.
        format: what the inputs are, whatever their suffix.
        encode: how they are encoded.
        shard_rows: rows of a shard; what an interruption may cost.
        on_error: ``"fail"`` stops at the first bad row, ``"skip"`` writes it to ``OUT.rejected.jsonl``.
        overwrite: replace an output, or give up a begun one, that was made from something else.

    Raises:
        ConfigError: options that exclude each other, or without sense.
    """

    inputs: Sequence[str]
    out: Path
    column: str | None = None
    instruction_column: str | None = None
    format: Format | None = None
    encode: EncodeConfig = field(default_factory=EncodeConfig)
    shard_rows: int = 2048
    on_error: OnError = "fail"
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("inputs: none given; expected files, folders, patterns or '-'")
        if self.encode.instruction is not None and self.instruction_column is not None:
            raise ConfigError("instruction and instruction_column exclude each other; give one of them")
        if list(self.inputs).count(STDIN) > 1:
            raise ConfigError("inputs: '-' (standard input) can be read only once")
        Selection(self.column, self.instruction_column, self.on_error, self.shard_rows)
        writer_for(self.out)
        if not self.out.parent.is_dir():
            raise ConfigError(f"output {self.out}: the folder {self.out.parent} does not exist; create it first")

    @property
    def partial(self) -> Path:
        """The working folder."""
        return partial_of(self.out)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a finished, or on resuming an already finished, shard adds.

    Attributes:
        n_rows: rows read from the inputs, the rejected ones included.
        n_tokens: tokens the model saw.
        resumed: whether an earlier run did it.
    """

    n_rows: int
    n_tokens: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What a bulk job did.

    Attributes:
        out: the output.
        status: ``"up to date"`` where it was there already, made from the same.
        job: what it was made from, with the contract of its vectors.
        n_rows: rows in the output.
        n_rejected: rows left out, now in ``OUT.rejected.jsonl``.
        n_resumed: rows that an earlier, interrupted run had read already.
        n_tokens: tokens the model saw, over all runs.
        n_truncated: texts longer than the model's limit.
        seconds: wall time of this run.
    """

    out: Path
    status: Literal["done", "up to date"]
    job: Job
    n_rows: int = 0
    n_rejected: int = 0
    n_resumed: int = 0
    n_tokens: int = 0
    n_truncated: int = 0
    seconds: float = 0.0


def embed_corpus(
    encoder: ShardEncoder,
    config: EmbedConfig,
    *,
    on_total: Callable[[int | None], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Embed files of texts into one output.

    Interrupted at any instant, the same call continues where it stopped; when the output is there already, made
    from the same inputs under the same contract, nothing is done.

    Args:
        encoder: an embedder.
        config: the job.
        on_total: told about how many rows there are, once; ``None`` where that is not known.
        on_progress: told of each shard.

    Raises:
        FileError: an input that cannot be read, with file and line.
        InputError: no rows at all.
        OutputExists: the output, or a begun one, was made from something else.
        OutputError: the output cannot be written, such as on a full disk.

    Example:
        >>> embed_corpus(embedder, EmbedConfig(["reviews.csv"], Path("out.parquet")))  # doctest: +SKIP
    """
    began = time.monotonic()
    with working_folder(config.out) as folder:
        sources = _sources(config, folder)
        job = Job(_contract(encoder, config), [source.identity() for source in sources], _options(config))
        manifest = begin(config.out, folder, job, overwrite=config.overwrite)
        if manifest is None:
            return Report(config.out, "up to date", job, seconds=time.monotonic() - began)
        n_resumed = sum(entry.n_read for entry in manifest.entries)
        if on_total is not None:
            on_total(count_rows(sources))
        groups = regroup(read(sources, _selection(config)), config.shard_rows)
        _fill(encoder, config, manifest, groups, on_progress or (lambda progress: None))
        entries = manifest.entries
        return Report(
            config.out,
            "done",
            finish(config.out, folder, manifest),
            n_rows=sum(entry.n_rows for entry in entries),
            n_rejected=sum(entry.n_rejected for entry in entries),
            n_resumed=n_resumed,
            n_tokens=sum(entry.n_tokens for entry in entries),
            n_truncated=sum(entry.n_truncated for entry in entries),
            seconds=time.monotonic() - began,
        )


def _sources(config: EmbedConfig, folder: Path) -> list[Source]:
    spooled = None
    if STDIN in config.inputs:
        fresh = folder / (SPOOLED + ".new")
        with explained(fresh):
            spooled = spool(standard_input(), fresh, config.format)
            fresh.replace(folder / SPOOLED)
        spooled = replace(spooled, path=folder / SPOOLED)
    sources = expand(config.inputs, config.format, spooled=spooled, leave_out=config.out)
    for source in sources:
        if source.path.exists() and config.out.exists() and source.path.samefile(config.out):
            raise ConfigError(f"output {config.out}: is one of the inputs; give it another name")
    return sources


def _selection(config: EmbedConfig) -> Selection:
    return Selection(config.column, config.instruction_column, config.on_error, config.shard_rows)


def _options(config: EmbedConfig) -> dict[str, Any]:
    return {
        "column": config.column,
        "instruction_column": config.instruction_column,
        "on_error": config.on_error,
        "shard_rows": config.shard_rows,
    }


def _contract(encoder: ShardEncoder, config: EmbedConfig) -> EmbeddingContract:
    options = config.encode
    contract = encoder.contract(
        options.instruction,
        normalize_embeddings=options.normalize_embeddings,
        truncate_dim=options.truncate_dim,
        precision=options.precision,
        long_text=options.long_text,
    )
    # Which instructions a column holds is known at the end.
    return contract if config.instruction_column is None else replace(contract, instructions=())


def _fill(
    encoder: ShardEncoder,
    config: EmbedConfig,
    manifest: Manifest,
    groups: Iterator[Rows],
    on_progress: Callable[[Progress], None],
) -> None:
    """Make the shards that are not there yet.

    Raises:
        FileError: a column changes its type from one shard to another.
    """
    folder, n_done, schema = config.partial, len(manifest.entries), None
    for index, rows in enumerate(groups):
        resumed = index < n_done
        if resumed:
            entry = manifest.entries[index]
            found = read_schema(folder / entry.name) if entry.name else None
        else:
            shard = embed_rows(encoder, rows, config.encode, config.on_error)
            found = shard.table.schema if len(shard.table) else None
        if found is not None:
            where = f"{rows.places[0]} to {rows.places[-1]}" if rows.places else str(config.out)
            schema = merge_schemas(schema, found, where)
        if not resumed:
            entry = _save(shard, index, rows.n_read, manifest, folder)
        on_progress(Progress(entry.n_read, entry.n_tokens, resumed=resumed))


def _save(shard: Shard, index: int, n_read: int, manifest: Manifest, folder: Path) -> Entry:
    """Put a shard and its rejected rows on disk, then its line into the manifest."""
    name, n_bytes, crc = None, 0, 0
    if len(shard.table):
        name = f"shard-{index:06d}.parquet"
        schema = shard.table.schema.remove_metadata()
        with (
            writing(folder / name, shard.table.nbytes) as file,
            parquet_writer(schema, manifest.job, file) as writer,
        ):
            writer.write_table(shard.table.cast(schema))
        n_bytes, crc = checksum(folder / name)
    if shard.rejected:
        with writing(folder / f"shard-{index:06d}{REJECTED}") as file:
            for rejection in shard.rejected:
                file.write(json.dumps(rejection.record(), default=str).encode() + b"\n")
    n_rows, n_rejected = len(shard.table), len(shard.rejected)
    entry = Entry(index, name, n_read, n_rows, n_rejected, n_bytes, crc, shard.n_tokens, shard.n_truncated)
    manifest.append(entry)
    return entry
