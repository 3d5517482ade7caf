"""OpenVINO on the CPU. The only file that imports openvino, which comes with the optional extra `openvino`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.detectors.runtimes.providers import ON_CPU
from safetygear_inference.detectors.signature import Signature

# Floats are computed in bfloat16 where the processor can (AVX512_BF16, AMX), because that is where most of the gain is;
# whoever chooses OpenVINO compares its outputs with ONNX Runtime's, and its boxes with the golden ones.
CONFIG: Final[dict[str, Any]] = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    # One core per session, as ONNX Runtime's; pinned to none, because every session would pin itself to the first.
    "INFERENCE_NUM_THREADS": 1,
    "ENABLE_CPU_PINNING": False,
}


class OpenVinoSession:
    """One network in one thread. Raises ModelError: model-runtime (not installed), model-unreadable.

    `signature` is what ONNX Runtime says of the same file: OpenVINO keeps neither its metadata nor always its names.
    """

    placement = ON_CPU

    def __init__(self, model: bytes, signature: Signature) -> None:
        openvino = _library()
        try:
            core = openvino.Core()
            compiled = core.compile_model(core.read_model(model, b""), "CPU", CONFIG)
            self._request = compiled.create_infer_request()
            self._inputs = [tensor.name for tensor in signature.inputs]
            self._ports = {tensor.name: compiled.output(tensor.name) for tensor in signature.outputs}
        except (RuntimeError, ValueError, TypeError) as exc:
            raise ModelError(
                f"OpenVINO {openvino.__version__} can't load the network: {_reason(exc)}", code="model-unreadable"
            ) from exc
        self.signature = signature

    def run(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, copied; half floats as float32. Raises ModelError (`model-failed`)."""
        try:
            self._request.infer({name: tensors[name] for name in self._inputs}, share_inputs=True)
            outputs = {name: np.array(self._request.get_tensor(port).data) for name, port in self._ports.items()}
        except (RuntimeError, ValueError, TypeError, KeyError) as exc:
            raise ModelError(f"the network failed: {_reason(exc)}", code="model-failed") from exc
        return {
            name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in outputs.items()
        }


def openvino_version() -> str | None:
    """The installed version, without loading it; None where the extra is not installed."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return None


def _library() -> Any:
    try:
        return import_module("openvino")
    except ImportError as exc:
        raise ModelError(
            "OpenVINO needs the optional extra `openvino` (pip install 'safetygear-inference[openvino]'), which is not "
            "installed here",
            code="model-runtime",
        ) from exc


def _reason(exc: Exception) -> str:
    """On one line: OpenVINO names its own source files over several."""
    return " ".join(str(exc).split())[-300:]
