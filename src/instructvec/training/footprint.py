"""A batch's shapes and an architecture -> how many texts may be in one graph on a CPU.

Knows sizes; nothing of values. A GPU says when its memory is used up; a system just ends the process that took too
much, so on a CPU room is estimated beforehand, from shapes and the machine alone: the same in every run.
Source: what autograd keeps for BERT and MPNet under torch 2.13, measured with its hooks on saved tensors: with
dropout 18 numbers of width a token and layer, and 3 of attention a token, other token and head.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from instructvec.checkpoints.spec import Architecture
from instructvec.training.collate import SubBatch
from instructvec.training.devices import Devices
from instructvec.training.options import ComputeOptions

_SHARE = 0.5
"""Of the machine's memory, for graphs: the rest is for weights, data and others."""
_BYTES = {"float32": 5.0, "bfloat16": 3.5, "float16": 3.5}
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the graphs of a model take.

    Attributes:
        architecture: of the model.
        precision: of the passes.
        gradient_checkpointing: whether layers keep their inputs only.
        n_bytes: that all graphs together may take.

    Example:
        >>> from instructvec.checkpoints.layout import read_spec
        >>> from instructvec.embedder import BUNDLED
        >>> footprint = Footprint(read_spec(BUNDLED).architecture, "float32", False, 10**9)
        >>> footprint.of_text(128) // 2**20
        39
    """

    architecture: Architecture
    precision: str
    gradient_checkpointing: bool
    n_bytes: int

    def of_text(self, n_tokens: int) -> int:
        """Bytes of the graph of one text of so many tokens, padding included."""
        own = self.architecture
        layer = _BYTES[self.precision] * (8 * own.width + 2.6 * own.ffn_width) + 12 * own.n_heads * n_tokens
        if self.gradient_checkpointing:
            return int(n_tokens * (own.n_layers * 6 * own.width + layer))
        return int(n_tokens * own.n_layers * layer)

    def n_texts(self, sub_batches: Sequence[SubBatch]) -> int:
        """How many of these texts fit into one graph: all of them, or as many of the longest; at least 1."""
        shapes = [one.ids.shape for one in sub_batches]
        if sum(rows * self.of_text(tokens) for rows, tokens in shapes) <= self.n_bytes:
            return sum(rows for rows, _ in shapes)
        return max(1, self.n_bytes // self.of_text(max(tokens for _, tokens in shapes)))


def footprint_of(architecture: Architecture, options: ComputeOptions, devices: Devices) -> Footprint | None:
    """That of a model where it is trained; ``None`` on a GPU, which says itself when memory runs out."""
    if devices.device.type != "cpu":
        return None
    n_bytes = memory_for_graphs(devices.n_processes)
    return Footprint(architecture, devices.precision, options.gradient_checkpointing, n_bytes)


def memory_for_graphs(n_processes: int) -> int:
    """Bytes that each of so many processes on this machine may use for graphs."""
    return int(_SHARE * _memory() / n_processes)


def _memory() -> int:
    """Bytes that the machine has, or that this container may use."""
    found = [1 << 62]
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # "max" is none
            found.append(int(Path(limit).read_text("utf-8")))
    return min(found)
