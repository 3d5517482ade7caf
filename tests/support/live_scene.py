"""What browser tests show on the live page: scenes of cameras, played as capture and pipeline would."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np

from safetygear.clock import rfc3339
from safetygear.messages.codec import BoundingBox
from safetygear.messages.detections import (
    Detection,
    DetectionsMessage,
    FrameSize,
    LatencyMs,
    ModelIdentity,
    Person,
    Status,
)
from safetygear.messages.event import CloseReason, EventMessage, Evidence
from safetygear.messages.frames import CamerasMessage, CameraState, CameraStatus, MainStreamStatus
from safetygear_inference.live import LiveState
from safetygear_inference.pixels import encode_jpeg
from support.browser import ServedPage

MARK_BGR = (255, 0, 255)


@dataclass(frozen=True)
class Scene:
    """What one camera shows. `mark` is a box (left, top, width, height; 0..1) painted into the picture itself."""

    camera: str = "gate"
    size: tuple[int, int] = (640, 360)
    mark: tuple[float, float, float, float] = (0.25, 0.25, 0.25, 0.5)
    labels: tuple[str, ...] = ("person",)
    state: CameraState = "streaming"
    reason: str = "ok"
    stall_budget_s: float = 10.0
    sends_frames: bool = True
    people: tuple[tuple[Status, str], ...] = ()
    """Status and reason; they stand beside each other in the mark, with tracks `t0`, `t1` …"""
    main: tuple[CameraState, str] | None = None
    """State and reason of the main stream of 1920 x 1080, where there is one."""

    def jpeg(self) -> bytes:
        width, height = self.size
        picture = np.full((height, width, 3), 40, np.uint8)
        left, top, mark_width, mark_height = self.mark
        x0, y0 = round(left * width), round(top * height)
        x1, y1 = round((left + mark_width) * width), round((top + mark_height) * height)
        picture[y0:y1, x0:x1] = MARK_BGR
        return encode_jpeg(picture, 95)

    def message(self, sequence: int) -> DetectionsMessage:
        left, top, width, height = self.mark
        box = BoundingBox(left=left, top=top, width=width, height=height)
        people = [
            Person(
                track=f"t{number}", helmet="unknown", vest="unknown", status=status, reason=reason,
                bounding_box=BoundingBox(
                    left=left + number * width / len(self.people), top=top, width=width / len(self.people),
                    height=height,
                ),
            )
            for number, (status, reason) in enumerate(self.people)
        ]  # fmt: skip
        tracked = [
            Detection(label="person", probability=0.8, bounding_box=person.bounding_box, track=person.track)
            for person in people
        ]
        return DetectionsMessage(
            camera=self.camera, shard="default", sequence=sequence, frame_number=sequence,
            captured_at=rfc3339(time.time()), clock="arrival", people=people,
            frame=FrameSize(width=self.size[0], height=self.size[1]),
            model=ModelIdentity(name="m", version="1", sha256="0"),
            detections=[Detection(label=label, probability=0.9, bounding_box=box) for label in self.labels] + tracked,
            latency_ms=LatencyMs(capture=0, queue=5, inference=10, total=42),
        )  # fmt: skip

    def status(self) -> CameraStatus:
        return CameraStatus(
            camera=self.camera, state=self.state, reason=self.reason, since=rfc3339(time.time() - 5),
            stall_budget_s=self.stall_budget_s, frames_decoded=1, frames_sent=1, dropped={}, decoded_fps=25,
            main_stream=None if self.main is None else main_stream(*self.main),
        )  # fmt: skip


def main_stream(state: CameraState, reason: str) -> MainStreamStatus:
    """A main stream's, since 5 s."""
    streams = state == "streaming"
    return MainStreamStatus(
        state=state, reason=reason, since=rfc3339(time.time() - 5), key_frames_decoded=1, key_frames_sent=1, dropped={},
        width=1920 if streams else None, height=1080 if streams else None, codec="h264" if streams else None,
    )  # fmt: skip


class Feed:
    """Plays capture and pipeline: ten frames a second of each scene, statuses once a second and on `show`."""

    def __init__(self, served: ServedPage, *scenes: Scene) -> None:
        self._served = served
        self._scenes = {scene.camera: scene for scene in scenes}
        self._jpegs = {scene: scene.jpeg() for scene in scenes}
        self._sequence = 0
        self.capture_runs = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def show(self, scene: Scene) -> None:
        self._jpegs[scene] = scene.jpeg()
        self._scenes = self._scenes | {scene.camera: scene}
        self._served.do(self._tell)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(0.1):
            if self.capture_runs:
                self._served.do(self._frames)
                if self._sequence % 10 == 1:
                    self._served.do(self._tell)

    def _tell(self, live: LiveState, now_s: float) -> None:
        scenes = self._scenes.values()
        message = CamerasMessage(
            shard="default", sent_at=rfc3339(time.time()), started_at="x", cameras=[scene.status() for scene in scenes]
        )
        live.cameras(message, now_s)

    def _frames(self, live: LiveState, now_s: float) -> None:
        self._sequence += 1
        for scene in self._scenes.values():
            if scene.sends_frames:
                wanted = live.wants_picture(scene.camera, now_s)
                live.analysed(scene.message(self._sequence), now_s)
                if wanted:
                    live.picture(scene.camera, self._sequence, self._jpegs[scene], now_s)


def event(
    name: str,
    began_s: float,
    closed_s: float | None = None,
    reason: CloseReason = "left",
    evidence: Evidence | None = None,
) -> EventMessage:
    """Of an episode that began then: open, or closed at `closed_s`."""
    closed_at = rfc3339(closed_s) if closed_s is not None else None
    return EventMessage(
        id=name, event_sequence=1, outbox_epoch="x", dedup_key=name, rule="no-helmet", severity="high",
        state="open" if closed_at is None else "closed", camera="gate", zone="dock", track="t1",
        began_at=rfc3339(began_s), opened_at=rfc3339(began_s), updated_at=rfc3339(began_s), closed_at=closed_at,
        reason="carried-helmet", close_reason=None if closed_at is None else reason, confidence=0.9,
        evidence=evidence,
        model=ModelIdentity(name="m", version="1", sha256="0"), config_hash="c",
    )  # fmt: skip
