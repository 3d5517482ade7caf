"""The worst pictures, as the report shows them."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from safetygear_inference.pixels import encode_jpeg, to_bgr
from safetygear_workbench.detecting import read_picture
from safetygear_workbench.evaluate.worst import BadPicture, Mark

WIDTH_PX, QUALITY = 640, 80


@dataclass(frozen=True)
class Shown:
    """A bad picture, with its pixels where they were asked for."""

    picture: BadPicture
    data_uri: str | None

    @property
    def missed(self) -> str:
        """`2 vest, 1 helmet`."""
        return _counted(self.picture.missed)

    @property
    def false(self) -> str:
        return _counted(self.picture.false)


def shown(pictures: tuple[BadPicture, ...], images: Path | None) -> list[Shown]:
    """`images`: the pictures' folder, None to show boxes alone: pictures show people, and reports are passed on.

    Raises UserError where a picture can't be read any more.
    """
    return [Shown(each, None if images is None else _data_uri(images / each.name)) for each in pictures]


def _counted(marks: tuple[Mark, ...]) -> str:
    return ", ".join(f"{number} {label}" for label, number in Counter(mark.label for mark in marks).most_common())


def _data_uri(path: Path) -> str:
    jpeg = encode_jpeg(to_bgr(read_picture(path), max_width_px=WIDTH_PX), QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
