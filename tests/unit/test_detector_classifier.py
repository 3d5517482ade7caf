"""Custom Vision's classifiers: recognised, fed as the export's own script does, and read by label."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from safetygear.errors import ModelError
from safetygear_inference.detectors import ClassifierModel, open_model, open_model_or_classifier
from safetygear_inference.detectors.decode import classification
from support.onnx_models import classifier
from support.pictures import plain, with_white_box

LABELS = ("bare", "helmet", "cap")
BGR = (51, 26, 178)
MANIFEST = '{"DomainType": "Classification", "Platform": "ONNX", "IterationId": "it-3"}'


def export(folder: Path, model: bytes, labels: str = "\n".join(LABELS), manifest: str | None = MANIFEST) -> Path:
    path = folder / "heads.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", model)
        archive.writestr("labels.txt", labels)
        if manifest is not None:
            archive.writestr("cvexport.manifest", manifest)
    return path


def opened(path: Path) -> ClassifierModel:
    model = open_model_or_classifier(path)
    assert isinstance(model, ClassifierModel)
    return model


def by_label(path: Path) -> dict[str, float]:
    model = opened(path)
    found = model.classifier().classify(plain(640, 480, BGR, "bgr"))
    assert found.probability.tolist() == sorted(found.probability.tolist(), reverse=True)
    return {model.labels[label]: float(value) for label, value in zip(found.class_id, found.probability, strict=True)}


@pytest.mark.parametrize("dtype", ["float", "float16"])
@pytest.mark.parametrize("shape", ["map", "row"])
@pytest.mark.parametrize(
    ("metadata", "channels"),
    [
        # classification/predict.py: RGB in 0..1 unless the file says otherwise.
        ({}, (178, 26, 51)),
        ({"Image.BitmapPixelFormat": "Bgr8"}, (51, 26, 178)),
        ({"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_0_1"}, (178, 26, 51)),
    ],
)
def test_a_custom_vision_classifier(
    tmp_path: Path, dtype: str, shape: str, metadata: dict[str, str], channels: tuple[int, ...]
) -> None:
    # The names in the map come in an order of their own: it is the names that count.
    model = classifier(LABELS, by_label=shape == "map", dtype=dtype, **metadata)
    found = by_label(export(tmp_path, model))
    assert found == {label: pytest.approx(value / 255, abs=2e-3) for label, value in zip(LABELS, channels, strict=True)}


def test_the_map_counts_not_the_order_of_labels_txt(tmp_path: Path) -> None:
    path = export(tmp_path, classifier(("cap", "bare", "helmet")), "bare\nhelmet\ncap")
    found = by_label(path)
    assert found == {
        label: pytest.approx(v / 255, abs=2e-3) for label, v in {"cap": 178, "bare": 26, "helmet": 51}.items()
    }


@pytest.mark.parametrize("manifest", [MANIFEST, None])
def test_it_is_recognised_with_its_manifest_and_without(tmp_path: Path, manifest: str | None) -> None:
    model = opened(export(tmp_path, classifier(LABELS), manifest=manifest))
    assert model.why == (
        "outputs classLabel and loss" if manifest is None else "cvexport.manifest says DomainType Classification"
    )
    assert model.identity.version == ("it-3" if manifest is not None else model.identity.sha256[:12])


def test_where_boxes_are_needed_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"heads\.zip is a classifier .*gives no boxes") as raised:
        open_model(export(tmp_path, classifier(LABELS)))
    assert raised.value.code == "model-is-classifier"


@pytest.mark.parametrize(
    ("model", "labels", "why"),
    [
        (classifier(("a", "b", "c")), "\n".join(LABELS), "gives a, b, c as labels, but there are 3"),
        (classifier(LABELS, by_label=False), "bare\nhelmet", "gives 3 probabilities, but there are 2 labels"),
        (
            classifier(LABELS, by_label=False, **{"Image.NominalPixelRange": "NominalRange_0_255"}),
            "\n".join(LABELS),
            "gave 114 to 114, which are no probabilities",
        ),
    ],
)
def test_what_contradicts_is_refused(tmp_path: Path, model: bytes, labels: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        open_model_or_classifier(export(tmp_path, model, labels))


def test_what_is_no_number_is_no_answer() -> None:
    with pytest.raises(ModelError, match="NaN"):
        classification.decode({"o": np.array([[np.nan, 0.1]], np.float32)}, ("a", "b"))


FORMATS: list[Literal["i420", "nv12", "bgr"]] = ["i420", "nv12", "bgr"]


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", [(640, 480), (641, 481)])
def test_a_part_of_the_picture_can_be_classified(tmp_path: Path, pixel_format: Any, size: tuple[int, int]) -> None:
    width, height = size
    # One person's box is white, the rest of the picture black.
    picture = with_white_box(plain(width, height, (0, 0, 0), pixel_format), (100, 200, 200, 400))
    classify = opened(export(tmp_path, classifier(LABELS))).classifier().classify
    inside = picture.cut((100 / width, 200 / height, 200 / width, 400 / height))
    assert (inside.width, inside.height) == (100, 200)
    assert classify(inside).probability.tolist() == pytest.approx([1, 1, 1], abs=0.01)
    assert classify(picture.cut((0.5, 0, 1, 1))).probability.tolist() == pytest.approx([0, 0, 0], abs=0.01)
    edge = picture.cut((0.9, 0.9, 1.2, 1.2))
    assert (edge.width, edge.height) == (width - int(width * 0.9) // 2 * 2, height - int(height * 0.9) // 2 * 2)
    classify(edge)
    uneven = picture.cut((101 / width, 201 / height, 199 / width, 399 / height))
    assert (uneven.width, uneven.height) == (100, 200), "colour is stored for two by two px"


@pytest.mark.parametrize("box", [(0.5, 0.5, 0.5, 0.9), (1.1, 0, 1.2, 1), (-0.5, 0, -0.1, 1)])
def test_a_part_outside_the_picture(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="no part in the picture"):
        plain(640, 480, BGR).cut(box)
