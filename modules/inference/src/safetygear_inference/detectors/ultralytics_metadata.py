"""What an Ultralytics export writes into its ONNX file. Pure.

Source: ultralytics/engine/exporter.py, `self.metadata`: description, author, date, version, stride, task, batch, imgsz
(height, width), names, args, channels and, in later versions, end2end; each as Python's str().
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping

from safetygear.errors import ModelError
from safetygear_inference.detectors.format import Size

TASK, STRIDE, NAMES, SIZE, ARGUMENTS, END_TO_END = "task", "stride", "names", "imgsz", "args", "end2end"
HEAD, RT_DETR_HEAD = "head", "RTDETRDecoder"
DETECT = "detect"
MAX_SIDE_PX = 4096
WHAT_ELSE = {
    "segment": "an instance segmentation model",
    "pose": "a pose model",
    "obb": "a model of rotated boxes",
    "classify": "a classifier",
}


def is_ultralytics(metadata: Mapping[str, str]) -> bool:
    """Whether the file comes from that exporter."""
    return TASK in metadata and STRIDE in metadata and NAMES in metadata


def refuse_other_tasks(metadata: Mapping[str, str]) -> None:
    """Raises ModelError where the file says that it is no detector."""
    if not is_ultralytics(metadata) or metadata[TASK] == DETECT:
        return
    task = metadata[TASK]
    raise ModelError(
        f"metadata entry {TASK} = {task}: this is {WHAT_ELSE.get(task, 'no detection model')} of Ultralytics. "
        f"Export one that was trained for {TASK} = {DETECT}",
        code="model-refused",
    )


def suppresses_by_itself(metadata: Mapping[str, str]) -> bool | None:
    """Whether the network gives final boxes (end2end, or exported with nms=True); None where the file does not say."""
    if not is_ultralytics(metadata):
        return None
    flags = (_value(metadata.get(END_TO_END)), _argument(metadata, "nms"))
    if True in flags:
        return True
    return None if flags == (None, None) else False


def is_rt_detr(metadata: Mapping[str, str]) -> bool | None:
    """Whether it is RT-DETR; None where the file does not say, as older ones don't."""
    return metadata[HEAD] == RT_DETR_HEAD if HEAD in metadata and is_ultralytics(metadata) else None


def declared_size(metadata: Mapping[str, str]) -> Size | None:
    """Width and height the network was exported for; None where the file does not say."""
    sides = _value(metadata.get(SIZE))
    if isinstance(sides, int):
        sides = [sides, sides]
    if not isinstance(sides, (list, tuple)) or len(sides) != 2 or not all(_is_side(side) for side in sides):
        return None
    return sides[1], sides[0]


def _is_side(value: object) -> bool:
    return isinstance(value, int) and 1 <= value <= MAX_SIDE_PX


def _argument(metadata: Mapping[str, str], name: str) -> object:
    arguments = _value(metadata.get(ARGUMENTS))
    return arguments.get(name) if isinstance(arguments, dict) else None


def _value(text: str | None) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's own, about escapes in a stranger's text
            return None if text is None else ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
