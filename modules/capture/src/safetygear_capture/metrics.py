"""What the module counts for /metrics. Names begin with `safetygear_capture_`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from safetygear.messages.frames import CameraStatus
from safetygear.telemetry import CounterFamily, ModuleMetrics
from safetygear.twin.last_good_keeper import OUTCOMES_DOC


class CaptureMetrics:
    """All metrics of the module, fed once a second from counts since the start."""

    def __init__(self, metrics: ModuleMetrics) -> None:
        self._metrics = metrics
        self._decoded = metrics.counter("frames_decoded_total", "Pictures decoded", ["camera"])
        self._sent = metrics.counter("frames_sent_total", "Frames whose reference the hub has taken", ["camera"])
        self._dropped = metrics.counter("frames_dropped_total", "Frames not handed over", ["camera", "reason"])
        self._state = metrics.gauge(
            "camera_state", "1 for each camera's state and reason", ["camera", "state", "reason"]
        )
        self._fps = metrics.gauge("camera_decoded_fps", "Pictures decoded per second, over ten seconds", ["camera"])
        self._kept = metrics.counter(
            "pictures_kept_total",
            "Times that pictures kept between key frames were `decoded`, that the next key frame was `waited` for "
            "because there were none, or that there were `too-many` to keep",
            ["camera", "outcome"],
        )
        self._key_frames = metrics.counter(
            "main_stream_key_frames_total", "Key frames of the main stream, by `sent` or why not", ["camera", "outcome"]
        )
        self._main_state = metrics.gauge(
            "main_stream_state", "1 for each main stream's state and reason", ["camera", "state", "reason"]
        )
        self._messages = metrics.counter("messages_sent_total", "Messages that the hub has taken", ["output"])
        self._lost = metrics.counter("messages_dropped_total", "Messages that it has not taken", ["reason"])
        self._starts = metrics.counter("camera_threads_total", "Threads started for a camera", ["camera"])
        self._hanging = metrics.gauge("threads_hanging", "Threads that hang in the video library")
        self._problem = metrics.gauge("problem", "1 for each named problem", ["part", "code"])
        self._last_good = metrics.counter("last_good_twin_total", OUTCOMES_DOC, ["outcome"])
        self._counted: Counter[tuple[str, ...]] = Counter()
        self._counted_of: dict[str, Counter[tuple[str, ...]]] = {}
        """Likewise, by camera."""

    def tick(
        self,
        *,
        cameras: Iterable[CameraStatus],
        sent: Mapping[str, int],
        lost: Mapping[str, int],
        starts: Mapping[str, int],
        hanging: int,
        problems: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Counts since the start, and what stands now. Of other cameras nothing is served any more."""
        cameras = list(cameras)
        present = {status.camera for status in cameras}
        self._counts_of(present)
        self._metrics.show_cameras(present)
        self._state.clear()
        self._fps.clear()
        self._main_state.clear()
        for status in cameras:
            camera = status.camera
            self._raise("decoded", self._decoded, status.frames_decoded, camera=camera)
            self._raise("sent", self._sent, status.frames_sent, camera=camera)
            for reason, count in status.dropped.items():
                self._raise("dropped", self._dropped, count, camera=camera, reason=reason)
            for outcome, count in status.kept.items():
                self._raise("kept", self._kept, count, camera=camera, outcome=outcome)
            self._state.set(1, camera=camera, state=status.state, reason=status.reason)
            self._fps.set(status.decoded_fps, camera=camera)
            if (main := status.main_stream) is not None:
                for outcome, count in {**main.dropped, "sent": main.key_frames_sent}.items():
                    self._raise("key_frames", self._key_frames, count, camera=camera, outcome=outcome)
                self._main_state.set(1, camera=camera, state=main.state, reason=main.reason)
        for output, count in sent.items():
            self._raise("messages", self._messages, count, output=output)
        for reason, count in lost.items():
            self._raise("lost", self._lost, count, reason=reason)
        for camera, count in starts.items():
            self._raise("starts", self._starts, count, camera=camera)
        self._hanging.set(hanging)
        self._problem.clear()
        for part, problem in problems.items():
            self._problem.set(1, part=part, code=problem["code"])

    def last_good(self, outcomes: Mapping[str, int]) -> None:
        """Once a second, likewise: what became of the values kept for a restart."""
        for outcome, count in outcomes.items():
            self._raise("last_good", self._last_good, count, outcome=outcome)

    def _counts_of(self, cameras: set[str]) -> None:
        # One that comes back counts from 0, and what it counts is new.
        self._counted_of = {camera: self._counted_of.get(camera, Counter()) for camera in cameras}

    def _raise(self, name: str, family: CounterFamily, count: int, **labels: str) -> None:
        camera = labels.get("camera")
        counted = self._counted if camera is None else self._counted_of.setdefault(camera, Counter())
        key = (name, *labels.values())
        # A camera that was taken out and put in again between two calls counts from 0, too.
        gained = count - counted[key] if count >= counted[key] else count
        if gained > 0:
            family.add(gained, **labels)
        counted[key] = count
