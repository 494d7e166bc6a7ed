"""Datasets and options -> a mixture on disk, taken up where an earlier build was interrupted.

Knows when there is nothing to do and when a build may not begin; the work is in ``stages``. An unchanged build is
recognised without reading a row. Source: Su et al. 2023, section 2.3.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from instructvec.errors import ConfigError, FileError, InputError
from instructvec.medi.choosing import choose, nothing_left
from instructvec.medi.config import BuildConfig
from instructvec.medi.manifest import MANIFEST, manifest_of
from instructvec.medi.problems import Problems
from instructvec.medi.stages import MEDI_JSON, Progress, Silent, Stages
from instructvec.medi.vectors import TextVectors
from instructvec.medi.writer import EARLIER, check_replaceable
from instructvec.types import Encoder


class Built(NamedTuple):
    """What a build ended with.

    Attributes:
        manifest: of the mixture.
        unchanged: the same mixture was there already, and nothing was done.
        absent: datasets of the registry whose files are in none of the data folders.
    """

    manifest: dict[str, Any]
    unchanged: bool
    absent: list[str]


def build(config: BuildConfig, encoder: Encoder, progress: Progress | None = None) -> Built:
    """Build a mixture, or take up the building of one where it was interrupted.

    Args:
        config: what is asked for.
        encoder: the miner's model.
        progress: told how far it is.

    Returns:
        The manifest, and whether it was there before.

    Raises:
        FileError: a data folder or registry that cannot be read; under ``strict`` anything that cannot be used.
        InputError: no dataset is left, or none that gave a row; an earlier mixture then stays.
        ConfigError: the cache is inside the mixture's folder, which is replaced whole.
        OutputExists: something else than a mixture is at ``config.out``.
    """
    check_replaceable(config.out)
    _check_cache(config)
    problems = Problems(strict=config.strict)
    inputs, absent = choose(config, problems)
    if not inputs:
        raise InputError(nothing_left(config, absent, problems))
    progress = progress or Silent()
    vectors = TextVectors(encoder, config.working_folder / "vectors", on_texts=progress.encoded)
    making = Stages(config, inputs, vectors, problems, progress)
    earlier = _earlier(config, making.job)
    if earlier is not None:
        return Built(earlier, True, absent)
    with making.work.held():
        return Built(making.run(), False, absent)


def _check_cache(config: BuildConfig) -> None:
    out, cache = config.out.resolve(), config.working_folder.resolve()
    if cache.is_relative_to(out):
        raise ConfigError(f"cache is {cache}, inside {out}, which is replaced whole; give a folder beside it")


def _earlier(config: BuildConfig, job: str) -> dict[str, Any] | None:
    """The manifest at ``out``, if it is of this very job and whole, and nothing is left to tidy up."""
    out = config.out.resolve()
    if out.with_name(f".{out.name}.{EARLIER}").exists() or (config.medi_json and not (out / MEDI_JSON).is_file()):
        return None
    try:
        found = manifest_of(out)
    except FileError:
        return None
    if found.job != job:
        return None
    content: dict[str, Any] = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    return content
