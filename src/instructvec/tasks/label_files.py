"""A file of labels -> names with their descriptions.

Knows two formats: JSON (a list of names, or an object from names to one description or several), and text, a
label a line, with a description behind a tab; a label's further lines are further descriptions of it. Nothing of
vectors.
"""

from __future__ import annotations

import json
from pathlib import Path

from instructvec.errors import FileError, InputError
from instructvec.tasks.classification import described
from instructvec.tasks.labels import Label


def read_labels(path: Path) -> dict[Label, list[str]]:
    """The labels of a file, as :func:`instructvec.tasks.classification.described` gives them.

    Args:
        path: ``.json``, or text of any other name, in UTF-8; blank lines of text are passed over.

    Raises:
        FileError: no such file, broken JSON, or labels that cannot be used; names file and line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not UTF-8: {error.reason}"
        raise FileError(f"{path}: cannot be read ({reason}); expected a file of labels") from None
    try:
        return described(json.loads(text)) if path.suffix.lower() == ".json" else _lines(text, path)
    except FileError:
        raise
    except InputError as error:
        raise FileError(f"{path}: {error}") from None
    except (ValueError, TypeError) as error:
        raise FileError(
            f"{path}: no list or object of labels ({error}); expected JSON such as "
            '["refund", "delivery"] or {"refund": "asks for money back"}'
        ) from None


def _lines(text: str, path: Path) -> dict[Label, list[str]]:
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, tab, description = line.partition("\t")
        name, description = name.strip(), description.strip()
        if not name and not description:
            continue
        if not name or (tab and not description):
            missing = "name of a label" if not name else "description"
            raise FileError(f"{path}, line {number}: no {missing} beside the tab; expected LABEL<tab>DESCRIPTION")
        if not tab and name in found:
            raise FileError(f"{path}, line {number}: the label {name!r} once more; expected distinct ones")
        found.setdefault(name, []).append(description if tab else name.replace("_", " "))
    return described(found)
