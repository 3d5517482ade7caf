"""What a model is taken for, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from safetygear.errors import ModelError
from safetygear_inference.detectors.fingerprint import find_labels, fingerprint
from safetygear_inference.detectors.format import Format
from safetygear_inference.detectors.settings import ModelSettings, read_settings
from safetygear_inference.detectors.signature import Dimension, Signature, Tensor

TWO = ("helmet", "vest")
WHERE = "safetygear.json in ppe.zip"


def tensor(name: str, *shape: Dimension, dtype: str = "float") -> Tensor:
    return Tensor(name, dtype, shape)


COMPACT_INPUT = tensor("data", 1, 3, 416, 416)
S1_OUTPUTS = (
    tensor("detected_scores", 1, ""),
    tensor("detected_boxes", 1, "", 4),
    tensor("detected_classes", 1, "", dtype="int64"),
)
IMAGES = tensor("images", 1, 3, 64, 64)
YOLOX_ROWS = tensor("output", 1, 84, 7)


def of(*tensors: Tensor, inputs: int = 1, **metadata: str) -> Signature:
    entries = {key.replace("__", "."): value for key, value in metadata.items()}
    return Signature(tensors[:inputs], tensors[inputs:], entries)


def take(signature: Signature, settings: ModelSettings | None = None) -> Format:
    return fingerprint(signature, TWO, settings or ModelSettings(), WHERE)


@pytest.mark.parametrize(
    ("signature", "name", "why"),
    [
        (of(COMPACT_INPUT, tensor("model_outputs0", "N", 35, 13, 13)), "custom-vision-compact", "input data"),
        (of(COMPACT_INPUT, tensor("model_outputs0", "", "C", 13, 13)), "custom-vision-compact", "input data"),
        (of(tensor("in", 1, 3, 416, 416), tensor("out", 1, 35, 13, 13)), "custom-vision-compact", "grid of 5 x"),
        (of(tensor("image_tensor", 1, 3, 320, 320), *S1_OUTPUTS), "custom-vision-compact-s1", "outputs detected_boxes"),
        (of(IMAGES, YOLOX_ROWS, format="yolox"), "yolox", "metadata entry format"),
    ],
)
def test_what_is_recognised(signature: Signature, name: str, why: str) -> None:
    found = take(signature)
    assert found.name == name
    assert why in found.why


@pytest.mark.parametrize(
    ("signature", "code", "why"),
    [
        # YOLOX, YOLOv5, v6 and v7 look alike.
        (of(IMAGES, YOLOX_ROWS), "model-ambiguous", "perhaps yolox.*say `format` in safetygear.json in ppe.zip"),
        # Ultralytics v8 and later: not a format of this version.
        (of(IMAGES, tensor("output0", 1, 6, 84)), "model-unknown", r"output0 float\[1, 6, 84\].*2 labels"),
        (of(IMAGES, tensor("output0", 1, 300, 6)), "model-unknown", "is not known"),
        # A classifier.
        (of(COMPACT_INPUT, tensor("model_output", 1, 2)), "model-unknown", "is not known"),
        (of(IMAGES, tensor("labels", 1, 300), format="rtdetr"), "model-unknown", "metadata entries format"),
        (of(IMAGES, tensor("orig_target_sizes", 1, 2), YOLOX_ROWS, inputs=2), "model-unknown", "one input"),
        (of(tensor("x", 1, 10), YOLOX_ROWS), "model-unknown", "four dimensions"),
        (of(tensor("x", 4, 3, 64, 64), YOLOX_ROWS), "model-refused", "batch size 1"),
        # Labels of another model.
        (of(COMPACT_INPUT, tensor("model_outputs0", 1, 40, 13, 13)), "model-labels", "3 classes, but there are 2"),
        (of(COMPACT_INPUT, tensor("model_outputs0", 1, 36, 13, 13)), "model-labels", "no whole number"),
        (of(IMAGES, tensor("o", 1, 84, 8), format="yolox"), "model-labels", "3 classes, but there are 2"),
        (of(IMAGES, tensor("o", 1, 252, 7), format="yolox"), "model-refused", "252 rows; .* gives 84 for 64x64"),
        (of(tensor("images", 1, 3, "h", "w"), YOLOX_ROWS, format="yolox"), "model-refused", "no fixed height"),
        (of(tensor("x", 1, 1, 64, 64), *S1_OUTPUTS), "model-unknown", "three channels"),
        (of(tensor("x", 1, 3, 64, 64, dtype="double"), *S1_OUTPUTS), "model-refused", "another type than float, "),
        (of(COMPACT_INPUT, *S1_OUTPUTS, Image__BitmapPixelFormat="Gray8"), "model-refused", "'Gray8'; Bgr8 and Rgb8"),
        (of(COMPACT_INPUT, *S1_OUTPUTS, Image__NominalPixelRange="0..1"), "model-refused", "'0..1'; possible are"),
        (of(COMPACT_INPUT, *S1_OUTPUTS, Image__ColorSpaceGamma="Linear"), "model-refused", "'Linear'; cameras"),
        (
            of(tensor("x", 1, 3, 64, 64, dtype="uint8"), *S1_OUTPUTS, Image__NominalPixelRange="Normalized_0_1"),
            "model-refused",
            "whole numbers",
        ),
    ],
)
def test_what_is_refused_says_what_was_seen(signature: Signature, code: str, why: str) -> None:
    with pytest.raises(ModelError, match=why) as raised:
        take(signature)
    assert raised.value.code == code


def test_the_settings_file_decides_what_is_ambiguous() -> None:
    found = take(of(IMAGES, YOLOX_ROWS), ModelSettings(format="yolox", decoded=True))
    assert (found.name, found.settle) == ("yolox", None)
    assert "settings file" in found.why


def test_a_format_in_the_settings_file_is_still_checked() -> None:
    with pytest.raises(ModelError, match="needs the output detected_boxes"):
        take(of(IMAGES, YOLOX_ROWS), ModelSettings(format="custom-vision-compact-s1"))


@pytest.mark.parametrize(
    ("metadata", "settings", "channels", "scale", "offset"),
    [
        ({}, {}, "bgr", 1.0, 0.0),
        ({"Image__BitmapPixelFormat": "Rgb8"}, {}, "rgb", 1.0, 0.0),
        ({"Image__BitmapPixelFormat": "RGB8"}, {}, "rgb", 1.0, 0.0),
        ({"Image__NominalPixelRange": "Normalized_0_1"}, {}, "bgr", 1 / 255, 0.0),
        ({"Image__NominalPixelRange": "Normalized_1_1"}, {}, "bgr", 2 / 255, -1.0),
        ({"Image__NominalPixelRange": "NominalRange_16_235"}, {}, "bgr", 219 / 255, 16.0),
        ({"Image__BitmapPixelFormat": "Rgb8"}, {"channels": "bgr", "pixel_range": "0-1"}, "bgr", 1 / 255, 0.0),
    ],
)
def test_order_and_range_of_the_channels(
    metadata: dict[str, str], settings: dict[str, Any], channels: str, scale: float, offset: float
) -> None:
    signature = of(COMPACT_INPUT, tensor("model_outputs0", 1, 35, 13, 13), **metadata)
    found = take(signature, ModelSettings(**settings)).input
    assert (found.channels, found.scale, found.offset) == (channels, scale, offset)


def test_s1_takes_rgb_unless_the_file_says_otherwise() -> None:
    assert take(of(tensor("image_tensor", 1, 3, 320, 320), *S1_OUTPUTS)).input.channels == "rgb"


@pytest.mark.parametrize(
    ("metadata", "strides"),
    [("", (8, 16, 32)), ("8,16", (8, 16)), ("[8, 16]", (8, 16)), ("8,x", (8, 16, 32)), ("0", (8, 16, 32))],
)
def test_strides_in_the_metadata(metadata: str, strides: tuple[int, ...]) -> None:
    rows = sum((64 // stride) ** 2 for stride in strides)
    found = take(of(IMAGES, tensor("output", 1, rows, 7), format="yolox", strides=metadata, decoded="no"))
    assert getattr(found.decode, "strides", None) == strides


@pytest.mark.parametrize(
    ("settings", "own", "metadata", "neighbour", "expected"),
    [
        (["a"], ("b",), "c", ("d",), ("a",)),
        (None, ("b",), "c", ("d",), ("b",)),
        (None, None, "c", ("d",), ("c",)),
        (None, None, None, ("d",), ("d",)),
    ],
)
def test_which_labels_count(
    settings: list[str] | None,
    own: tuple[str, ...] | None,
    metadata: str | None,
    neighbour: tuple[str, ...] | None,
    expected: tuple[str, ...],
) -> None:
    signature = Signature((), (), {} if metadata is None else {"names": metadata})
    found = find_labels(signature, ModelSettings(labels=settings), WHERE, own=own, neighbour=neighbour)
    assert found == expected


def test_a_model_without_names_says_where_to_put_them() -> None:
    with pytest.raises(ModelError, match=r"put a labels\.txt beside it.*`labels` into safetygear\.json"):
        find_labels(of(IMAGES, YOLOX_ROWS), ModelSettings(), WHERE, own=None, neighbour=None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"format": "yolov9"}', "yolov9.*; write one of custom-vision-compact, custom-vision-compact-s1, yolox"),
        (b'{"pixelRange": "0..1"}', "; write one of 0-255, 0-1, -1-1, 16-235, imagenet$"),
        (b'{"decoded": "yes"}', r"\$\.decoded"),
        (b'{"thresholds": {"helmet": 1.5}}', r"\$\.thresholds"),
        (b'{"threshold": 0.5}', "threshold.*; there are version, .*defaultThreshold, thresholds"),
        (b"{", "safetygear.json"),
        (b"\xff", "safetygear.json"),
    ],
)
def test_a_settings_file_with_a_mistake(text: bytes, why: str) -> None:
    with pytest.raises(ModelError, match=why) as raised:
        read_settings(text, "safetygear.json")
    assert raised.value.code == "model-settings"
