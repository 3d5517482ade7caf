"""A folder of pictures with their true boxes as COCO detection JSON, as `safetygear evaluate` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from support import scenes

CLASSES = ("person", "helmet", "vest", "head", "no-vest")
DATA = "data.json"

Row = tuple[str, Sequence[float]]
"""Label and x0, y0, x1, y1 in px."""


class CocoFolder:
    """Takes pictures one by one; `close` writes the truth beside them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, bgr: NDArray[np.uint8], rows: Sequence[Row], *, labelled: Sequence[str] = CLASSES) -> None:
        """`labelled`: the classes that are boxed wherever they are to be seen; the others say nothing."""
        height, width = bgr.shape[:2]
        file = f"{name}.png"
        assert cv2.imwrite(str(self._folder / file), bgr), file
        number = len(self._images) + 1
        self._images.append(
            {"id": number, "file_name": file, "width": width, "height": height, "labelled": list(labelled)}
        )
        for label, (x0, y0, x1, y1) in rows:
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": number,
                    "category_id": CLASSES.index(label) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )

    def close(self) -> Path:
        """The data file; pictures' names in it are relative to its folder."""
        categories = [{"id": number, "name": label} for number, label in enumerate(CLASSES, 1)]
        content = {"images": self._images, "annotations": self._annotations, "categories": categories}
        path = self._folder / DATA
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


def stills(name: str) -> list[int]:
    """Two frames of a story: a third and two thirds through those in which somebody can be judged."""
    story = scenes.truth(name)
    spans = [span for person in story["persons"].values() for span in person["assessable_s"]]
    shown = [
        frame["frame"] for frame in story["frames"] if any(start_s <= frame["t"] < end_s for start_s, end_s in spans)
    ]
    return [shown[len(shown) // 3], shown[2 * len(shown) // 3]]


def add_story(into: CocoFolder, name: str, frames: Sequence[int]) -> None:
    """Those frames of a rendered story with what a faultless detector sees in them."""
    for number, bgr in story_pictures(name, frames).items():
        story = scenes.truth(name)
        into.add(f"{name}-{number:04d}", bgr, scenes.rows(story, story["frames"][number]))


def story_pictures(name: str, frames: Sequence[int]) -> Mapping[int, NDArray[np.uint8]]:
    """BGR, by frame."""
    wanted = set(frames)
    with av.open(str(scenes.clip(name))) as container:
        return {
            number: decoded.to_ndarray(format="bgr24")
            for number, decoded in enumerate(container.decode(video=0))
            if number in wanted
        }
