"""COCO's average precision, by faster-coco-eval. The only file that imports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from safetygear_workbench.evaluate.found import Judged, JudgedPicture
from safetygear_workbench.evaluate.matching import MOST_FOUND
from safetygear_workbench.evaluate.sizes import BUCKETS, EVERY_SIZE, height_network_px


@dataclass(frozen=True)
class ClassPrecision:
    """Average precision of one class, in 0..1; None where the data has no such box."""

    ap50: float | None
    """At an intersection over union of .5."""
    ap: float | None
    """Mean over .5, .55, … .95."""
    ap50_by_size: tuple[float | None, ...]
    """By bucket of `sizes.BUCKETS`."""


def average_precision(judged: Judged) -> tuple[ClassPrecision, ...]:
    """One entry per label.

    A class that a picture does not label has no boxes there, true or found, and such a picture changes nothing of that
    class's figure: it is as if it had been left out.
    """
    truth = COCO(truth_document(judged))
    found = truth.loadRes(found_document(judged))
    # loadRes computes areas of its own; here `area` holds what the buckets go by.
    for row, given in zip(found.dataset["annotations"], _heights_found(judged), strict=True):
        row["area"] = given
    ranges = {bucket.name: [bucket.from_px, bucket.below_px] for bucket in BUCKETS}
    evaluation = COCOeval_faster(truth, found, iouType="bbox")
    evaluation.params.areaRng = [[EVERY_SIZE.from_px, EVERY_SIZE.below_px], *ranges.values()]
    evaluation.params.areaRngLbl = [EVERY_SIZE.name, *ranges]
    evaluation.params.maxDets = [MOST_FOUND]
    evaluation.evaluate()
    evaluation.accumulate()
    # (limits, recalls, classes, sizes, 1); -1 where there is nothing to find.
    precision = np.asarray(evaluation.eval["precision"]).reshape(10, 101, len(judged.labels), 1 + len(BUCKETS), 1)
    return tuple(
        ClassPrecision(
            ap50=_mean(precision[0, :, class_id, 0]),
            ap=_mean(precision[:, :, class_id, 0]),
            ap50_by_size=tuple(_mean(precision[0, :, class_id, 1 + size]) for size in range(len(BUCKETS))),
        )
        for class_id in range(len(judged.labels))
    )


def truth_document(judged: Judged) -> dict[str, Any]:
    """COCO's ground truth as that library reads it; ids count from 1, because 0 means "not matched" to it."""
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(judged.pictures, 1):
        heights = height_network_px(picture, picture.truth_xywh_px)
        for box, class_id, crowd, height in zip(
            picture.truth_xywh_px.tolist(),
            picture.truth_class.tolist(),
            picture.crowd.tolist(),
            heights.tolist(),
            strict=True,
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": class_id + 1,
                    "bbox": box,
                    "area": height,
                    "iscrowd": int(crowd),
                }
            )
    return {
        "images": [_image(number, picture) for number, picture in enumerate(judged.pictures, 1)],
        "categories": [{"id": number, "name": label} for number, label in enumerate(judged.labels, 1)],
        "annotations": annotations,
    }


def found_document(judged: Judged) -> list[dict[str, Any]]:
    """COCO's results."""
    return [
        {"image_id": number, "category_id": class_id + 1, "bbox": box, "score": probability}
        for number, picture in enumerate(judged.pictures, 1)
        for box, class_id, probability in zip(
            picture.found_xywh_px.tolist(), picture.found_class.tolist(), picture.probability.tolist(), strict=True
        )
    ]


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are there."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _image(number: int, picture: JudgedPicture) -> dict[str, Any]:
    return {"id": number, "file_name": picture.name, "width": picture.size_px[0], "height": picture.size_px[1]}


def _heights_found(judged: Judged) -> list[float]:
    return [
        height for picture in judged.pictures for height in height_network_px(picture, picture.found_xywh_px).tolist()
    ]


def _mean(precision: NDArray[np.float64]) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None
