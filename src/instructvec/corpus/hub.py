"""What the ``datasets`` package raises and prints -> errors of ours, and silence.

Knows that package's errors; nothing of what is loaded. The network, the cache and ``HF_HUB_OFFLINE`` are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from instructvec.errors import FileError, InstructvecError


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars of every conversion; those of downloads stay."""
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


@contextmanager
def explained(name: str, check: str) -> Iterator[None]:
    """Turns whatever ``datasets`` raises inside the block into a :class:`FileError` about the dataset.

    It raises errors of its own, of the hub's client, of Arrow and builtin ones; none of them says what to do.

    Args:
        name: what messages call the dataset.
        check: what may be wrong where it is none of the usual reasons.
    """
    import datasets

    try:
        yield
    except (InstructvecError, MemoryError, AssertionError):
        raise
    except datasets.exceptions.DatasetNotFoundError as error:
        raise FileError(
            f"{name}: not found ({line(error)}); check the id and the revision, and log in (hf auth login) if it "
            "asks for consent"
        ) from None
    except ConnectionError as error:
        hint = (
            "HF_HUB_OFFLINE is set, and it is not in the cache: unset it, or load the dataset once with a network"
            if "offline" in str(error).lower()
            else "check the network; with HF_HUB_OFFLINE=1 only cached datasets are used, and others fail at once"
        )
        raise FileError(f"{name}: cannot be reached ({line(error)}); {hint}") from None
    except Exception as error:
        raise FileError(
            f"{name}: cannot be loaded ({type(error).__name__}: {line(error)}); check {check}"
        ) from None


def line(error: BaseException) -> str:
    """The first two lines of what an error says, and of what caused it: the others are usage and addresses."""
    said = " ".join(str(error).strip().splitlines()[:2]) or type(error).__name__
    cause = error.__cause__
    return said + ("" if cause is None else f"; {line(cause)}")
