"""Pictures from the main stream's key frames: taken where they show the person, under the same rule of faces; else the
analysed frame's own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from safetygear.clock import FakeClock
from safetygear.geometry import as_xyxy
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.event import EventMessage, EventState
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.desk import EvidenceDesk
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.evidence.picture_making import CautiousDetector
from safetygear_inference.evidence.snapshot import KEY_FRAME_FRESH_S, Snapshots
from safetygear_inference.evidence.taking import SLOT_COUNTS
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.camera_judge import Verdict
from safetygear_inference.judging.observation import JudgedPerson
from safetygear_inference.key_frames.newest import KeyFrames
from safetygear_inference.pixels import decode_jpeg, detail, encode_jpeg
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis
from support.evidence import HEAD, HEIGHT, PERSON, WIDTH, Seeing, noise, seen_frame, wish
from support.outbox import inline

EPISODE = wish(1).episode
TIMES = 3
"""The main stream's pixels to one of the sub-stream's."""
SLOT_HEIGHT_PX = 216
"""Of the person's part with its margin: 0.6 times 1.5 of the height."""
IN_PART: tuple[float, float, float, float] = (1 / 6, 1 / 6, 5 / 6, 5 / 6)
"""The person in his part."""


class Judged:
    zones: tuple[tuple[tuple[float, float], ...], ...] = ()

    def __init__(self) -> None:
        self.scores: list[float] = []

    def pictured(self, camera: str, episode: str, score: float) -> None:
        self.scores.append(score)

    def privacy(self, _camera: str) -> Any:
        return self.zones


class Site:
    """A desk and snapshots that share key frames."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.key_frames, self.judges = FakeClock(), KeyFrames(), Judged()
        self.side, self._came = SideAnalysis(folder), 0
        judges: Any = self.judges
        detector = CautiousDetector()
        self.desk = EvidenceDesk(
            folder, self.side, judges, Problems(), self.clock, detector=detector, key_frames=self.key_frames,
            off_loop=inline,
        )  # fmt: skip
        self.snapshots = Snapshots(
            self.side, judges, self.clock, detector=detector, cameras=lambda: {"gate"}, key_frames=self.key_frames
        )
        reference = seen_frame(Seeing()).arrival.reference
        for captured_at in ("2026-11-25T08:59:59.600Z", "2026-11-25T08:59:59.800Z", reference.captured_at):
            self.key_frames.analysed(msgspec.structs.replace(reference, captured_at=captured_at))

    def key_frame(
        self, *, at: str = "2026-11-25T08:59:59.900Z", size_px: tuple[int, int] = (TIMES * WIDTH, TIMES * HEIGHT),
        jpeg: bytes | None = None,
    ) -> None:  # fmt: skip
        """One comes, 0.1 s before the frames of these tests."""
        like = seen_frame(Seeing()).arrival.reference
        self._came += 1
        reference = msgspec.structs.replace(
            like, ring="gate.main", epoch=7, frame=self._came, captured_at=at, width=size_px[0], height=size_px[1]
        )
        # The same noise, so that what is shown is the same.
        large = np.kron(noise(), np.ones((TIMES, TIMES, 1), np.uint8))[: size_px[1], : size_px[0]]
        body = encode_jpeg(large, 95) if jpeg is None else jpeg
        self.key_frames.take(Arrival("default", reference, 0.0, body, "main"))

    async def stored(self, frame: SeenFrame, state: EventState = "open") -> tuple[np.ndarray, str]:
        """What is stored of a frame's wishes, (height, width, 3), and its hash by the event."""
        self.desk.seen(frame)
        while self.desk._looks:
            await asyncio.gather(*self.desk._looks)
        given = await self.desk.attach(event(state), until_s=0)
        assert given.evidence is not None, given
        jpeg = await self.desk.read(given.evidence.uri.rpartition("/")[2].removesuffix(".jpg"))
        assert jpeg is not None
        assert hashlib.sha256(jpeg).hexdigest() == given.evidence.sha256
        return decode_jpeg(jpeg).planes[0], given.evidence.uri


def event(state: EventState) -> EventMessage:
    return EventMessage(
        id=EPISODE, event_sequence=0, outbox_epoch="", dedup_key=state, rule="no-helmet", severity="medium",
        state=state, camera="gate", zone="default", track="t1", opened_at="", updated_at="",
        reason="missing-helmet", confidence=0.9, model=ModelIdentity(name="m", version="1", sha256="0"), config_hash="",
    )  # fmt: skip


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    await made.desk.begin()
    yield made
    made.side.close()


def seeing() -> Seeing:
    return Seeing(("person", IN_PART))


@pytest.mark.parametrize("faces", ["blurred", "clear"])
async def test_the_picture_is_cut_out_of_the_key_frame_and_its_faces_are_covered(site: Site, faces: Any) -> None:
    site.desk.configure(EvidenceConfig(faces=faces, quality=95))
    site.key_frame()
    model = seeing()
    shown, _ = await site.stored(seen_frame(model, wishes=[wish(1)], boxes=[("person", (0.3, 0.2, 0.45, 0.8))]))
    assert shown.shape[0] == pytest.approx(TIMES * SLOT_HEIGHT_PX, abs=4)
    assert len(model.looks) == 1, "the look that finds the person is the one that finds faces"
    left, top = 0.3 - 0.25 * 0.15, 0.2 - 0.25 * 0.6
    head = tuple(
        round((value - start) * side * TIMES)
        for value, start, side in zip(HEAD, (left, top) * 2, (WIDTH, HEIGHT) * 2, strict=True)
    )
    face = shown[head[1] : head[3], head[0] : head[2]]
    assert (detail(face) > RECOGNISABLE_ABOVE) == (faces == "clear")
    assert site.key_frames.outcomes["picture"] == 1


@pytest.mark.parametrize(
    "boxes",
    [(), (("person", (0.0, 0.0, 0.2, 0.9)),), (("head", IN_PART),)],
    ids=["nobody", "somewhere else", "something else"],
)
async def test_where_the_key_frame_does_not_show_the_person_the_frame_itself_is_taken(site: Site, boxes: Any) -> None:
    site.key_frame()
    shown, _ = await site.stored(seen_frame(Seeing(*boxes), wishes=[wish(1)]))
    assert shown.shape[0] == pytest.approx(SLOT_HEIGHT_PX, abs=4)
    assert site.key_frames.outcomes["person-not-there"] == 1


async def test_a_key_frame_that_is_gone_costs_no_picture(site: Site) -> None:
    site.key_frame(jpeg=b"\xff\xd8 overwritten")
    shown, _ = await site.stored(seen_frame(seeing(), wishes=[wish(1)]))
    assert shown.shape[0] == pytest.approx(SLOT_HEIGHT_PX, abs=4)
    assert site.key_frames.outcomes["jpeg-invalid"] == 1


async def test_one_that_is_further_off_than_an_interval_is_not_looked_at(site: Site) -> None:
    site.key_frame(at="2026-11-25T08:59:59.500Z")
    shown, _ = await site.stored(seen_frame(seeing(), wishes=[wish(1)]))
    assert shown.shape[0] == pytest.approx(SLOT_HEIGHT_PX, abs=4)


@pytest.mark.parametrize(
    ("zones", "width", "times"),
    [
        (((0.9, 0.0), (1.0, 0.0), (1.0, 1.0)), TIMES * WIDTH, TIMES),
        (((0.9, 0.0), (1.0, 0.0), (1.0, 1.0)), 700, 1),
        (None, 700, TIMES),
    ],
    ids=["same view", "another view", "another view without privacy zones"],
)
async def test_where_zones_are_private_only_a_key_frame_of_the_same_proportions_is_taken(
    site: Site, zones: Any, width: int, times: int
) -> None:
    site.judges.zones = (zones,) if zones else ()
    site.key_frame(size_px=(width, TIMES * HEIGHT))
    shown, _ = await site.stored(seen_frame(seeing(), wishes=[wish(1)]))
    assert shown.shape[0] == pytest.approx(times * SLOT_HEIGHT_PX, abs=4)


async def test_a_private_zone_is_black_in_the_key_frame_too(site: Site) -> None:
    site.judges.zones = (((0.44, 0.0), (1.0, 0.0), (1.0, 1.0), (0.44, 1.0)),)
    site.key_frame()
    shown, _ = await site.stored(seen_frame(seeing(), wishes=[wish(1)]))
    assert shown[:, -24:].max() < 40
    assert shown[:, :24].max() > 40


async def test_a_picture_of_the_same_view_from_the_main_stream_replaces_the_first_one_from_the_frame(
    site: Site,
) -> None:
    site.key_frame(at="2026-11-25T08:59:59.500Z")
    shown, first = await site.stored(seen_frame(seeing(), wishes=[wish(1)]))
    assert shown.shape[0] == pytest.approx(SLOT_HEIGHT_PX, abs=4)
    await site.clock.advance(60)
    site.key_frame(at="2026-11-25T09:00:00.000Z")
    shown, second = await site.stored(seen_frame(seeing(), wishes=[wish(1)]), "update")
    assert shown.shape[0] == pytest.approx(TIMES * SLOT_HEIGHT_PX, abs=4)
    assert first != second
    assert site.judges.scores[0] == pytest.approx(SLOT_COUNTS * site.judges.scores[1], rel=0.1), "as sharp, by its size"
    await site.clock.advance(60)
    site.key_frame(at="2026-11-25T08:59:58.000Z")
    site.key_frame(at="2026-11-25T08:59:58.500Z")
    _, third = await site.stored(seen_frame(seeing(), wishes=[wish(1, 0.6)]), "update")
    assert third == second, "a frame would have to show far more"


def at(captured_at: str, model: Seeing, *, track: str | None = "t1", wishes: Any = ()) -> SeenFrame:
    """A frame of that moment, in which that person was followed."""
    frame = seen_frame(model, wishes=wishes)
    reference = msgspec.structs.replace(frame.arrival.reference, captured_at=captured_at)
    person = JudgedPerson(track, as_xyxy([PERSON])[0], {}, {}, {}) if track is not None else None
    people = (Verdict(person, "violation", "missing-helmet"),) if person is not None else ()
    return replace(
        frame,
        arrival=replace(frame.arrival, reference=reference),
        judged=replace(frame.judged, people=people),
    )


@pytest.mark.parametrize(
    ("track", "seconds", "times"),
    [("t1", "01.900", TIMES), ("t2", "01.900", 1), (None, "01.900", 1), ("t1", "02.100", 1)],
)
async def test_an_opening_has_the_key_frame_of_a_moment_before_where_it_shows_the_same_person(
    site: Site, track: str | None, seconds: str, times: int
) -> None:
    site.key_frame()
    model = seeing()
    site.desk.seen(at("2026-11-25T09:00:00.000Z", model, track=track))
    shown, _ = await site.stored(at(f"2026-11-25T09:00:{seconds}Z", model, wishes=[wish(1)]))
    assert shown.shape[0] == pytest.approx(times * SLOT_HEIGHT_PX, abs=4)


async def test_what_was_seen_before_is_for_the_first_picture_only(site: Site) -> None:
    model = seeing()
    _, first = await site.stored(at("2026-11-25T08:59:59.000Z", model, wishes=[wish(1, 0.1)]))
    await site.clock.advance(60)
    site.key_frame()
    site.desk.seen(at("2026-11-25T09:00:00.000Z", model))
    shown, second = await site.stored(at("2026-11-25T09:00:01.000Z", model, wishes=[wish(1, 0.9)]), "update")
    assert first != second
    assert shown.shape[0] == pytest.approx(SLOT_HEIGHT_PX, abs=4)


@pytest.mark.parametrize("faces", ["blurred", "clear"])
async def test_a_snapshot_shows_the_main_stream_where_it_is_fresh(site: Site, faces: Any) -> None:
    site.snapshots.config = EvidenceConfig(faces=faces, quality=95)
    frame = seen_frame(Seeing())
    site.key_frame()
    site.snapshots.seen(frame)
    answer: Any = await site.snapshots.answer({"camera": "gate"})
    assert answer["capturedAt"] == "2026-11-25T08:59:59.900Z"
    assert answer["width"] > 2 * WIDTH, "as large as fits into an answer"
    picture = decode_jpeg(base64.b64decode(answer["jpeg"])).planes[0]
    left, top, right, bottom = (
        round(value * side) for value, side in zip(HEAD, (answer["width"], answer["height"]) * 2, strict=True)
    )
    assert (detail(picture[top:bottom, left:right]) > RECOGNISABLE_ABOVE) == (faces == "clear")
    await site.clock.advance(KEY_FRAME_FRESH_S + 0.1)
    site.key_frames.forget("gate")
    site.snapshots.seen(frame)
    answer = await site.snapshots.answer({"camera": "gate"})
    assert (answer["width"], answer["capturedAt"]) == (WIDTH, frame.arrival.reference.captured_at)


async def test_a_snapshot_of_a_key_frame_that_is_gone_is_one_of_the_frame(site: Site) -> None:
    site.key_frame(jpeg=b"\xff\xd8 overwritten")
    site.snapshots.seen(seen_frame(Seeing()))
    answer: Any = await site.snapshots.answer({"camera": "gate"})
    assert answer["width"] == WIDTH
