"""The worst pictures, as the report shows them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from safetygear_inference.pixels import encode_jpeg, to_bgr
from safetygear_workbench.detecting import read_picture
from safetygear_workbench.evaluate.worst import BadPicture

WIDTH_PX, QUALITY = 640, 80


@dataclass(frozen=True)
class Shown:
    """A bad picture, with its pixels where they were asked for."""

    picture: BadPicture
    data_uri: str | None


def shown(pictures: tuple[BadPicture, ...], images: Path | None) -> list[Shown]:
    """`images`: the pictures' folder, None to show boxes alone: pictures show people, and reports are passed on.

    Raises UserError where a picture can't be read any more.
    """
    return [Shown(each, None if images is None else _data_uri(images / each.name)) for each in pictures]


def _data_uri(path: Path) -> str:
    jpeg = encode_jpeg(to_bgr(read_picture(path), max_width_px=WIDTH_PX), QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
