"""How a stored picture is named: by its episode, a number, and whether faces are clear in it. Pure.

`ep-<24 hex>-<number>` or, with clear faces, `ep-<24 hex>-<number>c`. The name is all that has to be known of a picture
after a restart. It is never another one's: a better picture of an episode gets the next number, so that the digest in
an event stays true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

PICTURES_PER_EPISODE: Final = 6
"""An episode of hours must not fill the volume with pictures of one person."""
PAGE_FOLDER: Final = "/evidence/"
_ID = re.compile(r"(?P<episode>ep-[0-9a-f]{24})-(?P<number>[1-9])(?P<clear>c?)")


@dataclass(frozen=True, order=True)
class PictureId:
    """A picture of an episode."""

    episode: str
    number: int
    blurred: bool = True

    def __str__(self) -> str:
        return f"{self.episode}-{self.number}{'' if self.blurred else 'c'}"

    @property
    def file_name(self) -> str:
        return f"{self}.jpg"

    @property
    def page_path(self) -> str:
        """Where the live page of the device serves it; the `uri` of a picture that is not uploaded."""
        return f"{PAGE_FOLDER}{self.file_name}"


def picture_id(text: str) -> PictureId | None:
    """The picture of that name, which may end in `.jpg`; None for any other text."""
    match = _ID.fullmatch(text.removesuffix(".jpg"))
    if match is None:
        return None
    return PictureId(match["episode"], int(match["number"]), not match["clear"])


def picture_of_uri(uri: str) -> PictureId | None:
    """The picture that an event's `evidence.uri` names, on the device or uploaded."""
    return picture_id(uri.rpartition("/")[2])
