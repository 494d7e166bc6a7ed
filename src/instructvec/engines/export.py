"""A checkpoint -> a directory with ONNX graphs in the precisions asked for, and how far each deviates.

Knows what to measure and what to refuse; drawing the graphs is ``graph/``'s, laying out the directory
``checkpoints/save.py``'s. A graph that does not agree with torch is never written.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.hub import resolve
from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.save import save
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.checkpoints.weights import load_dense, load_weights, weights_digest
from instructvec.encoding.prompts import pair_up
from instructvec.encoding.similarity import similarity_pairwise
from instructvec.encoding.tokens import Tokenizer
from instructvec.engines.drive import Driver
from instructvec.engines.graph.layers import GraphDtype
from instructvec.engines.graph.model import build
from instructvec.engines.graph.recovered import with_floats
from instructvec.engines.graph.symbols import Graph
from instructvec.engines.onnx import EXTERNAL_BYTES, OnnxEngine
from instructvec.engines.torch import TorchEngine
from instructvec.errors import ConfigError, EngineError, InputError, OutputExists
from instructvec.extras import require
from instructvec.types import Engine, Joining

FILE_NAMES: dict[GraphDtype, str] = {"float32": "model.onnx", "int8": "model_int8.onnx"}

_LEAST_MEAN_COSINE: dict[GraphDtype, float] = {"float32": 0.999999, "int8": 0.98}
_FLOAT32_TOLERANCE = 1e-4
_LEAST_TEXTS = 3
_INLINE_BYTES = 1 << 30
_ALIGNMENT = 4096


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far one graph is from the torch float32 reference, over the sample texts.

    Attributes:
        dtype: of the graph.
        n_bytes: size of its file or files.
        mean_cosine, worst_cosine: between each text's two vectors.
        largest_difference: of any component.
        rank_agreement: Spearman correlation of the similarities of neighbouring sample texts, times 100.
        sts: Spearman correlation with the human scores, times 100; ``None`` without STS pairs.
        sts_change: ``sts`` minus that of the reference.
    """

    dtype: str
    n_bytes: int
    mean_cosine: float
    worst_cosine: float
    largest_difference: float
    rank_agreement: float
    sts: float | None
    sts_change: float | None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What :func:`export` wrote and measured.

    Attributes:
        path: the new directory.
        reference: what the graphs were compared with.
        n_texts: sample texts.
        n_pairs: STS pairs; 0 for none.
        graphs: one entry a dtype.
    """

    path: Path
    reference: str
    n_texts: int
    n_pairs: int
    graphs: tuple[Deviation, ...]


@dataclass(frozen=True, slots=True)
class StsPairs:
    """Sentence pairs with human similarity scores.

    Attributes:
        a, b: n texts each.
        scores: (n,) floats, on any scale.
    """

    a: Sequence[str]
    b: Sequence[str]
    scores: Sequence[float]

    def __post_init__(self) -> None:
        if not len(self.a) == len(self.b) == len(self.scores):
            raise InputError(f"STS pairs: {len(self.a)}, {len(self.b)} texts and {len(self.scores)} scores")
        if len(set(self.scores)) < 2:
            raise InputError("STS pairs: all scores are equal (or there are none): no correlation can be measured")


def export(
    model_name_or_path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    dtypes: Sequence[GraphDtype] = ("float32", "int8"),
    texts: Sequence[str] | None = None,
    sts: StsPairs | None = None,
    graphs_only: bool = False,
    include_prompt: bool | None = None,
    joining: Joining | None = None,
    revision: str | None = None,
) -> ExportReport:
    """Write a checkpoint with ONNX graphs to a new directory.

    Args:
        model_name_or_path: directory or hub id; where it has graphs only, float weights are taken from them.
        out: the directory to make.
        dtypes: of the graphs: ``"float32"``, ``"int8"`` (per row and per channel; see ``graph/layers.py``).
        texts: what the deviation is measured on; ``None`` for the sample that comes with the package.
        sts: pairs whose correlation with human scores is measured besides.
        graphs_only: leave the float weights out: only this package, and only its ONNX engine, runs the result.
        include_prompt: whether the result pools the instruction's tokens; ``None`` as the checkpoint.
        joining: the rule to write into the result; ``None`` as the checkpoint.
        revision: of a hub id.

    Raises:
        MissingExtra: torch, which the graphs are compared with, is not installed.
        UnsupportedModule: the architecture cannot be drawn.
        EngineError: a graph deviates more than its dtype may; nothing is written.
        OutputError: ``out`` exists, or cannot be written.
        ConfigError: a dtype there is no graph for, or ``include_prompt=True`` under a joining without it.
        InputError: too few texts to measure on.
    """
    require("torch", "export (it compares every graph with torch)")
    unknown = [dtype for dtype in dtypes if dtype not in FILE_NAMES]
    if unknown or not dtypes:
        raise ConfigError(f"precision is {unknown or 'empty'}; expected some of {', '.join(FILE_NAMES)}")
    if Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
        raise OutputExists(f"{out}: exists already and is not empty; give another path, or remove it first")
    sample = list(texts) if texts is not None else sample_texts()
    if len(sample) < _LEAST_TEXTS:
        raise InputError(f"{len(sample)} texts to measure the deviation on; expected {_LEAST_TEXTS} or more")
    name = os.fspath(model_name_or_path)
    spec = with_floats(read_spec(resolve(model_name_or_path, revision=revision), name=name), name=name)
    spec = _with_rule(spec, joining or spec.joining, include_prompt)
    reference = _Measured(spec, TorchEngine(spec, device="cpu", dtype="float32"), sample, sts)
    with tempfile.TemporaryDirectory() as folder:
        paths = {dtype: _write_graph(spec, dtype, Path(folder) / FILE_NAMES[dtype]) for dtype in dtypes}
        graphs = tuple(
            _compare(spec, dtype, path, reference, sample=sample, sts=sts) for dtype, path in paths.items()
        )
        drawn = replace(spec, onnx_files={str(dtype): file for dtype, file in paths.items()})
        if graphs_only:
            drawn = replace(drawn, has_weights=False, weights_digest=weights_digest(spec))
        path = save(drawn, out, graphs_only=graphs_only)
    return ExportReport(path, "torch float32", len(sample), 0 if sts is None else len(sts.a), graphs)


def _with_rule(spec: CheckpointSpec, joining: Joining, include_prompt: bool | None) -> CheckpointSpec:
    """The checkpoint without graphs, under another joining or pooling."""
    if include_prompt and joining != "prompt":
        raise ConfigError(
            f"include_prompt is True, but joining={joining!r} never pools the instruction: leave it out"
        )
    pooled = spec.pooling.include_prompt if include_prompt is None else include_prompt
    pooling = replace(spec.pooling, include_prompt=pooled and joining == "prompt")
    return replace(spec, joining=joining, pooling=pooling, onnx_files={})


def sample_texts() -> list[str]:
    """The texts that deviations are measured on by default; see ``sample.md`` beside them for their source."""
    return (files("instructvec.engines") / "sample.txt").read_text(encoding="utf-8").splitlines()


class _Measured:
    """One engine's vectors of the sample, and its STS score."""

    def __init__(self, spec: CheckpointSpec, engine: Engine, sample: Sequence[str], sts: StsPairs | None) -> None:
        self.vectors = _vectors(spec, engine, sample)
        self.neighbours = similarity_pairwise(self.vectors[:-1], self.vectors[1:])
        self.sts: float | None = None
        if sts is not None:
            pairs = _vectors(spec, engine, [*sts.a, *sts.b])
            similarities = similarity_pairwise(pairs[: len(sts.a)], pairs[len(sts.a) :])
            self.sts = 100 * spearman(similarities, np.asarray(sts.scores))


def _compare(
    spec: CheckpointSpec,
    dtype: GraphDtype,
    path: Path,
    reference: _Measured,
    *,
    sample: Sequence[str],
    sts: StsPairs | None,
) -> Deviation:
    engine = OnnxEngine(replace(spec, onnx_files={dtype: path}), dtype=dtype)
    measured = _Measured(spec, engine, sample, sts)
    cosines = similarity_pairwise(measured.vectors, reference.vectors)
    difference = float(np.abs(measured.vectors - reference.vectors).max())
    scale = float(np.abs(reference.vectors).max())
    least = _LEAST_MEAN_COSINE[dtype]
    if float(cosines.mean()) < least or (dtype == "float32" and difference > _FLOAT32_TOLERANCE * max(1.0, scale)):
        raise EngineError(
            f"{spec.path}: the {dtype} graph deviates from torch by more than it may: mean cosine "
            f"{cosines.mean():.6f} (at least {least}), largest difference {difference:.2g}; nothing was written. "
            + ("This is a bug: please report it" if dtype == "float32" else "Export it in float32 only")
        )
    change = None if measured.sts is None or reference.sts is None else measured.sts - reference.sts
    return Deviation(
        dtype=dtype,
        n_bytes=sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")),
        mean_cosine=float(cosines.mean()),
        worst_cosine=float(cosines.min()),
        largest_difference=difference,
        rank_agreement=100 * spearman(measured.neighbours, reference.neighbours),
        sts=measured.sts,
        sts_change=change,
    )


def _vectors(spec: CheckpointSpec, engine: Engine, texts: Sequence[str]) -> NDArray[np.float32]:
    tokenizer = Tokenizer.load(
        spec.transformer_folder, pad_token_id=spec.architecture.pad_token_id, lower_case=spec.lower_case
    )
    pairs, _ = pair_up(texts)
    tokens = tokenizer.tokenize(pairs, joining=spec.joining, max_seq_length=spec.max_seq_length)
    return Driver(engine, spec.architecture.pad_token_id).run(tokens, spec.dimension)


def _write_graph(spec: CheckpointSpec, dtype: GraphDtype, file: Path) -> Path:
    dense = [load_dense(spec, index) for index in range(len(spec.dense))]
    graph = build(spec, load_weights(spec), dense, dtype=dtype, max_seq_length=spec.max_seq_length)
    metadata = {"instructvec.dtype": dtype, "instructvec.joining": spec.joining}
    places = _write_tensors(graph, file.with_name(f"{file.name}.data"))
    file.write_bytes(graph.model(metadata, places))
    return file


def _write_tensors(graph: Graph, file: Path) -> dict[str, tuple[str, int]]:
    """Put tensors into a file of their own where they are too many for one protobuf message (2 GiB)."""
    if sum(array.nbytes for array in graph.tensors.values()) < _INLINE_BYTES:
        return {}
    places = {}
    with file.open("wb") as stream:
        for name, array in graph.tensors.items():
            if array.nbytes < EXTERNAL_BYTES:
                continue
            stream.seek(-(-stream.tell() // _ALIGNMENT) * _ALIGNMENT)
            places[name] = (file.name, stream.tell())
            stream.write(np.ascontiguousarray(array).tobytes())
    return places


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Spearman's rank correlation; ties share their mean rank.

    Example:
        >>> round(spearman(np.array([1.0, 2.0, 2.0]), np.array([3.0, 5.0, 5.0])), 6)
        1.0
    """
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
