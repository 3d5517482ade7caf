"""Cameras are spread over inference instances by their ids, and stay where they are."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from safetygear_capture.config import CameraConfig
from safetygear_capture.shards import placed, shard_of

NAMES = [f"cam-{number}" for number in range(200)]
names = st.text("abcXYZ019-_", min_size=1, max_size=12)
shards = st.lists(names, min_size=1, max_size=6, unique=True)


@given(names, shards, st.randoms())
def test_the_order_of_the_shards_says_nothing(camera: str, given_: list[str], random: object) -> None:
    shuffled = sorted(given_, key=lambda name: hash((name, str(random))))
    assert shard_of(camera, given_) == shard_of(camera, shuffled)


@given(shards, names)
def test_one_shard_more_moves_only_the_cameras_that_it_takes(before: list[str], new: str) -> None:
    for camera in NAMES[:50]:
        was, now = shard_of(camera, before), shard_of(camera, [*before, new])
        assert now in (was, new)


def test_cameras_are_spread() -> None:
    counts = Counter(shard_of(camera, ["left", "right"]) for camera in NAMES)
    assert min(counts.values()) > 70


def test_a_camera_that_names_its_shard_keeps_it() -> None:
    cameras = {
        "gate": CameraConfig(url="rtsp://10.0.0.1/1", shard="night"),
        "yard": CameraConfig(url="rtsp://10.0.0.2/1"),
    }
    found = placed(cameras, ["day"])
    assert (found["gate"].reader, found["yard"].reader) == ("night", "day")
    assert cameras["yard"].shard is None, "what was given is not changed"
