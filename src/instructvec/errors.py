"""Every error the package raises on purpose, each also of the fitting builtin.

Knows nothing of what went wrong where: the raiser writes the message, in the order
what is wrong (file, row, option, value), what was expected, what to do.

    InstructvecError
    ├── InputError(ValueError)            a text, instruction, option or row that cannot be used
    │   ├── InputTypeError(TypeError)     … because it is of the wrong type
    │   ├── TextTooLong                   … because it exceeds max_seq_length under long_text="error"
    │   └── FileError                     … in a file: names the file and the line or column
    ├── ConfigError(ValueError)           an option whose value is not one of those allowed
    ├── CheckpointError(OSError)          a model directory that cannot be read
    │   ├── CheckpointNotFound(FileNotFoundError)
    │   └── UnsupportedModule(ValueError) a module, pooling or architecture this package does not know
    ├── ContractMismatch(ValueError)      vectors made under another model, instruction or precision
    ├── OutputError(OSError)              an output that cannot be written
    │   └── OutputExists(FileExistsError) … because something else is there that must not be overwritten
    ├── EngineError(RuntimeError)         an engine that cannot run this checkpoint, or failed doing it
    ├── EvaluationIncomplete(RuntimeError) tasks of an evaluation that could not be run, each named
    └── MissingExtra(ImportError)         an optional dependency that is not installed

    TruncationWarning(UserWarning)        texts were cut at max_seq_length
"""

from __future__ import annotations


class InstructvecError(Exception):
    """Base of every error raised on purpose by this package."""


class InputError(InstructvecError, ValueError):
    """A text, instruction, option or row that cannot be used."""


class InputTypeError(InputError, TypeError):
    """An input of the wrong type, such as ``None`` or bytes among texts."""


class TextTooLong(InputError):
    """A text over ``max_seq_length`` tokens under ``long_text="error"``."""


class FileError(InputError):
    """An input file that cannot be read as what it claims to be; names file and line or column."""


class ConfigError(InstructvecError, ValueError):
    """An option whose value is not among those allowed."""


class CheckpointError(InstructvecError, OSError):
    """A model directory that is damaged or cannot be read."""

    def __str__(self) -> str:
        # OSError formats two arguments as "[Errno …]"; ours carry one message.
        return str(self.args[0]) if self.args else ""


class CheckpointNotFound(CheckpointError, FileNotFoundError):
    """A path or hub id at which there is no model."""


class UnsupportedModule(CheckpointError, ValueError):
    """A module, pooling mode or architecture that this package does not know and will not guess."""


class ContractMismatch(InstructvecError, ValueError):
    """Vectors that must not be compared: made by another model, instruction, joining or precision."""


class OutputError(InstructvecError, OSError):
    """An output that cannot be written, or that must not be overwritten."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class OutputExists(OutputError, FileExistsError):
    """An output that is there already, made from something else, and is not overwritten unasked."""


class EngineError(InstructvecError, RuntimeError):
    """An engine that cannot run this checkpoint here, or failed while doing so."""


class EvaluationIncomplete(InstructvecError, RuntimeError):
    """Some tasks of an evaluation could not be run; the message names each, and what was found is written."""


class MissingExtra(InstructvecError, ImportError):
    """An optional dependency that is not installed; the message holds the line that installs it."""


class TruncationWarning(UserWarning):
    """Texts were longer than ``max_seq_length`` and lost their tail."""
