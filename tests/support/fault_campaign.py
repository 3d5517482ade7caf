"""Every camera fault at once, each on a camera of its own, against the real capture module beside a healthy camera.

`PYTHONPATH=tests python -m support.fault_campaign` prints the table of docs/reliability.md.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from safetygear.clock import epoch_s
from support.camera import RunningCamera, start_camera
from support.capture_process import CaptureProcess, capture_manifest, reading, running_capture
from support.clips import make_clip
from support.runtime import RunningRuntime, start_runtime

STALL_BUDGET_S = 4.0
FREEZE_AFTER_S = 3.0
WITNESS = "witness"
WITNESS_FPS = 5.0
SLACK_S = 8.0
"""For a busy machine: the bounds are no speed test."""
GIVE_UP_S = 75.0


@dataclass(frozen=True)
class Fault:
    """What is done to a camera, and what must come of it within which time."""

    name: str
    camera: str
    what: Mapping[str, Any]
    """Fields of the camera server's Faults; empty: the server itself goes away."""
    state: str
    reason: str
    within_s: float
    """From the fault (for those met while connecting: from the module's start) to the named state."""
    back_within_s: float
    """From the end of the fault to `streaming`, `ok`."""
    begins: Literal["before", "while streaming"] = "while streaming"
    config: Mapping[str, Any] = field(default_factory=dict)


KEY_FRAMES_APART_S = 12.0
"""Of a camera that saves bandwidth: three stall budgets."""
_SOON_S = 15.0 * 1.25
"""The longest pause of a fault that may pass by itself, with its jitter."""
_LATER_S = 20.0 * 1.25
"""The third pause of a refusal; it grows to two minutes, which the campaign does not wait for."""

FAULTS = (
    Fault(
        "DESCRIBE is never answered", "hang", {"hang": "DESCRIBE"}, "backing-off", "timeout", STALL_BUDGET_S + 1,
        STALL_BUDGET_S + _SOON_S, "before",
    ),
    Fault(
        "PLAY is answered, no data", "no-data", {"no_data": True}, "backing-off", "no-data", 3 * STALL_BUDGET_S,
        2 * STALL_BUDGET_S + _SOON_S, "before",
    ),
    Fault("401", "unauthorized", {"unauthorized": True}, "refused", "auth-failed", 1.0, _LATER_S, "before"),
    Fault("404", "not-found", {"status": 404}, "refused", "not-found", 1.0, _LATER_S, "before"),
    Fault("453, no session free", "busy", {"status": 453}, "backing-off", "busy", 1.0, _SOON_S, "before"),
    Fault(
        "H.264 announced, H.265 sent", "wrong-codec", {"wrong_codec": True}, "refused", "wrong-codec",
        3 * STALL_BUDGET_S, STALL_BUDGET_S + _LATER_S, "before",
    ),
    Fault(
        "PLAY begins between key frames, 12 s apart", "between", {"start_between_key_frames": True}, "connecting",
        "waiting-for-key-frame", 2 * STALL_BUDGET_S, KEY_FRAMES_APART_S, "before",
    ),
    Fault("stall, connection stays", "stall", {"stall": True}, "stalled", "stall", STALL_BUDGET_S + 1, _SOON_S),
    Fault("connection cut", "cut", {"drop_after_s": 0.01}, "backing-off", "end-of-stream", 1.0, _SOON_S),
    Fault("RTCP BYE", "bye", {"bye_after_s": 0.01}, "backing-off", "end-of-stream", 1.0, _SOON_S),
    Fault("camera gone", "gone", {}, "backing-off", "refused-connection", STALL_BUDGET_S, _SOON_S),
    Fault("every packet damaged", "corrupt", {"corrupt": 1.0}, "stalled", "corrupt", STALL_BUDGET_S + 1, _SOON_S),
    Fault(
        "a fifth of the packets lost (UDP)", "loss", {"loss": 0.2}, "streaming", "ok", 0.0, 1.0,
        config={"transport": "udp"},
    ),
    Fault("other resolution", "resolution", {"switch_to": "other-size"}, "streaming", "ok", 2.0, 2.0),
    Fault(
        "timestamps jump by an hour", "jump", {"timestamp_jump_s": 3600.0}, "streaming", "timestamps-jump", 1.0, 12.0
    ),
    Fault(
        "timestamps stand still", "still", {"timestamps_stand_still": True}, "streaming", "timestamps-stand-still",
        2.0, 12.0,
    ),
    Fault("same picture again and again", "freeze", {"freeze": True}, "streaming", "frozen", FREEZE_AFTER_S + 2, 2.0),
    Fault(
        "camera's clock an hour off", "clock", {"clock_offset_s": 3600.0}, "streaming", "camera-clock-off", 6.0, 12.0
    ),
)  # fmt: skip
"""`loss` and `other resolution` must leave the camera streaming; see `Outcome.proof`."""


@dataclass
class Outcome:
    """What came of a fault; times in seconds, None where it never came."""

    fault: Fault
    detected_s: float | None = None
    recovered_s: float | None = None
    reported: tuple[str | None, str | None] = (None, None)
    """State and reason in the reported properties at some time during the fault, the expected ones if ever."""
    witness_fps: float = 0.0
    proof: str = ""


class Campaign:
    """One run; `outcomes` has a row per fault afterwards."""

    def __init__(self, folder: Path) -> None:
        clip = make_clip(folder / "clip.mp4", fps=10, frames=50, keyframe_every=10)
        hevc = make_clip(folder / "hevc.mp4", fps=10, frames=50, keyframe_every=10, codec="hevc")
        smart = make_clip(folder / "smart.mp4", fps=10, frames=120, keyframe_every=120)
        smooth = make_clip(folder / "smooth.mp4", fps=25)
        other = make_clip(folder / "other.mp4", fps=10, frames=50, keyframe_every=10, width=480, height=272)
        self._clips = {fault.camera: clip for fault in FAULTS if fault.what}
        self._clips |= {WITNESS: smooth, "other-size": other, "wrong-codec": hevc, "between": smart}
        self._folder = folder
        self._gone_clip = clip
        self._entries_read = 0
        self._started_s = 0.0
        self._history: list[tuple[float, dict[str, tuple[str, str]]]] = []
        self._references: dict[str, list[tuple[float, int, int]]] = {}
        self.outcomes = {fault.camera: Outcome(fault) for fault in FAULTS}
        self.log = ""

    def run(self) -> None:
        """About three quarters of a minute."""
        with contextlib.ExitStack() as stack:
            cameras = stack.enter_context(start_camera(self._clips))
            gone = stack.enter_context(start_camera({"gone": self._gone_clip}))
            urls = {fault.camera: (cameras if fault.what else gone).url(fault.camera) for fault in FAULTS}
            config = {
                fault.camera: {
                    "url": urls[fault.camera], "stallBudgetS": STALL_BUDGET_S, "freezeAfterS": FREEZE_AFTER_S,
                    "analysedFps": 2, **fault.config,
                }
                for fault in FAULTS
            } | {WITNESS: {"url": cameras.url(WITNESS), "analysedFps": WITNESS_FPS}}  # fmt: skip
            runtime = stack.enter_context(start_runtime(self._folder, capture_manifest(config)))
            for fault in FAULTS:
                if fault.begins == "before":
                    cameras.fault(fault.camera, **fault.what)
            process = stack.enter_context(running_capture(runtime, self._folder))
            stack.enter_context(reading(process.frames))
            try:
                self._go_through(process, runtime, cameras, gone)
            finally:
                self.log = process.log()

    def _go_through(
        self, process: CaptureProcess, runtime: RunningRuntime, cameras: RunningCamera, gone: RunningCamera
    ) -> None:
        self._wait(runtime, 20, lambda: self._now(WITNESS) == ("streaming", "ok"))
        started_s = self._started_s
        later = [fault for fault in FAULTS if fault.begins != "before"]
        self._wait(runtime, 30, lambda: all(self._now(fault.camera) == ("streaming", "ok") for fault in later))
        self._pass(runtime, 2.0)
        began_s = time.time()
        gone.stop_listening()
        for fault in later:
            if fault.what:
                cameras.fault(fault.camera, **fault.what)
        begins_s = {fault.camera: began_s if fault in later else started_s for fault in FAULTS}
        rows = [row for row in self.outcomes.values() if row.fault.reason != "ok"]

        def detected() -> bool:
            for row in rows:
                if row.detected_s is None:
                    row.detected_s = self._first(row.fault.camera, (row.fault.state, row.fault.reason), begins_s)
            self._look_at_reported(process)
            return all(row.detected_s is not None and row.reported == _expected(row.fault) for row in rows)

        self._wait(runtime, GIVE_UP_S, detected)
        self._pass(runtime, 3.0)
        ended_s = time.time()
        self._prove(process, began_s)
        gone.start_listening()
        for fault in FAULTS:
            cameras.clear(fault.camera)

        def recovered() -> bool:
            for row in self.outcomes.values():
                if row.recovered_s is None:
                    row.recovered_s = self._first(
                        row.fault.camera, ("streaming", "ok"), {row.fault.camera: ended_s}, lasting=True
                    )
            return all(row.recovered_s is not None for row in self.outcomes.values())

        self._wait(runtime, GIVE_UP_S, recovered)
        times_s = [sent_s for sent_s, _, _ in self._references[WITNESS]]
        for camera, row in self.outcomes.items():
            from_s, to_s = max(begins_s[camera], times_s[0]), ended_s + (row.recovered_s or 0.0)
            row.witness_fps = sum(from_s <= sent_s < to_s for sent_s in times_s) / (to_s - from_s)

    def _prove(self, process: CaptureProcess, began_s: float) -> None:
        """What shows of the faults that must leave their camera streaming."""
        status = process.status()["cameras"]
        for camera in ("loss", "resolution"):
            row = self.outcomes[camera]
            states = {state[camera][0] for sent_s, state in self._history if sent_s >= began_s}
            row.reported = (status[camera]["state"], status[camera]["reason"])
            row.proof = f"states {sorted(states)}"
        corrupt = status["loss"]["dropped"].get("corrupt", 0)
        self.outcomes["loss"].proof += f", {corrupt} damaged pictures dropped"
        changed = [sent_s for sent_s, width, _ in self._references["resolution"] if width == 480]
        self.outcomes["resolution"].proof += f", {len(changed)} frames of 480x272"
        if corrupt:
            self.outcomes["loss"].detected_s = 0.0
        if changed:
            self.outcomes["resolution"].detected_s = changed[0] - began_s

    def _look_at_reported(self, process: CaptureProcess) -> None:
        for camera, entry in process.reported().get("cameras", {}).items():
            row = self.outcomes.get(camera)
            if row is not None and row.reported != _expected(row.fault):
                row.reported = (entry.get("state"), entry.get("reason"))

    def _first(
        self, camera: str, wanted: tuple[str, str], since_s: Mapping[str, float], *, lasting: bool = False
    ) -> float | None:
        """Seconds from `since_s` until the camera was first as wanted; `lasting`: and has been so ever since."""
        found: float | None = None
        for sent_s, states in self._history:
            if sent_s < since_s[camera] or camera not in states:
                continue
            if states[camera] == wanted:
                found = sent_s - since_s[camera] if found is None else found
                if not lasting:
                    return found
            elif lasting:
                found = None
        return found

    def _now(self, camera: str) -> tuple[str, str] | None:
        return self._history[-1][1].get(camera) if self._history else None

    def _pass(self, runtime: RunningRuntime, seconds: float) -> None:
        until_s = time.time() + seconds
        self._wait(runtime, seconds + 5, lambda: time.time() >= until_s)

    def _wait(self, runtime: RunningRuntime, timeout_s: float, condition: Callable[[], bool]) -> None:
        """Read what is sent until `condition` holds or the time is over."""
        began_s = time.time()
        while time.time() - began_s < timeout_s:
            self._read(runtime)
            if condition():
                break
            time.sleep(0.25)

    def _read(self, runtime: RunningRuntime) -> None:
        entries = runtime.upstream()
        for entry in entries[self._entries_read :]:
            sent_s, body = epoch_s(entry["enqueuedAt"]), entry["body"]
            if entry["output"] == "cameras":
                states = {status["camera"]: (status["state"], status["reason"]) for status in body["cameras"]}
                self._history.append((epoch_s(body["sentAt"]), states))
                self._started_s = epoch_s(body["startedAt"])
            else:
                for one in body["references"]:
                    self._references.setdefault(one["camera"], []).append((sent_s, one["width"], one["height"]))
        self._entries_read = len(entries)


def _expected(fault: Fault) -> tuple[str, str]:
    return fault.state, fault.reason


def markdown(outcomes: Iterable[Outcome]) -> str:
    """The table of docs/reliability.md."""
    lines = [
        "| fault | state and reason | seconds to detection (bound) | seconds to recovery (bound) | fps beside it |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in outcomes:
        found = "never" if row.detected_s is None else f"{row.detected_s:.1f}"
        back = "never" if row.recovered_s is None else f"{row.recovered_s:.1f}"
        lines.append(
            f"| {row.fault.name} | {row.fault.state}, {row.fault.reason} | {found} ({row.fault.within_s:g}) | "
            f"{back} ({row.fault.back_within_s:g}) | {row.witness_fps:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        campaign = Campaign(Path(name))
        campaign.run()
        print(markdown(campaign.outcomes.values()))
        print(*(f"{row.fault.name}: {row.proof}" for row in campaign.outcomes.values() if row.proof), sep="\n")
        if "-v" in sys.argv:
            print(campaign.log)
