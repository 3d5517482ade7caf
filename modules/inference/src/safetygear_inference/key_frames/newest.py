"""The newest key frames of each camera's main stream, and which of them shows what an analysed frame shows. Pure.

`near` gives the key frame for a frame, as an `Arrival` like the frame's own: `SideAnalysis.of` and `copied` find its
pixels. It is another picture, some moments off, usually of the same view in more pixels, so that boxes in 0..1 hold for
both. Where something moves, or the two streams are cut differently, they don't: whoever uses it looks whether what he
wants is there (`picture_making.shows_person`). Its slot is written over within two key frames; then the use raises
FrameError, and the frame's own slot is what is left.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from safetygear.clock import epoch_s
from safetygear.messages.frames import FrameReference
from safetygear_inference.intake import Arrival

KEPT: Final = 2
"""Per camera; the ring behind them has three slots, one of which is being written."""
INTERVALS_KEPT: Final = 5
LONGEST_INTERVAL_S: Final = 1.0
"""A camera that is analysed more seldom: in a second somebody who walks has left the place where he was."""
EXPECTED_FOR_S: Final = 10.0
"""Most cameras send a key frame every one to four seconds. Where none came for so long, none is waited for."""
MAX_CAMERAS: Final = 256
SAME_ASPECT: Final = 0.02
"""Two pictures whose width per height differs by a greater part are not of one view, or one of them is squeezed."""


@dataclass
class _Camera:
    key_frames: deque[Arrival] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The newest last."""
    newest_frame: FrameReference | None = None
    intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=INTERVALS_KEPT))


class KeyFrames:
    """By camera. References only: the pixels stay in their rings."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        """Since the start: `received`, why not (`duplicate`, `unknown-camera`), and what users say became of them."""
        self._cameras: dict[str, _Camera] = {}

    def take(self, arrival: Arrival) -> None:
        """A key frame has come; of a camera that was never analysed it is of no use."""
        reference = arrival.reference
        camera = self._cameras.get(reference.camera)
        if camera is None:
            self.outcomes["unknown-camera"] += 1
            return
        if any(_same(kept.reference, reference) for kept in camera.key_frames):
            self.outcomes["duplicate"] += 1  # hubs deliver twice
            return
        if camera.key_frames and camera.key_frames[-1].reference.epoch != reference.epoch:
            camera.key_frames.clear()  # their ring is gone
        camera.key_frames.append(arrival)
        self.outcomes["received"] += 1

    def analysed(self, reference: FrameReference) -> None:
        """A frame was analysed: the time since the one before says how far apart they are."""
        camera = self._cameras.get(reference.camera)
        if camera is None:
            if len(self._cameras) >= MAX_CAMERAS:
                return
            camera = self._cameras[reference.camera] = _Camera()
        if camera.newest_frame is not None:
            interval_s = apart_s(camera.newest_frame, reference)
            if interval_s > 0:
                camera.intervals_s.append(interval_s)
        camera.newest_frame = reference

    def near(self, frame: FrameReference) -> Arrival | None:
        """The key frame nearest in time to an analysed frame of the camera, within one analysed interval of it; None:
        there is none."""
        camera = self._cameras.get(frame.camera)
        if camera is None or not camera.key_frames or not camera.intervals_s:
            return None
        within_s = min(LONGEST_INTERVAL_S, median(camera.intervals_s))
        nearest = min(camera.key_frames, key=lambda kept: apart_s(kept.reference, frame))
        return nearest if apart_s(nearest.reference, frame) <= within_s else None

    def expected(self, frame: FrameReference) -> bool:
        """Whether key frames of the frame's camera come now and then, so that the next one may be waited for."""
        camera = self._cameras.get(frame.camera)
        if camera is None or not camera.key_frames:
            return False
        return apart_s(camera.key_frames[-1].reference, frame) <= EXPECTED_FOR_S

    def forget(self, camera: str) -> None:
        """The camera was removed."""
        self._cameras.pop(camera, None)


def apart_s(one: FrameReference, other: FrameReference) -> float:
    """Seconds between two pictures of a camera, as far as can be told.

    Where both have their time from the same clock, between the moments they were taken; else between those at which
    they were decoded, since what a picture needs to get here is about the same for both of a camera's streams.
    """
    if one.clock == other.clock:
        return abs(epoch_s(one.captured_at) - epoch_s(other.captured_at))
    return abs(epoch_s(one.decoded_at) - epoch_s(other.decoded_at))


def same_view(one: FrameReference, other: FrameReference) -> bool:
    """Whether two pictures have the proportions of one view. False proves nothing: streams may be squeezed."""
    aspects = one.width * other.height, other.width * one.height
    return max(aspects) <= (1 + SAME_ASPECT) * min(aspects)


def _same(one: FrameReference, other: FrameReference) -> bool:
    return (one.epoch, one.frame) == (other.epoch, other.frame)
