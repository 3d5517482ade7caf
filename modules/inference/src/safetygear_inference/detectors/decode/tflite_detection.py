"""TensorFlow Lite's SSDs (MobileNet, EfficientDet-Lite) with TFLite_Detection_PostProcess as their last operator.

Source: tensorflow/models, research/object_detection/export_tflite_graph_lib_tf2.py and g3doc/running_on_mobile_tf2.md;
tensorflow/tensorflow, lite/kernels/detection_postprocess.cc (boxes as ymin, xmin, ymax, xmax in 0..1; class numbers
without the background, from 0 on; scores; how many are valid). Its outputs are told apart by the operator (see
runtimes/tflite.py): their names differ from one converter to the next. A quantised input says how it is scaled; one of
float numbers only where the file has metadata.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, chosen, refuse_nan
from safetygear_inference.detectors.labels import without_background
from safetygear_inference.detectors.network_input import PIXEL_RANGE, read_network_input, the_image_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import POST_PROCESS, Signature

NAME: Final[FormatName] = "tflite-detection"
BOXES, CLASSES, SCORES, NUMBER = POST_PROCESS
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if all(signature.output(name) is not None for name in POST_PROCESS):
        return Evidence("names", f"operator {BOXES}")
    return None


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    if any(signature.output(name) is None for name in POST_PROCESS):
        raise ModelError(f"{NAME} ends with the operator {BOXES}; the network has: {signature}")
    picture = the_image_input(signature)
    if picture.dtype != "uint8" and settings.pixel_range is None and PIXEL_RANGE not in signature.metadata:
        raise ModelError(
            "the range of the input's values is ambiguous: say `pixelRange` in the settings file, -1-1 for SSD "
            "MobileNet and EfficientDet-Lite, imagenet for EfficientDet of the Object Detection API",
            code="model-ambiguous",
        )
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="0-255", fits=("stretch", "top-left", "center")
    )
    named, _ = without_background(labels)
    if not named:
        raise ModelError(f"the labels name no class but {labels[0]}", code="model-labels")
    return Format(NAME, why, network_input, decode, DEFAULT_THRESHOLD, nms_iou=None, labels=named)


def decode(outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
    """Boxes (1, n, 4), classes and scores (1, n), how many of them are valid (1,)."""
    yxyx = outputs[BOXES].reshape(-1, 4).astype(np.float32)
    classes, probability = (outputs[name].reshape(-1).astype(np.float32) for name in (CLASSES, SCORES))
    # What stands behind them was never written.
    valid = max(0, int(outputs[NUMBER].reshape(-1)[0]))
    classes = classes[:valid]
    refuse_nan(classes)
    boxes = as_xyxy(yxyx[:valid, [1, 0, 3, 2]] * np.array(network * 2, np.float32))
    return chosen(boxes, np.rint(classes).astype(np.int64), probability[:valid], thresholds)
