"""From a frame that is worth it to an example on the disk: within budget, once, covered; the same after a restart."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from safetygear.errors import FrameError, ModelError
from safetygear.hub.methods import MethodError, Methods
from safetygear.hub.port import MethodRequest
from safetygear.learning.folder import picture_path, read_example
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.take_example import TakeExample
from safetygear_inference.picture_folder import PictureFolderError
from safetygear_inference.pixels import decode_jpeg, detail
from support.evidence import HEAD, PERSON, noise, seen_frame
from support.learning_desk import ON, UNSURE, Desk


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.desk.turn()
    yield desk
    desk.side.close()


async def test_an_uncertain_frame_becomes_an_example(made: Desk, tmp_path: Path) -> None:
    await made.see()
    (name,) = made.stored()
    folder = tmp_path / "learning" / "examples"
    example, jpeg = read_example(folder, name), picture_path(folder, name).read_bytes()
    assert (example.camera, example.reasons, example.model.name) == ("gate", ["uncertain"], "m")
    assert 0.5 < example.score <= 1
    assert hashlib.sha256(jpeg).hexdigest() == example.picture.sha256
    picture = decode_jpeg(jpeg)
    assert (picture.width, picture.height) == (example.picture.width, example.picture.height) == (320, 240)
    assert (example.picture.faces_blurred, example.picture.privacy, example.picture.quality) == (True, False, 90)
    assert [(one.label, one.probability, one.weak) for one in example.detections] == [
        ("person", UNSURE, False),
        ("head", UNSURE, False),
    ]
    assert example.labels == ["person", "head"]
    box = example.detections[0].bounding_box
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.3, 0.2, 0.15, 0.6))
    health = made.desk.health()
    assert health is not None
    assert (health.examples, health.taken, health.refused, health.failed) == (1, {"uncertain": 1}, {}, {})


async def test_a_frame_that_is_sure_is_none(made: Desk) -> None:
    await made.see(probability=0.9)
    assert made.stored() == []


@pytest.mark.parametrize("faces", ["blurred", "clear"])
async def test_nobody_can_be_recognised_unless_the_twin_says_so(made: Desk, tmp_path: Path, faces: Any) -> None:
    made.desk.configure(msgspec.structs.replace(ON, faces=faces, quality=95))
    made.zones = (((0.6, 0.0), (1.0, 0.0), (1.0, 1.0), (0.6, 1.0)),)
    bystander = (0.1, 0.2, 0.2, 0.8)
    await made.see(unseen=(bystander,))
    (name,) = made.stored()
    folder = tmp_path / "learning" / "examples"
    example = read_example(folder, name)
    assert (example.picture.faces_blurred, example.picture.privacy) == (faces == "blurred", True)
    assert [(one.seen, one.bounding_box.left) for one in example.tracks] == [(False, 0.1)]
    shown = decode_jpeg(picture_path(folder, name).read_bytes()).planes[0]

    def part(box: tuple[float, float, float, float]) -> Any:
        x0, y0, x1, y1 = (round(value * side) for value, side in zip(box, (320, 240) * 2, strict=True))
        return shown[y0:y1, x0:x1]

    for face in (HEAD, (0.11, 0.21, 0.19, 0.35)):
        assert (detail(part(face)) > RECOGNISABLE_ABOVE) == (faces == "clear")
    assert part((0.62, 0.1, 0.98, 0.9)).max() < 40, "a privacy zone is black, whatever is said of faces"
    assert detail(part((0.45, 0.1, 0.58, 0.5))) > RECOGNISABLE_ABOVE, "the rest stays"


@pytest.mark.parametrize(
    ("fails", "jpeg", "why"),
    [
        (ModelError("no", code="model-failed"), None, "model-failed"),
        (None, b"\xff\xd8 and no more", "jpeg-invalid"),
        (RuntimeError("a surprise"), None, "internal"),
    ],
    ids=["detector", "picture", "surprise"],
)
async def test_what_fails_leaves_no_picture_and_its_place_in_the_budget(
    made: Desk, fails: Exception | None, jpeg: bytes | None, why: str
) -> None:
    made.model.fails = fails
    await made.see(jpeg=jpeg)
    assert (made.stored(), made.desk.failed) == ([], {why: 1}), "an uncovered picture is no way out"
    assert made.desk.library.budget.taken() == []
    made.model.fails = None
    await made.see()
    assert len(made.stored()) == 1


async def test_the_same_once_more_is_not_taken_and_is_asked_for_less_often(made: Desk) -> None:
    for _ in range(20):
        await made.see(seed=1)
    assert len(made.stored()) == 1
    health = made.desk.health()
    assert health is not None
    assert health.refused["near-duplicate"] < 8
    assert health.refused["pause"] > 11
    assert len(made.model.looks) == 1, "faces are looked for only in what is stored"
    await made.clock.advance(300)
    await made.see(seed=2)
    assert len(made.stored()) == 2


async def test_no_more_than_the_budget_over_restarts(made: Desk, tmp_path: Path) -> None:
    config = msgspec.structs.replace(ON, per_hour=3)
    made.desk.configure(config)
    for _ in range(5):
        await made.see()
    assert (len(made.stored()), made.desk._chooser.refused) == (3, {"hour": 2})
    for state_is_lost in (False, True):
        if state_is_lost:
            (tmp_path / "learning" / "state.json").write_bytes(b"{ no more")
        again = Desk(tmp_path, made.clock, config)
        await again.desk.turn()
        again.frames = 100 + made.frames
        await again.see()
        again.side.close()
        assert (len(again.stored()), again.desk._chooser.refused) == (3, {"hour": 1})
    await made.clock.advance(3600)
    await made.see()
    assert len(made.stored()) == 4


@pytest.mark.parametrize("set_by_s", [86_400.0, -86_400.0, 3e7, -3e7])
async def test_a_clock_that_is_set_changes_nothing_about_the_budget(
    made: Desk, tmp_path: Path, set_by_s: float
) -> None:
    """Neither in this process nor in the next one, nor where it is set right again."""
    config = msgspec.structs.replace(ON, per_hour=3)
    made.desk.configure(config)
    for _ in range(3):
        await made.see()
    await made.clock.advance(1800)
    for moved_s in (set_by_s, -set_by_s, set_by_s):
        made.clock.jump_wall_clock(moved_s)
        await made.see()
        await made.desk.turn()
    assert (len(made.stored()), made.desk._chooser.refused) == (3, {"hour": 3})
    again = Desk(tmp_path, made.clock, config)
    await again.desk.turn()
    again.frames = 100 + made.frames
    await again.see()
    assert (len(again.stored()), again.desk._chooser.refused) == (3, {"hour": 1})
    await made.clock.advance(1800)
    for one in (again, made):
        one.frames += 100
        await one.see()
    again.side.close()
    assert len(again.stored()) >= 4, "half an hour later, and no later"
    assert made.desk._chooser.refused == {"hour": 3}


async def test_what_is_kept_is_a_near_duplicate_after_a_restart_too(made: Desk, tmp_path: Path) -> None:
    await made.see(seed=1)
    again = Desk(tmp_path, made.clock)
    await again.desk.turn()
    await again.see(seed=1)
    assert (len(again.stored()), again.desk._chooser.refused) == (1, {"near-duplicate": 1})
    again.desk.configure(msgspec.structs.replace(ON, retention_days=0.01))
    (name,) = again.stored()
    # By the file's own time, which no fake clock moves.
    os.utime(picture_path(tmp_path / "learning" / "examples", name), (0, 0))
    again.desk.library.examples.begin()
    await made.clock.advance(60)
    await again.desk.turn()
    assert again.stored() == []
    await again.see(seed=1)
    assert len(again.stored()) == 1, "what is gone is no twin"
    again.side.close()


async def test_a_camera_pauses_after_a_picture(made: Desk) -> None:
    made.desk.configure(msgspec.structs.replace(ON, camera_pause_s=60))
    for _ in range(4):
        await made.see()
    await made.see(camera="yard")
    assert sorted(name.split("-")[1] for name in made.stored()) == ["gate", "yard"]


async def test_the_frame_before_is_taken_where_that_one_shows_it(made: Desk, tmp_path: Path) -> None:
    made.desk.configure(msgspec.structs.replace(ON, reasons=("disagreement",)))

    async def see(boxes: Sequence[tuple[str, Any]]) -> None:
        await made.clock.advance(-4.8)
        await made.see(boxes=boxes, probability=0.9)

    await see([])
    await see([("person", PERSON)])
    first = made.frames
    await see([])
    (name,) = made.stored()
    example = read_example(tmp_path / "learning" / "examples", name)
    assert (example.reasons, len(example.detections)) == (["disagreement"], 1)
    jpeg = decode_jpeg(picture_path(tmp_path / "learning" / "examples", name).read_bytes())
    unlike = [np.abs(jpeg.planes[0].astype(int) - noise(seed=seed))[:, 200:].mean() for seed in range(1, 4)]
    assert unlike.index(min(unlike)) + 1 == first, "its picture too"


async def test_off_nothing_is_looked_at_or_made(tmp_path: Path) -> None:
    desk = Desk(tmp_path, config=LearningConfig())
    await desk.desk.turn()
    await desk.see()
    assert (os.listdir(tmp_path), desk.desk.health(), desk.model.looks) == ([], None, [])  # noqa: PTH208
    desk.side.close()


async def test_a_disk_that_fails_is_said_and_costs_no_more_than_the_picture(
    made: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise PictureFolderError("no space left", code="data-full")

    with monkeypatch.context() as patch:
        patch.setattr(made.desk.library.examples, "put", fail)
        await made.see()
    assert made.problems.as_document()["learning"]["code"] == "data-full"
    assert (made.desk.failed, made.desk.library.budget.taken()) == ({"data-full": 1}, [])
    await made.see()
    assert (len(made.stored()), made.problems.as_document()) == (1, {})


async def test_what_is_off_has_no_problem(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "nowhere")
    await desk.desk.turn()
    assert desk.problems.as_document()["learning"]["code"] == "data-missing"
    desk.desk.configure(LearningConfig())
    await desk.desk.turn()
    assert desk.problems.as_document() == {}
    desk.side.close()


async def test_a_volume_that_is_missing_is_said_and_may_come_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data")
    await desk.desk.turn()
    assert desk.problems.as_document()["learning"]["code"] == "data-missing"
    (tmp_path / "data").mkdir()
    await desk.desk.turn()
    await desk.see()
    assert (len(desk.stored()), desk.problems.as_document()) == (1, {})
    desk.side.close()


async def test_a_description_that_cannot_be_read_costs_its_picture_only(made: Desk, tmp_path: Path) -> None:
    await made.see()
    await made.see()
    first, second = made.stored()
    (tmp_path / "learning" / "examples" / f"{first}.json").write_text(json.dumps({"schema": "safetygear.example/9"}))
    again = Desk(tmp_path, made.clock)
    await again.desk.turn()
    assert again.stored() == [second]
    health = again.desk.health()
    assert health is not None and health.evicted == {"unreadable": 1}
    again.side.close()


async def test_one_picture_is_made_at_a_time(made: Desk) -> None:
    frames = asyncio.gather(made.see(camera="a"), made.see(camera="b"))
    await frames
    assert len(made.stored()) + made.desk._chooser.refused["busy"] == 2


async def test_of_two_that_come_at_once_one_is_kept(made: Desk, tmp_path: Path) -> None:
    await made.see()
    (name,) = made.stored()
    folder, library = tmp_path / "learning" / "examples", made.desk.library
    twin = msgspec.structs.replace(read_example(folder, name), id=name[:-8] + "0badcafe")
    assert not await library.add(twin, picture_path(folder, name).read_bytes(), ON)
    assert made.stored() == [name]
    assert await library.add(twin, picture_path(folder, name).read_bytes(), ON, instead_of_twins=True)
    assert made.stored() == [twin.id]


async def test_a_picture_is_counted_on_the_disk_before_it_is_there(
    made: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[bool] = []
    put = made.desk.library.examples.put

    def look(name: str, *arguments: Any, **more: Any) -> str:
        counted.append(name in (tmp_path / "learning" / "state.json").read_text())
        return put(name, *arguments, **more)

    monkeypatch.setattr(made.desk.library.examples, "put", look)
    await made.see()
    assert counted == [True]


async def test_what_somebody_asks_for_is_taken_whatever_it_shows(made: Desk, tmp_path: Path) -> None:
    answer = TakeExample(made.desk, lambda: {"gate", "yard"}).answer
    wanted = msgspec.structs.replace(ON, reasons=("asked",))
    made.desk.configure(wanted)

    async def refused(camera: str = "gate") -> tuple[int, str]:
        with pytest.raises(MethodError) as caught:
            await answer({"camera": camera})
        return caught.value.status, caught.value.code

    await made.see(probability=0.9)
    taken = await answer({"camera": "gate"})
    assert taken == {"id": made.stored()[0], "camera": "gate"}
    example = read_example(tmp_path / "learning" / "examples", made.stored()[0])
    assert (example.reasons, example.picture.faces_blurred) == (["asked"], True)
    assert await refused() == (409, "near-duplicate")
    assert await refused("yard") == (409, "no-frame")
    assert await refused("elsewhere") == (404, "unknown-camera")
    await made.see(probability=0.9)
    made.model.fails = ModelError("no", code="model-failed")
    assert await refused() == (503, "model-failed")
    made.model.fails = None
    made.desk.configure(msgspec.structs.replace(wanted, per_hour=1))
    assert await refused() == (409, "hour")
    for off in (LearningConfig(), ON):
        made.desk.configure(off)
        assert await refused() == (409, "learning-off")
    await made.clock.advance(11)
    made.desk.configure(wanted)
    assert await refused() == (409, "no-frame"), "too old"
    assert len(made.stored()) == 1


async def test_a_disk_that_fails_is_told_to_who_asks(made: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise PictureFolderError("no space left", code="data-full")

    monkeypatch.setattr(made.desk.library.examples, "put", fail)
    made.desk.configure(msgspec.structs.replace(ON, reasons=("asked",)))
    await made.see(probability=0.9)
    with pytest.raises(MethodError) as caught:
        await TakeExample(made.desk, lambda: {"gate"}).answer({"camera": "gate"})
    assert (caught.value.status, caught.value.code) == (503, "data-full")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ZeroDivisionError("a mistake of ours"), (500, "internal")),
        (FrameError("written over", code="overwritten"), (409, "no-frame")),
        (FrameError("made anew", code="epoch-mismatch"), (409, "no-frame")),
        (FrameError("8 jobs are under way", code="side-busy"), (503, "side-busy")),
        (FrameError("no", code="jpeg-failed"), (503, "jpeg-failed")),
        (ModelError("no", code="model-failed"), (503, "model-failed")),
    ],
)
async def test_what_goes_wrong_in_the_making_is_told_by_its_status(
    made: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, answer: tuple[int, str]
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise error

    made.desk.configure(msgspec.structs.replace(ON, reasons=("asked",)))
    await made.see(probability=0.9)
    monkeypatch.setattr(made.side, "copied", fail)
    methods = Methods()
    TakeExample(made.desk, lambda: {"gate"}).add_to(methods)
    given = await methods(MethodRequest("takeExample", {"camera": "gate"}))
    assert isinstance(given.payload, dict)
    assert (given.status, given.payload["code"]) == answer
    assert "a mistake of ours" not in given.payload["error"]


async def test_a_folder_that_could_not_be_read_yet_is_not_called_off(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "missing", config=msgspec.structs.replace(ON, reasons=("asked",)))
    await desk.desk.turn()
    with pytest.raises(MethodError) as caught:
        await TakeExample(desk.desk, lambda: {"gate"}).answer({"camera": "gate"})
    assert (caught.value.status, caught.value.code) == (503, "not-ready")
    desk.side.close()


async def test_the_frame_may_be_one_without_a_judgement(made: Desk) -> None:
    frame: SeenFrame = seen_frame(made.model)
    assert frame.judged.tracks == ()
    await made.see(boxes=[])
    assert made.stored() == []
