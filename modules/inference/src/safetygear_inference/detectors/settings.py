"""The optional settings file beside a model: what the model's own files leave open, or say wrongly. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from safetygear.errors import ModelError
from safetygear_inference.detectors.golden import MAX_PICTURES, Golden

FormatName = Literal[
    "custom-vision-compact",
    "custom-vision-compact-s1",
    "yolox",
    "yolov5",
    "ultralytics",
    "ultralytics-end2end",
    "ultralytics-rt-detr",
    "yolov7-end2end",
    "azure-automl",
    "rt-detr",
    "hugging-face",
    "rf-detr",
    "tf-object-detection",
    "tflite-detection",
    "torchvision",
    "mmdeploy",
    "paddle-detection",
    "yolo-nas",
    "classification",
]
PixelRange = Literal["0-255", "0-1", "-1-1", "16-235", "imagenet"]
Resize = Literal["stretch", "letterbox", "pixel-count"]
Region = Literal["head", "torso", "person"]
Side = Annotated[int, Meta(ge=1, le=4096)]
Share = Annotated[float, Meta(ge=0, le=1)]
Difference = Annotated[float, Meta(ge=-1, le=1)]


class Int8Twin(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A quantised network of the same detector, and how it was measured beside it (AP50, 0 to 1, int8 less float)."""

    network: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}\.onnx$")]
    """A file beside the model, with settings of its own beside it."""
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    """Of the file that was measured."""
    mean_difference: Difference
    """Of the mean over classes and sets."""
    worst_difference: Difference
    """Of the class that loses most."""


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`safetygear.json` in a folder or zip, `NAME.json` beside NAME.onnx. What is given here goes before all else."""

    version: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """Shown in messages; else the export's iteration id, or the start of the weights' hash."""
    format: FormatName | None = None
    labels: list[str] | None = None
    decoded: bool | None = None
    """yolox: whether the boxes come out in pixels already (exported with --decode_in_inference)."""
    strides: Annotated[list[Annotated[int, Meta(ge=1, le=256)]], Meta(min_length=1, max_length=8)] | None = None
    channels: Literal["bgr", "rgb"] | None = None
    pixel_range: PixelRange | None = None
    resize: Resize | None = None
    """How a picture of another aspect ratio gets in; each format names what it takes."""
    input_size: tuple[Side, Side] | None = None
    """Width and height in px to feed a network whose file leaves them open."""
    region: Region | None = None
    """Of a classifier in a detector's folder `classifier`: what of each person it looks at."""
    first_class: Literal[0, 1] | None = None
    """The network's number of the first label: 1 where it counts a background, or no object, before it."""
    default_threshold: Share | None = None
    thresholds: Annotated[dict[str, Share], Meta(max_length=200)] = {}
    """By the names that labelMapping gives."""
    label_mapping: Annotated[dict[str, Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=200)] = {}
    """The model's names for things to the ones that messages and rules have, such as hardhat to helmet. Several may get
    the same."""
    golden: Annotated[list[Golden], Meta(max_length=MAX_PICTURES)] = []
    int8: Int8Twin | None = None
    """Of a single file: what may run instead where it is faster. A package has one network, and takes no notice."""


_decoder = msgspec.json.Decoder(ModelSettings)


def read_settings(data: bytes, name: str) -> ModelSettings:
    """Raises ModelError (`model-settings`) naming the field."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ModelError(f"{name}: {exc}{_what_is_right(str(exc))}", code="model-settings") from exc


def _what_is_right(mistake: str) -> str:
    """What may stand there, where msgspec only names what does not."""
    if mistake.startswith("Object contains unknown field"):
        return f"; there are {', '.join(field.encode_name for field in msgspec.structs.fields(ModelSettings))}"
    for field in msgspec.structs.fields(ModelSettings):
        choices = [choice for part in get_args(field.type) for choice in get_args(part) if get_origin(part) is Literal]
        if choices and mistake.endswith(f"`$.{field.encode_name}`"):
            return f"; write one of {', '.join(map(str, choices))}"
    return ""
