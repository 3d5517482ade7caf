"""From a wish for a picture to an event that names one: the best, stored first; no event is lost for want of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import FakeClock
from safetygear.errors import ModelError
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.event import EventMessage, EventState
from safetygear_inference.evidence.best_pictures import FIRST_PAUSE_S, LONGEST_PAUSE_S, BestPictures, Candidate
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.desk import EvidenceDesk
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.evidence.picture_id import PICTURES_PER_EPISODE, picture_of_uri
from safetygear_inference.evidence.picture_making import CautiousDetector
from safetygear_inference.picture_folder import PictureFolderError
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis
from support.evidence import HEAD, PERSON, Seeing, seen_frame, wish
from support.outbox import inline

EPISODE = wish(1).episode


class Judged:
    """What the desk asks of the judges."""

    def __init__(self) -> None:
        self.pictures: list[tuple[str, str, float]] = []
        self.zones: tuple[tuple[tuple[float, float], ...], ...] = ()

    def pictured(self, camera: str, episode: str, score: float) -> None:
        self.pictures.append((camera, episode, score))

    def privacy(self, _camera: str) -> Any:
        return self.zones


class Desk:
    def __init__(self, folder: Path) -> None:
        self.clock, self.problems, self.judges = FakeClock(), Problems(), Judged()
        self.side = SideAnalysis(folder)
        judges: Any = self.judges
        self.desk = EvidenceDesk(
            folder, self.side, judges, self.problems, self.clock, detector=CautiousDetector(), off_loop=inline
        )

    async def settle(self) -> None:
        """Until no look is under way."""
        while self.desk._looks:
            await asyncio.gather(*self.desk._looks)

    async def attach(self, state: EventState = "open", *, wait_s: float = 0.0, episode: str = EPISODE) -> EventMessage:
        return await self.desk.attach(event(state, episode), until_s=self.clock.monotonic_s() + wait_s)


def event(state: EventState = "open", episode: str = EPISODE) -> EventMessage:
    return EventMessage(
        id=episode, event_sequence=0, outbox_epoch="", dedup_key=f"{episode}:{state}", rule="no-helmet",
        severity="medium", state=state, camera="gate", zone="default", track="t1", opened_at="", updated_at="",
        reason="missing-helmet", confidence=0.9, model=ModelIdentity(name="m", version="1", sha256="0"), config_hash="",
    )  # fmt: skip


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.desk.begin()
    yield desk
    desk.side.close()


async def test_an_open_event_waits_for_the_picture_of_its_frame(made: Desk, tmp_path: Path) -> None:
    made.desk.seen(seen_frame(Seeing(("person", (0.25, 0.2, 0.75, 0.8))), wishes=[wish(1)]))
    given = await made.attach(wait_s=2)
    assert given.evidence is not None
    assert (given.evidence_missing, given.evidence.blurred) == (None, True)
    assert given.evidence.uri == f"/evidence/{EPISODE}-1.jpg"
    stored = (tmp_path / "evidence" / f"{EPISODE}-1.jpg").read_bytes()
    assert hashlib.sha256(stored).hexdigest() == given.evidence.sha256
    assert await made.desk.read(f"{EPISODE}-1") == stored
    assert made.desk.known(EPISODE) == given.evidence
    ((camera, episode, score),) = made.judges.pictures
    assert (camera, episode) == ("gate", EPISODE)
    assert 0 < score < 0.5, "less what the picture lacks in sharpness"


async def test_the_stored_pixels_are_looked_at_again_with_low_thresholds(made: Desk) -> None:
    model = Seeing()
    made.desk.seen(seen_frame(model, wishes=[wish(1)]))
    assert (await made.attach(wait_s=2)).evidence is not None
    ((thresholds, default),) = model.thresholds
    assert default is not None
    assert max(default, *thresholds.values()) < 0.2
    ((width, height),) = model.looks
    assert 48 < width < 96 and 144 < height < 220, "the person and a margin, no more"


async def test_two_rules_broken_by_one_person_cost_one_look(made: Desk) -> None:
    model = Seeing()
    made.desk.seen(seen_frame(model, wishes=[wish(1), wish(2)]))
    first, second = await made.attach(wait_s=2), await made.attach(wait_s=2, episode=wish(2).episode)
    assert first.evidence is not None and second.evidence is not None
    assert (first.evidence.sha256 == second.evidence.sha256, first.evidence.uri == second.evidence.uri) == (True, False)
    assert len(model.looks) == 1


async def test_a_better_picture_comes_with_a_later_event_under_another_name(made: Desk) -> None:
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1, 0.2)]))
    opened = await made.attach(wait_s=2)
    await made.clock.advance(FIRST_PAUSE_S)
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1, 0.1)]))
    await made.settle()
    same = await made.attach("update")
    assert same.evidence == opened.evidence
    await made.clock.advance(60)
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1, 0.9)]))
    closed = await made.attach("closed", wait_s=2)
    assert closed.evidence is not None and opened.evidence is not None
    assert closed.evidence.uri == f"/evidence/{EPISODE}-2.jpg"
    assert await made.desk.read(f"{EPISODE}-1") is not None, "what the first event names stays what it was"
    assert made.desk.known(EPISODE) is None, "it is over"


async def test_an_episode_has_so_many_pictures_and_no_more(made: Desk) -> None:
    named = set()
    for number in range(PICTURES_PER_EPISODE + 3):
        made.desk.seen(seen_frame(Seeing(), wishes=[wish(1, 0.01 * 2**number)]))
        update = await made.attach("open" if number == 0 else "update", wait_s=2)
        assert update.evidence is not None
        named.add(update.evidence.uri)
        await made.clock.advance(60)
    assert len(named) == PICTURES_PER_EPISODE == made.desk.store.count


async def test_after_a_restart_an_event_names_what_was_stored_before(made: Desk, tmp_path: Path) -> None:
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1)]))
    opened = await made.attach(wait_s=2)
    again = Desk(tmp_path)
    await again.desk.begin()
    assert (await again.attach("update")).evidence == opened.evidence
    again.desk.seen(seen_frame(Seeing(), wishes=[wish(1)]))
    closed = await again.attach("closed", wait_s=2)
    assert closed.evidence is not None
    assert picture_of_uri(closed.evidence.uri) != picture_of_uri(f"/evidence/{EPISODE}-1.jpg")
    again.side.close()


@pytest.mark.parametrize(
    ("model", "jpeg", "why"),
    [
        (Seeing(fails=ModelError("no", code="model-failed")), None, "model-failed"),
        (Seeing(), b"\xff\xd8 and no more", "jpeg-invalid"),
        (Seeing(fails=RuntimeError("a surprise")), None, "internal"),
    ],
    ids=["detector", "picture", "surprise"],
)
async def test_what_fails_costs_the_picture_and_not_the_event(
    made: Desk, model: Seeing, jpeg: bytes | None, why: str
) -> None:
    made.desk.seen(seen_frame(model, wishes=[wish(1)], jpeg=jpeg))
    await made.settle()
    given = await made.attach()
    assert (given.evidence, given.evidence_missing) == (None, why)
    assert made.desk.counted() == {why: 1}
    assert made.desk.store.count == 0, "an unblurred picture is no way out"


async def test_a_frame_that_was_gone_is_followed_by_another(made: Desk) -> None:
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1)], jpeg=b"\xff\xd8 and no more"))
    waiting = asyncio.create_task(made.attach(wait_s=2))
    await made.settle()
    assert not waiting.done()
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1)]))
    assert (await waiting).evidence is not None


async def test_an_event_waits_only_so_long(made: Desk) -> None:
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1)], jpeg=b"\xff\xd8 and no more"))
    waiting = asyncio.create_task(made.attach(wait_s=1.5))
    await made.settle()
    await made.clock.advance(1.4)
    assert not waiting.done()
    await made.clock.advance(0.2)
    assert (await waiting).evidence_missing == "jpeg-invalid"
    assert (await made.attach(episode=wish(9).episode)).evidence_missing == "late"


async def test_a_full_disk_is_said_in_the_event_and_as_a_problem_while_it_lasts(
    made: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise PictureFolderError("no space left", code="data-full")

    with monkeypatch.context() as patch:
        patch.setattr(made.desk.store, "put", fail)
        made.desk.seen(seen_frame(Seeing(), wishes=[wish(1)]))
        assert (await made.attach(wait_s=2)).evidence_missing == "data-full"
    assert made.problems.as_document()["evidence"]["code"] == "data-full"
    await made.clock.advance(60)
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1, 0.9)]))
    assert (await made.attach("update", wait_s=2)).evidence is not None
    assert made.problems.as_document() == {}


async def test_a_surprise_costs_no_event(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise TypeError("a surprise")

    monkeypatch.setattr(made.desk._best, "to_store", fail)
    assert (await made.attach("update")).evidence_missing == "internal"


async def test_switched_off_nothing_is_looked_at(made: Desk) -> None:
    made.desk.configure(EvidenceConfig(enabled=False))
    model = Seeing()
    made.desk.seen(seen_frame(model, wishes=[wish(1)]))
    given = await made.attach(wait_s=2)
    assert (given.evidence, given.evidence_missing, model.looks) == (None, "off", [])


async def test_a_picture_that_was_evicted_is_named_no_more(made: Desk) -> None:
    made.desk.seen(seen_frame(Seeing(), wishes=[wish(1)]))
    await made.attach(wait_s=2)
    made.desk.store.expire(now_s=0, quota_bytes=0, retention_days=1)
    assert (await made.attach("update")).evidence_missing == "evicted"


@pytest.mark.parametrize("faces", ["blurred", "clear"])
async def test_nobody_can_be_recognised_unless_the_twin_says_so(made: Desk, faces: Any) -> None:
    from safetygear_inference.pixels import decode_jpeg, detail

    made.desk.configure(EvidenceConfig(faces=faces, quality=95))
    made.judges.zones = (((0.44, 0.0), (1.0, 0.0), (1.0, 1.0), (0.44, 1.0)),)
    model = Seeing()
    bystander = (0.25, 0.2, 0.29, 0.8)
    made.desk.seen(seen_frame(model, wishes=[wish(1)], boxes=[("person", PERSON), ("head", HEAD)], unseen=[bystander]))
    given = await made.attach(wait_s=2)
    assert given.evidence is not None
    assert given.evidence.blurred == (faces == "blurred")
    name = f"{EPISODE}-1" if faces == "blurred" else f"{EPISODE}-1c"
    jpeg = await made.desk.read(name)
    assert jpeg is not None
    shown = decode_jpeg(jpeg).planes[0]
    left, top = int((0.3 - 0.25 * 0.15) * 320) // 2 * 2, int((0.2 - 0.25 * 0.6) * 240) // 2 * 2

    def part(box: tuple[float, float, float, float]) -> Any:
        x0, y0, x1, y1 = (round(value * side) for value, side in zip(box, (320, 240) * 2, strict=True))
        return shown[max(0, y0 - top) : y1 - top, max(0, x0 - left) : x1 - left]

    for face in (HEAD, (0.27, 0.21, 0.29, 0.3)):
        assert (detail(part(face)) > RECOGNISABLE_ABOVE) == (faces == "clear")
    assert detail(part((0.3, 0.6, 0.43, 0.75))) > RECOGNISABLE_ABOVE, "the rest stays"
    assert part((0.45, 0.1, 0.48, 0.9)).max() < 40, "a privacy zone is black first"


def candidate(score: float, size: int = 10) -> Candidate:
    return Candidate(b"x" * size, True, score)


def test_looks_that_bring_nothing_become_rare() -> None:
    best, now_s, looks = BestPictures(), 0.0, 0
    for _ in range(1000):
        if best.worth_looking("e", 0.5, now_s):
            looks += 1
            best.taken("e", None, now_s)
        now_s += 0.2
    assert 5 < looks < 15 + 200 / LONGEST_PAUSE_S


def test_a_look_is_worth_it_only_for_something_clearly_better() -> None:
    best = BestPictures()
    assert best.worth_looking("e", 0.5, 0)
    assert not best.worth_looking("e", 0.9, 0), "one is under way"
    best.taken("e", candidate(0.4), 0)
    assert not best.worth_looking("e", 0.9, 0.1), "too soon"
    assert not best.worth_looking("e", 0.41, 9)
    assert best.worth_looking("e", 0.5, 9)
    best.failed("e")
    assert best.worth_looking("e", 0.5, 9), "a frame that was gone costs no time"


def test_what_is_over_comes_back_by_no_look() -> None:
    best = BestPictures()
    best.worth_looking("e", 0.5, 0)
    best.forget("e")
    best.taken("e", candidate(0.4), 0)
    assert (best.to_store("e"), best.size_bytes, best.knows("e")) == (None, 0, False)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 60), st.floats(0.01, 1), st.booleans()), max_size=40))
def test_memory_is_bounded_and_accounted_for(turns: list[tuple[str, int, float, bool]]) -> None:
    best, now_s = BestPictures(memory_bytes=100), 0.0
    for episode, size, score, store in turns:
        now_s += 100
        if best.worth_looking(episode, score, now_s):
            best.taken(episode, candidate(score, size), now_s)
        if store and (kept := best.to_store(episode)) is not None:
            best.settled(episode, kept)
        held = [kept for name in "abcd" if (kept := best.to_store(name)) is not None]
        assert best.size_bytes == sum(len(kept.jpeg) for kept in held) <= 100
