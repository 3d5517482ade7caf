"""Pictures of events that somebody may judge to be false: kept until then, taken then, let go of otherwise."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from safetygear.learning.example import Example, Verdict
from safetygear.learning.folder import read_example
from safetygear_inference.compliance.episodes import EpisodeChange
from safetygear_inference.judging.camera_judge import Verdict as Judged
from safetygear_inference.judging.observation import JudgedPerson
from safetygear_inference.learning.candidates import after_verdicts
from safetygear_inference.learning.example_folder import Candidate
from safetygear_inference.picture_folder import PictureFolderError
from support.evidence import PERSON
from support.learning import example
from support.learning_desk import ON, Desk

CONFIG = msgspec.structs.replace(ON, reasons=("judged-false",))
BESIDE = (0.6, 0.2, 0.75, 0.8)
ONE, TWO, THREE = (f"ep-{number:024x}" for number in (1, 2, 3))


def opens(*episodes: str, track: str = "t1", camera: str = "gate") -> tuple[EpisodeChange, ...]:
    return tuple(
        EpisodeChange(
            state="open", id=episode, dedup_key=episode, camera=camera, zone="default", rule="no-helmet",
            severity="medium", track=track, seen_as=track, reason="missing-helmet", confidence=0.9, began_at_s=1.0,
            opened_at_s=2.0, updated_at_s=3.0, closed_at_s=None, close_reason=None, violating_s=1.0,
        )
        for episode in episodes
    )  # fmt: skip


def people(*tracks: str) -> tuple[Judged, ...]:
    places = {"t1": PERSON, "t2": BESIDE}
    return tuple(
        Judged(JudgedPerson(track, np.array(places[track], np.float32), {}, {}, {}), "violation", "missing-helmet")
        for track in tracks
    )


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path, config=CONFIG)
    await desk.desk.turn()
    yield desk
    desk.side.close()


def waiting(desk: Desk) -> int:
    return desk.desk.candidates.store.count


async def opened(desk: Desk, *episodes: str, **more: Any) -> None:
    await desk.see(probability=0.9, changes=opens(*episodes), people=people("t1"), **more)


async def test_a_frame_waits_for_the_word_on_its_event(made: Desk, tmp_path: Path) -> None:
    await opened(made, ONE)
    await made.see(probability=0.9, people=people("t1"))
    await made.desk.turn()
    assert (waiting(made), made.stored()) == (1, []), "one, and no example yet"
    made.verdicts[ONE] = "false"
    await made.desk.turn()
    (name,) = made.stored()
    found = read_example(tmp_path / "learning" / "examples", name)
    assert (found.reasons, found.event, found.verdict) == (["judged-false"], ONE, "false")
    assert found.focus.left == pytest.approx(PERSON[0])
    assert (waiting(made), made.desk.taken) == (0, {"judged-false": 1})


@pytest.mark.parametrize("verdict", ["true", "unsure"])
async def test_what_was_right_is_let_go_of(made: Desk, verdict: Verdict) -> None:
    await opened(made, ONE)
    made.verdicts[ONE] = verdict
    await made.desk.turn()
    assert (waiting(made), made.stored()) == (0, [])


async def test_events_of_one_frame_share_its_picture(made: Desk, tmp_path: Path) -> None:
    await made.see(probability=0.9, changes=(*opens(ONE, TWO), *opens(THREE, track="t2")), people=people("t1", "t2"))
    assert waiting(made) == 1
    made.verdicts |= {ONE: "true", TWO: "unsure"}
    await made.desk.turn()
    assert waiting(made) == 1, "nobody has said anything of the third"
    made.verdicts[THREE] = "false"
    await made.desk.turn()
    (name,) = made.stored()
    found = read_example(tmp_path / "learning" / "examples", name)
    assert found.event == THREE
    assert (found.focus.left, found.focus.left + found.focus.width) == pytest.approx((PERSON[0], BESIDE[2]))


async def test_a_verdict_that_came_while_the_module_was_down_is_followed(made: Desk, tmp_path: Path) -> None:
    await opened(made, ONE)
    again = Desk(tmp_path, made.clock, CONFIG)
    again.verdicts[ONE] = "false"
    await again.desk.turn()
    assert (len(again.stored()), waiting(again)) == (1, 0)
    again.side.close()


async def test_a_judged_picture_waits_for_room_in_the_budget_over_restarts(made: Desk, tmp_path: Path) -> None:
    config = msgspec.structs.replace(CONFIG, per_hour=1)
    made.desk.configure(config)
    for episode in (ONE, TWO):
        await opened(made, episode)
        made.verdicts[episode] = "false"
    for _ in range(3):
        await made.desk.turn()
    assert (len(made.stored()), waiting(made), made.desk._chooser.refused) == (1, 1, {"hour": 1})
    again = Desk(tmp_path, made.clock, config)
    await again.desk.turn()
    assert len(again.stored()) == 1
    await made.clock.advance(3600)
    await again.desk.turn()
    assert (len(again.stored()), waiting(again)) == (2, 0), "though nobody remembers the verdict any more"
    again.side.close()


async def test_a_judged_picture_takes_the_place_of_its_twin(made: Desk, tmp_path: Path) -> None:
    made.desk.configure(msgspec.structs.replace(CONFIG, reasons=("uncertain", "judged-false")))
    await made.see(seed=1, people=people("t1"))
    assert len(made.stored()) == 1
    await opened(made, ONE, seed=1)
    made.verdicts[ONE] = "false"
    await made.desk.turn()
    (name,) = made.stored()
    assert read_example(tmp_path / "learning" / "examples", name).event == ONE


async def test_the_newest_word_is_written_down(made: Desk, tmp_path: Path) -> None:
    await opened(made, ONE)
    made.verdicts[ONE] = "false"
    await made.desk.turn()
    made.verdicts[ONE] = "true"
    await made.desk.turn()
    (name,) = made.stored()
    assert read_example(tmp_path / "learning" / "examples", name).verdict == "true"


async def test_what_can_no_longer_be_read_is_removed_and_stops_nothing(made: Desk, tmp_path: Path) -> None:
    await opened(made, ONE)
    made.verdicts[ONE] = "false"
    await made.desk.turn()
    (name,) = made.stored()
    (tmp_path / "learning" / "examples" / f"{name}.json").write_text("{")
    made.verdicts[ONE] = "true"
    await made.desk.turn()
    assert (made.stored(), made.desk.library.examples.evicted) == ([], {"unreadable": 1})


async def test_clear_faces_stay_where_they_are_once_they_must_be_covered(made: Desk) -> None:
    made.desk.configure(msgspec.structs.replace(CONFIG, faces="clear"))
    await opened(made, ONE)
    made.desk.configure(CONFIG)
    made.verdicts[ONE] = "false"
    await made.desk.turn()
    assert (made.stored(), waiting(made), made.desk._chooser.refused) == ([], 0, {"faces-clear": 1})


async def test_a_reason_that_is_wanted_no_more_makes_no_example(made: Desk) -> None:
    await opened(made, ONE)
    made.desk.configure(msgspec.structs.replace(CONFIG, reasons=("uncertain",)))
    made.verdicts[ONE] = "false"
    await made.desk.turn()
    assert (made.stored(), waiting(made)) == ([], 1)


async def test_a_full_disk_is_tried_again_in_a_minute(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def full(name: str, *_: Any, **__: Any) -> str:
        tries.append(name)
        raise PictureFolderError("no space left", code="data-full")

    await opened(made, ONE)
    made.verdicts[ONE] = "false"
    with monkeypatch.context() as patch:
        patch.setattr(made.desk.library.examples, "put", full)
        for _ in range(3):
            await made.desk.turn()
            await made.clock.advance(1)
    assert (len(tries), made.desk.failed) == (1, {"data-full": 1})
    assert made.problems.as_document()["learning"]["code"] == "data-full"
    await made.clock.advance(60)
    await made.desk.turn()
    assert (len(made.stored()), made.problems.as_document()) == (1, {})


async def test_what_is_too_old_goes_though_nothing_can_be_written(
    made: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: object) -> None:
        raise PictureFolderError("no space left", code="data-full")

    await opened(made, ONE)
    for path in (tmp_path / "learning" / "candidates").iterdir():
        os.utime(path, (0, 0))
    made.desk.candidates.store.begin()
    monkeypatch.setattr(made.desk.candidates, "follow", full)
    await made.clock.advance(60)
    await made.desk.turn()
    assert (waiting(made), made.desk.failed) == (0, {"data-full": 1})


async def test_what_nobody_judges_in_time_goes(made: Desk, tmp_path: Path) -> None:
    await opened(made, ONE)
    for path in (tmp_path / "learning" / "candidates").iterdir():
        os.utime(path, (0, 0))
    made.desk.candidates.store.begin()
    await made.clock.advance(60)
    await made.desk.turn()
    health = made.desk.health()
    assert health is not None
    assert (health.awaiting_verdict, health.evicted) == (0, {"verdict-retention": 1})
    made.verdicts[ONE] = "false"
    await made.desk.turn()
    assert made.stored() == []


async def test_an_event_whose_person_is_seen_later_is_kept_then_and_not_for_ever(made: Desk) -> None:
    await made.see(probability=0.9, changes=opens(ONE), people=())
    assert waiting(made) == 0
    await made.clock.advance(-3)
    await made.see(probability=0.9, people=people("t1"))
    assert waiting(made) == 1
    await made.see(probability=0.9, changes=opens(TWO), people=())
    await made.see(probability=0.9, people=people("t1"))
    health = made.desk.health()
    assert health is not None
    assert (waiting(made), health.refused) == (1, {"event-missed": 1}), "five seconds later it may be about another"


async def test_without_that_reason_nothing_waits(made: Desk) -> None:
    made.desk.configure(ON)
    await opened(made, ONE)
    assert waiting(made) == 0


def candidate(*episodes: str, false: str | None = None) -> Candidate:
    kept: Example = example(1)
    return Candidate(example=kept, episodes=list(episodes), judged_false=false)


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (candidate(ONE), {}, candidate(ONE)),
        (candidate(ONE), {ONE: "false"}, candidate(false=ONE)),
        (candidate(ONE), {ONE: "true"}, None),
        (candidate(ONE, TWO), {ONE: "unsure"}, candidate(TWO)),
        (candidate(ONE, TWO), {ONE: "false"}, candidate(TWO, false=ONE)),
        (candidate(TWO, false=ONE), {}, candidate(TWO, false=ONE)),
        (candidate(false=ONE), {ONE: "true"}, None),
        (candidate(TWO, false=ONE), {ONE: "true"}, candidate(TWO)),
    ],
)
def test_the_newest_word_on_each_event_counts(
    before: Candidate, said: dict[str, Verdict], after: Candidate | None
) -> None:
    assert after_verdicts(before, said.get) == after
