"""Cameras are started, changed and removed as the twin says; a thread that hangs harms nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from safetygear.clock import FakeClock
from safetygear.errors import CameraError
from safetygear.messages.frames import CameraStatus, FrameReference
from safetygear.redact import Redactor
from safetygear.secret_references import Secret, SecretResolver
from safetygear_capture.camera_ring import CameraRing
from safetygear_capture.config import CameraConfig
from safetygear_capture.decoding import SOFTWARE, Decoding
from safetygear_capture.fleet import (
    CameraDisabledError,
    CameraRestartingError,
    Fleet,
    UnknownCameraError,
    hung_after_s,
)
from safetygear_capture.handover import Handover
from safetygear_capture.rtsp_fake import Between, Calls, Fails, ScriptedCamera, Step, picture
from safetygear_capture.source import DecodedFrame, FrameMoment, FrameSource, OpenSource, Planes, SourceRequest

GATE = CameraConfig(url="rtsp://gate/1", stall_budget_s=4.0)
TIMEOUT_S = 10.0
"""Of waits that end at once unless something is broken."""


class Hanging:
    """An OpenSource that comes back only when it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.called = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, request: SourceRequest) -> FrameSource:
        self.calls += 1
        self.called.set()
        assert self.let_go.wait(TIMEOUT_S)
        raise CameraError("late", code="timeout")


class Sink:
    """Refuses with a code, or hands over."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.moments: list[FrameMoment] = []
        """Of what was handed over."""
        self.closed = False

    def hand_over(self, planes: Planes, moment: FrameMoment) -> tuple[FrameReference, bytes | None]:
        if self.refusal is not None:
            raise CameraError("refused", code=self.refusal)
        self.moments.append(moment)
        return FrameReference(
            camera="gate", frame=moment.number, ring="gate", epoch=1, slot=0, sequence=2, width=moment.width,
            height=moment.height, stride=16, pixel_format="i420", captured_at="", clock=moment.clock, decoded_at="",
        ), None  # fmt: skip

    def close(self) -> None:
        self.closed = True


class World:
    """A fleet with everything around it."""

    def __init__(
        self,
        open_source: OpenSource,
        folder: Path,
        environ: dict[str, str] | None = None,
        look_up: Callable[[str], None] = lambda url: None,
    ) -> None:
        self.clock = FakeClock()
        self.put: list[Handover] = []
        self.sinks: list[Sink] = []
        self.refusal: str | None = None
        """Of sinks that are made from now on."""
        self._change = threading.Condition()
        self.fleet = Fleet(
            open_source=open_source,
            resolver=SecretResolver(environ or {}, folder, Redactor()),
            make_sink=self._sink,
            put=self.put.append,
            clock=self.clock,
            on_change=self._changed,
            look_up=look_up,
        )

    def _sink(self, camera_id: str, config: CameraConfig) -> Sink:
        self.sinks.append(Sink())
        self.sinks[-1].refusal = self.refusal
        return self.sinks[-1]

    def _changed(self) -> None:
        with self._change:
            self._change.notify_all()

    def wait_for(self, state: str, reason: str | None = None) -> None:
        """Until the camera `gate` is in `state`, for `reason`."""

        def there() -> bool:
            status = self.status()
            return status.state == state and reason in (None, status.reason)

        with self._change:
            assert self._change.wait_for(there, TIMEOUT_S), self.status()

    def status(self, camera_id: str = "gate") -> CameraStatus:
        (found,) = [one for shard in self.fleet.statuses().values() for one in shard if one.camera == camera_id]
        return found

    def join(self) -> None:
        """Wait until every thread that was asked to end has done so."""
        for ending in self.fleet._ending:
            ending.thread.join(TIMEOUT_S)
            assert not ending.thread.is_alive()


class Gate:
    """A step at which the script waits for the test."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.open.wait(TIMEOUT_S)


def pass_time(clock: FakeClock, seconds: float) -> Callable[[], None]:
    """FakeClock is a coroutine's; a script's thread moves it by hand."""

    def move() -> None:
        clock._monotonic_s += seconds
        clock._now_s += seconds

    return move


def run(steps_of: Callable[[World], Sequence[Step]], folder: Path, config: CameraConfig = GATE) -> World:
    """Play one script to its end on one camera with a reader; the world afterwards, its threads ended."""
    script: list[Step] = []
    gate, done = Gate(), Gate()
    world = World(ScriptedCamera(script), folder)
    script += [Calls(gate), *steps_of(world), Calls(done)]
    world.fleet.apply({"gate": config})
    assert gate.reached.wait(TIMEOUT_S)
    world.fleet.readers(lambda shard: None)
    gate.open.set()
    assert done.reached.wait(TIMEOUT_S)
    world.last = world.status()  # type: ignore[attr-defined]  # for the test to look at
    world.fleet.stop()
    done.open.set()
    world.join()
    return world


def frames(world: World, count: int, every_s: float = 0.2, **changes: object) -> list[Step]:
    """Pictures that all differ, with their media time in step."""
    steps: list[Step] = []
    for number in range(count):
        values = {"level": 50 + number, "pts_s": number * every_s, **changes}
        steps += [picture(**values), Calls(pass_time(world.clock, every_s))]  # type: ignore[arg-type]
    return steps


def test_frames_are_handed_over_at_the_analysed_rate(tmp_path: Path) -> None:
    world = run(lambda world: frames(world, 50, every_s=0.04), tmp_path)
    assert 9 <= len(world.put) <= 11
    assert world.last.dropped["above-rate"] + len(world.put) == 50  # type: ignore[attr-defined]
    assert world.put[0].shard == "default"
    world.put[0].outcome(None)
    world.put[1].outcome("superseded")


@pytest.mark.parametrize(
    ("steps", "state", "reason"),
    [
        (lambda world: frames(world, 10), "streaming", "ok"),
        (lambda world: frames(world, 10, pts_s=5.0), "streaming", "timestamps-stand-still"),
        (
            lambda world: [*frames(world, 3), picture(99, pts_s=3600.0), Calls(pass_time(world.clock, 0.2))],
            "streaming", "timestamps-jump",
        ),
        (lambda world: frames(world, 200, level=7), "streaming", "frozen"),
        (lambda world: frames(world, 3, camera_s=world.clock.now_s() - 60), "streaming", "camera-clock-off"),
        (
            lambda world: [*frames(world, 2, waited=True), Calls(pass_time(world.clock, 3.0)),
                           picture(99, pts_s=0.5, waited=False)],
            "streaming", "lagging",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_stream_is_its_reason(
    tmp_path: Path, steps: Callable[[World], Sequence[Step]], state: str, reason: str
) -> None:
    world = run(steps, tmp_path)
    assert (world.last.state, world.last.reason) == (state, reason)  # type: ignore[attr-defined]


def test_corrupt_pictures_are_counted_and_not_handed_over(tmp_path: Path) -> None:
    world = run(lambda world: [*frames(world, 1), *frames(world, 5, corrupt=True)], tmp_path)
    assert len(world.put) == 1
    assert world.last.dropped["corrupt"] == 5  # type: ignore[attr-defined]


def test_without_a_reader_nothing_is_handed_over(tmp_path: Path) -> None:
    def steps(world: World) -> list[Step]:
        return [*frames(world, 2), Calls(lambda: world.fleet.readers(lambda shard: "no-reader")), *frames(world, 3)]

    world = run(steps, tmp_path)
    assert len(world.put) == 2
    status = world.last  # type: ignore[attr-defined]
    assert (status.state, status.reason, status.dropped["no-reader"]) == ("paused", "no-reader", 3)


def test_a_sink_that_refuses_pauses_the_camera_until_it_takes_frames_again(tmp_path: Path) -> None:
    def refuse(world: World, code: str | None) -> Step:
        return Calls(lambda: setattr(world.sinks[0], "refusal", code))

    world = run(lambda world: [refuse(world, "ring-no-space"), *frames(world, 3)], tmp_path)
    status = world.last  # type: ignore[attr-defined]
    assert (status.state, status.reason, status.dropped["ring-no-space"]) == ("paused", "ring-no-space", 3)
    world = run(
        lambda world: [refuse(world, "ring-no-space"), *frames(world, 3), refuse(world, None), *frames(world, 1)],
        tmp_path,
    )
    assert world.last.state == "streaming"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("refusal", "ends", "lacks"),
    [("ring-no-space", False, True), ("ring-no-space", True, False), ("ring-not-writable", False, False)],
)
def test_room_lacks_while_pictures_come_that_find_none(tmp_path: Path, refusal: str, ends: bool, lacks: bool) -> None:
    gate, read = Gate(), threading.Event()
    ending: Step = Fails("connection-lost") if ends else Calls(gate)
    world = World(ScriptedCamera([Calls(lambda: read.wait(TIMEOUT_S)), picture(), ending]), tmp_path)
    world.refusal = refusal
    world.fleet.apply({"gate": GATE})
    world.fleet.readers(lambda _: None)
    read.set()
    world.wait_for(*(("backing-off", "connection-lost") if ends else ("paused", refusal)))
    assert world.fleet.lacks_room() == lacks
    gate.open.set()
    world.fleet.stop()
    world.join()


def test_an_error_of_our_own_ends_the_attempt_not_the_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    wait = Gate()
    world = World(ScriptedCamera([Calls(broken)], [Calls(wait)]), tmp_path)
    world.fleet.apply({"gate": GATE})
    assert wait.reached.wait(TIMEOUT_S), "it tries again"
    assert world.status().reason == "internal"
    assert "unexpected error" in caplog.text
    world.fleet.stop()
    wait.open.set()
    world.join()


def test_a_missing_secret_is_a_refusal_with_its_name_and_is_read_again_at_each_attempt(tmp_path: Path) -> None:
    camera = ScriptedCamera([picture()])
    config = CameraConfig(url="rtsp://gate/1", username="viewer", password="file:gate")
    world = World(camera, tmp_path)
    world.fleet.apply({"gate": config})
    world.wait_for("refused")
    assert (world.status().state, world.status().reason) == ("refused", "secret-missing")
    assert "no file gate" in world.fleet.detail("gate", "secret-missing")
    world.fleet.stop()
    world.join()
    (tmp_path / "gate").write_text("opensesame\n")
    request = world.fleet._request(config)
    assert (request.username, request.password) == (Secret("viewer"), Secret("opensesame"))
    assert "opensesame" not in repr(request)
    assert (request.open_timeout_s, request.read_timeout_s) == (10.0, 5.0)


def test_the_sub_stream_is_the_one_that_is_analysed(tmp_path: Path) -> None:
    world = World(ScriptedCamera(), tmp_path)
    config = CameraConfig(url="rtsp://gate/main", sub_stream_url="rtsp://gate/sub")
    assert world.fleet._request(config).url == "rtsp://gate/sub"


def test_of_a_quiet_camera_only_key_frames_are_asked_for(tmp_path: Path) -> None:
    gate = Gate()
    pictures: list[Step] = [picture(n, pts_s=n / 25, keyframe=n % 25 == 0) for n in range(100)]
    camera = ScriptedCamera([*pictures, Calls(gate)])
    world = World(camera, tmp_path)
    quiet = CameraConfig(url="rtsp://gate/1", frames="key-frames", analysed_fps=2.0, priority=3.0)
    world.fleet.apply({"gate": quiet})
    assert gate.reached.wait(TIMEOUT_S)
    status = world.status()
    gate.open.set()
    world.fleet.stop()
    world.join()
    assert camera.requests[0].key_frames_apart_s == pytest.approx(0.45)
    assert (status.frames_decoded, status.frames, status.priority) == (4, "key-frames", 3.0)


@pytest.mark.parametrize(("level", "reason"), [(7, "frozen"), (None, "ok")])
def test_key_frames_far_apart_show_a_frozen_picture_and_are_no_stall(
    level: int | None, reason: str, tmp_path: Path
) -> None:
    """Eight seconds between them, with a stall budget of four; what comes between is a sign of life."""

    def steps(world: World) -> list[Step]:
        found: list[Step] = []
        for number in range(6):
            found.append(picture(number if level is None else level, pts_s=8.0 * number))
            for second in range(1, 9):
                between = picture(0, pts_s=8.0 * number + second - 0.5, keyframe=False)
                found += [Calls(pass_time(world.clock, 1.0)), between]
        return found

    quiet = CameraConfig(url="rtsp://gate/1", frames="key-frames", stall_budget_s=4.0)
    world = run(steps, tmp_path, quiet)
    assert (world.last.state, world.last.reason) == ("streaming", reason)  # type: ignore[attr-defined]
    assert world.last.frames_decoded == 6  # type: ignore[attr-defined]


def test_every_frame_is_decoded_from_when_a_reader_wants_it(tmp_path: Path) -> None:
    pictures: list[Step] = [picture(n, pts_s=n / 25, keyframe=n % 25 == 0) for n in range(150)]
    gates = [Gate() for _ in range(3)]
    camera = ScriptedCamera(
        [*pictures[:50], Calls(gates[0]), *pictures[50:100], Calls(gates[1]), *pictures[100:], Calls(gates[2])]
    )
    world = World(camera, tmp_path)
    world.fleet.apply({"gate": CameraConfig(url="rtsp://gate/1", frames="key-frames-when-quiet")})
    told = []
    for gate, wanted in zip(gates, (True, False, False), strict=True):
        assert gate.reached.wait(TIMEOUT_S)
        status = world.status()
        told.append((status.frames_decoded, status.every_frame))
        world.fleet.attend(lambda shard, name, wanted=wanted: (shard, name) == ("default", "gate") and wanted)  # type: ignore[misc]  # bound per loop
        gate.open.set()
    world.fleet.stop()
    world.join()
    assert camera.requests[0].keeps_between
    assert told == [(2, False), (52, True), (54, False)]
    assert status.kept == {"decoded": 1}


def test_what_a_reader_wants_changes_no_other_camera(tmp_path: Path) -> None:
    world = World(ScriptedCamera(Fails("timeout"), Fails("timeout")), tmp_path)
    world.fleet.apply({"a": CameraConfig(url="rtsp://a/1"), "b": CameraConfig(url="rtsp://b/1", frames="key-frames")})
    world.fleet.attend(lambda shard, name: name == "b")
    assert (world.status("a").every_frame, world.status("b").every_frame) == (True, False)
    world.fleet.stop()
    world.join()


def test_apply_touches_only_what_has_changed(tmp_path: Path) -> None:
    hanging = Hanging()
    world = World(hanging, tmp_path)
    yard = CameraConfig(url="rtsp://yard/1")
    world.fleet.apply({"gate": GATE, "yard": yard})
    threads = {thread.name: thread for thread in threading.enumerate() if thread.name.startswith("camera-")}
    world.fleet.apply({"gate": GATE, "yard": CameraConfig(url="rtsp://yard/2", shard="south")})
    assert world.fleet.starts == {"gate": 1, "yard": 2}
    assert not threads["camera-gate"]._ended.is_set()
    assert threads["camera-yard"]._ended.is_set()
    assert {shard: [one.camera for one in found] for shard, found in world.fleet.statuses().items()} == {
        "default": ["gate"], "south": ["yard"],
    }  # fmt: skip
    world.fleet.apply({"gate": msgspec.structs.replace(GATE, priority=3.0)})
    assert world.fleet.shards() == {"default"}
    assert world.fleet.starts == {"gate": 1}, "nothing is kept of a camera that was taken out"
    assert (world.fleet.starts["gate"], world.status().priority) == (1, 3.0)
    world.fleet.apply({"gate": CameraConfig(url="rtsp://gate/1", enabled=False)})
    assert (world.status().state, world.status().reason) == ("idle", "disabled")
    world.fleet.stop()
    hanging.let_go.set()
    world.join()
    assert all(sink.closed for sink in world.sinks)


async def test_a_call_that_does_not_return_gets_a_new_thread_and_the_old_one_tells_nothing(tmp_path: Path) -> None:
    hanging = Hanging()
    world = World(hanging, tmp_path)
    world.fleet.apply({"gate": GATE})
    assert hanging.called.wait(TIMEOUT_S)
    await world.clock.advance(hung_after_s(GATE) - 0.1)
    world.fleet.watch()
    assert (world.fleet.starts["gate"], world.fleet.hanging()) == (1, 0)
    hanging.called.clear()
    await world.clock.advance(0.2)
    world.fleet.watch()
    assert hanging.called.wait(TIMEOUT_S)
    assert (world.fleet.starts["gate"], world.fleet.hanging()) == (2, 1)
    assert world.status().reason == "hung"
    world.fleet.stop()
    hanging.let_go.set()
    world.join()
    world.fleet.watch()
    assert (world.fleet.hanging(), world.fleet.running()) == (0, 0)


async def test_waiting_for_dns_is_no_call_that_hangs(tmp_path: Path) -> None:
    """Cameras with names would end the module in an outage, and with it those that are watched by address."""
    asked, answer = threading.Event(), threading.Event()

    def look_up(url: str) -> None:
        assert url == GATE.url
        asked.set()
        assert answer.wait(TIMEOUT_S)
        raise CameraError("no such host", code="host-unknown")

    opened = Hanging()
    world = World(opened, tmp_path, look_up=look_up)
    world.fleet.apply({"gate": GATE})
    assert asked.wait(TIMEOUT_S)
    await world.clock.advance(10 * hung_after_s(GATE))
    world.fleet.watch()
    assert (world.fleet.starts["gate"], world.fleet.hanging()) == (1, 0)
    assert (world.status().state, world.status().reason) == ("connecting", "starting")
    world.fleet.apply({})
    await world.clock.advance(10 * hung_after_s(GATE))
    assert (world.fleet.hanging(), world.fleet.running()) == (0, 1), "nor is it one when the camera is taken out"
    answer.set()
    world.join()
    assert opened.calls == 0


def test_a_host_that_dns_does_not_know_is_told_and_never_opened(tmp_path: Path) -> None:
    def look_up(url: str) -> None:
        raise CameraError("no such host", code="host-unknown")

    opened = Hanging()
    world = World(opened, tmp_path, look_up=look_up)
    world.fleet.apply({"gate": GATE})
    world.wait_for("backing-off", "host-unknown")
    world.fleet.stop()
    assert opened.calls == 0


async def test_a_call_that_hangs_on_the_gpu_is_the_last_one_there(tmp_path: Path) -> None:
    let_go = threading.Event()
    hangs = Gate()
    camera = ScriptedCamera([picture(), Calls(hangs)], [picture(), Calls(let_go.wait)], accelerated=Decoding("vaapi"))
    world = World(camera, tmp_path)
    config = msgspec.structs.replace(GATE, decode="auto")
    world.fleet.apply({"gate": config})
    assert hangs.reached.wait(TIMEOUT_S)
    assert world.status().decoder == "vaapi"
    await world.clock.advance(hung_after_s(config) + 0.1)
    world.fleet.watch()
    world.wait_for("paused")  # nobody reads
    assert [request.decode for request in camera.requests] == ["auto", "software"]
    assert world.status().decoder_reason == "vaapi-failed"
    world.fleet.stop()
    hangs.open.set()
    let_go.set()
    world.join()


async def test_the_watchdog_names_a_stall_while_the_read_has_not_returned(tmp_path: Path) -> None:
    stuck = Gate()
    world = World(ScriptedCamera([picture(), Calls(stuck)]), tmp_path)
    world.fleet.apply({"gate": GATE})
    assert stuck.reached.wait(TIMEOUT_S)
    await world.clock.advance(3.9)
    world.fleet.watch()
    assert world.status().state == "paused"  # no reader
    await world.clock.advance(0.2)
    world.fleet.watch()
    assert (world.status().state, world.status().reason) == ("stalled", "stall")
    world.fleet.stop()
    stuck.open.set()
    world.join()


async def test_packets_without_a_picture_do_not_outlive_the_watchdogs_verdict(tmp_path: Path) -> None:
    stuck, more = Gate(), Gate()
    camera = ScriptedCamera([picture(), Calls(stuck), Calls(more)])
    world = World(camera, tmp_path)
    world.fleet.apply({"gate": GATE})
    assert stuck.reached.wait(TIMEOUT_S)
    await world.clock.advance(4.1)
    world.fleet.watch()
    assert world.status().state == "stalled"
    stuck.open.set()  # a packet comes, and no picture can be made of it
    world.wait_for("backing-off")  # the next attempt: nothing listens any more
    assert camera.sources[0].closed and not more.reached.is_set()
    world.fleet.stop()
    world.join()


def test_a_stream_that_begins_between_key_frames_streams_from_the_first_one_on(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def steps(world: World) -> list[Step]:
        waited: list[Step] = [Between(), Calls(pass_time(world.clock, 0.5))] * 40
        look = Calls(lambda: seen.append((world.status().state, world.status().reason)))
        return [*waited, Between(), look, *frames(world, 3)]

    world = run(steps, tmp_path)
    assert seen == [("connecting", "waiting-for-key-frame")]
    assert (world.last.state, world.last.reason) == ("streaming", "ok")  # type: ignore[attr-defined]


def test_a_stream_that_lags_behind_is_not_called_corrupt_between_its_key_frames(tmp_path: Path) -> None:
    late: list[Step] = []
    world = World(ScriptedCamera(*[late] * 50), tmp_path)
    late += [*frames(world, 2, waited=True), Calls(pass_time(world.clock, 3.0)), picture(99, pts_s=0.5, waited=False)]
    late += [Calls(pass_time(world.clock, 0.5))] * 20
    world.fleet.apply({"gate": GATE})
    world.wait_for("backing-off", "lagging")
    world.fleet.stop()
    world.join()


class LateRead:
    """A source whose read comes back, with a picture, only when it is let go."""

    def __init__(self) -> None:
        self.codec, self.decode_errors, self.decoding = "h264", 0, SOFTWARE
        self.gate = Gate()

    def __call__(self, request: SourceRequest) -> FrameSource:
        return self

    def read(self) -> Sequence[DecodedFrame]:
        self.gate()
        return [picture()]

    awaits_key_frame = False

    def key_frames_only(self, only: bool) -> None: ...

    def close(self) -> None: ...


def test_what_comes_after_a_thread_was_asked_to_end_is_not_handed_over(tmp_path: Path) -> None:
    late = LateRead()
    world = World(late, tmp_path)
    world.fleet.apply({"gate": GATE})
    world.fleet.readers(lambda shard: None)
    assert late.gate.reached.wait(TIMEOUT_S)
    desk = world.fleet._runs["gate"].desk
    world.fleet.apply({})
    late.gate.open.set()
    world.join()
    assert (world.put, desk.status().frames_decoded) == ([], 0)


def test_a_failed_open_is_the_cameras_state(tmp_path: Path) -> None:
    world = World(ScriptedCamera(Fails("not-found")), tmp_path)
    world.fleet.apply({"gate": GATE})
    world.wait_for("refused")
    assert (world.status().state, world.status().reason) == ("refused", "not-found")
    world.fleet.stop()
    world.join()


def test_a_ring_of_a_thread_that_was_left_behind_does_not_take_its_successors_away(tmp_path: Path) -> None:
    moment = FrameMoment(1, 16, 8, 0.0, "arrival", 0.0, 0.0)
    luma, chroma = np.zeros((8, 16), np.uint8), np.zeros((4, 8), np.uint8)
    old, new = CameraRing(tmp_path, "gate", 5.0), CameraRing(tmp_path, "gate", 5.0)
    for ring in (old, new):
        ring.hand_over(Planes((luma, chroma, chroma), "i420"), moment)
    old.close()
    assert (tmp_path / "gate").exists()
    new.close()
    assert not (tmp_path / "gate").exists()


def test_a_restart_makes_a_new_connection_and_counts_go_on(tmp_path: Path) -> None:
    first, second = Gate(), Gate()
    camera = ScriptedCamera([picture(1), picture(2), Calls(first)], [picture(3), Calls(second)])
    world = World(camera, tmp_path)
    world.fleet.apply({"gate": GATE})
    assert first.reached.wait(TIMEOUT_S)
    world.fleet.readers(lambda shard: None)
    assert world.fleet.restart("gate") == 2
    first.open.set()
    assert second.reached.wait(TIMEOUT_S)
    assert world.status().frames_decoded == 3
    assert not world.put or world.put[0].shard == "default"
    world.fleet.stop()
    second.open.set()
    world.join()
    assert all(sink.closed for sink in world.sinks)


def test_frames_of_a_new_connection_are_told_as_later_than_those_before(tmp_path: Path) -> None:
    """The camera is 3 s behind, and tells its time on its second connection only."""
    gate, done = Gate(), Gate()
    first: list[Step] = [Calls(gate)]
    second: list[Step] = []
    world = World(ScriptedCamera(first, second), tmp_path)
    first += [*frames(world, 3), Fails("connection-lost")]
    began_s = world.clock.now_s()
    for number in range(3):
        now_s = began_s + 0.2 * (3 + number)
        second += [picture(90 + number, pts_s=0.2 * number, camera_s=now_s - 3), Calls(pass_time(world.clock, 0.2))]
    second.append(Calls(done))
    world.fleet.apply({"gate": GATE})
    assert gate.reached.wait(TIMEOUT_S)
    world.fleet.readers(lambda shard: None)
    gate.open.set()
    assert done.reached.wait(TIMEOUT_S)
    times_s = [moment.captured_s - began_s for moment in world.sinks[0].moments]
    assert times_s == pytest.approx([0.0, 0.2, 0.4, 0.5, 0.6, 0.7], abs=0.001)
    world.fleet.stop()
    done.open.set()
    world.join()


def test_the_codec_of_a_track_that_took_anothers_place_is_told(tmp_path: Path) -> None:
    gate = Gate()
    script: list[Step] = [picture()]
    camera = ScriptedCamera(script)
    script += [Calls(lambda: setattr(camera.sources[0], "codec", "hevc")), picture(), Calls(gate)]
    world = World(camera, tmp_path)
    world.fleet.apply({"gate": GATE})
    assert gate.reached.wait(TIMEOUT_S)
    assert world.status().codec == "hevc"
    world.fleet.stop()
    gate.open.set()
    world.join()


def test_restarts_in_a_row_make_no_crowd_of_threads(tmp_path: Path) -> None:
    camera = Hanging()
    world = World(camera, tmp_path)
    world.fleet.apply({"gate": GATE})
    assert camera.called.wait(TIMEOUT_S)
    world.fleet.restart("gate")
    with pytest.raises(CameraRestartingError):
        world.fleet.restart("gate")
    # A connection that hangs for good does not forbid it for ever: it is left behind.
    pass_time(world.clock, hung_after_s(GATE) + 1)()
    world.fleet.restart("gate")
    assert world.fleet.starts["gate"] == 3
    camera.let_go.set()
    world.fleet.stop()
    world.join()


def test_what_can_not_be_restarted_is_named(tmp_path: Path) -> None:
    world = World(ScriptedCamera(), tmp_path)
    world.fleet.apply({"gate": CameraConfig(url="rtsp://gate/1", enabled=False)})
    with pytest.raises(CameraDisabledError, match="enabled"):
        world.fleet.restart("gate")
    with pytest.raises(UnknownCameraError, match="there are gate"):
        world.fleet.restart("yard")
    world.fleet.stop()
