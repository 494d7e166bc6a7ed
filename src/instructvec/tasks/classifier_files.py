"""A classifier -> one JSON file, and back.

Knows the format; nothing of how a classifier is fitted or used. Numbers are written with as many digits as float32
needs, so that they come back to the bit. Nothing in the file is ever executed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.corpus.files import writing
from instructvec.errors import ContractMismatch, FileError, InstructvecError
from instructvec.tasks.classified import HeldOut
from instructvec.tasks.classifier import Classifier
from instructvec.tasks.labels import checked_names
from instructvec.tasks.linear_head import LinearHead

FORMAT = "instructvec classifier"
FORMAT_VERSION = 1
_NO_CLASSIFIER = "{}: no classifier; expected what instructvec classify --save-classifier wrote"


def write_classifier(classifier: Classifier, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    held_out = classifier.held_out
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "classes": list(classifier.classes),
        "contract": json.loads(classifier.contract.to_json()),
        "temperature": classifier.temperature,
        "inverse_regularisation": classifier.inverse_regularisation,
        "held_out": None if held_out is None else {name: getattr(held_out, name) for name in HeldOut.__slots__},
        "notes": list(classifier.notes),
        "biases": _short(classifier.head.biases),
        "weights": [_short(row) for row in classifier.head.weights],
    }
    with writing(path) as file:
        file.write((json.dumps(content, ensure_ascii=False) + "\n").encode())


def read_classifier(path: Path) -> Classifier:
    """The classifier in a file.

    Raises:
        FileError: no such file, one that is no classifier, or a damaged one.
        ContractMismatch: written by a newer version of this package.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); expected a saved classifier") from None
    except UnicodeDecodeError:
        content = None
    except ValueError as error:
        if not _looks_like_one(path):
            raise FileError(_NO_CLASSIFIER.format(path)) from None
        raise FileError(
            f"{path}: broken JSON ({error}); the classifier is damaged or cut off: save it again"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileError(_NO_CLASSIFIER.format(path))
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ContractMismatch(
            f"{path}: format_version {version} is newer than this package reads ({FORMAT_VERSION}); "
            "upgrade: pip install -U instructvec"
        )
    try:
        return _classifier(content)
    except ContractMismatch as error:
        raise ContractMismatch(f"{path}: {error}") from None
    except (InstructvecError, KeyError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise FileError(f"{path}: the classifier is damaged ({reason}); save it again") from None


def _looks_like_one(path: Path) -> bool:
    """Whether broken JSON begins as a classifier does."""
    with path.open(encoding="utf-8") as file:
        return FORMAT in file.read(100)


def _classifier(content: dict[str, Any]) -> Classifier:
    classes = tuple(checked_names(content["classes"], "classes"))
    contract = EmbeddingContract.from_json(json.dumps(content["contract"]))
    held_out = content["held_out"]
    temperature = float(content["temperature"])
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}; expected a finite number above 0")
    return Classifier(
        LinearHead(
            _array(content["weights"], "weights", (len(classes), contract.dimension)),
            _array(content["biases"], "biases", (len(classes),)),
        ),
        classes,
        temperature,
        contract,
        float(content["inverse_regularisation"]),
        None if held_out is None else HeldOut(**held_out),
        tuple(str(note) for note in content["notes"]),
    )


def _array(values: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.asarray(values, np.float32)
    if array.shape != shape:
        raise ValueError(f"{name} of shape {array.shape}; expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: a number that is NaN or infinite")
    return array


def _short(values: NDArray[np.float32]) -> list[float]:
    """The shortest decimals that read back as the same float32."""
    return [float(str(value)) for value in values]
