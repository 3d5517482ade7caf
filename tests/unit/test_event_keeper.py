"""From changes to events on the disk and at the hub: in order, through disk trouble, kills and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from safetygear.clock import FakeClock
from safetygear.errors import UserError
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import decode
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.event import EventMessage
from safetygear_inference import event_keeper
from safetygear_inference.config import InferenceTwin
from safetygear_inference.event_keeper import EventKeeper
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.outbox import outbox as outbox_module
from safetygear_inference.outbox.newest_report import SeenSequence
from safetygear_inference.problems import Problems
from support.outbox import inline

MODEL = ModelIdentity(name="m", version="1", sha256="0" * 64)
LABELS = ("person", "helmet", "vest", "head", "no-vest")
SIZE_PX = (1280, 720)


class Module:
    """One start of the module: judges and keeper over a folder, and what the hub has taken."""

    def __init__(self, folder: Path, clock: FakeClock, token: str) -> None:
        self.clock = clock
        self.problems = Problems()
        self.judges = Judges(origin="device/inference", token=token)
        self.judges.model(LABELS)
        self.taken: list[OutgoingMessage] = []
        self.keeper = EventKeeper(
            folder, self.judges, self._submit, self.problems, clock, shard="default", off_loop=inline
        )
        self._task: asyncio.Task[None] | None = None

    def _submit(self, message: OutgoingMessage) -> bool:
        self.taken.append(message)
        asyncio.get_running_loop().call_soon(self.keeper.pump.sent, message)
        return True

    def events(self) -> list[EventMessage]:
        return [decode(message.body, EventMessage) for message in self.taken]

    async def start(self, seen: SeenSequence | None = None) -> None:
        await self.keeper.begin(seen)
        self._task = asyncio.create_task(self.keeper.run())
        await self.clock.advance(0.1)

    async def kill(self) -> None:
        """Nothing more is written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.keeper._outbox.close()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.keeper.stop()
        await self.keeper.flush()

    async def watch(self, seconds: float, *, helmet: bool = False, left: float = 600) -> None:
        """Somebody stands there, at 5 fps."""
        rows = [
            ("person", (left, 300, left + 100, 560)),
            ("helmet" if helmet else "head", (left + 32, 300, left + 68, 336)),
            ("vest", (left + 20, 342, left + 80, 440)),
        ]
        scale = np.array([*SIZE_PX, *SIZE_PX], np.float32)
        boxes = LabelledBoxes(
            np.array([box for _, box in rows], np.float32) / scale,
            tuple(label for label, _ in rows),
            np.full(len(rows), 0.9, np.float32),
        )
        for _ in range(round(seconds * 5)):
            await self.clock.advance(0.2)
            self.keeper.seen("gate", "north", MODEL)
            judged = self.judges.judge(
                "gate", boxes, now_s=self.clock.monotonic_s(), wall_s=self.clock.now_s(), dark=False,
                frame_size_px=SIZE_PX,
            )  # fmt: skip
            self.keeper.tell(judged.changes)
            self.keeper.tick()
        await self.clock.advance(0.1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def module(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Module]:
    made = Module(tmp_path, clock, "a")
    await made.start()
    yield made
    await made.kill()


async def test_a_page_that_fails_costs_no_event(module: Module, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: EventMessage) -> None:
        raise TypeError(event.id)

    module.keeper.on_event = fail
    await module.watch(6)
    assert [(event.state, event.rule) for event in module.events()] == [("open", "no-helmet")]
    assert "could not be shown" in caplog.text


async def test_a_violation_becomes_an_event_with_its_place_and_its_rules(module: Module) -> None:
    await module.watch(6)
    (event,) = module.events()
    assert (event.state, event.rule, event.camera, event.zone) == ("open", "no-helmet", "gate", "default")
    assert (event.event_sequence, event.model, event.config_hash) == (1, MODEL, module.judges.config_hash)
    assert module.taken[0].properties["shard"] == "north"
    assert module.keeper.told == {("no-helmet", "medium", "open"): 1}


async def test_a_restart_goes_on_with_the_same_episode(module: Module, tmp_path: Path, clock: FakeClock) -> None:
    await module.watch(6)
    await module.stop()
    again = Module(tmp_path, clock, "b")
    await again.start()
    await again.watch(6)
    await again.watch(4, helmet=True)
    assert [(one.state, one.close_reason) for one in again.events()] == [("closed", "complied")]
    assert {one.id for one in module.events()} == {one.id for one in again.events()}
    await again.kill()


async def test_whoever_listens_hears_of_events_and_after_a_restart_of_what_is_still_open(
    module: Module, tmp_path: Path, clock: FakeClock
) -> None:
    heard: list[EventMessage] = []
    module.keeper.on_event = heard.append
    await module.watch(6)
    assert [(one.id, one.state) for one in heard] == [(module.events()[0].id, "open")]
    await module.stop()
    again = Module(tmp_path, clock, "b")
    again.keeper.on_event = heard.append
    await again.start()
    assert [(one.id, one.state, one.began_at) for one in heard[1:]] == [(heard[0].id, "update", heard[0].began_at)]
    assert again.events() == [], "only the listener is told"
    await again.kill()


async def test_a_killed_module_closes_what_it_had_told_and_nothing_else(
    module: Module, tmp_path: Path, clock: FakeClock
) -> None:
    await module.watch(20)
    await module.kill()
    again = Module(tmp_path, clock, "b")
    await again.start()
    await clock.advance(20)
    again.keeper.tell(again.judges.tick(now_s=clock.monotonic_s(), wall_s=clock.now_s()))
    await clock.advance(0.1)
    (closed,) = again.events()
    assert (closed.id, closed.state, closed.close_reason) == (module.events()[0].id, "closed", "restart")
    assert closed.event_sequence == 2
    assert (closed.model, again.taken[0].properties["shard"]) == (MODEL, "north")
    await again.kill()


async def test_a_kill_right_after_an_opening_forgets_it_not(module: Module, tmp_path: Path, clock: FakeClock) -> None:
    while not module.events():
        await module.watch(0.2)
    await module.kill()
    again = Module(tmp_path, clock, "b")
    await again.start()
    await again.watch(20, helmet=True)
    assert [(one.id, one.state) for one in again.events()] == [(module.events()[0].id, "closed")]
    await again.kill()


async def test_while_the_disk_fails_events_wait_and_a_problem_says_so(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetygear_inference.outbox.outbox import Outbox
    from safetygear_inference.outbox.store import OutboxError

    def fails(*args: object, **kwargs: object) -> None:
        raise OutboxError("no space left", code="data-full")

    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "append_all", fails)
        await module.watch(6)
        assert (module.events(), module.keeper.waiting) == ([], 1)
        assert module.problems.as_document()["outbox"]["code"] == "data-full"
        assert len(module.judges.open_episodes()) == 1
    await module.watch(40, helmet=True)
    assert [one.state for one in module.events()] == ["open", "closed"]
    assert [one.event_sequence for one in module.events()] == [1, 2]
    assert module.problems.as_document() == {}


async def test_what_waits_in_memory_is_bounded_and_opens_go_last(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_keeper, "MAX_PENDING", 2)
    await module.kill()
    module.judges.configure(
        InferenceTwin(episodes=InferenceTwin().episodes.__class__(update_interval_s=1)),
        now_s=module.clock.monotonic_s(),
    )
    await module.watch(9)
    await module.watch(6, helmet=True)
    assert module.keeper.waiting == 2
    assert [one.event.state for one in module.keeper._pending] == ["open", "closed"]
    assert module.keeper.dropped["events-pending-full"] > 0


async def test_a_state_that_can_not_be_read_is_a_problem_and_no_end(tmp_path: Path, clock: FakeClock) -> None:
    module = Module(tmp_path, clock, "a")
    module.keeper._outbox.keep({"episodes": b"{}"})
    await module.start()
    await module.watch(6)
    assert module.problems.as_document()["outbox"]["code"] == "episode-state-invalid"
    assert [one.state for one in module.events()] == ["open"]
    await module.kill()


async def test_a_verdict_is_kept_and_counted(module: Module, tmp_path: Path, clock: FakeClock) -> None:
    await module.watch(6)
    (event,) = module.events()
    assert await module.keeper.acknowledge(event.id, "false", "it was a cap")
    assert not await module.keeper.acknowledge("ep-" + "0" * 24, "true", "")
    await module.kill()
    again = Module(tmp_path, clock, "b")
    await again.start()
    assert again.judges.kpi.precision("gate", "default") == 0.0
    await again.kill()


async def test_sent_events_are_sent_again_with_the_same_dedup_keys(module: Module) -> None:
    await module.watch(6)
    await module.watch(4, helmet=True)
    first = module.events()
    answer = await module.keeper.resend(1, 2, None)
    await module.clock.advance(0.1)
    assert (answer.queued, answer.not_given) == (2, ())
    assert [one.dedup_key for one in module.events()[2:]] == [one.dedup_key for one in first]


@pytest.mark.parametrize("refused", [{1}, {3}, {0, 2}, {0, 1, 2, 3}])
async def test_of_several_events_only_the_one_that_no_hub_takes_is_dropped(
    module: Module, monkeypatch: pytest.MonkeyPatch, refused: set[int]
) -> None:
    check, keys = outbox_module._check_size, {f"d{number}" for number in refused}

    def too_large(event: EventMessage) -> None:
        if event.dedup_key in keys:
            raise UserError("an event of 300000 bytes can't be sent.", code="event-too-large")
        check(event)

    monkeypatch.setattr(outbox_module, "_check_size", too_large)
    await module.watch(6)
    (before,) = module.events()
    await module.stop()
    module.keeper._outbox.keep({"episodes": b"old"})
    for number in range(4):
        event = msgspec.structs.replace(before, dedup_key=f"d{number}")
        module.keeper._pending.append(event_keeper._Waiting(event, "default"))
    await module.keeper._store(with_counted=True)
    kept = [decode(stored.body, EventMessage) for stored in module.keeper._outbox.next_unsent(9)]
    assert [one.dedup_key for one in kept if one.event_sequence > 1] == [f"d{n}" for n in range(4) if n not in refused]
    assert module.keeper.dropped == {"event-too-large": len(refused)}
    assert module.keeper.waiting == 0
    assert module.keeper._outbox.kept("episodes") != b"old", "what is open is kept whatever becomes of the last event"


async def test_a_file_that_is_older_than_what_others_have_seen_begins_a_new_epoch(
    module: Module, tmp_path: Path, clock: FakeClock
) -> None:
    await module.watch(6)
    (event,) = module.events()
    await module.stop()
    again = Module(tmp_path, clock, "b")
    await again.start(SeenSequence(event.outbox_epoch, 7))
    await again.watch(6)
    await again.watch(4, helmet=True)
    (closed,) = again.events()
    assert closed.outbox_epoch != event.outbox_epoch
    assert closed.event_sequence == 1
    assert again.problems.as_document()["outbox"]["code"] == "outbox-replaced"
    await again.kill()


async def test_a_file_that_is_up_to_date_goes_on(module: Module, tmp_path: Path, clock: FakeClock) -> None:
    await module.watch(6)
    (event,) = module.events()
    await module.stop()
    again = Module(tmp_path, clock, "b")
    await again.start(SeenSequence(event.outbox_epoch, 1))
    await again.watch(6)
    await again.watch(4, helmet=True)
    assert [(one.outbox_epoch, one.event_sequence) for one in again.events()] == [(event.outbox_epoch, 2)]
    assert again.problems.as_document() == {}
    await again.kill()
