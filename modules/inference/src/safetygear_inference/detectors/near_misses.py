"""What a network that no format fits looks like, and what would be right: known exporters, and other labels. Pure."""

from __future__ import annotations

from typing import Final

from safetygear_inference.detectors.signature import Signature

MANY_BOXES: Final = 1000
"""Networks that have chosen their boxes give fewer."""
YOLO_NAS: Final = "flat_predictions"
"""In the name of the output of super-gradients' flat export."""
PADDLE_INPUTS: Final = ("scale_factor", "im_shape")
"""Inputs of PaddleDetection's exports beside the picture."""
_ROWS: Final = (
    "Export it with the suppression in the network and rows of corners, score and class: ultralytics-end2end reads them"
)
FAMILIES: Final[tuple[tuple[frozenset[str], str], ...]] = (
    (
        frozenset({"num_dets", "det_boxes", "det_scores", "det_classes"}),
        "It looks like an export with TensorRT's EfficientNMS behind it. Export it without the suppression (YOLOv7: "
        "--grid alone), or YOLOv7 with --end2end --max-wh",
    ),
    (
        frozenset({"boxes", "scores", "labels"}),
        "It looks like a detector of torchvision, but torchvision reads boxes of float numbers (n, 4), labels of whole "
        "numbers (n) and scores (n): export the detector itself, for one picture",
    ),
    (
        frozenset({"pred_logits", "pred_boxes"}),
        "It looks like a DETR with its authors' names. Call the outputs logits and pred_boxes when you export it, as "
        "hugging-face reads them, or export D-FINE and RT-DETR with their post-processing",
    ),
    (
        frozenset({"boxes", "scores"}),
        f"It looks like an SSD or YOLO-NAS with boxes and scores apart and no suppression, which is not read. {_ROWS}",
    ),
)
"""By names among the outputs."""


def family(signature: Signature) -> str:
    """A sentence on what exporter the tensors' names speak for; "" where none is known."""
    paddle = [tensor.name for tensor in signature.inputs if tensor.name in PADDLE_INPUTS]
    if paddle:
        return (
            f"It looks like an export of PaddleDetection (input {paddle[0]}) without its post-processing, which "
            f"paddle-detection reads; what is behind another is not read. {_ROWS}"
        )
    names = {tensor.name for tensor in signature.outputs}
    boxes = signature.output("boxes")
    if {"boxes", "scores", "labels"} <= names and boxes is not None and len(boxes.shape) == 3:
        return (
            "It looks like RT-DETR or D-FINE without the input orig_target_sizes, which says what its boxes are in px "
            "of. Export it with that input, as its own export script does"
        )
    for wanted, said in FAMILIES:
        if wanted <= names:
            return said
    if len(signature.outputs) == 1 and YOLO_NAS in signature.outputs[0].name:
        return f"It looks like YOLO-NAS with flat predictions, which are not read. {_ROWS}"
    if len(signature.outputs) == 2 and _boxes_and_scores_apart(signature):
        return FAMILIES[-1][1]
    grids = [tensor for tensor in signature.outputs if len(tensor.shape) in (4, 5)]
    if len(grids) == len(signature.outputs) >= 2:
        return "It looks like a network whose grids are not decoded. Export it with its last layer (YOLOv7: --grid)"
    return ""


def _boxes_and_scores_apart(signature: Signature) -> bool:
    """Four numbers for each of many boxes in one output, a score per class for each of them in the other."""
    shapes = [tensor.shape for tensor in signature.outputs]
    if any(len(shape) != 3 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        return False
    rows = shapes[0][1]
    return isinstance(rows, int) and rows > MANY_BOXES and 4 in (shapes[0][2], shapes[1][2])


def other_labels(signature: Signature, labels: tuple[str, ...]) -> str:
    """For which number of classes the one output would have a known shape; "" where it would for none."""
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        return ""
    output = signature.outputs[0]
    _, first, last = output.shape
    if not isinstance(first, int) or not isinstance(last, int):
        return ""
    found = []
    if last > MANY_BOXES and first > 4 and first != 4 + len(labels):
        found = [f"Ultralytics' of {_classes(first - 4)}"]
    if first > MANY_BOXES and last > 4 and last - len(labels) not in (4, 5):
        found = [f"YOLOX's or YOLOv5's of {_classes(last - 5)}"] if last > 5 else []
    if not found:
        return ""
    return (
        f"the output {output} could be {found[0]}, but there are labels for {_classes(len(labels))}: the labels "
        "file is not the one of this model"
    )


def _classes(number: int) -> str:
    return f"{number} class{'es' if number != 1 else ''}"
