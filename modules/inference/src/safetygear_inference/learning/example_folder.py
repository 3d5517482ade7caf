"""Examples on the data volume, and the pictures of events that wait for somebody to judge the event."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final, Literal, TypeVar

from safetygear.learning.example import Example, is_example_id
from safetygear.messages.codec import Message, MessageError, decode
from safetygear_inference.learning.state_file import QUOTA_SETTING
from safetygear_inference.picture_folder import PictureFolder

EXAMPLES, CANDIDATES = "examples", "candidates"
"""Below the folder of learning."""
UNREADABLE: Final = "unreadable"

M = TypeVar("M", bound=Message)

log = logging.getLogger(__name__)


class Candidate(Message, frozen=True, kw_only=True):
    """A frame in which events opened, as it lies beside its picture."""

    schema: Literal["safetygear.learning-candidate/1"] = "safetygear.learning-candidate/1"
    example: Example
    """What it becomes when one of them is judged to be false."""
    episodes: list[str]
    """Those that nobody has judged yet."""
    judged_false: str | None = None
    """The one that was; the picture waits for room in the budget."""


class DescribedFolder(PictureFolder[str]):
    """Pictures by example id, each with its description."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            name_of=lambda text: text if is_example_id(text) else None,
            quota_setting=QUOTA_SETTING,
            described=True,
        )

    def descriptions(self, kind: type[M]) -> dict[str, M]:
        """All that can be read, the oldest first; what can't is removed, counted and logged. Raises
        PictureFolderError."""
        found = ((name, self.description(name, kind)) for name in self.names())
        return {name: description for name, description in found if description is not None}

    def description(self, name: str, kind: type[M]) -> M | None:
        """One of them; None where it is gone, or can't be read: then likewise. Raises PictureFolderError."""
        body = self.read_description(name)
        if body is None:
            return None
        try:
            return decode(body, kind)
        except MessageError as exc:
            log.warning("the description of %s can't be read, it is removed: %s", name, exc)
            self.evicted[UNREADABLE] += 1
            self.remove(name)
            return None
