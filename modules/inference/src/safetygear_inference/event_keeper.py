"""From changes of episodes to events that are on the disk and on their way to the hub, over restarts and disk trouble.

One task writes: what has changed goes to the outbox in its order, in one transaction with the episodes that are open
after it. Where the disk fails, events wait in memory and the judging goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from safetygear.backoff import Backoff
from safetygear.clock import Clock
from safetygear.errors import UserError
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import Message, MessageError, decode, encode
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.event import EventMessage, Evidence
from safetygear_inference.compliance.episode import EpisodeChange, EpisodeStateError
from safetygear_inference.compliance.kpi import Verdict
from safetygear_inference.judging.judges import EPISODES, KPI, Judges
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.newest_report import SeenSequence
from safetygear_inference.outbox.outbox import Outbox, OutboxHealth, Resend
from safetygear_inference.outbox.pump import FIRST_RETRY_S, RETRY_CEILING_S, OffLoop, Pump
from safetygear_inference.outbox.store import OutboxError
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.events import event_message

FILE = Path("outbox") / "outbox.sqlite"
CONTEXT = "context"
SAVE_EVERY_S = 5.0
"""How old the kept state of open episodes may be after a kill."""
COUNTED_EVERY_S = 30.0
"""The same for the KPI, which is larger."""
MAX_PENDING = 5_000
"""Events in memory while the disk takes none; about 1 KB each. The oldest updates go first, then the oldest."""
PENDING_FULL = "events-pending-full"
PICTURES_WAIT_S = 1.5
"""What the events of one turn wait for their pictures at most, all together. A picture takes 50 ms."""

log = logging.getLogger(__name__)


class EventContext(Message, frozen=True, kw_only=True):
    """What an event says beside its episode; kept, for episodes that end before the first frame after a restart."""

    model: ModelIdentity
    shards: dict[str, str]
    """By camera."""


class PictureSource(Protocol):
    """Where events get their pictures from."""

    def known(self, episode: str) -> Evidence | None:
        """The newest stored picture of an open episode."""
        ...

    async def attach(self, event: EventMessage, *, until_s: float) -> EventMessage:
        """The event with its picture, which is on the disk then; it waits for one until `until_s` (monotonic) at most.
        Raises nothing."""
        ...


@dataclass
class _Waiting:
    event: EventMessage
    shard: str
    pictured: bool = False


class EventKeeper:
    """`submit` takes a message into the lane of events or refuses it. Belongs to the event loop."""

    def __init__(
        self,
        folder: Path,
        judges: Judges,
        submit: Callable[[OutgoingMessage], bool],
        problems: Problems,
        clock: Clock,
        *,
        shard: str,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        """`folder`: the data volume. `shard`: of a camera that no frame has named yet."""
        self._judges = judges
        self._problems = problems
        self._clock = clock
        self._shard = shard
        self._off_loop = off_loop
        self._outbox = Outbox(folder / FILE, OutboxConfig(), clock, on_problem=self._file_replaced)
        self.pump = Pump(
            self._outbox,
            submit,
            clock,
            on_problem=lambda code, message: self._failed("send", code, message),
            on_solved=lambda: self._works("send"),
            off_loop=off_loop,
        )
        self.on_event: Callable[[EventMessage], None] = lambda _: None
        """Called with every event when it is made, before it is on the disk, once more when it has got another picture,
        and with those open after a restart.

        What it raises is logged and costs nothing else."""
        self.pictures: PictureSource | None = None
        """None: events have none."""
        self.health: OutboxHealth | None = None
        """The outbox as it was a few seconds ago; None: it could not be asked yet."""
        self.told: Counter[tuple[str, str, str]] = Counter()
        """Events since the start, by rule, severity and state."""
        self.dropped: Counter[str] = Counter()
        """Events since the start that never came onto the disk, by reason."""
        self._context = EventContext(model=ModelIdentity(name="", version="", sha256=""), shards={})
        self._pending: deque[_Waiting] = deque()
        self._seen: SeenSequence | None = None
        self._restored = False
        self._saved_s = self._counted_s = clock.monotonic_s()
        self._anything_open = True
        self._failing: set[str] = set()
        self._replaced: tuple[str, str] | None = None
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Events in memory that are not on the disk yet."""
        return len(self._pending)

    def configure(self, config: OutboxConfig) -> None:
        self._outbox.config = config

    def seen(self, camera: str, shard: str, model: ModelIdentity) -> None:
        """A frame of the camera was judged with these weights."""
        if self._context.model != model or self._context.shards.get(camera) != shard:
            self._context = EventContext(model=model, shards={**self._context.shards, camera: shard})

    def forget(self, camera: str) -> None:
        """The camera was removed; after what it had open was told."""
        shards = {name: shard for name, shard in self._context.shards.items() if name != camera}
        self._context = EventContext(model=self._context.model, shards=shards)

    def tell(self, changes: Sequence[EpisodeChange]) -> None:
        """Make events of them, in this order."""
        for change in changes:
            event = self._message(change)
            self.told[(event.rule, event.severity, event.state)] += 1
            self._pending.append(_Waiting(event, self._context.shards.get(event.camera, self._shard)))
            self._show(event)
        if changes:
            self._bound()
            self._wake.set()

    async def begin(self, seen: SeenSequence | None = None) -> None:
        """Take over what an earlier process had open; before the first frame. Where the disk fails, later.

        `seen`: the newest event that others know of, so that an older state of the file is noticed.
        """
        self._seen = seen
        try:
            await self._restore()
        except OutboxError as exc:
            self._failed("store", exc.code, str(exc))

    async def run(self) -> None:
        """Store and send until cancelled, through every failure of the disk."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pump.run(), name="outbox-pump")
            group.create_task(self._store_all(), name="outbox-store")

    def tick(self) -> None:
        """Once a second: what is open is kept anew now and then."""
        if self._clock.monotonic_s() - self._saved_s >= SAVE_EVERY_S:
            self._wake.set()

    async def stop(self) -> None:
        """Keep everything that has to outlive the process; after the last change and after `run` was cancelled."""
        try:
            await self._store(with_counted=True, wait_s=0)
        except OutboxError as exc:
            log.error("%d events and the open episodes can't be kept: %s", len(self._pending), exc)  # noqa: TRY400

    async def flush(self) -> None:
        """Note what the hub has taken, and close the file."""
        with contextlib.suppress(OutboxError):  # those events are sent once more, with the same dedup key
            await self.pump.flush()
        await self._off_loop(self._outbox.close)

    async def resend(self, first: int, last: int, epoch: str | None) -> Resend:
        """Put `first..last` in line again. Raises UserError (unknown epoch) and OutboxError."""
        resend = await self._off_loop(self._outbox.resend, first, last, epoch=epoch)
        self.pump.wake()
        return resend

    async def acknowledge(self, episode_id: str, verdict: Verdict, note: str) -> bool:
        """Keep what a person says of an event; False: there is no such event. Raises OutboxError."""
        known = next(((one.camera, one.zone) for one in self._judges.open_episodes() if one.id == episode_id), None)
        if known is None:
            event = await self._off_loop(self._outbox.newest_of_episode, episode_id)
            if event is None:
                return False
            known = event.camera, event.zone
        self._judges.kpi.judge(episode_id, *known, verdict, note)
        if self._restored:  # else what was kept before would be written over unread
            await self._off_loop(self._outbox.keep, self._judges.counted(), synced=True)
        return True

    async def _store_all(self) -> None:
        backoff = Backoff(first_s=FIRST_RETRY_S, ceiling_s=RETRY_CEILING_S, random=random.Random())
        while True:
            await self._wake.wait()
            # Cleared first: what comes during the turn wakes the next one.
            self._wake.clear()
            try:
                await self._store(with_counted=self._clock.monotonic_s() - self._counted_s >= COUNTED_EVERY_S)
            except OutboxError as exc:
                self._failed("store", exc.code, str(exc))
                await self._clock.sleep(backoff.next_s())
                self._wake.set()
            else:
                backoff.reset()
                self._works("store")

    async def _store(self, *, with_counted: bool, wait_s: float = PICTURES_WAIT_S) -> None:
        if not self._restored:
            await self._restore()
        await self._add_pictures(self._clock.monotonic_s() + wait_s)
        batch, self._pending = self._pending, deque()
        now_s = self._clock.monotonic_s()
        anything_open = bool(self._judges.open_episodes())
        keep: dict[str, bytes] = {}
        if batch or anything_open or self._anything_open:
            keep = self._judges.state(now_s=now_s, wall_s=self._clock.now_s()) | {CONTEXT: encode(self._context)}
        if with_counted:
            keep |= self._judges.counted()
        told = bool(batch)
        try:
            await _to_the_end(self._off_loop(self._write, batch, keep))
            self.health = await self._off_loop(self._outbox.health)
        finally:
            self._pending.extendleft(reversed(batch))  # what could not be written
            self._bound()
        self._saved_s, self._anything_open = now_s, anything_open
        if with_counted:
            self._counted_s = now_s
        if told:
            self.pump.wake()

    async def _add_pictures(self, until_s: float) -> None:
        """To every event that waits: what an event names is on the disk before the event is."""
        if self.pictures is None:
            return
        while (waiting := next((one for one in self._pending if not one.pictured), None)) is not None:
            event = await self.pictures.attach(waiting.event, until_s=until_s)
            waiting.pictured = True
            if event.evidence != waiting.event.evidence:
                self._show(event)
            waiting.event = event

    def _message(self, change: EpisodeChange) -> EventMessage:
        known = self.pictures.known(change.id) if self.pictures is not None else None
        return event_message(change, model=self._context.model, config_hash=self._judges.config_hash, evidence=known)

    def _write(self, batch: deque[_Waiting], keep: dict[str, bytes]) -> None:
        """In a thread. Takes out of `batch` what is on the disk; the last ones together with `keep`."""
        if not batch and keep:
            self._outbox.keep(keep)
        alone = 0
        """So many of the first are stored one by one."""
        while batch:
            shard = batch[0].shard
            together = [one.event for one in takewhile(partial(_is_of, shard), batch)][: 1 if alone else None]
            last = len(together) == len(batch)
            try:
                self._outbox.append_all(together, shard=shard, keep=keep if last else None)
            except UserError as exc:  # no hub would take one of them: the others must not wait for it for ever
                if len(together) > 1:
                    alone = len(together)
                    continue
                self.dropped[exc.code] += 1
                log.exception("an event of camera %s can't be stored", together[0].camera)
                if last and keep:
                    self._outbox.keep(keep, synced=True)
            for _ in together:
                batch.popleft()
            alone = max(0, alone - 1)

    async def _restore(self) -> None:
        if self._seen is not None:  # before anything gets a sequence that was given once already
            await self._off_loop(self._outbox.seen_elsewhere, self._seen.epoch, self._seen.sequence)
            self._seen = None
        kept = await self._off_loop(self._read_kept)
        self._restored = True
        try:
            if CONTEXT in kept:
                before = decode(kept[CONTEXT], EventContext)
                shards = {**before.shards, **self._context.shards}
                self._context = EventContext(
                    model=self._context.model if self._context.shards else before.model, shards=shards
                )
            changes = self._judges.restore(kept, now_s=self._clock.monotonic_s(), wall_s=self._clock.now_s())
        except (EpisodeStateError, MessageError) as exc:
            self._file_replaced(
                exc.code, f"what was open before the restart can't be read, its events stay open: {exc}"
            )
            return
        self.tell(changes)
        for episode in self._judges.open_episodes():
            event = self._message(episode.stands())
            if self.pictures is not None:
                event = await self.pictures.attach(event, until_s=self._clock.monotonic_s())
            self._show(event)

    def _show(self, event: EventMessage) -> None:
        try:
            self.on_event(event)
        except Exception:
            # Whoever only looks on must not cost an event.
            log.exception("an event of camera %s could not be shown", event.camera)

    def _read_kept(self) -> dict[str, bytes]:
        found = {name: self._outbox.kept(name) for name in (CONTEXT, EPISODES, KPI)}
        return {name: value for name, value in found.items() if value is not None}

    def _bound(self) -> None:
        while len(self._pending) > MAX_PENDING:
            updates = (place for place, one in enumerate(self._pending) if one.event.state == "update")
            del self._pending[next(updates, 0)]
            self.dropped[PENDING_FULL] += 1

    def _failed(self, what: str, code: str, message: str) -> None:
        self._failing.add(what)
        self._problems.raised("outbox", code, message)

    def _works(self, what: str) -> None:
        self._failing.discard(what)
        if self._failing:
            return
        if self._replaced is not None:
            # What was lost with the file stays lost: said until the module starts again.
            self._problems.raised("outbox", *self._replaced)
        else:
            self._problems.solved("outbox")

    def _file_replaced(self, code: str, message: str) -> None:
        """Also called from a thread."""
        self._replaced = (code, message)
        self._problems.raised("outbox", code, message)


def _is_of(shard: str, waiting: _Waiting) -> bool:
    return waiting.shard == shard


async def _to_the_end(call: Awaitable[None]) -> None:
    """A thread can't be stopped: whoever is cancelled waits for it, or it would write beside the next one."""
    task = asyncio.ensure_future(call)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
