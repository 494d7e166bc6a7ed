"""Runs batches in ONNX Runtime on the CPU, from an exported graph or straight from a checkpoint's weights.

Knows sessions and their options; the graph itself is ``graph/``'s. No torch is needed for either.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.checkpoints.weights import load_dense, load_weights
from instructvec.engines.graph.encoders import ENCODERS
from instructvec.engines.graph.layers import GraphDtype
from instructvec.engines.graph.model import INPUTS, OUTPUT, build
from instructvec.engines.graph.recovered import with_floats
from instructvec.engines.threads import choose_threads
from instructvec.errors import CheckpointError, ConfigError, EngineError
from instructvec.types import Batch

if TYPE_CHECKING:
    import onnxruntime

EXTERNAL_BYTES = 1024
"""Tensors of this size may lie outside the model. Axes and shapes may not: they are read while it loads."""
_FATAL = 4


def can_run(spec: CheckpointSpec) -> bool:
    """Whether this engine can run the checkpoint: it has a graph, or one can be drawn from its weights."""
    return bool(spec.onnx_files) or spec.architecture.family in ENCODERS


class OnnxEngine:
    """ONNX Runtime on the CPU.

    Each run uses one processor and ``threads`` runs go on side by side, which keeps every
    processor busy without waiting for one another inside a batch.

    Args:
        spec: the checkpoint.
        dtype: ``"float32"``, ``"int8"``, or ``"auto"``: int8 where the checkpoint comes with an
            int8 graph, float32 elsewhere.
        threads: how many batches to run side by side; ``None``: one a processor available here.
        max_seq_length: tokens a row may have; ``None`` for the checkpoint's own limit. A graph on
            disk is used where it provides for as many.

    Raises:
        ConfigError: a dtype this engine does not have.
        CheckpointError: weights or graph are missing or damaged.
        UnsupportedModule: no graph on disk, and the family cannot be drawn.
    """

    def __init__(
        self,
        spec: CheckpointSpec,
        *,
        dtype: str = "auto",
        threads: int | None = None,
        max_seq_length: int | None = None,
    ) -> None:
        self._threads = choose_threads(threads)
        self._dtype = _choose_dtype(dtype, spec)
        limit = max_seq_length or spec.max_seq_length
        file = spec.onnx_files.get(self._dtype)
        if file is not None and limit <= spec.max_seq_length:
            self._session = _open(file)
        elif spec.has_weights or limit <= spec.max_seq_length:
            self._session = _draw(with_floats(spec), self._dtype, limit)
        else:
            raise CheckpointError(
                f"{spec.path}: its graphs provide for {spec.max_seq_length} tokens and there are no float weights "
                f"to draw a longer one from, but max_seq_length is {limit}; lower it, or take the original model"
            )

    @property
    def name(self) -> str:
        """``"onnx"``."""
        return "onnx"

    @property
    def device(self) -> str:
        """``"cpu"``."""
        return "cpu"

    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"int8"``."""
        return self._dtype

    @property
    def workers(self) -> int:
        """As many as there are threads: each run uses one."""
        return self._threads

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """(batch, dimension) float32: pooled, and projected and normalised as the checkpoint says.

        Raises:
            EngineError: ONNX Runtime failed; its own words are in the message.
        """
        arrays = (batch.ids, batch.attention_mask.astype(np.int64), batch.pooling_mask.astype(np.int64))
        feeds = dict(zip(INPUTS, arrays, strict=True))
        try:
            vectors: NDArray[np.float32] = self._session.run([OUTPUT], feeds)[0]
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            raise EngineError(
                f"ONNX Runtime failed on a batch of {batch.ids.shape[0]} rows x {batch.ids.shape[1]} tokens: "
                f"{error}; if it ran out of memory, lower max_batch_tokens"
            ) from error
        return vectors


def _choose_dtype(dtype: str, spec: CheckpointSpec) -> GraphDtype:
    if dtype == "auto":
        return "int8" if "int8" in spec.onnx_files else "float32"
    if dtype == "float32":
        return "float32"
    if dtype == "int8":
        return "int8"
    raise ConfigError(
        f"dtype is {dtype!r}; the ONNX engine has {' and '.join(get_args(GraphDtype))} "
        "(bfloat16 and float16 need backend='torch')"
    )


def _options() -> onnxruntime.SessionOptions:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The graphs are written in fused operators already; higher levels would turn adding and
    # LayerNormalization back into SkipLayerNormalization, whose CPU kernel is five times slower.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # Batches come in many shapes: remembering a memory plan for each only costs memory.
    options.enable_mem_pattern = False
    options.log_severity_level = _FATAL
    return options


def _open(file: Path) -> Any:
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(file), _options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise CheckpointError(
            f"{file}: ONNX Runtime cannot load it: {error}; was the file cut short? "
            "Export the checkpoint again with 'instructvec export'"
        ) from error


def _draw(spec: CheckpointSpec, dtype: GraphDtype, limit: int) -> Any:
    import onnxruntime

    dense = [load_dense(spec, index) for index in range(len(spec.dense))]
    graph = build(spec, load_weights(spec), dense, dtype=dtype, max_seq_length=limit)
    large = {name: array for name, array in graph.tensors.items() if array.nbytes >= EXTERNAL_BYTES}
    options = _options()
    values = _in_place(large)
    options.add_external_initializers(list(values), list(values.values()))
    content = graph.model({}, dict.fromkeys(large, ("memory", 0)))
    del graph, large
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise EngineError(f"{spec.path}: ONNX Runtime cannot load the graph drawn from it: {error}") from error


def _in_place(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """ONNX Runtime's view of the arrays, without copying them into the model's bytes."""
    import onnxruntime

    return {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
        for name, array in tensors.items()
    }
