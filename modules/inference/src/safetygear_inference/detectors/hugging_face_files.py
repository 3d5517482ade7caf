"""What Hugging Face's transformers and Optimum write beside a network: class names and how pictures are fed. Pure.

Source: huggingface/transformers, configuration_utils.py (`id2label` in config.json), image_processing_base.py
(preprocessor_config.json; later within processor_config.json).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from safetygear.errors import ModelError
from safetygear_inference.detectors.format import IMAGENET_MEAN, IMAGENET_STD, Size
from safetygear_inference.detectors.labels import checked_labels
from safetygear_inference.detectors.settings import PixelRange

CONFIG: Final = "config.json"
PREPROCESSOR: Final = ("preprocessor_config.json", "processor_config.json")
NO_NAME: Final = re.compile(r"LABEL_[0-9]+")
"""What a class is called where nobody has given it a name."""
HALF: Final = (0.5, 0.5, 0.5)
TOLERANCE: Final = 2e-3
MAX_SIDE_PX: Final = 4096


class _Config(msgspec.Struct):
    id2label: Any = None


class _Preprocessor(msgspec.Struct):
    do_rescale: bool | None = None
    rescale_factor: float | None = None
    do_normalize: bool | None = None
    image_mean: list[float] | None = None
    image_std: list[float] | None = None
    size: Any = None
    image_processor: _Preprocessor | None = None


@dataclass(frozen=True)
class Preprocessing:
    """None: the file does not say."""

    pixel_range: PixelRange | None
    size: Size | None


def class_names(data: bytes, name: str) -> tuple[str, ...] | None:
    """Of `id2label`; None where the classes have no names, or where it is a file of something else. Raises
    ModelError."""
    try:
        found = msgspec.json.decode(data, type=_Config).id2label
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if found is None:
        return None
    try:
        by_number = {int(number): label for number, label in msgspec.convert(found, dict[str, str]).items()}
    except (msgspec.ValidationError, ValueError) as exc:
        raise ModelError(f"{name}: id2label can't be read: {exc}", code="model-labels") from exc
    if not by_number or all(NO_NAME.fullmatch(label) for label in by_number.values()):
        return None
    if sorted(by_number) != list(range(len(by_number))):
        raise ModelError(f"{name}: id2label does not number its classes 0 to {len(by_number) - 1}", code="model-labels")
    return checked_labels([by_number[number] for number in range(len(by_number))], f"{name}: id2label")


def preprocessing(data: bytes, name: str) -> Preprocessing:
    """Raises ModelError, also where pictures are fed in a way that is not known here."""
    try:
        said = msgspec.json.decode(data, type=_Preprocessor)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ModelError(f"{name} can't be read: {exc}", code="model-settings") from exc
    said = said.image_processor or said
    return Preprocessing(_range(said, name), _size(said.size))


def _range(said: _Preprocessor, name: str) -> PixelRange | None:
    if said.do_normalize is None:
        return None
    by_255 = said.rescale_factor is None or abs(said.rescale_factor * 255 - 1) < TOLERANCE
    if said.do_rescale is False and not said.do_normalize:
        return "0-255"
    if said.do_rescale is not False and by_255:
        if not said.do_normalize:
            return "0-1"
        if _are(said.image_mean, IMAGENET_MEAN) and _are(said.image_std, IMAGENET_STD):
            return "imagenet"
        if _are(said.image_mean, HALF) and _are(said.image_std, HALF):
            return "-1-1"
    raise ModelError(
        f"{name}: do_rescale {said.do_rescale} by {said.rescale_factor} with image_mean {said.image_mean} and "
        f"image_std {said.image_std} is not known here; 1/255 alone, with ImageNet's mean and deviation, or with 0.5 "
        "and 0.5 is",
        code="model-refused",
    )


def _are(values: list[float] | None, wanted: tuple[float, ...]) -> bool:
    return (
        values is not None
        and len(values) == len(wanted)
        and all(abs(value - known) < TOLERANCE for value, known in zip(values, wanted, strict=True))
    )


def _size(said: Any) -> Size | None:
    """Where it is one size for all pictures: `shortest_edge` is none."""
    if not isinstance(said, dict):
        return None
    width, height = said.get("width"), said.get("height")
    if (
        isinstance(width, int)
        and isinstance(height, int)
        and 1 <= min(width, height) <= max(width, height) <= MAX_SIDE_PX
    ):
        return width, height
    return None
