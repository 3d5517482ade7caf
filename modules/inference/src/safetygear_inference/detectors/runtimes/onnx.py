"""ONNX Runtime. The only file that imports onnxruntime."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.detectors.runtimes.onnx_file import refuse_external_data, weight_shapes
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, ORT_NAMES, Placement, Provider, to_try
from safetygear_inference.detectors.signature import Signature, Tensor

# Read when the library is loaded: some builds of the wheel send usage data.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as _state

ort.set_default_logger_severity(4)  # what matters comes as an exception; its own lines have another format than ours

# They have no common base of their own.
_ERRORS: tuple[type[Exception], ...] = (
    *(
        kind
        for kind in vars(_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == _state.__name__
    ),
    RuntimeError,
    ValueError,
    TypeError,
)


PROVIDER_OPTIONS: Final[dict[Provider, dict[str, str]]] = {
    # One core per session here too; OpenVINO would take all of them for each.
    "openvino": {"device_type": "CPU", "num_of_threads": "1"},
}
LABELLED: Final = np.dtype([("label", object), ("value", np.float32)])
"""How a map of names to numbers comes, which Custom Vision's classifiers give."""


class OnnxSession:
    """One network in one thread. Raises ModelError: model-unreadable, model-external-data, model-custom-op.

    `providers` in order of preference. What this build lacks or what fails to start is passed over, and `placement`
    says so; the CPU comes last always.
    """

    def __init__(self, model: bytes, providers: Sequence[Provider] = CPU_ONLY) -> None:
        refuse_external_data(model)
        candidates, reason = to_try(providers, ort.get_available_providers())
        for provider in candidates:
            try:
                self._open(model, provider)
            except ModelError as exc:
                if provider == candidates[-1]:
                    raise
                reason = f"{provider} did not start: {exc}"
                continue
            break
        # A provider may leave the whole graph to the CPU without an error.
        used = next(name for name, ort_name in ORT_NAMES.items() if ort_name == self._session.get_providers()[0])
        if used != provider:
            reason = f"{provider} took no part of the network"
        self.placement = Placement(tuple(providers), used, reason if used not in providers[:1] else None)

    def _open(self, model: bytes, provider: Provider) -> None:
        options = ort.SessionOptions()
        # One core per session: with two threads and spinning a paced frame costs three times the CPU.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            # Without its fallback, which prints to stdout and tries the same provider again.
            self._session = ort.InferenceSession(
                model,
                options,
                providers=[(ORT_NAMES[provider], PROVIDER_OPTIONS.get(provider, {}))],
                enable_fallback=False,
            )
            # Names and metadata are decoded when they are asked for: these fail too where the file is damaged.
            metadata = dict(self._session.get_modelmeta().custom_metadata_map)
            inputs, outputs = _tensors(self._session.get_inputs()), _tensors(self._session.get_outputs())
        except _ERRORS as exc:
            raise _load_error(exc) from exc
        self.signature = Signature(inputs, outputs, metadata, weight_shapes(model))
        self._outputs = [tensor.name for tensor in self.signature.outputs]

    def run(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name; half floats as float32, because decoding overflows in half precision.

        A map of names to numbers comes as one array of LABELLED. Raises ModelError (`model-failed`).
        """
        try:
            values = self._session.run(self._outputs, dict(tensors))
        except _ERRORS as exc:
            raise ModelError(f"the network failed: {_reason(exc)}", code="model-failed") from exc
        outputs = {}
        for name, value in zip(self._outputs, values, strict=True):
            if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
                value = np.array(list(value[0].items()), LABELLED)
            if not isinstance(value, np.ndarray):
                raise ModelError(f"the network's output {name} is no tensor", code="model-failed")
            outputs[name] = value.astype(np.float32) if value.dtype == np.float16 else value
        return outputs


def runtime_version() -> str:
    """ONNX Runtime's version."""
    return str(ort.__version__)


def _tensors(arguments: Sequence[Any]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            argument.name,
            argument.type.removeprefix("tensor(").removesuffix(")"),
            tuple(size if isinstance(size, int) else size or "" for size in argument.shape or ()),
        )
        for argument in arguments
    )


_TOO_NEW: Final = (
    (
        re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)"),
        "the ONNX file has IR version {0}, and {1} is the newest that can be read: write it with an older `onnx`, or "
        "set `ir_version` to {1}",
    ),
    (
        re.compile(r"Opset (\d+) is under development.*support for domain (\S+) is till opset (\d+)"),
        "the network needs opset {0} of {1}, and {2} is the newest that is known: export with `opset_version={2}` or "
        "less",
    ),
)
"""What ONNX Runtime says of files that are newer than itself, and what is told instead of it."""


_INSTEAD: Final = (
    ("NMS", "It is a suppression for TensorRT: export without it, or with that of ONNX (NonMaxSuppression)"),
)
"""What to do where such an operator is missing, by a part of its name."""


def _load_error(exc: Exception) -> ModelError:
    reason = _reason(exc)
    if "is not a registered function/op" in reason:
        instead = next((f". {hint}" for part, hint in _INSTEAD if part in reason), "")
        return ModelError(
            f"the network needs an operator that is not part of ONNX: {reason}; custom operators are not loaded"
            f"{instead}",
            code="model-custom-op",
        )
    for pattern, said in _TOO_NEW:
        if match := pattern.search(" ".join(str(exc).split())):
            text = f"{said.format(*match.groups())} (ONNX Runtime {ort.__version__})"
            return ModelError(text, code="model-unreadable")
    return ModelError(f"ONNX Runtime {ort.__version__} can't load the network: {reason}", code="model-unreadable")


def _reason(exc: Exception) -> str:
    """ONNX Runtime's message without its prefix, on one line."""
    text = " ".join(str(exc).split())
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1]
    return text[:300]
