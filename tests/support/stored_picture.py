"""Where a stored picture comes from: found again in the pictures of the clip that it was cut out of."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from safetygear_inference.pixels import detail
from support.faces_left import HEAD_VISIBLE, LEAST_PX, VISIBLE

FOUND_FROM = 0.8
"""Normalised correlation with the place that it was cut out of: covered faces and JPEG take a little away."""


@dataclass(frozen=True)
class Origin:
    """The clip's picture, by its number, the part that was cut out, and how well they match, 0..1."""

    number: int
    left_px: int
    top_px: int
    match: float


def pictures_of(clip: Path, numbers: range) -> dict[int, NDArray[np.uint8]]:
    """Pictures of a clip as (height, width, 3) BGR, by number."""
    with av.open(str(clip)) as container:
        decoded = itertools.islice(enumerate(container.decode(video=0)), numbers.start, numbers.stop, numbers.step)
        return {number: frame.to_ndarray(format="bgr24") for number, frame in decoded}


def origin_of(stored: NDArray[np.uint8], pictures: dict[int, NDArray[np.uint8]]) -> Origin | None:
    """Where a picture that was not scaled was cut out; None: of none of them."""
    best = None
    height, width = stored.shape[:2]
    for number, picture in pictures.items():
        if picture.shape[0] < height or picture.shape[1] < width:
            continue
        found = cv2.matchTemplate(picture, stored, cv2.TM_CCOEFF_NORMED)
        _, match, _, (left, top) = cv2.minMaxLoc(found)
        if match >= FOUND_FROM and (best is None or match > best.match):
            best = Origin(number, left, top, match)
    return best


def faces_in(true: dict[str, Any], stored: NDArray[np.uint8], origin: Origin) -> list[float]:
    """What is left of each true face in a picture that was cut out of the true frame: `pixels.detail`."""
    left_of = []
    height, width = stored.shape[:2]
    for person in true["persons"]:
        if not person["head"] or person["visible_fraction"] < VISIBLE:
            continue
        left, top, right, bottom = person["head"]
        if person.get("head_visible_px", np.inf) < HEAD_VISIBLE * (right - left) * (bottom - top):
            continue
        if person["helmet_state"] == "worn":
            top = max(top, person["helmet"]["box"][3])
        x0, x1 = (min(width, max(0, round(x - origin.left_px))) for x in (left, right))
        y0, y1 = (min(height, max(0, round(y - origin.top_px))) for y in (top, bottom))
        if x1 - x0 >= LEAST_PX[0] and y1 - y0 >= LEAST_PX[1]:
            left_of.append(detail(stored[y0:y1, x0:x1]))
    return left_of
