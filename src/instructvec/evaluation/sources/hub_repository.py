"""A dataset repository -> the splits of its configurations, through the ``datasets`` package.

Knows ``datasets`` and turns its errors into ours; nothing of task kinds. A repository may be a local directory
with a ``README.md`` that names its configurations. The network, its caches and ``HF_HUB_OFFLINE`` are left to
``datasets``.
Source: huggingface.co/docs/datasets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from instructvec.corpus.hub import explained, quiet
from instructvec.errors import FileError
from instructvec.evaluation.sources.rows import Rows

if TYPE_CHECKING:
    from datasets import Dataset

_CHECK = "its id, subset and revision"


@dataclass(frozen=True, slots=True)
class Repository:
    """A dataset repository.

    Attributes:
        name: its id.
        revision: the commit.
        subset: the configuration; of collections the first part of their configurations' names.
        known: its configurations, once asked for.
    """

    name: str
    revision: str | None
    subset: str | None
    known: list[str] = field(default_factory=list)

    def configs(self) -> list[str]:
        """The names of its configurations."""
        import datasets

        if not self.known:
            with explained(f"hub dataset {self.name!r}", _CHECK):
                self.known.extend(datasets.get_dataset_config_names(self.name, revision=self.revision))
        return self.known

    def is_collection(self) -> bool:
        """Whether it has documents, queries and judgements instead of rows."""
        return self.named("corpus") in self.configs()

    def named(self, part: str) -> str:
        """The configuration of a part of a collection, as mteb names them."""
        return part if self.subset in (None, "default") else f"{self.subset}-{part}"

    def load(self, config: str | None) -> Mapping[str, Dataset]:
        """The splits of a configuration.

        Raises:
            FileError: there is no such dataset or configuration, or it cannot be reached.
        """
        import datasets

        if config is not None and config not in self.configs():
            raise FileError(
                f"hub dataset {self.name!r}: no configuration {config!r}; there are "
                f"{', '.join(map(repr, self.configs()))}: correct subset, or check the dataset's id"
            )
        with explained(f"hub dataset {self.name!r}", _CHECK), quiet():
            found = datasets.load_dataset(self.name, config, revision=self.revision)
        return {str(split): rows for split, rows in found.items()}

    def rows(self, config: str, split: str | None, columns: Mapping[str, str], *, only: bool = True) -> Rows:
        """The rows of a split of a configuration.

        Args:
            config: the configuration.
            split: of it.
            columns: our field -> its column.
            only: whether the only split there is may have any name: documents are the same for all of them.

        Raises:
            FileError: the split is not there.
        """
        found = self.load(config)
        if only and split not in found and len(found) == 1:
            split = next(iter(found))
        if split is None or split not in found:
            raise FileError(
                f"hub dataset {self.name!r}, configuration {config!r}: no split {split!r}; there are "
                f"{', '.join(map(repr, found))}: correct split in the suite"
            )
        return as_rows(f"hub dataset {self.name!r} ({config}, {split})", found[split], columns)


class _Columns(Mapping[str, Sequence[Any]]):
    """The columns of a dataset, each read when it is asked for: some have many that no task needs."""

    def __init__(self, rows: Dataset) -> None:
        self._rows = rows

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self._rows.column_names:
            raise KeyError(name)
        values: Sequence[Any] = self._rows[name][:]
        return values

    def __contains__(self, name: object) -> bool:
        return name in self._rows.column_names

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.column_names)

    def __len__(self) -> int:
        return len(self._rows.column_names)


def as_rows(name: str, rows: Dataset, columns: Mapping[str, str]) -> Rows:
    """A split as rows; ``columns``: our field -> its column."""
    return Rows(name, "row", range(1, len(rows) + 1), _Columns(rows), columns)
