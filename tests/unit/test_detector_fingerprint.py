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
RF_DETR_NUMBERS = '{"class_id_to_name": {"0": "helmet", "1": "vest"}}'
DETECT = {"task": "detect", "stride": "32", "names": "{0: 'helmet', 1: 'vest'}", "imgsz": "[64, 64]"}


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
        # By shape alone: another tool may have taken the metadata away.
        (of(IMAGES, tensor("output0", 1, 6, 84)), "ultralytics", "4 + 2 values for each of many boxes"),
        (of(IMAGES, tensor("output0", 1, 6, "anchors")), "ultralytics", "4 + 2 values"),
        (of(IMAGES, tensor("output0", 1, 300, 6)), "ultralytics-end2end", "corners, score and class"),
        (of(IMAGES, YOLOX_ROWS, stride="32", names="a,b"), "yolov5", "as YOLOv5 writes them"),
        (of(IMAGES, tensor("dets", 1, 300, 4), tensor("labels", 1, 300, 2)), "rf-detr", "outputs dets"),
        (
            of(IMAGES, tensor("dets", 1, 300, 4), tensor("labels", 1, 300, 3), rfdetr_inference=RF_DETR_NUMBERS),
            "rf-detr",
            "class numbers by the metadata entry rfdetr_inference",
        ),
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
        (of(IMAGES, YOLOX_ROWS), "model-ambiguous", "perhaps yolov5: output"),
        # RT-DETR of Ultralytics with two classes has rows of six values too.
        (of(IMAGES, tensor("output0", 1, 300, 6), **DETECT), "model-ambiguous", "perhaps ultralytics-end2end"),
        (of(IMAGES, tensor("output0", 1, 300, 4), tensor("output1", 1, 32, 16, 16)), "model-unknown", "is not known"),
        *(
            (of(IMAGES, tensor("output0", 1, 6, 84), **{**DETECT, "task": task}), "model-refused", why)
            for task, why in [
                ("segment", "task = segment: this is an instance segmentation model"),
                ("pose", "task = pose: this is a pose model"),
                ("obb", "task = obb: this is a model of rotated boxes"),
                ("classify", "task = classify: this is a classifier"),
            ]
        ),
        # Its numbers begin with 0 or with 1, and no class is the last place or the first.
        (
            of(IMAGES, tensor("dets", 1, 300, 4), tensor("labels", 1, 300, 3)),
            "model-ambiguous",
            "is helmet is ambiguous",
        ),
        (of(IMAGES, tensor("dets", 1, 300, 4), tensor("labels", 1, 300, "C")), "model-refused", "a fixed number"),
        # MMDeploy's names are those of RF-DETR.
        (of(IMAGES, tensor("dets", 1, 300, 5), tensor("labels", 1, 300)), "model-unknown", "is not known"),
        (
            of(IMAGES, tensor("boxes_0", "", 4), tensor("labels_0", ""), tensor("scores_0", ""), tensor("masks_0", "")),
            "model-refused",
            "instance segmentation model",
        ),
        (
            of(IMAGES, tensor("dets", 1, 300, 4), tensor("labels", 1, 300, 3), tensor("masks", 1, 300, 9, 9)),
            "model-refused",
            "segmentation model",
        ),
        # A mask per box, and nothing that says who wrote the file.
        (of(IMAGES, tensor("output0", 1, 38, 84)), "model-unknown", r"output0 float\[1, 38, 84\].*2 labels"),
        (of(IMAGES, tensor("output0", 1, 300, 9)), "model-unknown", "is not known"),
        # A classifier.
        (of(COMPACT_INPUT, tensor("model_output", 1, 2)), "model-unknown", "is not known"),
        (of(IMAGES, tensor("labels", 1, 300), format="rtdetr"), "model-unknown", "metadata entries format"),
        (of(IMAGES, tensor("orig_target_sizes", 1, 2), YOLOX_ROWS, inputs=2), "model-unknown", "one input"),
        (
            of(IMAGES, tensor("scale_factor", 1, 2), tensor("boxes", "", 6), tensor("number", 1), inputs=2),
            "model-unknown",
            "looks like an export of PaddleDetection.*rows of corners, score and class",
        ),
        (of(tensor("x", 1, 10), YOLOX_ROWS), "model-unknown", "four dimensions"),
        (of(tensor("x", 4, 3, 64, 64), YOLOX_ROWS), "model-refused", "batch size 1"),
        # Labels of another model.
        (of(IMAGES, tensor("output0", 1, 9, 84), **DETECT), "model-labels", "5 classes, but there are 2"),
        (of(IMAGES, tensor("dets", 1, 300, 4), tensor("labels", 1, 300, 91)), "model-labels", "91 is COCO's"),
        (
            of(IMAGES, YOLOX_ROWS, tensor("grid", 1, 3, 8, 8, 8), stride="32", names="a,b"),
            "model-unknown",
            "is not known",
        ),
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


def test_a_second_input_is_fed_where_it_is_known() -> None:
    sizes = tensor("orig_target_sizes", 1, 2, dtype="int64")
    outputs = [tensor("labels", 1, 300, dtype="int64"), tensor("boxes", 1, 300, 4), tensor("scores", 1, 300)]
    found = take(of(tensor("images", 1, 3, 384, 640), sizes, *outputs, inputs=2))
    assert found.name == "rt-detr"
    assert {name: value.tolist() for name, value in found.more_inputs.items()} == {"orig_target_sizes": [[640, 384]]}


@pytest.mark.parametrize(
    ("resize", "signature", "why"),
    [
        ("pixel-count", of(IMAGES, tensor("output0", 1, 6, 84)), "this format takes stretch or letterbox"),
        ("stretch", of(IMAGES, YOLOX_ROWS, format="yolox"), "this format takes letterbox"),
    ],
)
def test_a_resize_that_the_format_does_not_have(resize: Any, signature: Signature, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        take(signature, ModelSettings(resize=resize))


def test_the_size_of_a_fixed_input_can_not_be_set() -> None:
    with pytest.raises(ModelError, match="fixed size: `inputSize` can't make it 32x32"):
        take(of(IMAGES, tensor("output0", 1, 6, 84)), ModelSettings(input_size=(32, 32)))


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
