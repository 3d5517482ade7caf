"""Files that are models but not ones that are run here: what each is, and what to give instead. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

_YOLO_EXPORT = "with Ultralytics `yolo export model=… format=onnx`"

FOREIGN: Final[dict[str, str]] = {
    "saved_model.pb": "is a TensorFlow SavedModel: convert it with `python -m tf2onnx.convert --saved-model … --output "
    "model.onnx`; for a Custom Vision project export the iteration for ONNX",
    ".pb": "is a TensorFlow frozen graph, which is not run here: export the Custom Vision iteration for ONNX (platform "
    "ONNX), or convert the graph with `python -m tf2onnx.convert --graphdef …`",
    ".h5": "is a Keras model: convert it with `python -m tf2onnx.convert --keras …`",
    ".keras": "is a Keras model: convert it with `python -m tf2onnx.convert --keras …`",
    ".mlmodel": "is a CoreML model, which runs on Apple's devices only: export for ONNX",
    ".mlpackage": "is a CoreML model, which runs on Apple's devices only: export for ONNX",
    ".xml": "is OpenVINO's own format: give the ONNX file it was made from; "
    "with SAFETYGEAR_PROVIDERS=openvino OpenVINO runs it",
    ".engine": "is a TensorRT engine, which fits one GPU and one version only: give the ONNX file it was built from; "
    "with SAFETYGEAR_PROVIDERS=tensorrt TensorRT runs it",
    ".plan": "is a TensorRT engine, which fits one GPU and one version only: give the ONNX file it was built from; "
    "with SAFETYGEAR_PROVIDERS=tensorrt TensorRT runs it",
    ".pt": "is a PyTorch checkpoint, which may run any code when it is loaded: export it for ONNX (torch.onnx.export, "
    f"or {_YOLO_EXPORT})",
    ".pth": "is a PyTorch checkpoint, which may run any code when it is loaded: export it for ONNX (torch.onnx.export)",
    ".torchscript": f"is a TorchScript program: export for ONNX instead (torch.onnx.export, or {_YOLO_EXPORT})",
    ".safetensors": "has weights without a network: export the network for ONNX (torch.onnx.export)",
    ".ort": "is ONNX Runtime's internal format, which fits one version only: give the ONNX file it was made from",
    ".pdmodel": "is a Paddle model: convert it with `paddle2onnx`",
    ".rknn": "is a Rockchip NPU's program: give the ONNX file it was made from",
    ".hef": "is a Hailo NPU's program: give the ONNX file it was made from",
    ".weights": "is a Darknet model: convert it for ONNX",
}
"""By whole name, else by suffix. In the order in which a package with several of them is told apart."""


def foreign(name: str) -> str | None:
    """What a file of this name is, if it is another runtime's model: a sentence to put behind its name."""
    path = PurePosixPath(name.lower())
    return FOREIGN.get(path.name) or FOREIGN.get(path.suffix)


def first_foreign(names: Sequence[str]) -> tuple[str, str] | None:
    """The file among `names` that says most about what the package is, with that sentence."""
    for key in FOREIGN:
        for name in sorted(names):
            path = PurePosixPath(name.lower())
            if key in (path.name, path.suffix):
                return name, FOREIGN[key]
    return None
