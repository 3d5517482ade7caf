"""What is known of a model once its format is: how pictures go in and how its outputs become boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear.geometry import Boxes, Letterbox
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

Outputs = Mapping[str, NDArray[Any]]
Size = tuple[int, int]
"""Width and height in px."""

Fit = Literal["stretch", "center", "top-left", "pixel-count"]
"""How a picture of another aspect ratio gets in: stretched, padded around or to the right and below, or (pixel-count)
by an input of its own proportions."""
PAD = 114
"""The grey that YOLOX and Ultralytics put around a picture of another aspect ratio, in 0..255."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in 0..1: what torchvision's pretrained networks are fed relative to."""
MOST_PARTS = 2.0
"""Who stands at the picture's edge may be given a box that ends beyond it: in parts of the picture a little over 1."""
PIXEL_COUNT, PIXEL_MULTIPLE = 512 * 512, 32
"""From `object_detection.py` in Custom Vision's export: about so many pixels, sides a multiple of 32."""


@dataclass(frozen=True)
class NetworkInput:
    """The input tensor and how a picture is put into it."""

    name: str
    dtype: Literal["float", "float16", "uint8"]
    layout: Literal["nchw", "nhwc"]
    size: Size | None
    """None: any size may be fed."""
    channels: Literal["bgr", "rgb"]
    scale: float
    offset: float
    fit: Fit
    pad: int = PAD
    """Grey around a picture of another aspect ratio, in 0..255."""
    batch: bool = True
    """Whether the dimension of pictures stands before the picture's three."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Value in the tensor = (`scale` * 0..255 + `offset` - `mean`) / `std`; these two in the order of `channels`."""

    def letterbox(self, source: Size) -> Letterbox:
        """How a picture of that size lies in the network's input."""
        if self.fit == "pixel-count":
            # The sides are nearly in proportion: the rest is stretched, as the export's own script does.
            return Letterbox.fit(source, pixel_count_size(source), "stretch")
        if self.size is None:
            raise ValueError("a network of free size needs the fit pixel-count")
        return Letterbox.fit(source, self.size, self.fit)


def pixel_count_size(source: Size) -> Size:
    """The input size Custom Vision's export script chooses for a picture of that size."""
    ratio = math.sqrt(PIXEL_COUNT / source[0] / source[1])
    width, height = (PIXEL_MULTIPLE * max(1, math.ceil(int(side * ratio) / PIXEL_MULTIPLE)) for side in source)
    return width, height


@dataclass(frozen=True)
class Candidates:
    """Boxes as decoded: float32 xyxy (n, 4) in network px, class ids (n,), probabilities (n,); in any order."""

    xyxy_network_px: Boxes
    class_id: NDArray[np.int64]
    probability: NDArray[np.float32]


def refuse_nan(values: NDArray[np.float32]) -> None:
    """Raises ModelError: no threshold is reached by NaN, so that it would pass for "nothing seen"."""
    if np.isnan(values).any():
        raise ModelError("the network gave no numbers (NaN): its input range may be wrong", code="model-failed")


def refuse_parts(boxes: Boxes, of_all_rows: NDArray[Any], name: FormatName) -> None:
    """`boxes`: xyxy (n, 4) that a network found, in px; `of_all_rows`: what describes the boxes of all its rows, also
    of those that were not probable enough. Raises ModelError where all of both lie within MOST_PARTS: they are in parts
    of the picture, and would pass for specks in its corner."""
    if not len(boxes) or boxes.max() > MOST_PARTS or not (boxes[:, 2:] > boxes[:, :2]).all():
        return
    # One speck in the corner may be true: then the improbable boxes lie all over the picture.
    if of_all_rows.max() <= MOST_PARTS:
        raise ModelError(
            f"the network gives boxes in parts of the picture, and {name} has them in px: it is another format, or was "
            "exported otherwise",
            code="model-failed",
        )


def refuse_unknown_class(class_id: NDArray[np.int64], classes: int) -> None:
    """Raises ModelError where a box is of a class there is no label for."""
    if class_id.size and not 0 <= class_id.min() <= class_id.max() < classes:
        wrong = class_id.max() if class_id.max() >= classes else class_id.min()
        raise ModelError(
            f"the network gave class {wrong}, but there are labels for 0 to {classes - 1} only: "
            "its labels file is another model's",
            code="model-labels",
        )


def check_class_count(network: int, labels: int, where: str) -> None:
    """Raises ModelError where the network has other classes than there are labels. `where`: what was counted."""
    if network != labels:
        raise ModelError(
            f"{where} are for {network} classes, but there are {labels} labels: "
            "labels.txt is not the one of this model",
            code="model-labels",
        )


def best_class(boxes: Boxes, probability: NDArray[np.float32], thresholds: NDArray[np.float32]) -> Candidates:
    """One candidate of each row, of its most probable class, where that reaches the class's threshold.

    `boxes`: xyxy (n, 4) in network px; `probability`: (n, classes).
    """
    class_id = probability.argmax(axis=1) if probability.size else np.zeros(len(probability), np.int64)
    best = probability[np.arange(len(probability)), class_id]
    enough = best >= thresholds[class_id]
    return Candidates(boxes[enough], class_id[enough].astype(np.int64), np.clip(best[enough], 0, 1))


def chosen(
    boxes: Boxes, class_id: NDArray[np.int64], probability: NDArray[np.float32], thresholds: NDArray[np.float32]
) -> Candidates:
    """Of a network that has chosen its boxes itself, those that reach their class's threshold.

    `boxes`: xyxy (n, 4) in network px; `class_id` and `probability`: (n,). Raises ModelError.
    """
    if not len(boxes) == len(class_id) == len(probability):
        raise ModelError(
            f"the network gave {len(boxes)} boxes, {len(class_id)} classes and {len(probability)} scores",
            code="model-failed",
        )
    refuse_nan(probability)
    refuse_unknown_class(class_id, len(thresholds))
    enough = probability >= thresholds[class_id]
    return Candidates(boxes[enough], class_id[enough], np.clip(probability[enough], 0, 1))


class Decode(Protocol):
    """Raises ModelError where the outputs are not what the format promises."""

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """The boxes whose probability reaches their class's threshold (thresholds: (classes,))."""


@dataclass(frozen=True)
class Format:
    """A recognised format. `why` says by what; it is shown by `safetygear model inspect` and in the log."""

    name: FormatName
    why: str
    input: NetworkInput
    decode: Decode
    default_threshold: float
    nms_iou: float | None
    """Two boxes of a class that overlap more are one; None: the network has done that itself."""
    more_inputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Inputs beside the picture, with what is fed to them each time."""
    labels: tuple[str, ...] | None = None
    """Class names where they are others than those that were found: without the background's."""
    settle: Callable[[Outputs, Size], Format] | None = None
    """What only a run can tell: the format after looking at a run's outputs. Raises ModelError."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for a format. `possible` is not enough by itself: other formats look the same."""

    by: Literal["names", "shape", "possible"]
    why: str


class FormatRule(Protocol):
    """One module in decode/ per format."""

    NAME: FormatName

    def evidence(self, signature: Signature, labels: tuple[str, ...]) -> Evidence | None: ...

    def build(self, signature: Signature, labels: tuple[str, ...], settings: ModelSettings, why: str) -> Format:
        """Raises ModelError where the model contradicts the format."""
        ...
