"""Which analysed frames become a `detections` message. Pure; time passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from safetygear.geometry import Boxes, as_xyxy, iou
from safetygear_inference.config import DetectionsConfig

SendReason = Literal["all", "interval", "floor", "change"]


@dataclass(frozen=True)
class Seen:
    """The boxes of one frame: labels, and `xyxy_norm` (n, 4) in 0..1 of the full picture, in the same order."""

    labels: tuple[str, ...]
    xyxy_norm: Boxes
    verdicts: tuple[str, ...] = ()
    """What holds for each person, sorted."""

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.xyxy_norm):
            raise ValueError(f"{len(self.labels)} labels for {len(self.xyxy_norm)} boxes")


@dataclass(frozen=True)
class _Sent:
    seen: Seen
    at_s: float


class DetectionsPolicy:
    """Remembers per camera what was last sent, and says whether the next frame is worth a message."""

    def __init__(self) -> None:
        self._last: dict[str, _Sent] = {}

    def reason_to_send(self, camera: str, seen: Seen, *, config: DetectionsConfig, now_s: float) -> SendReason | None:
        """Why this frame should be sent (None: it should not). `seen` holds only boxes that may be sent."""
        if config.policy == "all":
            return "all"
        last = self._last.get(camera)
        if last is None:
            return "interval" if config.policy == "interval" else "change"
        age_s = now_s - last.at_s
        if age_s < config.interval_s:
            return None
        if config.policy == "interval":
            return "interval"
        if differs(last.seen, seen, moved_iou=config.moved_iou):
            return "change"
        return "floor" if age_s >= config.floor_interval_s else None

    def sent(self, camera: str, seen: Seen, now_s: float) -> None:
        """The frame was handed over. One that was shed is not reported here, so its change is not forgotten."""
        self._last[camera] = _Sent(seen, now_s)

    def lost(self, camera: str, at_s: float) -> None:
        """What was handed over at `at_s` never arrived: told again, unless something newer is under way."""
        last = self._last.get(camera)
        if last is not None and last.at_s <= at_s:
            del self._last[camera]

    def forget(self, camera: str) -> None:
        """The camera was removed."""
        self._last.pop(camera, None)


def differs(before: Seen, after: Seen, *, moved_iou: float) -> bool:
    """Whether labels or their counts changed, or a person's verdict, or a box moved: no one-to-one pairing of each
    label's boxes overlaps by more than `moved_iou` throughout (pairs are made greedily, best overlap first)."""
    if sorted(before.labels) != sorted(after.labels) or before.verdicts != after.verdicts:
        return True
    if moved_iou <= 0:
        return False
    return any(
        _moved(_of_label(before, label), _of_label(after, label), moved_iou) for label in sorted(set(after.labels))
    )


def _of_label(seen: Seen, label: str) -> Boxes:
    return as_xyxy(seen.xyxy_norm[[found == label for found in seen.labels]])


def _moved(before: Boxes, after: Boxes, moved_iou: float) -> bool:
    overlap = iou(before, after)
    for _ in range(len(after)):
        row, column = np.unravel_index(int(np.argmax(overlap)), overlap.shape)
        if overlap[row, column] <= moved_iou:
            return True
        overlap[row, :] = -1
        overlap[:, column] = -1
    return False
