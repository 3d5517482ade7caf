"""The module put together, on a hub in memory and scripted cameras."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from safetygear.clock import FakeClock
from safetygear.errors import CameraError
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import HubHandlers, IncomingMessage, MethodRequest, Twin
from safetygear.messages.codec import decode, encode
from safetygear.messages.frames import CamerasMessage, CameraStatus, ReadersMessage
from safetygear.twin.last_good import OF_EARLIER_RUN
from safetygear.twin.last_good_keeper import FILE
from safetygear_capture import app as app_module
from safetygear_capture.handover import Mailbox
from safetygear_capture.publisher import Publisher
from safetygear_capture.rtsp_fake import Calls, ScriptedCamera, picture
from safetygear_capture.status_sender import StatusSender
from support.capture_app import running

GATE = {"cameras": {"gate": {"url": "rtsp://gate/1"}}}
TIMEOUT_S = 10.0


def endless(hold: threading.Event, attempts: int = 1) -> ScriptedCamera:
    """One picture, then nothing until the test is over."""
    return ScriptedCamera(*[[picture(), Calls(lambda: hold.wait(TIMEOUT_S) and None)]] * attempts)


@pytest.fixture
def hold() -> Any:
    event = threading.Event()
    yield event
    event.set()


async def test_it_reports_its_cameras_and_answers_methods(tmp_path: Path, hold: threading.Event) -> None:
    async with running(tmp_path, GATE, endless(hold)) as stage:
        await stage.until(
            lambda: stage.hub.reported.get("cameras", {}).get("gate", {}).get("state") == "streaming", "it"
        )
        assert stage.hub.reported["config"]["status"] == "ok"
        assert stage.hub.reported["problems"] == {}
        ping = await stage.hub.call(MethodRequest("ping"))
        assert ping.status == 200
        assert ping.payload["uptimeS"] > 0
        status = await stage.hub.call(MethodRequest("getStatus"))
        assert status.payload["cameras"]["gate"]["framesDecoded"] == 1
        assert (await stage.hub.call(MethodRequest("status"))).status == 200
        assert (await stage.hub.call(MethodRequest("reboot"))).status == 404
        for payload, code, field in [
            ({}, 400, "camera"), ({"camera": "a b"}, 400, "camera"), ({"camera": "gate", "id": 1}, 400, "id"),
            ({"camera": "yard"}, 404, "camera"),
        ]:  # fmt: skip
            answer = await stage.hub.call(MethodRequest("restartCamera", payload))
            assert (answer.status, answer.payload["field"]) == (code, field)
        answer = await stage.hub.call(MethodRequest("restartCamera", {"camera": "gate"}))
        assert (answer.status, answer.payload) == (200, {"camera": "gate", "starts": 2})
        again = await stage.hub.call(MethodRequest("restartCamera", {"camera": "gate"}))
        assert (again.status, again.payload["code"]) == (409, "camera-restarting")
        hold.set()


async def test_the_cameras_status_goes_out_each_second_while_somebody_reads(
    tmp_path: Path, hold: threading.Event
) -> None:
    async with running(tmp_path, GATE, endless(hold)) as stage:
        await stage.until(lambda: len(stage.sent("cameras")) >= 3, "status messages")
        (gate,) = stage.sent("cameras")[-1]["cameras"]
        assert gate["camera"] == "gate"
        assert {message.properties["shard"] for message in stage.hub.sent} == {"default"}
        stage.beat = None
        await stage.clock.advance(6.0)
        before = len(stage.hub.sent)
        await stage.clock.advance(5.0)
        assert len(stage.hub.sent) == before
        hold.set()


async def test_no_camera_and_no_folder_are_named_problems_not_an_end(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    async with running(frames, {}, ScriptedCamera()) as stage:
        await stage.until(lambda: set(stage.hub.reported.get("problems", {})) == {"frames", "cameras"}, "two problems")
        assert "SAFETYGEAR_FRAMES_DIR" in stage.hub.reported["problems"]["frames"]["message"]
        assert "cameras.<id>" in stage.hub.reported["problems"]["cameras"]["message"]
        frames.mkdir()
        stage.hub.patch_desired(GATE)
        await stage.until(lambda: not stage.hub.reported.get("problems"), "no problem")


async def test_a_camera_whose_configuration_can_not_be_used_is_shown_as_not_watched(
    tmp_path: Path, hold: threading.Event
) -> None:
    desired = {"cameras": GATE["cameras"] | {"yard": {"url": "rtsp://yard/1", "stallBudgetS": 1}}}
    async with running(tmp_path, desired, endless(hold)) as stage:
        await stage.until(lambda: stage.sent("cameras"), "a status message")
        found = {camera["camera"]: camera["reason"] for camera in stage.sent("cameras")[-1]["cameras"]}
        assert found["yard"] == "config-invalid" and "gate" in found
        await stage.until(lambda: "yard" in stage.hub.reported.get("cameras", {}), "it in the reported properties")
        stage.hub.patch_desired({"cameras": {"yard": {"stallBudgetS": 5}}})
        await stage.until(lambda: stage.hub.reported["cameras"]["yard"]["reason"] != "config-invalid", "its start")
        stage.hub.patch_desired({"cameras": {"yard": {"stallBudgetS": 1}}})
        await stage.until(lambda: stage.hub.reported["config"]["status"] == "partial", "the mistake")
        assert stage.hub.reported["cameras"]["yard"]["reason"] != "config-invalid", "the last good one stays"
        hold.set()


async def test_a_camera_that_was_added_while_the_hub_was_away_is_started_when_it_is_back(
    tmp_path: Path, hold: threading.Event
) -> None:
    async with running(tmp_path, {}, endless(hold)) as stage:
        stage.hub.set_connected(False)
        stage.hub.patch_desired(GATE)
        stage.hub.set_connected(True)
        await stage.until(lambda: "gate" in stage.hub.reported.get("cameras", {}), "the camera")
        hold.set()


async def test_readers_by_message_and_what_is_no_such_message(tmp_path: Path, hold: threading.Event) -> None:
    async with running(tmp_path, GATE, endless(hold), transport="jpeg") as stage:
        stage.hub.deliver(IncomingMessage("readers", b"{}"))
        stage.hub.deliver(IncomingMessage("other", b"\x00"))
        stage.hub.deliver(IncomingMessage("readers", encode(ReadersMessage(instance="i", shards=["default"]))))
        await stage.until(lambda: stage.sent("cameras"), "a status message")
        status = await stage.hub.call(MethodRequest("status"))
        assert status.payload["unreadableMessages"] == 1
        hold.set()


async def test_too_many_hanging_threads_end_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "MOST_HANGING", -1)
    with pytest.raises(ExceptionGroup) as caught:
        async with running(tmp_path, GATE, ScriptedCamera()) as stage:
            await stage.clock.advance(1.0)
    (error,) = caught.value.exceptions
    assert isinstance(error, CameraError)
    assert error.code == "threads-exhausted"


async def test_a_shard_whose_last_camera_has_gone_is_told_so() -> None:
    clock, hub = FakeClock(), FakeHub()
    await hub.open(HubHandlers())
    statuses: dict[str, Sequence[CameraStatus]] = {"north": []}
    sender = StatusSender(
        Publisher(hub, Mailbox()), instance="east", statuses=lambda: statuses, missing=lambda shard: None, clock=clock
    )
    await sender.send()
    assert {decode(message.body, CamerasMessage).instance for message in hub.sent} == {"east"}
    statuses.clear()
    await sender.send()
    assert [message.properties["shard"] for message in hub.sent] == ["north"] * 2


async def test_a_change_goes_out_at_once() -> None:
    clock, hub = FakeClock(), FakeHub()
    await hub.open(HubHandlers())
    sender = StatusSender(
        Publisher(hub, Mailbox()),
        instance="capture",
        statuses=lambda: {"default": []},
        missing=lambda shard: None,
        clock=clock,
    )
    task = asyncio.create_task(sender.run())
    await clock.advance(0.05)
    assert len(hub.sent) == 1
    await clock.advance(0.3)
    assert len(hub.sent) == 1
    sender.changed()
    await clock.advance(0.1)
    assert len(hub.sent) == 2
    await clock.advance(1.0)
    assert len(hub.sent) == 3
    task.cancel()


async def test_while_nothing_changes_nobody_looks_for_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, hub = FakeClock(), FakeHub()
    await hub.open(HubHandlers())
    sleeps: list[float] = []
    sleep = clock.sleep

    async def counted(seconds: float) -> None:
        sleeps.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(clock, "sleep", counted)
    sender = StatusSender(
        Publisher(hub, Mailbox()),
        instance="capture",
        statuses=lambda: {"default": []},
        missing=lambda shard: None,
        clock=clock,
    )
    task = asyncio.create_task(sender.run())
    await clock.advance(10.5)
    assert len(hub.sent) == 11
    assert len(sleeps) <= 2 * len(hub.sent)
    # From a camera's thread, in the middle of a pause.
    await asyncio.to_thread(sender.changed)
    await clock.advance(0)
    assert len(hub.sent) == 12
    task.cancel()


def kept(folder: Path) -> str:
    """What the next run will find."""
    path = folder / FILE
    return path.read_text() if path.exists() else ""


async def test_a_mistake_in_the_twin_and_a_restart_cost_no_camera(tmp_path: Path, hold: threading.Event) -> None:
    frames, data = tmp_path / "frames", tmp_path / "data"
    frames.mkdir()
    async with running(frames, GATE, endless(hold), data=data) as stage:
        await stage.until(lambda: "rtsp://gate/1" in kept(data), "it on the disk")
        hold.set()
    hold.clear()
    wrong = {"cameras": {"gate": {"url": "htp://gate/1"}, "yard": {"url": "rtsp://yard/1"}}}
    async with running(frames, wrong, endless(hold, 2), data=data) as stage:
        await stage.until(lambda: {stage.camera("gate"), stage.camera("yard")} == {"streaming"}, "both cameras")
        (error,) = stage.hub.reported["config"]["errors"]
        assert (error["path"], error["code"]) == ("cameras.gate.url", "bad-format")
        assert error["message"].endswith(OF_EARLIER_RUN)
        await stage.until(lambda: "rtsp://yard/1" in kept(data), "both on the disk")
        assert "rtsp://gate/1" in kept(data)
        hold.set()


class SilentHub(FakeHub):
    """An edgeHub that takes everything and does not tell the twin until `tells`."""

    tells = False

    async def read_twin(self) -> Twin:
        return await super().read_twin() if self.tells else Twin(desired={}, reported={})


async def test_without_its_twin_it_watches_what_it_watched_before(tmp_path: Path, hold: threading.Event) -> None:
    frames, data = tmp_path / "frames", tmp_path / "data"
    frames.mkdir()
    async with running(frames, GATE, endless(hold), data=data) as stage:
        await stage.until(lambda: "rtsp://gate/1" in kept(data), "it on the disk")
        hold.set()
    hold.clear()
    hub = SilentHub({"cameras": {"yard": {"url": "rtsp://yard/1"}}})
    async with running(frames, {}, endless(hold, 2), data=data, hub=hub) as stage:

        async def status() -> dict[str, Any]:
            answer: dict[str, Any] = (await hub.call(MethodRequest("getStatus"))).payload
            return answer

        await stage.until(
            lambda: (
                [camera["state"] for message in stage.sent("cameras")[-1:] for camera in message["cameras"]]
                == ["streaming"]
            ),
            "the camera of the run before",
        )
        told = await status()
        assert list(told["cameras"]) == ["gate"]
        assert (told["config"]["status"], told["config"]["errors"][0]["code"]) == ("partial", "twin-unread")
        assert hub.reported == {}
        hub.tells = True
        await stage.until(lambda: stage.camera("yard") == "streaming", "the camera that is wanted now")
        assert list(hub.reported["cameras"]) == ["yard"]
        assert hub.reported["config"]["status"] == "ok"
        hold.set()


async def test_without_a_data_folder_it_works_and_says_so(tmp_path: Path, hold: threading.Event) -> None:
    data = tmp_path / "data"
    async with running(tmp_path, GATE, endless(hold), data=data) as stage:
        data.rmdir()
        await stage.until(lambda: stage.hub.reported.get("problems", {}).get("twin"), "the problem")
        assert stage.hub.reported["problems"]["twin"]["code"] == "data-missing"
        await stage.until(lambda: stage.camera("gate") == "streaming", "the camera")
        hold.set()
