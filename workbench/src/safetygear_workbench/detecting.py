"""A detector on a picture file: what it sees, as `safetygear detect --json` prints it, and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetygear.errors import FrameError, UserError
from safetygear_inference.detectors import Classifier, ClassifierModel, Detector, Model
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.pixels import decode_picture, draw_box, encode_jpeg, to_bgr

COLOURS_BGR: Final = ((80, 220, 60), (0, 170, 255), (255, 200, 0), (60, 60, 255), (230, 80, 230), (220, 220, 80))
JPEG_QUALITY = 90


def detect_in_file(path: Path, model: Model, detector: Detector, saver: Saver | None) -> dict[str, Any]:
    """{image, width, height, model, detections: [{label, probability, boundingBox}]}, boxes in 0..1, best first.

    Raises UserError where the file is no picture, ModelError where the network fails.
    """
    picture = read_picture(path)
    boxes = detector.detect(picture)
    if saver is not None:
        saver.save(path, picture, boxes, model.labels)
    return {
        "image": str(path),
        "width": picture.width,
        "height": picture.height,
        "model": model.identity.name,
        "detections": [
            {
                "label": model.labels[class_id],
                "probability": round(probability, 4),
                "boundingBox": {
                    "left": round(left, 5),
                    "top": round(top, 5),
                    "width": round(right - left, 5),
                    "height": round(bottom - top, 5),
                },
            }
            for (left, top, right, bottom), class_id, probability in zip(
                boxes.xyxy_norm.tolist(), boxes.class_id.tolist(), boxes.probability.tolist(), strict=True
            )
        ],
    }


def classify_in_file(path: Path, model: ClassifierModel, classifier: Classifier) -> dict[str, Any]:
    """{image, width, height, model, classifications: [{label, probability}]}, best first.

    Raises UserError where the file is no picture, ModelError where the network fails.
    """
    picture = read_picture(path)
    found = classifier.classify(picture)
    return {
        "image": str(path),
        "width": picture.width,
        "height": picture.height,
        "model": model.identity.name,
        "classifications": [
            {"label": model.labels[class_id], "probability": round(probability, 4)}
            for class_id, probability in zip(found.class_id.tolist(), found.probability.tolist(), strict=True)
        ],
    }


def read_picture(path: Path) -> Picture:
    """Raises UserError naming the file and what is wrong with it."""
    try:
        return decode_picture(path.read_bytes())
    except OSError as exc:
        raise UserError(f"{path}: can't be read ({exc.strerror}).") from exc
    except FrameError as exc:
        raise UserError(f"{path}: {exc}.") from exc


class Saver:
    """Writes pictures with boxes into one folder; two of one name get numbers. Raises UserError where it can't."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise UserError(f"{folder}: can't be made a folder ({exc.strerror}).") from exc

    def save(self, source: Path, picture: Picture, boxes: DetectedBoxes, labels: tuple[str, ...]) -> Path:
        """The file that was written."""
        bgr = to_bgr(picture)
        for (left, top, right, bottom), class_id, probability in zip(
            boxes.xyxy_norm.tolist(), boxes.class_id.tolist(), boxes.probability.tolist(), strict=True
        ):
            corners = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
            draw_box(bgr, corners, f"{labels[class_id]} {probability:.2f}", COLOURS_BGR[class_id % len(COLOURS_BGR)])
        name, number = source.stem, 1
        while name in self._used:
            number += 1
            name = f"{source.stem}-{number}"
        self._used.add(name)
        path = self._folder / f"{name}.jpg"
        if path.exists() and path.samefile(source):
            raise UserError(f"{path}: would be written over the picture itself.", hint="Give another --save folder.")
        try:
            path.write_bytes(encode_jpeg(bgr, JPEG_QUALITY))
        except OSError as exc:
            raise UserError(f"{path}: can't be written ({exc.strerror}).") from exc
        return path
