"""A classifier that looks at each person a detector has found; its answer becomes a box where the gear would be.

So what a team has taught a classifier ("helmet" on a picture of a head) comes to the rules as a detector's box would:
by label and place, with the votes over a track behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import Boxes, as_xyxy
from safetygear_inference.detectors.classifier import Classifier
from safetygear_inference.detectors.settings import Region
from safetygear_inference.picture import DetectedBoxes, Picture

MOST_PEOPLE: Final = 32
"""Looked at in one picture, the most probable first: bounds the time a crowd takes."""
LEAST_SIDE_PX: Final = 16
"""A smaller crop shows nothing."""
HEAD, HEAD_CROP = 0.138, 0.22
"""Sides of a head's box and of the square that is classified, per body height."""
TORSO_TOP, TORSO_BOTTOM, TORSO_WIDTH = 0.15, 0.47, 0.245
"""Of a vest's box, per body height."""


@dataclass(frozen=True)
class Regions:
    """Both (n, 4), xyxy in px of the picture, for n people."""

    crop: Boxes
    """What the classifier sees."""
    box: Boxes
    """Where the gear would be."""


def regions(people_px: Boxes, region: Region) -> Regions:
    """Where to look on upright people, `people_px` (n, 4) in px."""
    x_min, y_min, x_max, y_max = people_px.T
    middle, height = (x_min + x_max) / 2, np.maximum(y_max - y_min, x_max - x_min)
    if region == "person":
        return Regions(people_px, people_px)
    if region == "head":
        half, side = HEAD / 2 * height, HEAD_CROP / 2 * height
        centre = y_min + half
        box = np.stack((middle - half, y_min, middle + half, y_min + 2 * half), axis=1)
        crop = np.stack((middle - side, centre - side, middle + side, centre + side), axis=1)
        return Regions(as_xyxy(crop), as_xyxy(box))
    top, bottom, half = y_min + TORSO_TOP * height, y_min + TORSO_BOTTOM * height, TORSO_WIDTH / 2 * height
    return Regions(
        as_xyxy(np.stack((x_min, top, x_max, bottom), axis=1)),
        as_xyxy(np.stack((middle - half, top, middle + half, bottom), axis=1)),
    )


class PersonClassifying:
    """For one thread at a time."""

    def __init__(
        self,
        classifier: Classifier,
        region: Region,
        *,
        person: int,
        name_of: NDArray[np.int64],
        thresholds: NDArray[np.float32],
    ) -> None:
        """`person`: the label of people. `name_of`: (classes,), each class's place in the model's labels, -1 for what
        makes no box. `thresholds`: by label."""
        self._classifier = classifier
        self._region: Region = region
        self._person = person
        self._name_of = name_of
        self._thresholds = thresholds

    def add(self, picture: Picture, found: DetectedBoxes) -> DetectedBoxes:
        """`found` and the boxes of what its people wear, most probable first. Raises ModelError."""
        size = np.array([picture.width, picture.height] * 2, np.float32)
        people = found.xyxy_norm[found.class_id == self._person][:MOST_PEOPLE] * size
        where = regions(people, self._region)
        limits = np.array([picture.width, picture.height] * 2, np.float32)
        crops, places = np.clip(where.crop, 0, limits), np.clip(where.box, 0, limits)
        boxes, labels, values = [], [], []
        for crop, place in zip(crops, places, strict=True):
            if min(crop[2] - crop[0], crop[3] - crop[1]) < LEAST_SIDE_PX:
                continue
            left, top, right, bottom = (float(value) for value in crop / size)
            seen = self._classifier.classify(picture.cut((left, top, right, bottom)))
            for class_id, probability in zip(seen.class_id, seen.probability, strict=True):
                label = self._name_of[class_id]
                if label >= 0 and probability >= self._thresholds[label]:
                    boxes.append(place / size)
                    labels.append(label)
                    values.append(probability)
        if not boxes:
            return found
        probability = np.concatenate((found.probability, np.array(values, np.float32)))
        order = np.argsort(-probability, kind="stable")
        return DetectedBoxes(
            np.concatenate((found.xyxy_norm, as_xyxy(boxes)))[order],
            np.concatenate((found.class_id, np.array(labels, np.int64)))[order],
            probability[order],
        )
