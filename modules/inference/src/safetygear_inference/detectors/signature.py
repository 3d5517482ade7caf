"""What a model file says of itself without being run: tensors and metadata. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

Dimension = int | str
"""A size, or a symbol's name ("" where it has none)."""
POST_PROCESS = tuple(f"TFLite_Detection_PostProcess{number}" for number in ("", ":1", ":2", ":3"))
"""TensorFlow Lite's own last operator of an SSD, and its outputs: boxes, classes, scores, how many."""
RUNTIME = "runtime"
"""Metadata entry that says `tflite` of such files; ONNX files have none."""
DTYPES: Mapping[str, DTypeLike] = {
    "float": np.float32,
    "float16": np.float16,
    "uint8": np.uint8,
    "int64": np.int64,
    "int32": np.int32,
}


@dataclass(frozen=True)
class Tensor:
    """One input or output. `dtype` is ONNX's name of the element type: float, float16, uint8, int64, …"""

    name: str
    dtype: str
    shape: tuple[Dimension, ...]

    def __str__(self) -> str:
        sizes = ", ".join(str(size) if isinstance(size, int) else size or "?" for size in self.shape)
        return f"{self.name} {self.dtype}[{sizes}]"


@dataclass(frozen=True)
class Signature:
    """Inputs, outputs, and the metadata entries the exporter wrote into the file."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Shapes of an ONNX file's weights by the names that their exporter gave them."""

    def output(self, name: str) -> Tensor | None:
        return next((tensor for tensor in self.outputs if tensor.name == name), None)

    def __str__(self) -> str:
        inputs, outputs = "; ".join(map(str, self.inputs)), "; ".join(map(str, self.outputs))
        keys = ", ".join(sorted(set(self.metadata) - {RUNTIME})) or "none"
        return f"inputs {inputs or 'none'}; outputs {outputs or 'none'}; metadata entries {keys}"
