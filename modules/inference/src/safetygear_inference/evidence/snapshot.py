"""The direct method `snapshot`: what a camera shows now, under the same rule of faces as stored pictures."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Collection
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from safetygear.clock import Clock
from safetygear.errors import FrameError
from safetygear.hub.methods import MethodError, read_arguments
from safetygear.hub.port import Json
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.crop import Part
from safetygear_inference.evidence.frame_order import order_of
from safetygear_inference.evidence.picture_making import CautiousDetector, MadePicture, cut_out, finish_within
from safetygear_inference.evidence.taking import USED, sight_of
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.judges import Judges
from safetygear_inference.key_frames.newest import KeyFrames
from safetygear_inference.side_analysis import BUSY, SideAnalysis

ANSWER_BYTES: Final = 90_000
"""Of the JPEG. A method's answer has 128 KB at most, and base64 makes four bytes of three. Source: Microsoft,
"Understand and invoke direct methods from IoT Hub"."""
FRESH_S: Final = 10.0
"""An older frame is not what the camera shows now."""
KEY_FRAME_FRESH_S: Final = 3.0
"""So much older than the newest frame may be one that a key frame shows in the main stream's resolution."""
CAMERAS_KEPT: Final = 256

T = TypeVar("T")

log = logging.getLogger(__name__)


class SnapshotArguments(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which camera, and how large."""

    camera: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    max_width_px: Annotated[int, Meta(ge=160, le=1920)] = 960


class Snapshots:
    """Remembers the newest analysed frame of each camera, and the newest that a key frame shows, not their pixels.
    `cameras`: the ids that there are."""

    def __init__(
        self,
        side: SideAnalysis,
        judges: Judges,
        clock: Clock,
        *,
        detector: CautiousDetector,
        cameras: Callable[[], Collection[str]],
        key_frames: KeyFrames | None = None,
    ) -> None:
        self.config = EvidenceConfig()
        self._side = side
        self._judges = judges
        self._clock = clock
        self._detector = detector
        self._cameras = cameras
        self._key_frames = key_frames or KeyFrames()
        self._newest: dict[str, tuple[float, SeenFrame]] = {}
        self._sights: dict[str, tuple[float, SeenFrame, Arrival]] = {}

    def seen(self, frame: SeenFrame) -> None:
        """A frame listener."""
        now_s, camera = self._clock.monotonic_s(), frame.camera
        _remember(self._newest, camera, (now_s, frame))
        sight = sight_of(frame, self._key_frames, self._judges)
        if sight.key_frame is not None:
            _remember(self._sights, camera, (now_s, frame, sight.key_frame))

    async def answer(self, payload: Json) -> Json:
        """Raises MethodError."""
        asked = read_arguments(SnapshotArguments, payload)
        if asked.camera not in self._cameras():
            self._newest.pop(asked.camera, None)
            self._sights.pop(asked.camera, None)
            raise MethodError("no such camera", status=404, code="unknown-camera", field="camera")
        seen_s, frame = self._newest.get(asked.camera, (float("-inf"), None))
        if frame is None or self._clock.monotonic_s() - seen_s > FRESH_S:
            raise MethodError(
                f"no frame of it was analysed in the last {FRESH_S:g} s", status=409, code="no-frame", field="camera"
            )
        try:
            made, captured_at = await self._best(frame, asked.max_width_px)
        except FrameError as exc:
            if exc.code == BUSY:
                raise
            raise MethodError(f"its newest frame is gone: {exc}", status=409, code="no-frame", field="camera") from exc
        return {
            "camera": asked.camera,
            "capturedAt": captured_at,
            "width": made.width_px,
            "height": made.height_px,
            "blurred": made.blurred,
            "jpeg": base64.b64encode(made.jpeg).decode("ascii"),
        }

    async def _best(self, frame: SeenFrame, max_width_px: int) -> tuple[MadePicture, str]:
        """From a fresh key frame, or else from the newest frame's slot; and when it was taken. Raises FrameError."""
        seen_s, shown, key_frame = self._sights.get(frame.camera, (float("-inf"), frame, None))
        if key_frame is not None and self._clock.monotonic_s() - seen_s <= KEY_FRAME_FRESH_S:
            try:
                made = await self._made(shown, key_frame, max_width_px)
            except FrameError as exc:
                if exc.code == BUSY:
                    raise
                self._key_frames.outcomes[exc.code] += 1
            else:
                self._key_frames.outcomes[USED] += 1
                return made, key_frame.reference.captured_at
        return await self._made(frame, frame.arrival, max_width_px), frame.arrival.reference.captured_at

    async def _made(self, frame: SeenFrame, arrival: Arrival, max_width_px: int) -> MadePicture:
        reference = arrival.reference
        size_px = reference.width, reference.height
        # Scaled by its longer side, so that the width asked for holds in both orientations.
        max_side_px = max(1, round(max_width_px * max(size_px) / reference.width))
        order = order_of(
            frame,
            Part.whole(size_px),
            black_out=self._judges.privacy(frame.camera),
            faces=self.config.faces,
            max_side_px=max_side_px,
            quality=self.config.quality,
        )
        return await self._side.copied(
            arrival,
            lambda picture: cut_out(picture, order),
            lambda bgr: finish_within(bgr, order, frame.model, self._detector, at_most_bytes=ANSWER_BYTES),
            purpose="snapshot",
        )


def _remember(kept: dict[str, T], camera: str, value: T) -> None:
    """The newest last, bounded."""
    kept.pop(camera, None)
    kept[camera] = value
    while len(kept) > CAMERAS_KEPT:
        del kept[next(iter(kept))]
