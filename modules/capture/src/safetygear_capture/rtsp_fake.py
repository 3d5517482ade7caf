"""A FrameSource that plays a script: for unit tests, under the contract tests of the real one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from safetygear.errors import CameraError
from safetygear_capture.decoding import SOFTWARE, Decoding
from safetygear_capture.kept_packets import DECODED
from safetygear_capture.reasons import explain
from safetygear_capture.source import DecodedFrame, Planes, SourceRequest


@dataclass(frozen=True)
class Fails:
    """Raises CameraError(code)."""

    code: str


@dataclass(frozen=True)
class Calls:
    """Calls something (lets a fake clock pass, stops a loop) and gives no frame."""

    action: Callable[[], None]


@dataclass(frozen=True)
class Between:
    """A sound packet that can't be decoded, because no key frame has come yet."""


Step = DecodedFrame | Fails | Calls | Between | None
"""What one `read` gives: a frame, a failure, or nothing (a packet without a picture)."""


def picture(
    level: int = 100,
    *,
    width: int = 16,
    height: int = 8,
    pts_s: float | None = 0.0,
    camera_s: float | None = None,
    corrupt: bool = False,
    keyframe: bool = True,
    waited: bool = True,
) -> DecodedFrame:
    """A plain grey I420 frame."""
    luma = np.full((height, width), level, np.uint8)
    chroma = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    return DecodedFrame(
        width=width,
        height=height,
        pts_s=pts_s,
        camera_s=camera_s,
        keyframe=keyframe,
        corrupt=corrupt,
        waited=waited,
        load=lambda: Planes((luma, chroma, chroma), "i420"),
    )


class ScriptedSource:
    """Gives one step per `read`, and `end-of-stream` after the last."""

    def __init__(
        self, steps: Iterable[Step], key_frames_apart_s: float | None = None, *, keeps_between: bool = False
    ) -> None:
        self.codec = "h264"
        self.decoding = SOFTWARE
        self.decode_errors = 0
        self.awaits_key_frame = False
        self.only_key_frames = False
        self.closed = False
        self.between = False
        self.kept_outcomes: Counter[str] = Counter()
        self._keeps_between = keeps_between
        self._key_frames_apart_s = key_frames_apart_s
        self._key_frame_pts_s = -math.inf
        self._steps: Iterator[Step] = iter(steps)

    def read(self) -> Sequence[DecodedFrame]:
        if self.closed:
            raise CameraError("the stream is closed", code="closed")
        step = next(self._steps, Fails("end-of-stream"))
        if isinstance(step, Fails):
            raise CameraError(explain(step.code), code=step.code)
        if isinstance(step, Calls):
            step.action()
            return []
        self.awaits_key_frame = isinstance(step, Between)
        if isinstance(step, Between):
            return []
        if step is None:
            self.decode_errors += 1
            return []
        if self._key_frames_apart_s is not None and not self.between:
            self.awaits_key_frame = not self._due(step, self._key_frames_apart_s)
            return [] if self.awaits_key_frame else [step]
        return [] if self.only_key_frames and not step.keyframe else [step]

    def key_frames_only(self, only: bool) -> None:
        self.only_key_frames = only

    def decode_between(self, wanted: bool) -> None:
        self.between = wanted and self._keeps_between
        if self.between and self._key_frame_pts_s > -math.inf:
            self.kept_outcomes[DECODED] += 1

    def _due(self, frame: DecodedFrame, apart_s: float) -> bool:
        pts_s = frame.pts_s if frame.pts_s is not None else math.inf
        if not frame.keyframe or pts_s - self._key_frame_pts_s < apart_s:
            return False
        self._key_frame_pts_s = pts_s
        return True

    def close(self) -> None:
        self.closed = True


class ScriptedCamera:
    """An `OpenSource`: each attempt gets the next script; a Fails in place of one is a failed open.

    `accelerated`: what decodes where software is not asked for.
    """

    def __init__(self, *attempts: Sequence[Step] | Fails, accelerated: Decoding = SOFTWARE) -> None:
        self._accelerated = accelerated
        self.requests: list[SourceRequest] = []
        self.sources: list[ScriptedSource] = []
        self._attempts = iter(attempts)

    def __call__(self, request: SourceRequest) -> ScriptedSource:
        self.requests.append(request)
        attempt = next(self._attempts, Fails("refused-connection"))
        if isinstance(attempt, Fails):
            raise CameraError(explain(attempt.code), code=attempt.code)
        source = ScriptedSource(attempt, request.key_frames_apart_s, keeps_between=request.keeps_between)
        source.decoding = SOFTWARE if request.decode == "software" else self._accelerated
        self.sources.append(source)
        return source
