"""A table in two -> files beside a run: rows to train on, rows held out, and a mixture mined from the former.

Knows how these files are called and when those of an earlier run still serve; nothing of training. The mixture is
built as any other, by the rules for labelled texts and for pairs, so it can be looked into and trained on again.
Source: Su et al. 2023, section 2.3.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from instructvec.corpus.files import explained, writing
from instructvec.errors import FileError, OutputExists
from instructvec.medi.build import build
from instructvec.medi.config import BuildConfig, Choice, FormOptions, LabelOptions, MiningOptions, Mixture
from instructvec.medi.filters import Filters
from instructvec.medi.stages import Progress
from instructvec.training.columns import Columns, LabelColumns
from instructvec.training.recipe_text import text_of
from instructvec.training.splitting import Split
from instructvec.training.tables import Table
from instructvec.types import Encoder

DATASET = "table"
"""The name of the only dataset of such a mixture."""
TRAIN, HELD_OUT, MADE_FROM = "train.jsonl", "held-out.jsonl", "made-from.json"
_REGISTRY = "registry.toml"
_WHATEVER_AGREEMENT = -1e6
"""Below all there can be."""

# A user's own rows count as they are: none is left out for its length, its letters or what its neighbours are.
_ALL_TEXTS = Filters(
    min_characters=1, min_words=0, letters=False, undecodable=False, boilerplate=False, max_repeated=1
)
_ALL_LABELS = MiningOptions(min_agreement=_WHATEVER_AGREEMENT, other_goal=0, wrong_instruction=0)


def keep(folder: Path, made: Split, columns: Columns, made_from: Mapping[str, Any]) -> None:
    """Write the rows of a table, unless those of the same table and options are there.

    Args:
        folder: takes them.
        made: the rows in two.
        columns: what they are, and what their vectors are for.
        made_from: all that decides them, as plain JSON values.

    Raises:
        OutputExists: the folder has rows of another table or other options; names what differs.
        OutputError: they cannot be written.
    """
    if _is_kept(folder, made_from):
        return
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, table in ((TRAIN, made.train), (HELD_OUT, made.held_out)):
        with writing(folder / name) as file:
            file.writelines(_lines(table))
    with writing(folder / _REGISTRY) as file:
        file.write(_registry(columns).encode())
    with writing(folder / MADE_FROM) as file:  # last: until it is there, nothing is
        file.write((json.dumps(made_from, ensure_ascii=False, indent=1) + "\n").encode())


def mine(folder: Path, encoder: Encoder, seed: int, progress: Progress | None = None) -> dict[str, Any]:
    """The mixture of the kept rows, mined unless it is there.

    Args:
        folder: of the rows; the mixture is ``folder/mixture``.
        encoder: tells how alike texts are.
        seed: of the order of rows.
        progress: told how far it is.

    Returns:
        The mixture's manifest.

    Raises:
        InputError: no row gave a triplet.
        OutputError: it cannot be written.
    """
    config = BuildConfig(
        out=folder / "mixture",
        registries=(folder / _REGISTRY,),
        bundled=False,
        cache=folder / "mixture.cache",
        choice=Choice(unlisted=False),
        filters=_ALL_TEXTS,
        near_duplicates=0,
        mining=_ALL_LABELS,
        forms=FormOptions(texts=0),
        labels=LabelOptions(texts=0),
        mixture=Mixture(paraphrases=0),
        seed=seed,
        strict=True,
    )
    manifest = build(config, encoder, progress).manifest
    shutil.rmtree(config.working_folder, ignore_errors=True)  # an unchanged mixture is known without it
    return manifest


def _is_kept(folder: Path, made_from: Mapping[str, Any]) -> bool:
    """Whether rows made from the same are there."""
    path = folder / MADE_FROM
    if not path.exists():
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be read ({error}); give another folder with --out") from None
    differing = [
        f"{key} is {made_from.get(key)!r:.80}, and was {found.get(key)!r:.80}"
        for key in dict.fromkeys((*made_from, *found))
        if made_from.get(key) != found.get(key)
    ]
    if differing:
        raise OutputExists(
            f"{folder.parent}: was trained before from something else: {'; '.join(differing)}. Give another "
            "folder with --out, or the same table and options to go on"
        )
    return True


def _lines(table: Table) -> Iterator[bytes]:
    for first, second, negatives in zip(table.first, table.second, table.negatives, strict=True):
        row: dict[str, Any] = {"text": first, "label": second}
        if table.kind == "pair":
            row = {"query": first, "positive": second, "negative": negatives}
        yield (json.dumps(row, ensure_ascii=False) + "\n").encode()


def _registry(columns: Columns) -> str:
    """The entry of the table's dataset."""
    entry: dict[str, Any] = {
        "name": DATASET,
        "kind": "label" if isinstance(columns, LabelColumns) else "triplet" if columns.negative else "pair",
        "licence": "none stated",
        "instruction": columns.instruction,
        "note": "A table of one's own.",
        "source": {"file": TRAIN},
    }
    if not isinstance(columns, LabelColumns) and not columns.symmetric:
        entry |= {"symmetric": False, "document_instruction": columns.document_instruction}
    source = entry.pop("source")
    return f"[[dataset]]\n{text_of(entry)}\n[dataset.source]\n{text_of(source)}"
