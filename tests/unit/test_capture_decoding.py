"""Which decoder is tried, and what is said where it is another one than was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av
import pytest
from av.codec.hwaccel import HWAccel

from safetygear.clock import FakeClock
from safetygear.errors import CameraError
from safetygear_capture import vaapi
from safetygear_capture.camera_thread import CameraThread
from safetygear_capture.config import CameraConfig
from safetygear_capture.decoding import (
    FAILED,
    NO_DECODER,
    NO_DEVICE,
    NO_RENDER_NODE,
    NOT_BUILT,
    NOT_PERMITTED,
    SOFTWARE,
    Decode,
    Decoding,
    choose,
)
from safetygear_capture.desk import CameraDesk
from safetygear_capture.rtsp_fake import Fails, ScriptedCamera, picture
from safetygear_capture.source import FrameMoment, Planes, SourceRequest

NODE, OTHER = "/dev/dri/renderD128", "/dev/dri/renderD129"


@pytest.mark.parametrize(
    ("decode", "built_in", "nodes", "chosen"),
    [
        ("software", ["vaapi"], {NODE: True}, (None, "")),
        ("vaapi", ["vaapi"], {NODE: True, OTHER: True}, (NODE, "")),
        ("vaapi", ["vaapi"], {NODE: False, OTHER: True}, (OTHER, "")),
        ("vaapi", ["vaapi"], {NODE: False}, (None, NOT_PERMITTED)),
        ("vaapi", ["cuda"], {NODE: True}, (None, NOT_BUILT)),
        ("vaapi", ["vaapi"], {}, (None, NO_RENDER_NODE)),
        ("auto", ["vaapi"], {NODE: True}, (NODE, "")),
        ("auto", ["cuda"], {}, (None, NO_RENDER_NODE)),
    ],
)
def test_what_is_tried(
    decode: Decode, built_in: list[str], nodes: Mapping[str, bool], chosen: tuple[str | None, str]
) -> None:
    assert choose(decode, built_in=built_in, render_nodes=nodes) == chosen


def test_a_machine_without_a_gpu_decodes_in_software_and_says_why(tmp_path: Path) -> None:
    assert vaapi.accelerator("software", tmp_path) == (None, SOFTWARE)
    assert vaapi.accelerator("auto", tmp_path / "missing") == (None, Decoding("software", NO_RENDER_NODE))
    assert vaapi.accelerator("vaapi", tmp_path) == (None, Decoding("software", NO_RENDER_NODE))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotImplementedError("no config"), NO_DECODER),
        (OSError(5, "Input/output error"), NO_DEVICE),
        (av.FFmpegError(5, "Input/output error"), NO_DEVICE),
    ],
)
def test_a_gpu_that_can_not_be_opened_is_named(
    error: Exception, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a video library that knows VA-API; the one of PyAV's own wheels does not."""

    class Broken:
        def __init__(self, *args: object, **options: object) -> None: ...

        def create(self, codec: object) -> HWAccel:
            raise error

    (tmp_path / "renderD128").touch()
    monkeypatch.setattr(vaapi, "HWAccel", Broken)
    monkeypatch.setattr(vaapi, "hwdevices_available", lambda: ["vaapi"])
    assert vaapi.accelerator("auto", tmp_path) == (None, Decoding("software", reason))


def test_the_video_library_in_use_is_asked_what_it_was_built_with(tmp_path: Path) -> None:
    (tmp_path / "renderD128").touch()
    hardware, decoding = vaapi.accelerator("vaapi", tmp_path)
    assert hardware is None, "an empty file is no GPU"
    assert decoding.decoder == "software"
    assert decoding.reason in (NOT_BUILT, NO_DEVICE)


class NoSink:
    def hand_over(self, planes: Planes, moment: FrameMoment) -> tuple[object, None]:
        raise CameraError("no room", code="ring-no-space")

    def close(self) -> None: ...


def request(decode: Decode = "auto") -> SourceRequest:
    return SourceRequest("rtsp://gate/1", None, None, "tcp", True, 1.0, 1.0, decode=decode)


def attempts(camera: ScriptedCamera, number: int) -> CameraDesk:
    clock = FakeClock()
    desk = CameraDesk("gate", CameraConfig(url="rtsp://gate/1", decode="auto"), clock, lambda: None)
    thread = CameraThread(
        desk, open_source=camera, request=request, sink=NoSink(), put=lambda _: None, clock=clock  # type: ignore[arg-type]  # it refuses before it makes a reference
    )  # fmt: skip
    for _ in range(number):
        thread._attempt()
    return desk


def test_what_decodes_is_the_cameras_status() -> None:
    desk = attempts(ScriptedCamera([picture()], accelerated=Decoding("vaapi")), 1)
    status = desk.status()
    assert (status.decoder, status.decoder_reason) == ("vaapi", "")


def test_a_stream_that_turns_out_to_be_none_for_the_gpu_is_told() -> None:
    desk = attempts(ScriptedCamera([picture()], accelerated=Decoding("software", NO_DECODER)), 1)
    status = desk.status()
    assert (status.decoder, status.decoder_reason) == ("software", NO_DECODER)


@pytest.mark.parametrize(
    ("ends", "next_decode"), [("wrong-codec", "software"), ("no-key-frame", "software"), ("connection-lost", "auto")]
)
def test_after_an_attempt_without_a_picture_the_gpu_is_not_tried_again(ends: str, next_decode: str) -> None:
    camera = ScriptedCamera([picture(), Fails(ends)], [picture(), Fails("stall")], accelerated=Decoding("vaapi"))
    desk = attempts(camera, 2)
    assert [one.decode for one in camera.requests] == ["auto", next_decode]
    assert desk.decoding == (Decoding("software", FAILED) if next_decode == "software" else Decoding("vaapi"))
