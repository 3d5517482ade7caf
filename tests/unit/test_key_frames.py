"""Which key frame shows what an analysed frame shows, and that none is ever taken for a frame."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import rfc3339
from safetygear.hub.port import IncomingMessage
from safetygear.messages.codec import encode
from safetygear.messages.frames import FrameReference, FramesMessage
from safetygear_inference.intake import Arrival, read_frames
from safetygear_inference.key_frames.newest import EXPECTED_FOR_S, KEPT, LONGEST_INTERVAL_S, KeyFrames, same_view

T0_S = 1_764_000_000.0


def reference(captured_s: float, **changes: Any) -> FrameReference:
    values: dict[str, Any] = {
        "camera": "gate", "frame": round(captured_s * 1000), "ring": "gate", "epoch": 1, "slot": 0, "sequence": 2,
        "width": 640, "height": 360, "stride": 640, "pixel_format": "i420", "clock": "rtcp",
        "captured_at": rfc3339(T0_S + captured_s), "decoded_at": rfc3339(T0_S + captured_s + 0.05),
    }  # fmt: skip
    return FrameReference(**(values | changes))


def key_frame(captured_s: float, **changes: Any) -> Arrival:
    values = {"ring": "gate.main", "epoch": 7, "width": 1920, "height": 1080, "stride": 1920} | changes
    return Arrival("default", reference(captured_s, **values), T0_S + captured_s, stream="main")


def watched(*key_frames: Arrival, every_s: float = 0.2, frames: int = 4) -> KeyFrames:
    """Frames of the camera `gate` were analysed until 0 s, then these key frames have come."""
    found = KeyFrames()
    for number in range(frames):
        found.analysed(reference((number + 1 - frames) * every_s))
    for one in key_frames:
        found.take(one)
    return found


def number(found: Arrival | None) -> int | None:
    return None if found is None else found.reference.frame


@pytest.mark.parametrize(
    ("key_frames_s", "frame_s", "nearest_s"),
    [
        ((), 0.0, None),
        ((0.0,), 0.0, 0.0),
        ((-0.2,), 0.0, -0.2),
        ((-0.201,), 0.0, None),
        ((0.19,), 0.0, 0.19),
        ((0.21,), 0.0, None),
        ((-0.15, 0.1), 0.0, 0.1),
        ((-0.1, 0.15), 0.0, -0.1),
        ((-3.0, -2.0, -1.0), -1.1, -1.0),
        ((-3.0, -2.0, -1.0), -3.0, None),  # let go of
    ],
)
def test_the_nearest_within_one_analysed_interval_is_chosen(
    key_frames_s: tuple[float, ...], frame_s: float, nearest_s: float | None
) -> None:
    found = watched(*(key_frame(one) for one in key_frames_s))
    expected = None if nearest_s is None else round(nearest_s * 1000)
    assert number(found.near(reference(frame_s))) == expected


@pytest.mark.parametrize(
    ("every_s", "apart_s", "near"),
    [(0.1, 0.1, True), (0.1, 0.12, False), (0.5, 0.45, True), (5.0, LONGEST_INTERVAL_S, True), (5.0, 1.1, False)],
)
def test_the_interval_is_the_one_at_which_the_camera_is_analysed(every_s: float, apart_s: float, near: bool) -> None:
    assert (watched(key_frame(apart_s), every_s=every_s).near(reference(0.0)) is not None) == near


def test_one_hole_between_frames_does_not_make_the_interval_long() -> None:
    found = watched(key_frame(0.5))
    found.analysed(reference(3.0))
    found.take(key_frame(3.5))
    assert found.near(reference(3.0)) is None


def test_before_two_frames_were_analysed_nothing_is_near() -> None:
    found = watched(key_frame(0.0), frames=1)
    assert found.near(reference(0.0)) is None


@pytest.mark.parametrize(
    ("decoded_s", "near"),
    [(0.05, True), (0.2, True), (0.3, False)],
)
def test_times_of_different_clocks_are_not_compared(decoded_s: float, near: bool) -> None:
    # By the camera's clock, which is behind by a second, taken at the same moment as the frame by this device's.
    other = key_frame(-1.0, clock="rtcp", decoded_at=rfc3339(T0_S + decoded_s))
    found = watched(other)
    assert (found.near(reference(0.0, clock="arrival")) is not None) == near


def test_a_new_capture_process_makes_the_old_key_frames_worthless() -> None:
    found = watched(key_frame(-0.1), key_frame(5.0, epoch=8))
    assert found.near(reference(0.0)) is None


def test_what_came_twice_counts_once_and_a_camera_nobody_analyses_has_none() -> None:
    found = watched(key_frame(0.0), key_frame(0.0), key_frame(0.0, camera="yard", ring="yard.main"))
    assert found.outcomes == {"received": 1, "duplicate": 1, "unknown-camera": 1}
    found.forget("gate")
    assert found.near(reference(0.0)) is None
    found.take(key_frame(1.0))
    assert found.outcomes["unknown-camera"] == 2


def test_key_frames_are_expected_while_they_come() -> None:
    found = watched(key_frame(0.0))
    assert found.expected(reference(EXPECTED_FOR_S))
    assert not found.expected(reference(EXPECTED_FOR_S + 0.1))
    assert not watched().expected(reference(0.0))
    assert not KeyFrames().expected(reference(0.0))


@pytest.mark.parametrize(
    ("size", "same"),
    [((1920, 1080), True), ((2560, 1440), True), ((1280, 722), True), ((1280, 960), False), ((704, 576), False)],
)
def test_pictures_of_other_proportions_may_show_another_view(size: tuple[int, int], same: bool) -> None:
    assert same_view(reference(0.0), reference(0.0, width=size[0], height=size[1])) == same


@given(st.lists(st.tuples(st.sampled_from(["frame", "key"]), st.floats(-5, 5)), max_size=40), st.floats(-5, 5))
def test_whatever_comes_in_whatever_order_none_is_given_that_is_further_off(
    turns: list[tuple[str, float]], asked_s: float
) -> None:
    found = KeyFrames()
    for what, moment_s in turns:
        if what == "frame":
            found.analysed(reference(moment_s))
        else:
            found.take(key_frame(moment_s))
    near = found.near(reference(asked_s))
    assert near is None or abs(near.reference.frame / 1000 - asked_s) <= LONGEST_INTERVAL_S + 0.002
    camera = found._cameras.get("gate")
    assert camera is None or len(camera.key_frames) <= KEPT


def test_key_frames_in_a_message_are_told_from_frames_and_come_before_them() -> None:
    message = FramesMessage(
        shard="default", references=[reference(0.0)], key_frames=[key_frame(0.0).reference, key_frame(1.0).reference]
    )
    read = read_frames(IncomingMessage("frames", encode(message)))
    assert [(one.stream, one.reference.ring) for one in read] == [
        ("main", "gate.main"), ("main", "gate.main"), ("analysed", "gate"),
    ]  # fmt: skip


class EarlierFramesMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`safetygear.frames/1` before it had key frames."""

    schema: str
    shard: str
    references: list[FrameReference]


def test_a_reader_of_before_sees_the_frames_alone() -> None:
    body = encode(FramesMessage(shard="s", references=[reference(0.0)], key_frames=[key_frame(0.0).reference]))
    read = msgspec.json.decode(body, type=EarlierFramesMessage)
    assert [one.ring for one in read.references] == ["gate"]
    before = b'{"schema":"safetygear.frames/1","shard":"s","references":[]}'
    assert read_frames(IncomingMessage("frames", before)) == []
