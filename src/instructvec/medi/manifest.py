"""A mixture's folder -> its manifest as typed values, and its rows.

Knows ``manifest.json`` and the shards beside it; nothing of how they were made. Rows are read a batch at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from instructvec.corpus.records import kind_of
from instructvec.errors import FileError
from instructvec.medi.triplets import Triplet, from_table, schema

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
_BATCH_ROWS = 8192

Counts: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What the manifest says of a dataset; empty where it does not.

    Attributes:
        n_wordings: sentences that its instructions were drawn from.
        read: rows read.
        dropped: reason -> rows left out.
        rows: rows kept before mining.
        available: rule -> triplets found.
        unused: reason -> rows that gave no triplet.
        triplets: rows in the mixture.
        weight: the share a trainer should give it.
        problems: what could not be used, with its place.
    """

    name: str
    kind: str = ""
    domain: str = ""
    licence: str = ""
    redistribution: str = "unknown"
    commercial: str = "unknown"
    symmetric: bool = True
    text_type: str = ""
    document_type: str = ""
    source: str = ""
    note: str = ""
    instruction: str = ""
    n_wordings: int = 0
    read: int = 0
    dropped: Counts = field(default_factory=dict)
    rows: int = 0
    available: Counts = field(default_factory=dict)
    unused: Counts = field(default_factory=dict)
    triplets: int = 0
    weight: float = 0.0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two datasets that have texts in common under different goals."""

    a: str
    b: str
    shared: int
    rows: int


@dataclass(frozen=True, slots=True)
class Protected:
    """Texts that must not be in the mixture, and how many rows were left out because of them, by test."""

    name: str
    texts: int
    hits: Counts


@dataclass(frozen=True, slots=True)
class Check:
    """The independent check of the finished mixture: how many of its texts are protected ones, by test."""

    texts: int
    protected: int
    hits: Counts
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """A Parquet file of the mixture."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a mixture is made of, and how it was made."""

    folder: Path
    created: str
    versions: Mapping[str, str]
    job: str
    seed: int | None
    options: Mapping[str, Any]
    model: Mapping[str, Any] | None
    datasets: tuple[DatasetFacts, ...]
    contrasts: tuple[Contrast, ...]
    protected: tuple[Protected, ...]
    check: Check | None
    shards: tuple[ShardFacts, ...]


@dataclass(frozen=True, slots=True)
class MixtureRows:
    """The rows of a mixture in order; can be gone through any number of times.

    Raises:
        FileError: while rows are read, a shard that is no Parquet file of such rows, or has another number of them
            than the manifest says.
    """

    manifest: Manifest

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.manifest.shards)

    def __iter__(self) -> Iterator[Triplet]:
        for shard in self.manifest.shards:
            yield from _shard_rows(self.manifest.folder / shard.name, shard.rows)


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a mixture; the shards it names are there, in the size it says.

    Raises:
        FileError: no folder, no manifest, one of something else or of a newer format, a value of another type than
            the format has, a shard that is missing or of another size; names file and key.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "not there"
        raise FileError(f"{folder}: {what}; expected the folder of a mixture, with {MANIFEST} and its shards")
    path = folder / MANIFEST
    content = _Object(_json(path), str(path))
    _check_format(content, path)
    check = content.optional("check")
    manifest = Manifest(
        folder=folder,
        created=content.text("created"),
        versions={name: str(version) for name, version in content.mapping("versions").items()},
        job=content.text("job"),
        seed=content.number("seed", None),
        options=content.mapping("options"),
        model=content.mapping("model") or None,
        datasets=tuple(map(_dataset, content.objects("datasets"))),
        contrasts=tuple(
            Contrast(one.text("a"), one.text("b"), one.count("shared"), one.count("rows"))
            for one in content.objects("contrasts")
        ),
        protected=tuple(
            Protected(one.text("name"), one.count("texts"), one.counts("hits"))
            for one in content.objects("protected")
        ),
        check=None if check is None else _check(check),
        shards=tuple(
            ShardFacts(one.text("name"), one.count("rows"), one.count("bytes"))
            for one in content.objects("shards")
        ),
    )
    for at, shard in enumerate(manifest.shards):
        _check_shard(folder, shard, f"{path}: shards[{at}]")
    return manifest


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(
            f"{path}: no such file, so its folder is no mixture; give the folder that a build wrote (one that was "
            "interrupted has written no manifest yet: run it again)"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileError(f"{path}: broken JSON ({error}); restore the file, or build the mixture again") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check it and its rights") from error
    if not isinstance(content, dict):
        raise FileError(f"{path}: {kind_of(content)}; expected a JSON object, the manifest of a mixture")
    return content


def _check_format(content: _Object, path: Path) -> None:
    version = content.values.get("format_version")
    missing = [key for key in ("datasets", "shards") if not isinstance(content.values.get(key), list)]
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT_VERSION:
        raise FileError(
            f"{path}: format_version is {version}; this release reads {FORMAT_VERSION}: update instructvec"
        )
    if version != FORMAT_VERSION or missing:
        what = f"without a list {missing[0]!r}" if missing else f"with format_version {version!r}"
        raise FileError(f"{path}: {what}, so not the manifest of a mixture; give the folder that a build wrote")


def _dataset(one: _Object) -> DatasetFacts:
    values = {
        key: one.text(key)
        for key in ("kind", "domain", "licence", "text_type", "document_type", "source", "note", "instruction")
    }
    return DatasetFacts(
        name=one.text("name"),
        **values,
        redistribution=one.text("redistribution") or "unknown",
        commercial=one.text("commercial") or "unknown",
        symmetric=one.values.get("symmetric") is not False,
        n_wordings=one.count("wordings"),
        read=one.count("read"),
        dropped=one.counts("dropped"),
        rows=one.count("rows"),
        available=one.counts("available"),
        unused=_Object(one.mapping("mining"), f"{one.where}.mining").counts("without_triplet"),
        triplets=one.count("triplets"),
        weight=float(one.number("weight", 0.0)),
        problems=tuple(map(str, one.items("problems"))),
    )


def _check(one: _Object) -> Check:
    tests = {key: one.count(key) for key in one.values if key not in ("texts", "protected", "examples")}
    examples = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for value in one.items("examples")
    )
    return Check(one.count("texts"), one.count("protected"), tests, tuple(examples))


def _check_shard(folder: Path, shard: ShardFacts, where: str) -> None:
    if not shard.name or Path(shard.name).name != shard.name:
        raise FileError(f"{where}.name is {shard.name!r}; expected the name of a file beside the manifest")
    path = folder / shard.name
    if not path.is_file():
        raise FileError(f"{path}: the shard is missing, though the manifest names it; copy it, or build again")
    size = path.stat().st_size
    if size != shard.bytes:
        raise FileError(
            f"{path}: {size:,} bytes, and the manifest says {shard.bytes:,}; the file was cut or replaced: copy "
            "it again, or build again"
        )


def _shard_rows(path: Path, n_rows: int) -> Iterator[Triplet]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in schema().names if name not in file.schema_arrow.names]
            if missing:
                raise FileError(
                    f"{path}: no column {missing[0]!r}; expected the columns of a mixture: build it again"
                )
            if file.metadata.num_rows != n_rows:
                raise FileError(
                    f"{path}: {file.metadata.num_rows:,} rows, and the manifest says {n_rows:,}; copy it again, "
                    "or build again"
                )
            for batch in file.iter_batches(_BATCH_ROWS, columns=schema().names):
                yield from from_table(pa.Table.from_batches([batch]))
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"{path}: cannot be read as Parquet ({error}); copy it again, or build again") from error


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object of the manifest, and where it stands; an absent or null key is empty."""

    values: Mapping[str, Any]
    where: str

    def text(self, key: str) -> str:
        return str(self._of(key, str, "a text", ""))

    def count(self, key: str) -> int:
        return int(self.number(key, 0))

    def number(self, key: str, default: Any) -> Any:
        return self._of(key, (int, float), "a number", default)

    def mapping(self, key: str) -> Mapping[str, Any]:
        return dict(self._of(key, dict, "an object", {}))

    def counts(self, key: str) -> Counts:
        inner = _Object(self.mapping(key), self._at(key))
        return {name: inner.count(name) for name in inner.values}

    def items(self, key: str) -> list[Any]:
        return list(self._of(key, list, "a list", []))

    def optional(self, key: str) -> _Object | None:
        return _Object(self.mapping(key), self._at(key)) if self.values.get(key) is not None else None

    def objects(self, key: str) -> list[_Object]:
        found = []
        for at, value in enumerate(self.items(key)):
            where = f"{self._at(key)}[{at}]"
            if not isinstance(value, dict):
                raise FileError(f"{where} is {kind_of(value)}; expected an object, as builds write it")
            found.append(_Object(value, where))
        return found

    def _of(self, key: str, kinds: Any, expected: str, default: Any) -> Any:
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise FileError(f"{self._at(key)} is {kind_of(value)}; expected {expected}: build the mixture again")
        return value

    def _at(self, key: str) -> str:
        return f"{self.where}: {key}" if self.where.endswith(".json") else f"{self.where}.{key}"
