"""What has to outlive the process and is in no picture's description: `<data>/learning/state.json`.

Its calls block for the disk. They raise PictureFolderError.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final, Literal

import msgspec

from safetygear.messages.codec import Message, MessageError, decode, encode
from safetygear.synced_files import replace_synced
from safetygear_inference.learning.budget import Taken
from safetygear_inference.learning.drift import DriftState
from safetygear_inference.picture_folder import as_folder_error

FILE: Final = "state.json"
QUOTA_SETTING: Final = "learning.quotaBytes"

log = logging.getLogger(__name__)


class LearningState(Message, frozen=True, kw_only=True):
    """Everything that is kept."""

    schema: Literal["safetygear.learning-state/1"] = "safetygear.learning-state/1"
    taken: list[Taken] = msgspec.field(default_factory=list)
    class_counts: dict[str, int] = msgspec.field(default_factory=dict)
    class_frames: int = 0
    drift: DriftState | None = None


class StateFile:
    """`folder`: the one of learning; it is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> LearningState:
        """What was saved last; nothing where there is none, or where it can't be read: then the budget is rebuilt from
        the pictures, and what is usual is learned anew."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            body = (self._folder / FILE).read_bytes()
        except FileNotFoundError as exc:
            if exc.filename == str(self._folder):
                raise as_folder_error(exc, self._folder, QUOTA_SETTING) from exc
            return LearningState()
        except OSError as exc:
            raise as_folder_error(exc, self._folder, QUOTA_SETTING) from exc
        try:
            return decode(body, LearningState)
        except MessageError as exc:
            log.warning("what learning had kept can't be read, it begins anew: %s", exc)
            return LearningState()

    def save(self, state: LearningState) -> None:
        """On the disk when it returns; until then the old one is."""
        try:
            replace_synced(self._folder / FILE, encode(state))
        except OSError as exc:
            raise as_folder_error(exc, self._folder, QUOTA_SETTING) from exc
