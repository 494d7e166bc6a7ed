"""Writing that is whole or absent: temporary name, fsync, rename, fsync of the folder.

Knows paths and bytes; nothing of what is written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from instructvec.errors import InstructvecError, OutputError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(path: Path, n_bytes: int | None = None) -> Iterator[BinaryIO]:
    """A file that appears under ``path`` only when the block ends well, then safely on disk.

    Args:
        path: the final name; replaced if it exists.
        n_bytes: about how many bytes are to be written, for the message when the disk is full.

    Raises:
        OutputError: the disk is full, or the file cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    with explained(path, n_bytes):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextmanager
def explained(path: Path, n_bytes: int | None = None) -> Iterator[None]:
    """Turns the operating system's errors inside the block into an :class:`OutputError` about ``path``."""
    try:
        yield
    except InstructvecError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            needed = "" if n_bytes is None else f" (about {n_bytes / 1e6:,.1f} MB are needed)"
            raise OutputError(
                f"{path}: the disk is full{needed}; free some space, then run the same command again: "
                "it continues where it stopped"
            ) from error
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); check the folder and its permissions"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power cut; a no-op where folders cannot be opened (Windows)."""
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
