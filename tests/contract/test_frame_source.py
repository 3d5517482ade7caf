"""One suite for every FrameSource: the scripted one, and PyAV on a real RTSP server over TCP and UDP."""

from __future__ import annotations

import itertools
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pytest

from safetygear.errors import CameraError
from safetygear.secret_references import Secret
from safetygear_capture import kept_packets, rtsp
from safetygear_capture.reasons import explain
from safetygear_capture.rtsp import open_rtsp
from safetygear_capture.rtsp_fake import Between, Fails, ScriptedCamera, Step, picture
from safetygear_capture.source import DecodedFrame, FrameSource, SourceRequest
from safetygear_workbench.cameras import session
from safetygear_workbench.cameras.authentication import Credentials, Scheme
from safetygear_workbench.cameras.clip import Clip
from safetygear_workbench.cameras.faults import Faults
from safetygear_workbench.cameras.session import describe
from safetygear_workbench.edge_runtime.pki import Certificates, ensure_certificates
from support.camera import RunningCamera, start_camera
from support.clips import NUMBER_BITS, make_clip, read_number

WIDTH, HEIGHT = 320, 180
PASSWORD = "zebra/w@ter:1"  # what has to be escaped in a URL
OPEN_TIMEOUT_S, READ_TIMEOUT_S = 2.0, 1.0


def request(url: str = "rtsp://fake/a", **changes: Any) -> SourceRequest:
    values: dict[str, Any] = {
        "url": url, "username": None, "password": None, "transport": "tcp", "tls_verify": True,
        "open_timeout_s": OPEN_TIMEOUT_S, "read_timeout_s": READ_TIMEOUT_S,
    }  # fmt: skip
    return SourceRequest(**(values | changes))


class World(Protocol):
    """A kind of camera, and what can be wrong with it."""

    def open(
        self, fault: str = "none", key_frames_apart_s: float | None = None, *, keeps_between: bool = False
    ) -> FrameSource: ...


class FakeWorld:
    SCRIPTS: ClassVar[dict[str, list[Step] | Fails]] = {
        "none": [picture(width=WIDTH, height=HEIGHT, pts_s=n / 25, keyframe=n % 25 == 0) for n in range(100)],
        "stall": [picture(), Fails("stall")],
        "between": [*[Between()] * 24, picture(width=WIDTH, height=HEIGHT)],
        "drop": [picture()],
        "unauthorized": Fails("auth-failed"),
        "hang": Fails("timeout"),
        "status": Fails("not-found"),
    }

    def open(
        self, fault: str = "none", key_frames_apart_s: float | None = None, *, keeps_between: bool = False
    ) -> FrameSource:
        wanted = request(key_frames_apart_s=key_frames_apart_s, keeps_between=keeps_between)
        return ScriptedCamera(self.SCRIPTS[fault])(wanted)


class RealWorld:
    FAULTS: ClassVar[dict[str, dict[str, Any]]] = {
        "none": {},
        "stall": {"stall_after_s": 0.5},
        "between": {"start_between_key_frames": 1},
        "drop": {"drop_after_s": 0.5},
        "unauthorized": {"unauthorized": 1},
        "hang": {"hang": "DESCRIBE"},
        "status": {"status": 404},
    }

    def __init__(self, camera: RunningCamera, name: str, transport: str) -> None:
        self._camera, self._name, self._transport = camera, name, transport

    def open(
        self, fault: str = "none", key_frames_apart_s: float | None = None, *, keeps_between: bool = False
    ) -> FrameSource:
        url = self._camera.url(self._name, **self.FAULTS[fault])
        return open_rtsp(
            request(
                url,
                transport=self._transport,
                key_frames_apart_s=key_frames_apart_s,
                keeps_between=keeps_between,
            )
        )


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "h264": make_clip(folder / "h264.mp4", width=WIDTH, height=HEIGHT),
        "hevc": make_clip(folder / "hevc.mp4", width=WIDTH, height=HEIGHT, codec="hevc"),
    }


@pytest.fixture(scope="module")
def camera(clips: dict[str, Path]) -> Iterator[RunningCamera]:
    with start_camera(clips) as running:
        yield running


@pytest.fixture(params=["fake", "h264-tcp", "h264-udp", "hevc-tcp", "hevc-udp"])
def world(request: pytest.FixtureRequest, camera: RunningCamera) -> World:
    if request.param == "fake":
        return FakeWorld()
    name, transport = request.param.split("-")
    return RealWorld(camera, name, transport)


def read_frames(source: FrameSource, count: int) -> list[DecodedFrame]:
    frames: list[DecodedFrame] = []
    while len(frames) < count:
        frames += source.read()
    return frames


def failure(source: FrameSource) -> CameraError:
    """What ends the stream."""
    with pytest.raises(CameraError) as caught:
        while True:
            source.read()
    return caught.value


def test_an_open_stream_gives_frames_and_their_planes(world: World) -> None:
    source = world.open()
    try:
        frames = read_frames(source, 20)
        assert {(frame.width, frame.height, frame.corrupt) for frame in frames} == {(WIDTH, HEIGHT, False)}
        times_s = [frame.pts_s for frame in frames if frame.pts_s is not None]
        assert times_s == sorted(times_s)
        assert times_s[-1] - times_s[0] == pytest.approx((len(times_s) - 1) / 25, abs=0.005)
        planes = frames[-1].load()
        chroma = (HEIGHT // 2, WIDTH // 2)
        assert [plane.shape for plane in planes.arrays] == [(HEIGHT, WIDTH), chroma, chroma]
        assert planes.pixel_format == "i420"
    finally:
        source.close()


@pytest.mark.parametrize(
    ("fault", "code"), [("unauthorized", "auth-failed"), ("status", "not-found"), ("hang", "timeout")]
)
def test_a_camera_that_refuses_or_is_silent_gives_a_code_in_time(world: World, fault: str, code: str) -> None:
    started_s = time.monotonic()
    with pytest.raises(CameraError) as caught:
        world.open(fault)
    assert (caught.value.code, str(caught.value)) == (code, explain(code))
    assert time.monotonic() - started_s < 2 * OPEN_TIMEOUT_S + 3


def test_silence_on_an_open_stream_is_a_stall(world: World) -> None:
    source = world.open("stall")
    try:
        started_s = time.monotonic()
        assert failure(source).code == "stall"
        assert time.monotonic() - started_s < 0.5 + 2 * READ_TIMEOUT_S + 3
    finally:
        source.close()


def test_a_stream_that_ends_says_so(world: World) -> None:
    source = world.open("drop")
    try:
        assert failure(source).code in ("end-of-stream", "connection-lost")
    finally:
        source.close()


def test_close_may_be_called_twice_and_ends_reading(world: World) -> None:
    source = world.open()
    read_frames(source, 1)
    source.close()
    source.close()
    with pytest.raises(CameraError) as caught:
        source.read()
    assert caught.value.code == "closed"


def test_key_frames_only_and_back(world: World) -> None:
    source = world.open()
    try:
        read_frames(source, 3)
        source.key_frames_only(True)
        read_frames(source, 1)  # the decoder may still hold one from before
        assert read_frames(source, 1)[-1].keyframe
        source.key_frames_only(False)
        assert not all(frame.keyframe for frame in read_frames(source, 5))
    finally:
        source.close()


def test_where_only_key_frames_are_wanted_nothing_else_is_decoded(world: World) -> None:
    source = world.open(key_frames_apart_s=0.0)
    try:
        found: list[DecodedFrame] = []
        awaited: list[bool] = []
        while len(found) < 3:
            frames = source.read()
            found += frames
            awaited.append(source.awaits_key_frame)
            assert len(frames) == (not source.awaits_key_frame), "the key frame's own read gives its picture"
            source.key_frames_only(False)
        assert all(frame.keyframe for frame in found)
        times_s = [frame.pts_s for frame in found[1:] if frame.pts_s is not None]
        assert times_s[1] - times_s[0] == pytest.approx(1.0, abs=0.005), "each key frame: one in 25 pictures"
        assert sum(awaited) >= 40
        assert source.decode_errors == 0
    finally:
        source.close()


def test_key_frames_that_come_too_close_together_are_left_out(world: World) -> None:
    source = world.open(key_frames_apart_s=1.5)
    try:
        times_s = [frame.pts_s for frame in read_frames(source, 2) if frame.pts_s is not None]
        assert len(times_s) < 2 or times_s[1] - times_s[0] == pytest.approx(2.0, abs=0.005)
    finally:
        source.close()


def test_what_lies_between_key_frames_can_be_had_at_any_time_and_given_up_again(world: World) -> None:
    source = world.open(key_frames_apart_s=0.0, keeps_between=True)
    try:
        key_frame = read_frames(source, 2)[-1]  # the first one's time is not known yet
        for _ in range(10):
            assert source.read() == []
        source.decode_between(True)
        frames = read_frames(source, 6)
        assert not frames[0].keyframe, "it does not wait for the next key frame"
        times_s = [frame.pts_s for frame in frames if frame.pts_s is not None]
        steps_s = [after - before for before, after in itertools.pairwise(times_s)]
        assert steps_s == pytest.approx([0.04] * 5, abs=0.005), "none is left out"
        assert key_frame.pts_s is not None
        assert 0.3 <= times_s[0] - key_frame.pts_s <= 0.6, "and it is the newest"
        assert source.kept_outcomes == {"decoded": 1}
        source.decode_between(False)
        assert all(frame.keyframe for frame in read_frames(source, 2))
        source.decode_between(True)
        assert not all(frame.keyframe for frame in read_frames(source, 3))
        assert source.decode_errors == 0
    finally:
        source.close()


def test_what_was_not_kept_can_not_be_had(world: World) -> None:
    source = world.open(key_frames_apart_s=0.0)
    try:
        read_frames(source, 1)
        source.decode_between(True)
        assert all(frame.keyframe for frame in read_frames(source, 2))
    finally:
        source.close()


def test_before_the_first_key_frame_it_is_said_that_one_is_awaited(world: World) -> None:
    source = world.open("between")
    try:
        packets = 0
        while not source.read():
            packets += 1
            assert source.awaits_key_frame
        assert packets >= 20
        assert not source.awaits_key_frame
    finally:
        source.close()


# The real one only.


def test_pictures_from_between_key_frames_are_whole(camera: RunningCamera) -> None:
    """A decoder that went on from somewhere else would smear them."""
    source = open_rtsp(request(camera.url("h264"), key_frames_apart_s=0.0, keeps_between=True))
    try:
        read_frames(source, 1)
        for _ in range(7):
            source.read()
        source.decode_between(True)
        numbers = [read_number(frame.load().arrays[0]) for frame in read_frames(source, 5)]
        assert numbers == list(range(numbers[0], numbers[0] + 5))
        assert not any(frame.corrupt for frame in read_frames(source, 2))
    finally:
        source.close()


def test_no_call_spends_long_on_what_was_kept_and_a_key_frame_ends_it(
    camera: RunningCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no time at all each call decodes one of them while another one comes: only a key frame gets it out."""
    monkeypatch.setattr(rtsp, "CATCH_UP_S", 0.0)
    source = open_rtsp(request(camera.url("h264"), key_frames_apart_s=0.0, keeps_between=True))
    try:
        read_frames(source, 2)
        for _ in range(10):
            source.read()
        source.decode_between(True)
        for _ in range(8):
            assert source.read() == []
            assert source.awaits_key_frame, "nothing is wrong with the camera"
        frames = read_frames(source, 5)
        assert [frame.keyframe for frame in frames] == [True, False, False, False, False]
        numbers = [read_number(frame.load().arrays[0]) for frame in frames]
        assert [number - numbers[0] for number in numbers] == [0, 1, 2, 3, 4]
        assert not source.awaits_key_frame
        assert source.decode_errors == 0
    finally:
        source.close()


def test_what_was_kept_is_decoded_by_as_many_calls_as_it_takes(
    camera: RunningCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_rtsp(request(camera.url("h264"), key_frames_apart_s=0.0, keeps_between=True))
    try:
        key_frame = read_frames(source, 2)[-1]
        for _ in range(8):
            source.read()
        monkeypatch.setattr(rtsp, "CATCH_UP_S", 0.0)
        source.decode_between(True)
        assert [source.read() for _ in range(3)] == [[], [], []]
        monkeypatch.setattr(rtsp, "CATCH_UP_S", 10.0)
        (newest,) = source.read()
        assert newest.pts_s is not None and key_frame.pts_s is not None
        assert newest.pts_s - key_frame.pts_s == pytest.approx(12 / 25, abs=0.005)
    finally:
        source.close()


def test_where_too_much_was_kept_it_goes_on_from_the_next_key_frame(
    camera: RunningCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_packets, "MOST_PACKETS", 5)
    source = open_rtsp(request(camera.url("h264"), key_frames_apart_s=0.0, keeps_between=True))
    try:
        read_frames(source, 2)
        for _ in range(8):
            source.read()
        source.decode_between(True)
        assert source.read() == []
        assert source.awaits_key_frame
        assert read_frames(source, 1)[0].keyframe
        assert source.kept_outcomes == {"too-many": 2, "waited": 1}, "one for each of both key frames"
    finally:
        source.close()


@pytest.mark.parametrize("name", ["h264", "hevc"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pictures_arrive_whole_in_order_and_with_the_cameras_time(
    camera: RunningCamera, name: str, transport: str
) -> None:
    source = open_rtsp(request(camera.url(name), transport=transport))
    try:
        frames = read_frames(source, 40)
        now_s = time.time()
        assert source.codec == name
        assert source.decode_errors == 0
        numbers = [read_number(frame.load().arrays[0]) for frame in frames]
        assert numbers == [number % 75 for number in range(numbers[0], numbers[0] + 40)]
        # The first sender report comes with the first packet: over UDP it may come after it.
        assert sum(frame.camera_s is None for frame in frames) <= (3 if transport == "udp" else 0)
        last = frames[-1]
        assert last.camera_s is not None
        assert last.pts_s is not None
        assert 0 <= now_s - last.camera_s < 2
        earlier = frames[10]
        assert earlier.camera_s is not None
        assert earlier.pts_s is not None
        assert last.camera_s - earlier.camera_s == pytest.approx(last.pts_s - earlier.pts_s, abs=0.005)
    finally:
        source.close()


FORMATS: dict[str, dict[str, Any]] = {
    "usual": {},
    "full-range": {"pixel_format": "yuvj420p"},
    "full-range-444": {"pixel_format": "yuvj444p"},
    "422": {"pixel_format": "yuv422p"},
    "ten-bits": {"pixel_format": "yuv420p10le", "codec": "hevc"},
    "odd-size": {"width": 318, "height": 178},
    "full-range-hevc": {"pixel_format": "yuvj420p", "codec": "hevc"},
}


@pytest.fixture(scope="module")
def of_each_format(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCamera]:
    folder = tmp_path_factory.mktemp("formats")
    size = {"width": WIDTH, "height": HEIGHT, "frames": 10, "keyframe_every": 5}
    with start_camera(
        {name: make_clip(folder / f"{name}.mp4", **(size | what)) for name, what in FORMATS.items()}
    ) as running:
        yield running


@pytest.mark.parametrize("name", FORMATS)
def test_planes_are_4_2_0_in_video_range_whatever_the_camera_sends(of_each_format: RunningCamera, name: str) -> None:
    """Full range, which many cameras send, taken for video range would make shadows black and helmets white."""
    source = open_rtsp(request(of_each_format.url(name)))
    try:
        frame = read_frames(source, 3)[-1]
        planes = frame.load()
        width, height = FORMATS[name].get("width", WIDTH), FORMATS[name].get("height", HEIGHT)
        chroma = (height // 2, width // 2)
        assert [plane.shape for plane in planes.arrays] == [(height, width), chroma, chroma]
        assert planes.pixel_format == "i420"
        # Of a number below 8, squares from the fourth on are black: 16 of 0..255; the first three have both levels.
        luma = planes.arrays[0]
        levels = [float(np.median(luma[4:8, 12 * bit + 4 : 12 * bit + 8])) for bit in range(NUMBER_BITS)]
        assert levels[-1] == pytest.approx(16 + 16 * 219 / 255, abs=3)
        assert max(levels) == pytest.approx(16 + 235 * 219 / 255, abs=3)
    finally:
        source.close()


def test_a_key_frame_is_not_held_back_by_a_decoder_that_expects_b_frames(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "b.mp4", width=WIDTH, height=HEIGHT, b_frames=2)
    with start_camera({"b": clip}) as camera:
        source = open_rtsp(request(camera.url("b"), key_frames_apart_s=0.0))
        try:
            frames = read_frames(source, 3)
            late_s = [time.time() - frame.camera_s for frame in frames[-1:] if frame.camera_s is not None]
            assert [number % 25 for number in (read_number(frame.load().arrays[0]) for frame in frames)] == [0, 0, 0]
            assert late_s and late_s[0] < 0.9, "sooner than the next one"
        finally:
            source.close()


def test_without_a_gpu_pictures_are_decoded_in_software_and_it_is_said_why(camera: RunningCamera) -> None:
    source = open_rtsp(request(camera.url("h264"), decode="vaapi"))
    (frame,) = read_frames(source, 1)
    assert frame.load().pixel_format in ("i420", "nv12")
    if source.decoding.decoder == "software":  # a developer's machine may have one
        assert source.decoding.reason
    source.close()


def test_without_sender_reports_there_is_no_camera_time(camera: RunningCamera) -> None:
    source = open_rtsp(request(camera.url("h264", no_sender_report=1)))
    try:
        assert {frame.camera_s for frame in read_frames(source, 10)} == {None}
    finally:
        source.close()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"status": 400}, "bad-request"),
        ({"status": 403}, "forbidden"),
        ({"status": 453}, "busy"),
        ({"status": 503}, "server-error"),
        ({"status": 429}, "busy"),
        ({"no_video": 1}, "no-video"),
        ({"status": 302}, "redirect-loop"),
        ({"play_status": 454}, "protocol"),
        ({"play_status": 503}, "server-error"),
        ({"hang": "PLAY"}, "timeout"),
        ({"hang": "OPTIONS"}, "timeout"),
    ],
)
def test_each_refusal_has_its_code(camera: RunningCamera, query: dict[str, Any], code: str) -> None:
    with pytest.raises(CameraError) as caught:
        open_rtsp(request(camera.url("h264", **query), open_timeout_s=1.0))
    assert caught.value.code == code


def test_a_track_that_sends_nothing_neither_delays_the_stream_nor_is_taken_for_it(camera: RunningCamera) -> None:
    started_s = time.monotonic()
    source = open_rtsp(request(camera.url("h264", silent_track=1), open_timeout_s=10.0))
    try:
        read_frames(source, 10)
        assert time.monotonic() - started_s < 4
    finally:
        source.close()


def with_a_silent_hevc_track(camera: RunningCamera) -> Callable[[Clip, Faults], bytes]:
    """An SDP whose first track is H.265, tells its parameter sets and sends nothing: FFmpeg knows its size."""
    sets = camera.server.clips["hevc"].format_parameters()

    def described(clip: Clip, faults: Faults) -> bytes:
        silent = f"a=rtpmap:97 H265/90000\r\na=fmtp:97 {sets}\r\n".encode()
        return describe(clip, faults).replace(b"a=rtpmap:97 H264/90000\r\n", silent)

    return described


def test_a_track_that_tells_its_size_and_sends_nothing_gives_way_to_one_that_sends(
    camera: RunningCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "describe", with_a_silent_hevc_track(camera))
    source = open_rtsp(request(camera.url("h264", silent_track=1), open_timeout_s=10.0))
    try:
        assert source.codec == "hevc"
        numbers = [read_number(frame.load().arrays[0]) for frame in read_frames(source, 30)]
        assert numbers == [number % 75 for number in range(numbers[0], numbers[0] + 30)]
        assert source.codec == "h264"
    finally:
        source.close()


def test_a_track_that_sends_nothing_is_a_stall_however_much_comes_of_one_that_can_not_be_decoded(
    camera: RunningCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = with_a_silent_hevc_track(camera)
    monkeypatch.setattr(
        session, "describe", lambda clip, faults: described(clip, faults).replace(b"96 H264", b"96 H999")
    )
    source = open_rtsp(request(camera.url("h264", silent_track=1)))
    try:
        assert failure(source).code == "stall"
        assert source.bytes_read == 0
    finally:
        source.close()


def test_nothing_listens(camera: RunningCamera) -> None:
    with pytest.raises(CameraError) as caught:
        open_rtsp(request("rtsp://127.0.0.1:9/a"))
    assert caught.value.code == "refused-connection"


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_a_stream_that_is_announced_as_another_codec_gives_packets_but_no_picture(
    camera: RunningCamera, name: str
) -> None:
    source = open_rtsp(request(camera.url(name, wrong_codec=1), open_timeout_s=1.0, read_timeout_s=5.0))
    try:
        assert [frame for _ in range(2) for frame in source.read()] == []
        assert not source.awaits_key_frame
    finally:
        source.close()


def test_damage_is_marked_in_h264(camera: RunningCamera) -> None:
    source = open_rtsp(request(camera.url("h264", corrupt=0.5)))
    try:
        assert any(frame.corrupt for frame in read_frames(source, 30))
    finally:
        source.close()


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_credentials(clips: dict[str, Path], scheme: Scheme) -> None:
    with start_camera(clips, credentials=Credentials("viewer", PASSWORD, scheme)) as camera:
        url = camera.url("h264")
        source = open_rtsp(request(url, username=Secret("viewer"), password=Secret(PASSWORD)))
        read_frames(source, 1)
        source.close()
        for password in (Secret(PASSWORD + "x"), None):
            with pytest.raises(CameraError) as caught:
                open_rtsp(request(url, username=Secret("viewer"), password=password))
            assert caught.value.code == "auth-failed"
            told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__.__dict__)
            assert "zebra" not in told


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return ensure_certificates(tmp_path_factory.mktemp("pki"), ["127.0.0.1"], time.time())


def test_rtsps(clips: dict[str, Path], certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_camera(clips, tls=certificates.server_context()) as camera:
        url = camera.url("h264")
        source = open_rtsp(request(url, tls_verify=False))
        assert read_number(read_frames(source, 1)[0].load().arrays[0]) < 75
        source.close()
        with pytest.raises(CameraError) as caught:
            open_rtsp(request(url))
        assert caught.value.code == "tls-certificate"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        source = open_rtsp(request(url))
        read_frames(source, 1)
        source.close()
