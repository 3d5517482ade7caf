"""TensorFlow Lite. The only file that imports ai_edge_litert, which comes with the optional extra `tflite`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.detectors.network_input import PIXEL_RANGE
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, Placement, Provider
from safetygear_inference.detectors.runtimes.tflite_file import appended, named, range_of_floats, range_of_steps
from safetygear_inference.detectors.signature import POST_PROCESS, RUNTIME, Signature, Tensor

IDENTIFIER: Final = b"TFL3"
"""At offset 4 of every such file (flatbuffers' file identifier)."""
TYPES: Final = {np.float32: "float", np.float16: "float16", np.uint8: "uint8", np.int64: "int64", np.int32: "int32"}
QUANTISED: Final = (np.uint8, np.int8)


class TfliteSession:
    """One network in one thread. Raises ModelError: model-runtime, model-unreadable, model-custom-op.

    Quantised inputs and outputs are taken and given as float numbers: the file says how they are scaled.
    """

    def __init__(self, model: bytes, providers: Sequence[Provider] = CPU_ONLY) -> None:
        if model[4:8] != IDENTIFIER:
            raise _unreadable("it is no TensorFlow Lite file, or cut short")
        interpreter = _interpreter_class()
        try:
            self._interpreter = interpreter(model_content=model, num_threads=1)
            self._interpreter.allocate_tensors()
            self._inputs = _by_name(self._interpreter.get_input_details())
            self._outputs = _by_name(self._interpreter.get_output_details(), _after_post_process(self._interpreter))
        except (ValueError, RuntimeError) as exc:
            reason = " ".join(str(exc).split())[:300] or "the runtime does not say why"
            if "custom op" in reason or "CUSTOM" in reason or "Select TensorFlow op" in reason:
                raise ModelError(
                    f"the network needs an operator that is not part of TensorFlow Lite: {reason}; custom operators "
                    "are not loaded",
                    code="model-custom-op",
                ) from exc
            raise _unreadable(reason) from exc
        self.signature = Signature(
            tuple(_tensor(name, detail) for name, detail in self._inputs.items()),
            tuple(_tensor(name, detail) for name, detail in self._outputs.items()),
            {**appended(model).metadata, **_range(model, self._inputs.values()), RUNTIME: "tflite"},
        )
        wanted = tuple(providers)
        only = None if wanted[:1] == CPU_ONLY else "TensorFlow Lite networks run on the CPU only"
        self.placement = Placement(wanted, "cpu", only)

    def run(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name; quantised and half float ones as float32. Raises ModelError (`model-failed`)."""
        try:
            for name, value in tensors.items():
                detail = self._inputs[name]
                self._interpreter.set_tensor(detail["index"], _quantised(value, detail))
            self._interpreter.invoke()
            return {
                name: _as_float(self._interpreter.get_tensor(detail["index"]), detail)
                for name, detail in self._outputs.items()
            }
        except (ValueError, RuntimeError, KeyError) as exc:
            raise ModelError(f"the network failed: {' '.join(str(exc).split())[:300]}", code="model-failed") from exc


def _interpreter_class() -> Any:
    try:
        return import_module("ai_edge_litert.interpreter").Interpreter
    except ImportError as exc:
        raise ModelError(
            "TensorFlow Lite networks need the optional extra `tflite` (pip install 'safetygear-inference[tflite]'), "
            "which is not installed here; or export the project for ONNX",
            code="model-runtime",
        ) from exc


def _by_name(
    details: Sequence[Mapping[str, Any]], known: Mapping[int, str] | None = None
) -> dict[str, Mapping[str, Any]]:
    """`known`: names by tensors' numbers, which go before the file's own. Raises ValueError where two have one name."""
    names = named([str(detail["name"]) for detail in details])
    found = {(known or {}).get(detail["index"], name): detail for name, detail in zip(names, details, strict=True)}
    if len(found) != len(details):
        raise ValueError(f"two tensors have one name: {', '.join(names)}")
    return found


def _after_post_process(interpreter: Any) -> dict[int, str]:
    """What the outputs of TFLite_Detection_PostProcess are, by their tensors' numbers: converters give them names in
    any order, and only the operator's own order says which is which."""
    # Not part of its documented interface: without it the names must do.
    operators = getattr(interpreter, "_get_ops_details", list)
    for operator in operators():
        if operator["op_name"] == POST_PROCESS[0]:
            return dict(zip((int(index) for index in operator["outputs"]), POST_PROCESS, strict=False))
    return {}


def _range(model: bytes, inputs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The input's range of values where the file says it, as metadata of an ONNX file would."""
    details = list(inputs)
    if len(details) != 1:
        return {}
    (detail,) = details
    scale = _scale(detail)
    if scale:
        limits = np.iinfo(detail["dtype"])
        said = range_of_steps(scale, detail["quantization"][1], limits.min, limits.max)
    else:
        said = range_of_floats(model) if detail["dtype"] == np.float32 else None
    return {} if said is None else {PIXEL_RANGE: said}


def _tensor(name: str, detail: Mapping[str, Any]) -> Tensor:
    shape = tuple(int(size) if size >= 0 else "" for size in detail.get("shape_signature", detail["shape"]))
    dtype = "float" if _scale(detail) else TYPES.get(detail["dtype"], np.dtype(detail["dtype"]).name)
    return Tensor(name, dtype, shape)


def _scale(detail: Mapping[str, Any]) -> float:
    """Of a quantised tensor, else 0."""
    return float(detail["quantization"][0]) if detail["dtype"] in QUANTISED else 0.0


def _quantised(value: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    scale = _scale(detail)
    if not scale:
        return value
    limits = np.iinfo(detail["dtype"])
    steps = np.round(value / np.float32(scale)) + detail["quantization"][1]
    return np.asarray(np.clip(steps, limits.min, limits.max).astype(detail["dtype"]))


def _as_float(value: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    scale = _scale(detail)
    if scale:
        return (value.astype(np.float32) - np.float32(detail["quantization"][1])) * np.float32(scale)
    return value.astype(np.float32) if value.dtype == np.float16 else value


def _unreadable(why: str) -> ModelError:
    return ModelError(f"the TensorFlow Lite file can't be read: {why}", code="model-unreadable")
