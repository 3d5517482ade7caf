"""The rendered stories through the judging that runs live, with frames that are not analysed or not decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

from safetygear.clock import rfc3339
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.gating.gates import MotionGates
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.picture import Picture
from support import scenes
from support.judged_clip import perfect_boxes

FLOOR_S = 5.0
GATED = {"motionGate": {"enabled": True, "floorS": FLOOR_S}}
WOKEN_AFTER_S = 0.5
"""From a key frame with somebody in it to all pictures being decoded: message, analysis, beat, capture's next look."""
QUIET_BEFORE_S = 30.0
KNOWN = ("person", "helmet", "vest", "head", "no-vest")


@dataclass(frozen=True)
class Frame:
    """Of a story: when, its planes, and what is seen in it by the truth and, if one looked, by a detector."""

    t_s: float
    planes: Picture
    empty: bool
    perfect: LabelledBoxes
    detected: LabelledBoxes | None = None
    dark: bool = False


def i420(frame: VideoFrame) -> Picture:
    arrays = [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].copy()
        for plane in frame.planes
    ]
    return Picture(tuple(arrays), frame.width, frame.height, "i420")


def film(name: str) -> list[Frame]:
    """Every frame of a story, without a detector."""
    story, frames = scenes.truth(name), []
    with av.open(str(scenes.clip(name))) as container:
        for decoded, truth in zip(container.decode(video=0), story["frames"], strict=True):
            boxes, _ = perfect_boxes(story, truth)
            frames.append(Frame(truth["t"], i420(decoded), not truth["persons"], boxes))
    return frames


def judged(
    story: Mapping[str, Any], frames: list[Frame], boxes: Callable[[Frame], LabelledBoxes], counts: Counter[str],
    *, gate: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """The episodes that open, and in `counts` which frames were analysed."""
    judges, found, began_s = Judges(origin="bench", token="t"), [], scenes.start_s(story)
    desired = {"zones": {"cam": scenes.zones(story)}} | (GATED if gate else {})
    twin = read_desired(InferenceTwin, desired, last_good=None)
    assert not twin.errors, twin.errors
    judges.configure(twin.config, now_s=0.0)
    judges.model(KNOWN)
    gates = MotionGates(judges.quiet)
    gates.config = twin.config.motion_gate
    for frame in frames:
        counts["frames"] += 1
        counts["empty"] += frame.empty
        look = gates.look("cam", frame.t_s, always=False)
        if look is not None and look.closes(frame.planes):
            continue
        counts["analysed"] += 1
        counts["empty_analysed"] += frame.empty
        size_px = (story["width"], story["height"])
        wall_s = began_s + frame.t_s
        result = judges.judge(
            "cam", boxes(frame), now_s=frame.t_s, wall_s=wall_s, dark=frame.dark, frame_size_px=size_px
        )
        gates.analysed("cam", frame.t_s)
        found += [
            {"rule": one.rule, "zone": one.zone, "reason": one.reason, "openedAt": rfc3339(wall_s)}
            for one in result.changes
            if one.state == "open"
        ]
    return found


def on_call(
    story: Mapping[str, Any], frames: list[Frame], boxes: Callable[[Frame], LabelledBoxes], counts: Counter[str],
    *, key_frames_apart_s: float, first_key_frame_s: float = 0.0, fps: int = 5,
) -> list[dict[str, Any]]:  # fmt: skip
    """The episodes that open where all pictures are decoded, and `fps` of them analysed, only while it is not quiet.

    Before the story, its camera has shown the empty place for `QUIET_BEFORE_S`, so that it begins asleep. `counts` are
    of the story alone.
    """
    judges, found, began_s = Judges(origin="bench", token="t"), [], scenes.start_s(story)
    twin = read_desired(InferenceTwin, {"zones": {"cam": scenes.zones(story)}}, last_good=None)
    judges.configure(twin.config, now_s=-QUIET_BEFORE_S)
    judges.model(KNOWN)
    gates = MotionGates(judges.quiet)
    gates.on_call = {"cam"}
    awake_from_s: float | None = None
    empty = next(frame for frame in frames if frame.empty)
    before = [
        replace(empty, t_s=-number / story["fps"]) for number in range(round(QUIET_BEFORE_S * story["fps"]), 0, -1)
    ]
    apart, first = round(key_frames_apart_s * story["fps"]), round(first_key_frame_s * story["fps"])
    for number, frame in enumerate((*before, *frames), -len(before)):
        key_frame = (number - first) % apart == 0
        awake = awake_from_s is not None and frame.t_s >= awake_from_s
        due = number % (story["fps"] // fps) == 0
        if number >= 0:
            counts["frames"] += due
            counts["analysed"] += key_frame or (awake and due)
            counts["pictures"] += 1
            counts["decoded"] += key_frame or awake
        if key_frame or (awake and due):
            look = gates.look("cam", frame.t_s, always=False)
            if look is not None:
                look.closes(frame.planes)
            wall_s, size_px = began_s + frame.t_s, (story["width"], story["height"])
            result = judges.judge(
                "cam", boxes(frame), now_s=frame.t_s, wall_s=wall_s, dark=frame.dark, frame_size_px=size_px
            )
            gates.analysed("cam", frame.t_s)
            found += [
                {"rule": one.rule, "zone": one.zone, "reason": one.reason, "openedAt": rfc3339(wall_s)}
                for one in result.changes
                if one.state == "open"
            ]
        if not gates.wanted(frame.t_s):
            awake_from_s = None
        elif awake_from_s is None:
            awake_from_s = frame.t_s + WOKEN_AFTER_S
    return found
