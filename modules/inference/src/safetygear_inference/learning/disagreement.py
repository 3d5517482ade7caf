"""Where detector and tracker do not agree: a person who is followed and gets no box, or a box that is gone at once.

One of the two is wrong, and mostly it is the detector. Who is hidden behind somebody else, or may have left the
picture, is no disagreement. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from safetygear_inference.learning.observed import BoxNorm, Observed, SeenBox, Wish, at_edge, covered, overlap

SURE_AFTER_FRAMES: Final = 5
"""Somebody who was seen in so many frames is there."""
SUREST_AFTER_FRAMES: Final = 25
LONGEST_GAP_S: Final = 1.0
"""Between two frames: after a longer one, much may have happened that is no mistake."""
FORGOTTEN_AFTER_S: Final = 5.0
"""Somebody who was not seen for so long has to be seen in some frames again before he is sure to be there."""
HIDDEN: Final = 0.3
"""Somebody of whom more than this part lies in another person's box may be hidden by that person."""
SAME_IOU: Final = 0.3


@dataclass
class _Camera:
    before: Observed
    seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By track: in how many frames it was seen so far, and when last."""

    def frames(self, track: str) -> int:
        return self.seen.get(track, (0, 0.0))[0]


class Disagreement:
    """Keeps the newest frame's boxes of each camera."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera] = {}

    def look(self, frame: Observed) -> list[Wish]:
        """What this frame shows of it; what is `earlier` is to be seen in the frame before."""
        camera = self._cameras.get(frame.camera)
        if camera is None or not 0 <= frame.now_s - camera.before.now_s <= LONGEST_GAP_S:
            camera, wishes = _Camera(frame), []
        else:
            wishes = [*_without_box(camera, frame), *_gone_at_once(camera, frame)]
        oldest_s = frame.now_s - FORGOTTEN_AFTER_S
        seen = {track: known for track, known in camera.seen.items() if known[1] >= oldest_s}
        for person in frame.people:
            seen[person.track] = camera.frames(person.track) + 1, frame.now_s
        self._cameras[frame.camera] = _Camera(frame, seen)
        return wishes

    def forget(self, camera: str) -> None:
        self._cameras.pop(camera, None)


def _without_box(camera: _Camera, frame: Observed) -> list[Wish]:
    """Whom the frame before showed, who is still followed, and on whom no box is now."""
    now = {person.track for person in frame.people}
    wishes = []
    for person in camera.before.people:
        frames = camera.frames(person.track)
        if person.track in now or frames < SURE_AFTER_FRAMES or at_edge(person.xyxy_norm):
            continue
        expected = [box for box in frame.unseen if overlap(box, person.xyxy_norm) >= SAME_IOU]
        if not expected or at_edge(expected[0]):
            continue
        if not any(covered(expected[0], other.xyxy_norm) > HIDDEN for other in frame.people):
            wishes.append(Wish("disagreement", min(1.0, frames / SUREST_AFTER_FRAMES), expected[0]))
    return wishes


def _gone_at_once(camera: _Camera, frame: Observed) -> list[Wish]:
    """People's boxes that were there in the frame before for the first time, and are not any more."""
    now = [box.xyxy_norm for box in frame.boxes if box.person]
    return [
        Wish("disagreement", box.probability, box.xyxy_norm, earlier=True)
        for box in camera.before.boxes
        if _is_new(box, camera) and not at_edge(box.xyxy_norm) and not _is_among(box.xyxy_norm, now)
    ]


def _is_new(box: SeenBox, camera: _Camera) -> bool:
    if not box.person or box.weak:
        return False
    return box.track is None or camera.frames(box.track) <= 1


def _is_among(box: BoxNorm, boxes: list[BoxNorm]) -> bool:
    return any(overlap(box, other) >= SAME_IOU for other in boxes)
