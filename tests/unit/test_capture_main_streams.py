"""A camera's main stream: opened beside the sub-stream for key frames only, and no harm to it whatever happens."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetygear.clock import FakeClock
from safetygear.errors import CameraError, FrameError
from safetygear.frames.ring import FrameRingReader, FrameRingWriter
from safetygear.hub.port import MethodRequest
from safetygear.messages.codec import decode
from safetygear.messages.frames import CameraStatus, FrameReference, FramesMessage, Stream
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear_capture import camera, camera_ring, camera_thread
from safetygear_capture.camera_ring import MAIN_SLOTS, TRY_AGAIN_S, CameraRing
from safetygear_capture.config import CameraConfig
from safetygear_capture.desk import CameraDesk
from safetygear_capture.fleet import MOST_MAIN_HANGING, Fleet, hung_after_s
from safetygear_capture.handover import Handover, Mailbox, messages_of
from safetygear_capture.main_streams import KEY_FRAMES_FPS, main_stream_of
from safetygear_capture.rtsp_fake import Calls, Fails, ScriptedSource, Step, picture
from safetygear_capture.source import FrameMoment, FrameSource, Planes, SourceRequest
from support.capture_app import running
from support.runtime import wait_until

TIMEOUT_S = 10.0
MAIN, SUB = "rtsp://gate/main", "rtsp://gate/sub"
GATE = {"cameras": {"gate": {"url": MAIN, "subStreamUrl": SUB}}}


class TwoStreams:
    """An OpenSource: each URL has a camera of its own. `opened`: the requests, as they came."""

    def __init__(self, **cameras: Callable[[SourceRequest], FrameSource]) -> None:
        self.opened: list[SourceRequest] = []
        self._cameras = cameras

    def __call__(self, request: SourceRequest) -> FrameSource:
        self.opened.append(request)
        return self._cameras[request.url.rpartition("/")[2]](request)

    def requests(self, url: str) -> list[SourceRequest]:
        return [request for request in self.opened if request.url == url]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads wait in real time, of which `Stage.until` gives them about a second."""
    monkeypatch.setattr(camera, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(camera_thread, "LOOK_AGAIN_S", 0.01)


@pytest.fixture
def hold() -> Any:
    event = threading.Event()
    yield event
    event.set()


def waits(event: threading.Event) -> Calls:
    def wait() -> None:
        event.wait(TIMEOUT_S)

    return Calls(wait)


def playing(hold: threading.Event, *steps: Step) -> Callable[[SourceRequest], FrameSource]:
    """The same again at each attempt, then nothing until the test is over."""
    return lambda request: ScriptedSource([*steps, waits(hold)], request.key_frames_apart_s)


def refusing(code: str) -> Callable[[SourceRequest], FrameSource]:
    def refuse(_: SourceRequest) -> FrameSource:
        raise CameraError("no", code=code)

    return refuse


@pytest.mark.parametrize(
    ("config", "opened"),
    [
        (CameraConfig(url=MAIN, sub_stream_url=SUB), True),
        (CameraConfig(url=MAIN), False),
        (CameraConfig(url=MAIN, sub_stream_url=MAIN), False),
        (CameraConfig(url=MAIN, sub_stream_url=SUB, main_stream="off"), False),
        (CameraConfig(url=MAIN, sub_stream_url=SUB, enabled=False), False),
    ],
)
def test_which_cameras_have_a_main_stream_beside_the_analysed_one(config: CameraConfig, opened: bool) -> None:
    found = main_stream_of(config)
    assert (found is not None) == opened
    if found is not None:
        assert (found.analysed_url, found.frames, found.freeze_after_s) == (MAIN, "key-frames", 0.0)


async def test_key_frames_of_the_main_stream_come_beside_the_frames_of_the_sub_stream(
    tmp_path: Path, hold: threading.Event
) -> None:
    begin = threading.Event()
    large = [picture(level, width=64, height=48, pts_s=level / 2, keyframe=level % 4 == 0) for level in range(9)]
    small = [picture(level, pts_s=level / 5) for level in range(3)]
    cameras = TwoStreams(main=playing(hold, waits(begin), *large), sub=playing(hold, waits(begin), *small))
    async with running(tmp_path, GATE, cameras) as stage:
        await stage.until(lambda: len(stage.sent("cameras")) > 1, "a reader that is known to the cameras")
        begin.set()
        await stage.until(lambda: references_of_both(stage), "their references")
        await stage.until(lambda: newest_status(stage)["framesDecoded"] == 3, "a status after all of them")
        await stage.until(lambda: newest_status(stage)["mainStream"]["keyFramesDecoded"] == 3, "likewise")
        (main,) = cameras.requests(MAIN)
        (sub,) = cameras.requests(SUB)
        assert main.key_frames_apart_s == pytest.approx(0.9 / KEY_FRAMES_FPS)
        assert sub.key_frames_apart_s is None
        status = newest_status(stage)
        assert status["width"] == 16
        assert status["mainStream"]["width"] == 64
        await stage.until(lambda: stage.hub.reported["cameras"]["gate"]["mainStream"]["reason"] == "ok", "it reported")
        assert stage.hub.reported["cameras"]["gate"]["mainStream"].keys() == {"state", "reason", "since"}
        assert (tmp_path / "gate").exists() and (tmp_path / "gate.main").exists()
        stage.hub.patch_desired({"cameras": {"gate": None}})
        hold.set()
        await stage.until(lambda: not (tmp_path / "gate.main").exists() and not (tmp_path / "gate").exists(), "an end")


def references_of_both(stage: Any) -> bool:
    """Whether frames and key frames have been sent, each in its own list."""
    sent = stage.sent("frames")
    frames = {one["ring"] for message in sent for one in message["references"]}
    key_frames = {(one["camera"], one["ring"], one["width"]) for message in sent for one in message["keyFrames"]}
    return (frames, key_frames) == ({"gate"}, {("gate", "gate.main", 64)})


def newest_status(stage: Any) -> dict[str, Any]:
    """The newest status of the camera that was sent."""
    found = [camera for message in stage.sent("cameras") for camera in message["cameras"]]
    return found[-1] if found else {}


async def test_the_main_stream_is_opened_only_while_the_analysed_one_streams(
    tmp_path: Path, hold: threading.Event
) -> None:
    refused, begin = threading.Event(), threading.Event()
    sub = playing(hold, picture())

    def refuse_first(request: SourceRequest) -> FrameSource:
        if not begin.is_set():
            refused.set()
            raise CameraError("no", code="server-error")
        return sub(request)

    cameras = TwoStreams(main=playing(hold, picture()), sub=refuse_first)
    async with running(tmp_path, GATE, cameras) as stage:
        await stage.until(refused.is_set, "the refusal")
        await stage.until(lambda: newest_status(stage).get("reason") == "server-error", "its reason")
        assert cameras.requests(MAIN) == [], "the same password would be refused again"
        assert newest_status(stage)["mainStream"]["reason"] == "starting"
        begin.set()
        await asyncio.to_thread(wait_until, lambda: cameras.requests(MAIN), TIMEOUT_S, "the main stream")
        hold.set()


@pytest.mark.usefixtures("soon")
async def test_a_main_stream_gives_its_session_back_when_the_analysed_one_needs_it(
    tmp_path: Path, hold: threading.Event
) -> None:
    """A camera with one session, which the main stream got hold of when the other broke."""
    breaks = threading.Event()
    mains: list[ScriptedSource] = []

    def main(request: SourceRequest) -> FrameSource:
        breaks.set()
        for_ever = chain([picture()], repeat(Calls(lambda: time.sleep(0.005))))
        mains.append(ScriptedSource(for_ever, request.key_frames_apart_s))
        return mains[-1]

    def sub(request: SourceRequest) -> FrameSource:
        if any(not source.closed for source in mains):
            raise CameraError("no", code="busy")
        if mains:
            return ScriptedSource([picture(), waits(hold)])
        return ScriptedSource([picture(), waits(breaks), Fails("connection-lost")])

    cameras = TwoStreams(main=main, sub=sub)
    async with running(
        tmp_path, {"cameras": {"gate": {**GATE["cameras"]["gate"], "stallBudgetS": 120}}}, cameras
    ) as stage:
        # Time passes here only, so a thread that comes late may find the reader's last beat old: paused for a moment.
        await stage.until(
            lambda: (newest_status(stage).get("framesDecoded"), newest_status(stage).get("state")) == (2, "streaming"),
            "the analysed stream again",
        )
        assert mains[0].closed
        assert newest_status(stage)["mainStream"]["reason"] == "gave-way"
        hold.set()


@pytest.mark.usefixtures("soon")
async def test_main_streams_make_room_for_a_stream_that_is_analysed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera came late, and the rings of main streams had taken the frames folder."""
    writer_of = camera_ring.FrameRingWriter

    def writer(folder: Path, name: str, **sizes: int) -> FrameRingWriter:
        if name == "gate" and (folder / "yard.main").exists():
            raise FrameError("full", code="ring-no-space")
        return writer_of(folder, name, **sizes)

    def stream(request: SourceRequest) -> FrameSource:
        moments = chain([waits(late)] if "late" in request.url else [], numbered())
        return ScriptedSource(moments, request.key_frames_apart_s)

    def numbered() -> Iterator[Step]:
        for number in count():
            yield Calls(lambda: time.sleep(0.005))
            yield picture(pts_s=number / 5)

    late = threading.Event()
    monkeypatch.setattr(camera_ring, "FrameRingWriter", writer)
    monkeypatch.setattr(camera_ring, "TRY_AGAIN_S", 0.2)
    yard = {"url": MAIN, "subStreamUrl": SUB, "stallBudgetS": 120}
    cameras = TwoStreams(main=stream, sub=stream, late=stream)
    async with running(
        tmp_path, {"cameras": {"yard": yard, "gate": {"url": "rtsp://gate/late", "stallBudgetS": 120}}}, cameras
    ) as stage:
        await stage.until((tmp_path / "yard.main").exists, "the main stream's ring")
        late.set()
        await stage.until((tmp_path / "gate").exists, "room for what is analysed")
        await stage.until(lambda: "gave-way" in str(stage.sent("cameras")[-1]), "why")
        assert not (tmp_path / "yard.main").exists()


def test_a_main_stream_for_which_the_analysed_one_breaks_is_tried_more_and_more_rarely() -> None:
    """Each time the camera ends the older session, and that is noticed after a stall budget."""
    config, clock, pauses_s = CameraConfig(url=MAIN), FakeClock(), []
    desk = CameraDesk("gate", config, clock, lambda: None, stream="main")
    for _ in range(4):
        desk.connecting()
        desk.opened("h264")
        for _ in range(6):
            desk.decoded(1920, 1080, clock.monotonic_s())
            clock._monotonic_s += 2.0
        pauses_s.append(desk.failed("gave-way", ""))
    assert pauses_s[0] > 3.0 and pauses_s[3] > 25.0, pauses_s


@pytest.mark.parametrize(("code", "state"), [("auth-failed", "refused"), ("timeout", "backing-off")])
async def test_a_main_stream_that_fails_leaves_the_analysed_one_as_it_is(
    tmp_path: Path, hold: threading.Event, code: str, state: str
) -> None:
    cameras = TwoStreams(main=refusing(code), sub=playing(hold, picture()))
    async with running(tmp_path, GATE, cameras) as stage:
        await stage.until(lambda: code in str(stage.hub.reported), "its reason")
        await stage.until(lambda: newest_status(stage).get("framesDecoded"), "a picture of the other")
        told = stage.hub.reported["cameras"]["gate"]
        assert told["state"] == "streaming", told
        assert (told["mainStream"]["state"], told["mainStream"]["reason"]) == (state, code)
        assert len(cameras.requests(SUB)) == 1
        status = newest_status(stage)
        assert (status["state"], status["reason"], status["framesDecoded"]) == ("streaming", "ok", 1)
        assert status["mainStream"]["reason"] == code
        hold.set()


async def test_switching_the_main_stream_off_and_on_leaves_the_analysed_one_alone(
    tmp_path: Path, hold: threading.Event
) -> None:
    cameras = TwoStreams(main=playing(hold, picture()), sub=playing(hold, picture()))
    async with running(tmp_path, GATE, cameras) as stage:
        await stage.until(lambda: newest_status(stage).get("mainStream"), "both")
        stage.hub.patch_desired({"cameras": {"gate": {"mainStream": "off"}}})
        await stage.until(lambda: newest_status(stage).get("mainStream") is None, "the sub-stream alone")
        stage.hub.patch_desired({"cameras": {"gate": {"mainStream": "key-frames"}}})
        await stage.until(lambda: newest_status(stage).get("mainStream"), "both again")
        assert len(cameras.requests(SUB)) == 1
        hold.set()


async def test_a_restart_of_the_camera_is_one_of_both_streams(tmp_path: Path, hold: threading.Event) -> None:
    cameras = TwoStreams(main=playing(hold, picture()), sub=playing(hold, picture()))
    async with running(tmp_path, GATE, cameras) as stage:
        await stage.until(lambda: len(cameras.opened) == 2, "both")
        answer = await stage.hub.call(MethodRequest("restartCamera", {"camera": "gate"}))
        assert answer.payload == {"camera": "gate", "starts": 2}
        hold.set()
        await stage.until(lambda: len(cameras.requests(MAIN)) >= 2 and len(cameras.requests(SUB)) >= 2, "again both")


async def test_where_no_memory_is_shared_no_main_stream_is_opened(tmp_path: Path, hold: threading.Event) -> None:
    cameras = TwoStreams(main=playing(hold, picture()), sub=playing(hold, picture()))
    async with running(tmp_path, GATE, cameras, transport="jpeg") as stage:
        await stage.until(lambda: stage.camera("gate") in ("streaming", "paused"), "the sub-stream")
        assert (cameras.requests(MAIN), "mainStream" in stage.hub.reported["cameras"]["gate"]) == ([], False)
        hold.set()


def test_main_streams_that_hang_get_no_threads_without_end(tmp_path: Path) -> None:
    let_go, clock, opened = threading.Event(), FakeClock(), threading.Semaphore(0)

    def hang(_: SourceRequest) -> FrameSource:
        opened.release()
        assert let_go.wait(TIMEOUT_S)
        raise CameraError("late", code="timeout")

    fleet = Fleet(
        open_source=hang, resolver=SecretResolver({}, tmp_path, Redactor()), make_sink=lambda camera, config: Sink(),
        put=lambda item: None, clock=clock, on_change=lambda: None, stream="main",
    )  # fmt: skip
    config = CameraConfig(url=MAIN)
    fleet.apply({"gate": config})
    for _ in range(2 * MOST_MAIN_HANGING):
        clock._monotonic_s += hung_after_s(config) + 1
        fleet.watch()
    assert fleet.starts["gate"] == MOST_MAIN_HANGING + 1
    assert fleet.hanging() == MOST_MAIN_HANGING
    (status,) = fleet.statuses()["default"]
    assert status.reason == "hung"
    fleet.stop()
    let_go.set()


def i420(level: int = 100) -> Planes:
    """64 by 48 pixels."""
    chroma = np.full((24, 32), 128, np.uint8)
    return Planes((np.full((48, 64), level, np.uint8), chroma, chroma), "i420")


def moment(now_s: float = 0.0) -> FrameMoment:
    return FrameMoment(1, 64, 48, 1_764_000_000.0, "rtcp", 1_764_000_000.1, now_s)


class Sink:
    def hand_over(self, planes: Planes, moment: FrameMoment) -> tuple[FrameReference, bytes | None]:
        raise AssertionError("no picture comes")

    def close(self) -> None: ...


def test_its_ring_is_small_and_has_a_name_that_no_camera_can_have(tmp_path: Path) -> None:
    ring = CameraRing(tmp_path, "gate", 30.0, "main")
    first, _ = ring.hand_over(i420(77), moment())
    assert (first.camera, first.ring) == ("gate", "gate.main")
    reader = FrameRingReader(tmp_path)
    assert (reader.view(first).planes[0] == 77).all()
    for _ in range(MAIN_SLOTS):
        ring.hand_over(i420(), moment())
    with pytest.raises(Exception, match="another frame"):
        reader.view(first)
    ring.close()
    assert list(tmp_path.iterdir()) == []


def test_its_ring_leaves_room_for_those_of_the_analysed_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    free_bytes = 256_000
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(1_000_000, 0, free_bytes))
    main, analysed = CameraRing(tmp_path, "gate", 5.0, "main"), CameraRing(tmp_path, "gate", 5.0)
    with pytest.raises(CameraError, match="mainStream to off") as caught:
        main.hand_over(i420(), moment())
    assert caught.value.code == "ring-no-space"
    analysed.hand_over(i420(), moment())
    free_bytes = 300_000
    main.hand_over(i420(), moment(TRY_AGAIN_S))


def test_a_large_disk_that_is_nearly_full_has_room_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(500 * 2**30, 0, 2 * 2**30))
    CameraRing(tmp_path, "gate", 5.0, "main").hand_over(i420(), moment())


def handover(camera: str, frame: int, stream: Stream = "analysed") -> Handover:
    reference = FrameReference(
        camera=camera, frame=frame, ring=camera, epoch=7, slot=0, sequence=2, width=16, height=8, stride=16,
        pixel_format="i420", captured_at="2026-11-25T08:00:00.000Z", clock="arrival",
        decoded_at="2026-11-25T08:00:00.010Z",
    )  # fmt: skip
    return Handover("default", reference, lambda dropped: None, stream=stream)


async def test_a_key_frame_takes_no_frame_s_place_and_is_told_apart() -> None:
    mailbox = Mailbox()
    mailbox.bind(asyncio.get_running_loop())
    for item in (handover("gate", 6), handover("gate", 1, "main"), handover("gate", 7), handover("yard", 8)):
        mailbox.put(item)
    ((message, items),) = messages_of(await mailbox.take())
    body = decode(message.body, FramesMessage)
    assert [one.frame for one in body.references] == [7, 8]
    assert [(one.camera, one.frame) for one in body.key_frames] == [("gate", 1)]
    assert len(items) == 3
    ((only, _),) = messages_of([handover("gate", 1, "main")])
    assert decode(only.body, FramesMessage).references == []


def test_a_status_without_main_stream_is_read_as_before() -> None:
    before = b'{"camera":"gate","state":"streaming","reason":"ok","since":"t","stallBudgetS":10,"framesDecoded":1,'
    before += b'"framesSent":1,"dropped":{},"decodedFps":25.0}'
    assert decode(before, CameraStatus).main_stream is None
