"""Desired properties of the capture module: each camera judged alone, its last good configuration behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.frames.presence import ReaderBeat
from safetygear.messages.frames import ReadersMessage
from safetygear.twin.reading import FieldError, read_desired
from safetygear_capture.config import CameraConfig, CaptureTwin
from safetygear_capture.readers import MOST_SHARDS, FileReaders, MessageReaders

GOOD = {"url": "rtsp://10.0.0.1/1"}


def codes(cameras: Any, last_good: CaptureTwin | None = None) -> tuple[dict[str, str], CaptureTwin]:
    reading = read_desired(CaptureTwin, {"$version": 3, "cameras": cameras}, last_good=last_good)
    return {error.path: error.code for error in reading.errors}, reading.config


@pytest.mark.parametrize(
    ("camera", "field", "code"),
    [
        ({"url": "rtsp://viewer:opensesame@10.0.0.1/1"}, "url", "credentials-in-url"),
        ({"url": "rtsp://10.0.0.1/1?password=opensesame"}, "url", "credentials-in-url"),
        (GOOD | {"subStreamUrl": "rtsp://v:opensesame@10.0.0.1/2"}, "subStreamUrl", "credentials-in-url"),
        (GOOD | {"password": "opensesame"}, "password", "secret-reference-invalid"),
        (GOOD | {"password": "file:../../etc/shadow"}, "password", "secret-reference-invalid"),
        (GOOD | {"password": "env:PATH"}, "password", "secret-reference-invalid"),
        ({"url": "http://10.0.0.1/1"}, "url", "bad-format"),
        ({"url": "rtsp://10.0.0.1/a b"}, "url", "bad-format"),
        ({}, "url", "missing-field"),
        (GOOD | {"analysedFps": "5"}, "analysedFps", "wrong-type"),
        (GOOD | {"analysedFps": 0}, "analysedFps", "out-of-range"),
        (GOOD | {"analysedFps": 5e-324}, "analysedFps", "out-of-range"),
        (GOOD | {"analysedFps": 31}, "analysedFps", "out-of-range"),
        (GOOD | {"stallBudgetS": 1}, "stallBudgetS", "out-of-range"),
        (GOOD | {"transport": "http"}, "transport", "unknown-value"),
        (GOOD | {"shard": "a/b"}, "shard", "bad-format"),
        (GOOD | {"shard": "default\n"}, "shard", "bad-format"),
        (GOOD | {"subStreamUrl": "rtsp://10.0.0.1/2\n"}, "subStreamUrl", "bad-format"),
        (GOOD | {"fps": 5}, "fps", "unknown-field"),
        (GOOD | {"enabled": 1}, "enabled", "wrong-type"),
    ],
)
def test_a_mistake_is_named_and_the_last_good_camera_stays(camera: Any, field: str, code: str) -> None:
    _, before = codes({"gate": GOOD})
    found, config = codes({"gate": camera, "yard": GOOD}, before)
    assert found[f"cameras.gate.{field}"] == code
    assert "yard" in config.cameras, "the others are not touched"
    expected_url = GOOD["url"]
    assert config.cameras["gate"].url == expected_url
    errors = read_desired(CaptureTwin, {"cameras": {"gate": camera}}, last_good=None).errors
    assert "opensesame" not in str(errors)


def test_a_bad_camera_without_a_last_good_one_is_left_out() -> None:
    assert codes({"gate": {"url": 5}})[1].cameras == {}


@pytest.mark.parametrize("camera_id", ["", "a b", "../x", "a.b", "x" * 65, "é"])
def test_a_camera_id_becomes_a_file_name(camera_id: str) -> None:
    found, config = codes({camera_id: GOOD})
    assert set(found.values()) == {"invalid-id"}
    assert config.cameras == {}


def test_null_takes_a_camera_out() -> None:
    _, before = codes({"gate": GOOD, "yard": GOOD})
    found, config = codes({"gate": None, "yard": GOOD}, before)
    assert (found, list(config.cameras)) == ({}, ["yard"])


@pytest.mark.parametrize("cameras", [[GOOD], "gate", 5, True])
def test_cameras_that_are_no_object_keep_all_that_was(cameras: Any) -> None:
    _, before = codes({"gate": GOOD})
    found, config = codes(cameras, before)
    assert found == {"cameras": "wrong-type"}
    assert config == before


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.sampled_from(["rtsp://u:p@h/", "file:x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cameras", "gate", "url", "password", "analysedFps", "logLevel"]) | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(json_values)
def test_no_json_breaks_the_reading(desired: Any) -> None:
    reading = read_desired(CaptureTwin, desired, last_good=None)
    assert all(isinstance(error, FieldError) for error in reading.errors)
    for camera in reading.config.cameras.values():
        assert not list(camera.check())


def test_defaults() -> None:
    camera = msgspec.convert(GOOD, CameraConfig)
    assert (camera.analysed_fps, camera.transport, camera.stall_budget_s, camera.reader) == (
        5.0,
        "tcp",
        10.0,
        "default",
    )
    assert (camera.tls_verify, camera.enabled, camera.analysed_url) == (True, True, GOOD["url"])


def test_file_readers_tell_a_missing_folder_from_a_missing_reader(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    readers = FileReaders(frames)
    assert readers.missing("default", 0.0) == "ring-folder-missing"
    frames.mkdir()
    assert readers.missing("default", 0.0) == "no-reader"
    beat = ReaderBeat(frames, "default", "test")
    beat.beat()
    assert readers.missing("default", 1.0) is None
    assert readers.missing("other", 1.0) == "no-reader"
    assert readers.missing("default", 5.9) is None
    assert readers.missing("default", 6.0) == "no-reader"


def test_message_readers_are_heard_and_bounded() -> None:
    readers = MessageReaders()
    assert readers.missing("default", 0.0) == "no-reader"
    readers.heard(ReadersMessage(instance="a", shards=["default"]), 1.0)
    assert [readers.missing("default", now_s) for now_s in (5.9, 6.0)] == [None, "no-reader"]
    for number in range(10):
        readers.heard(ReadersMessage(instance="a", shards=[f"s{number}-{n}" for n in range(200)]), 7.0)
    assert len(readers._presences) == MOST_SHARDS
    readers.heard(ReadersMessage(instance="a", shards=["default"]), 8.0)
    assert readers.missing("default", 8.0) is None
