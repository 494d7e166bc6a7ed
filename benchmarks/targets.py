"""The numbers the project promised, each with how it is read from the results.

Knows the results file; measures and renders nothing. Ratios are medians of the ratios within each round.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Parts = dict[str, Any]


class NotMeasuredError(Exception):
    """A value that the results do not hold."""


@dataclass(frozen=True, slots=True)
class Target:
    """``value`` must be at least, or at most, ``limit``.

    Attributes:
        text: what is promised.
        limit: the bound.
        unit: printed after numbers.
        at_least: which side is good.
        value: reads the median, and the smallest and largest where there are several, from the parts.
    """

    text: str
    limit: float
    unit: str
    at_least: bool
    value: Callable[[Parts], list[float]]

    @property
    def limit_text(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{self.unit}"

    def outcome(self, parts: Parts) -> list[str]:
        """The measured value and whether it meets the target, in words."""
        try:
            values = self.value(parts)
        except (KeyError, NotMeasuredError, statistics.StatisticsError):
            return ["not measured", "-"]
        median = statistics.median(values)
        met = median >= self.limit if self.at_least else median <= self.limit
        digits = (
            ".1e" if self.limit < 1e-2 else ".4f" if 0.9 < self.limit < 1 else ".2f" if self.limit < 20 else ".0f"
        )
        shown = f"{median:{digits}}{self.unit}"
        if len(values) > 1:
            shown += f" ({min(values):{digits}} to {max(values):{digits}})"
        return [shown, "met" if met else "**missed**"]


def _ratio(part: str, ours: str, theirs: str, which: str) -> Callable[[Parts], list[float]]:
    def read(parts: Parts) -> list[float]:
        rows = parts[part]["peers"]
        pairs = zip(rows[theirs]["seconds"][which], rows[ours]["seconds"]["default"], strict=True)
        return [slow / fast for slow, fast in pairs]

    return read


def _imports(statement: str) -> Callable[[Parts], list[float]]:
    def read(parts: Parts) -> list[float]:
        times = parts["start"]["imports"]
        return [statistics.median(times[statement]) - statistics.median(times["import numpy"])]

    return read


def _whole(part: str, n_texts: int, name: str, key: str) -> Callable[[Parts], list[float]]:
    """A value that only counts where at least ``n_texts`` were embedded."""

    def read(parts: Parts) -> list[float]:
        if parts[part]["n_texts"] < n_texts:
            raise NotMeasuredError(f"{parts[part]['n_texts']} texts, {n_texts} wanted")
        return [parts[part]["peers"][name][key]]

    return read


def _deviation(part: str, name: str, key: str) -> Callable[[Parts], list[float]]:
    def read(parts: Parts) -> list[float]:
        table = parts[part]["deviation"] if part == "t5" else parts[part]
        return [table["peers"][name][key]]

    return read


def _sts_loss(name: str) -> Callable[[Parts], list[float]]:
    def read(parts: Parts) -> list[float]:
        rows = parts["deviation"]["peers"]
        return [abs(rows[name]["sts_spearman"] - rows["st-torch-fp32"]["sts_spearman"])]

    return read


_INT8, _FP32, _TORCH = "ours-int8", "ours-fp32", "st-torch-fp32"
TARGETS: tuple[Target, ...] = (
    Target(
        "ONNX float32 to sentence-transformers torch float32, its default batch",
        1.9,
        "x",
        True,
        _ratio("throughput", _FP32, _TORCH, "default"),
    ),
    Target(
        "ONNX int8 to the same, its default batch", 4.5, "x", True, _ratio("throughput", _INT8, _TORCH, "default")
    ),
    Target("ONNX int8 to the same, its best batch", 3.2, "x", True, _ratio("throughput", _INT8, _TORCH, "best")),
    Target(
        "ONNX int8 to sentence-transformers' ONNX int8, its default batch",
        1.6,
        "x",
        True,
        _ratio("throughput", _INT8, "st-onnx-int8", "default"),
    ),
    Target(
        "ONNX int8 to sentence-transformers' ONNX int8, its best batch",
        1.6,
        "x",
        True,
        _ratio("throughput", _INT8, "st-onnx-int8", "best"),
    ),
    Target(
        "ONNX int8 to fastembed, its default batch",
        6,
        "x",
        True,
        _ratio("throughput", _INT8, "fastembed", "default"),
    ),
    Target(
        "ONNX int8 to fastembed, its best batch", 2, "x", True, _ratio("throughput", _INT8, "fastembed", "best")
    ),
    Target(
        "T5-base, ONNX float32 to InstructorEmbedding, its default batch",
        3,
        "x",
        True,
        _ratio("t5", "ours-t5-fp32", "instructor", "default"),
    ),
    Target(
        "T5-base, ONNX int8 to InstructorEmbedding, its default batch",
        9,
        "x",
        True,
        _ratio("t5", "ours-t5-int8", "instructor", "default"),
    ),
    Target("`import instructvec` over `import numpy`", 60, " ms", False, _imports("import instructvec")),
    Target(
        "`from instructvec import Embedder` over `import numpy`",
        60,
        " ms",
        False,
        _imports("from instructvec import Embedder"),
    ),
    Target(
        "process start to first vector, bundled model",
        0.6,
        " s",
        False,
        lambda parts: parts["start"]["peers"]["ours-bundled"],
    ),
    Target("base install", 380, " MB", False, lambda parts: [parts["size"]["environments"]["ours"]["mb"]]),
    Target(
        "peak memory embedding 4,000 mixed texts",
        350,
        " MB",
        False,
        _whole("memory", 4000, "ours-bundled", "peak_mb"),
    ),
    Target(
        "growth of memory while streaming short texts (100,000 or more)",
        100,
        " MB",
        False,
        _whole("stream", 100_000, "ours-bundled", "growth_mb"),
    ),
    Target(
        "torch engine to InstructorEmbedding on T5, largest component difference",
        2e-5,
        "",
        False,
        _deviation("t5", "ours-t5-torch", "largest_component_difference"),
    ),
    Target(
        "ONNX float32 to torch, largest component difference",
        1e-4,
        "",
        False,
        _deviation("deviation", _FP32, "largest_component_difference"),
    ),
    Target(
        "ONNX int8, mean cosine to torch float32", 0.99, "", True, _deviation("deviation", _INT8, "mean_cosine")
    ),
    Target("ONNX int8, change of STS-B Spearman (points of 100)", 0.3, "", False, _sts_loss(_INT8)),
)
