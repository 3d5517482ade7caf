"""torchvision's detectors (Faster R-CNN, RetinaNet, FCOS, SSD and SSDlite) by torch.onnx.export: they resize, normalise
and suppress in the network.

Source: pytorch/vision, torchvision/models/detection: generalized_rcnn.py and transform.py (pictures in 0..1, boxes in
px of the picture that is fed), faster_rcnn.py, retinanet.py, fcos.py, ssd.py (dicts of boxes, labels, scores in two
orders; class 0 is the background where `num_classes` counts it). Outputs without names get such as the exporter finds:
then types and shapes tell them apart, and the names of the weights say that it is torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.detectors.class_ids import first_of, torchvision_classes
from safetygear_inference.detectors.format import Candidates, Evidence, Format, Outputs, Size, chosen, refuse_parts
from safetygear_inference.detectors.network_input import read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature, Tensor

NAME: Final[FormatName] = "torchvision"
BOXES, LABELS, SCORES = "boxes", "labels", "scores"
OF_AUTOML: Final = ("boxes_0", "labels_0", "scores_0")
"""Azure ML's AutoML takes the first and last step out of such networks."""
MORE: Final = ("masks", "keypoints")
DEFAULT_THRESHOLD = 0.5


def evidence(signature: Signature, labels: tuple[str, ...]) -> Evidence | None:
    if len(signature.inputs) != 1 or all(signature.output(name) is not None for name in OF_AUTOML):
        return None
    roles = _roles(signature)
    if roles is None:
        return None
    what = f"outputs {', '.join(str(tensor) for tensor in roles)}"
    if torchvision_classes(signature.weights) is not None:
        return Evidence("names", f"weights of a detector of torchvision and {what}")
    return Evidence("possible", f"{what}, as torchvision's detectors have")


def build(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
    roles = _roles(signature)
    if roles is None:
        raise ModelError(
            f"{NAME} has the outputs boxes (n, 4), labels (n) of whole numbers and scores (n); the network has: "
            f"{signature}"
        )
    more = next((tensor for tensor in signature.outputs if tensor not in roles), None)
    if more is not None:
        raise ModelError(
            f"output {more} beside boxes, labels and scores: this is no detector alone (Mask or Keypoint R-CNN); "
            "export an object detection model"
        )
    counted = torchvision_classes(signature.weights)
    named, first = first_of(
        labels,
        settings,
        counted=None if counted is None else counted[0],
        background=counted is not None and counted[1],
        one_more=1,
        where="the weights of the network's head",
    )
    network_input = read_network_input(
        signature, settings, channels="rgb", pixel_range="0-1", fits=("stretch", "center")
    )
    boxes, ids, scores = (tensor.name for tensor in roles)
    decode = TorchvisionDecode(boxes, ids, scores, first, no_object=first == 1 and counted is not None)
    background = "class 0 is the background" if first else "class 0 is the first label"
    return Format(NAME, f"{why}; {background}", network_input, decode, DEFAULT_THRESHOLD, nms_iou=None, labels=named)


@dataclass(frozen=True)
class TorchvisionDecode:
    """Names of the outputs, and the network's number of the first label. `no_object`: class 0 is known to be none."""

    boxes: str
    labels: str
    scores: str
    first_class: int
    no_object: bool

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """Boxes (n, 4): corners in network px; labels and scores (n,)."""
        rows = outputs[self.boxes].reshape(-1, 4).astype(np.float32)
        class_id = outputs[self.labels].reshape(-1).astype(np.int64) - self.first_class
        score = outputs[self.scores].reshape(-1).astype(np.float32)
        if self.no_object and len(class_id) == len(rows) == len(score):
            # RetinaNet and FCOS take it for a class like the others.
            named = class_id >= 0
            rows, class_id, score = rows[named], class_id[named], score[named]
        found = chosen(as_xyxy(rows), class_id, score, thresholds)
        refuse_parts(found.xyxy_network_px, rows, NAME)
        return found


def _roles(signature: Signature) -> tuple[Tensor, Tensor, Tensor] | None:
    """Boxes, labels and scores: by name where they have names, else by type and shape."""
    tensors = [tensor for tensor in signature.outputs if tensor.name not in MORE]
    boxes = [tensor for tensor in tensors if _is_float(tensor) and tensor.shape[1:] == (4,)]
    ids = [tensor for tensor in tensors if tensor.dtype == "int64" and len(tensor.shape) == 1]
    scores = [tensor for tensor in tensors if _is_float(tensor) and len(tensor.shape) == 1]
    if len(boxes) == len(ids) == len(scores) == 1:
        return boxes[0], ids[0], scores[0]
    return None


def _is_float(tensor: Tensor) -> bool:
    return tensor.dtype in ("float", "float16")
