"""The second look: whom, where, what is answered, and what that does to evidence. Small arrays by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import rfc3339
from safetygear.errors import FrameError, ModelError
from safetygear.geometry import as_xyxy
from safetygear.messages.codec import encode
from safetygear.messages.detections import LatencyMs, ModelIdentity
from safetygear.messages.frames import FrameReference
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.looked_again import with_look
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.camera_judge import CameraJudge, JudgingConfig
from safetygear_inference.judging.observation import GearEvidence, LabelledBoxes, Look, LookWish
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.problems import Problems
from safetygear_inference.publishing.detections import detections_message
from safetygear_inference.second_look.budget import LookBudget
from safetygear_inference.second_look.config import SecondLookConfig
from safetygear_inference.second_look.crops import crops
from safetygear_inference.second_look.desk import SecondLookDesk
from safetygear_inference.second_look.looking import KeyFrame, Looked, SecondLook
from safetygear_inference.second_look.network import SecondLookNetwork
from safetygear_inference.second_look.squares import head_square, places, torso_square
from safetygear_inference.tracking import TrackIds
from safetygear_training.second_look import squares as trained
from safetygear_workbench.replay.recording import read_recording
from support.second_look import SIDE_PX, write_network

SIZE = (640, 360)
BODY = (300.0, 100.0, 340.0, 200.0)  # 100 px tall
GREEN, RED, GREY = (0, 255, 0), (0, 0, 255), (90, 90, 90)


def norm(*px: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(px, np.float32) / np.array([*SIZE, *SIZE], np.float32)


def wish(track: str = "1", gear: str = "helmet", box: tuple[float, ...] = BODY, *, pressing: bool = True) -> LookWish:
    return LookWish(track, gear, norm(*box), pressing)


def boxes(*rows: tuple[str, float, tuple[float, ...]], weak: int = 0) -> LabelledBoxes:
    xyxy = as_xyxy([norm(*box) for _, _, box in rows])
    return LabelledBoxes(
        xyxy, tuple(label for label, _, _ in rows), np.array([p for _, p, _ in rows], np.float32), weak
    )


def frame(at_s: float = 1.8e9, width: int = 640, height: int = 360, camera: str = "gate") -> FrameReference:
    return FrameReference(
        camera=camera, frame=1, ring=camera, epoch=1, slot=0, sequence=2, width=width, height=height, stride=width,
        pixel_format="i420", captured_at=rfc3339(at_s), clock="arrival", decoded_at=rfc3339(at_s),
    )  # fmt: skip


# --- whom ---


def turns(wishes: list[LookWish], config: SecondLookConfig, seconds: float, fps: float) -> list[list[str]]:
    budget = LookBudget(0.0)
    return [
        [one.track for one in budget.choose(wishes, config, number / fps)] for number in range(round(seconds * fps))
    ]


def test_everybody_in_a_crowd_has_his_turn() -> None:
    crowd = [wish(str(number)) for number in range(20)]
    seen = turns(crowd, SecondLookConfig(looks_per_second=10, most_per_frame=3), 10, 5)
    assert all(len(frame) <= 3 for frame in seen)
    counts = [sum(frame.count(str(number)) for frame in seen) for number in range(20)]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == pytest.approx(100, abs=11)


def test_who_is_in_doubt_goes_before_who_is_settled() -> None:
    wishes = [wish("settled", pressing=False), wish("open")]
    config = SecondLookConfig(looks_per_second=5, most_per_frame=1, recheck_s=0.2)
    seen = turns(wishes, config, 2, 5)
    assert all(frame == ["open"] for frame in seen)


def test_who_is_settled_is_looked_at_again_after_a_while() -> None:
    seen = turns([wish(pressing=False)], SecondLookConfig(recheck_s=2), 6, 5)
    assert [number for number, frame in enumerate(seen) if frame] == [0, 10, 20]


def test_less_than_a_look_a_second_comes_to_a_whole_one() -> None:
    seen = turns([wish()], SecondLookConfig(looks_per_second=0.5), 10, 5)
    assert sum(map(len, seen)) == pytest.approx(5, abs=1)


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=40),
    st.floats(0.1, 50),
    st.integers(1, 10),
    st.sampled_from([1, 5, 25]),
)
def test_never_more_than_the_budget(people: list[int], rate: float, most: int, fps: int) -> None:
    config = SecondLookConfig(looks_per_second=rate, most_per_frame=most)
    budget, taken = LookBudget(0.0), 0
    for number, count in enumerate(people):
        granted = budget.choose([wish(str(one)) for one in range(count)], config, number / fps)
        assert len(granted) <= most
        taken += len(granted)
    assert taken <= max(1.0, rate) + rate * (len(people) - 1) / fps + 1e-6


# --- where ---


def test_the_product_and_the_training_look_at_the_same_squares() -> None:
    helmets, vests, people = (np.array([box]) for box in ((10, 20, 30, 36), (10, 20, 40, 66), BODY))
    assert head_square(helmets[0]) == pytest.approx(trained.head_squares(helmets)[0])
    assert torso_square(vests[0]) == pytest.approx(trained.torso_squares(vests)[0])
    found = places([wish(), wish(gear="vest")], boxes(("person", 0.9, BODY)), SIZE)
    expected = trained.head_squares(trained.heads_of(people)), trained.torso_squares(trained.torsos_of(people))
    for place, square in zip(found, expected, strict=True):
        assert place.square_px == pytest.approx(square[0], rel=1e-4)


HEAD = (312.0, 98.0, 326.0, 112.0)
FAR = (500.0, 98.0, 514.0, 112.0)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("person", 0.9, BODY), ("helmet", 0.5, HEAD)], HEAD),
        ([("person", 0.9, BODY), ("head", 0.5, HEAD)], HEAD),
        ([("person", 0.9, BODY), ("helmet", 0.5, FAR)], (313.1, 100, 326.9, 113.8)),
        ([("person", 0.9, (302, 101, 342, 201)), ("helmet", 0.5, HEAD)], HEAD),
        ([("person", 0.9, (400, 101, 440, 201)), ("helmet", 0.5, HEAD)], None),
        ([("person", 0.9, (360, 101, 400, 201))], (373.1, 101, 386.9, 114.8)),
        ([("helmet", 0.5, HEAD)], None),
        ([("person", 0.9, (300, 100, 400, 200))], None),
    ],
    ids=[
        "a helmet",
        "a bare head",
        "somebody else's",
        "he has moved",
        "he is gone",
        "he has walked at 2 fps",
        "nobody",
        "he bends",
    ],
)
def test_where_a_head_is_looked_at(
    rows: list[tuple[str, float, tuple[float, ...]]], expected: tuple[float, ...] | None
) -> None:
    found = places([wish()], boxes(*rows), SIZE)
    if expected is None:
        assert found == []
    else:
        assert [place.square_px for place in found] == [pytest.approx(head_square(np.array(expected)), rel=1e-4)]
        assert found[0].person == 0


@pytest.mark.parametrize(
    ("person", "head"),
    [
        ((300, 100, 318, 145), None),
        ((300, 100, 318, 145), (306, 99, 312, 105)),
        ((0, 100, 22, 200), (0, 100, 9, 112)),
        ((300, 0, 340, 98), (312, 0, 328, 4)),
    ],
    ids=["too small", "and with a box", "cut at the side", "cut above"],
)
def test_where_nothing_could_be_seen_nobody_looks(person: tuple[float, ...], head: tuple[float, ...] | None) -> None:
    rows = [("person", 0.9, person)] + ([("helmet", 0.9, head)] if head else [])
    assert places([wish(box=person)], boxes(*rows), SIZE) == []


def painted(pixel_format: str = "bgr") -> Picture:
    bgr = np.full((360, 640, 3), 90, np.uint8)
    bgr[80:130, 290:350] = GREEN
    return Picture.from_bgr(bgr)


def test_a_square_is_cut_out_where_it_lies_and_grey_beyond_the_picture() -> None:
    bgr = np.full((100, 100, 3), 10, np.uint8)
    bgr[40:60, 40:60] = 250
    inside, beyond = crops(Picture.from_bgr(bgr), [(50, 50, 40), (0, 50, 40)], 40)
    assert (inside[10:30, 10:30] == 250).all() and (inside[:9] == 10).all()
    assert (beyond[:, :20] == 114).all() and (beyond[:, 20:] == 10).all()


# --- what is answered ---


@pytest.fixture
def network(tmp_path: Path) -> SecondLookNetwork:
    return SecondLookNetwork(write_network(tmp_path))


class NoReader:
    def view(self, reference: object) -> Any:
        raise FrameError("gone", code="overwritten")


@pytest.mark.parametrize(
    ("colour", "answer"), [(GREEN, "yes"), (RED, "no"), (GREY, None)], ids=["worn", "missing", "unclear"]
)
def test_a_look_answers_for_the_person_s_box(
    network: SecondLookNetwork, colour: tuple[int, int, int], answer: str | None
) -> None:
    bgr = np.full((360, 640, 3), 90, np.uint8)
    bgr[80:140, 280:360] = colour
    seen = boxes(("vest", 0.9, (1, 1, 9, 9)), ("person", 0.9, BODY))
    looked = SecondLook(network, [wish(), wish("2", box=(10, 10, 50, 110))]).at(Picture.from_bgr(bgr), seen, NoReader())  # type: ignore[arg-type]
    assert looked.outcomes == {("helmet", answer or "unclear"): 1, ("helmet", "not-found"): 1}
    assert [(look.gear, look.answer) for look in looked.looks] == ([("helmet", answer)] if answer else [])
    if answer:
        assert looked.looks[0].xyxy_norm.tolist() == seen.xyxy_norm[1].tolist()
        assert looked.looks[0].probability > 0.9


def test_a_key_frame_is_looked_at_instead_and_the_frame_where_it_is_gone(network: SecondLookNetwork) -> None:
    larger = np.full((1080, 1920, 3), RED, np.uint8)

    class View:
        planes = (larger,)
        width, height, pixel_format = 1920, 1080, "bgr"
        whole = True

        def check(self) -> None:
            if not self.whole:
                raise FrameError("written over", code="overwritten")

    class Reader:
        def view(self, reference: object) -> View:
            assert reference == near.reference
            return View()

    near = KeyFrame(frame(width=1920, height=1080), -0.5)
    look = SecondLook(network, [wish()], near)
    seen = boxes(("person", 0.9, BODY))
    assert [one.answer for one in look.at(painted(), seen, Reader()).looks] == ["no"]  # type: ignore[arg-type]
    View.whole = False
    assert [one.answer for one in look.at(painted(), seen, Reader()).looks] == ["yes"]  # type: ignore[arg-type]


def test_in_a_key_frame_people_are_looked_for_where_they_were_then() -> None:
    before, now = (300.0, 100.0, 340.0, 200.0), (308.0, 110.0, 348.0, 210.0)
    (place,) = places([wish(box=before)], boxes(("person", 0.9, now)), SIZE)
    assert place.moved_px == pytest.approx((8, 10), abs=1e-3)
    x, y, side = place.square_px
    key_frame = KeyFrame(frame(width=1920, height=1080), -0.5)
    assert key_frame.squares([place], 3) == [pytest.approx(((x - 4) * 3, (y - 5) * 3, side * 3), abs=1e-2)]


@pytest.mark.parametrize(
    ("key_frame", "moment"),
    [
        (frame(9.9, 1920, 1080), -0.5),
        (frame(10.1, 1920, 1080), 0.5),
        (frame(9.7, 1920, 1080), None),
        (frame(9.9, 1920, 1440), None),
        (frame(9.9, 640, 360), None),
        (None, None),
    ],
    ids=["earlier", "later", "before the frame before", "another view", "no larger", "none"],
)
def test_which_key_frames_are_of_use(tmp_path: Path, key_frame: FrameReference | None, moment: float | None) -> None:
    write_network(tmp_path)
    desk = SecondLookDesk(tmp_path, lambda camera: [wish()], Problems())
    desk.looked(frame(9.8), Looked())
    asked = desk.wanted(frame(10.0), 0.2, key_frame)
    assert asked is not None
    found = None if asked.key_frame is None else asked.key_frame.moment
    assert found == (None if moment is None else pytest.approx(moment, abs=0.02))


def test_how_far_people_went_is_told_from_the_frame_that_they_were_judged_in(tmp_path: Path) -> None:
    """A frame between that was lost says nothing of where they were."""
    write_network(tmp_path)
    desk = SecondLookDesk(tmp_path, lambda camera: [wish()], Problems())
    desk.looked(frame(9.6), Looked())
    desk.wanted(frame(9.8), 0.0)
    asked = desk.wanted(frame(10.0), 0.2, frame(9.9, 1920, 1080))
    assert asked is not None and asked.key_frame is not None
    assert asked.key_frame.moment == pytest.approx(-0.25, abs=0.02), "of the way since the judged frame"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"answers": ["yes", "no", "unclear"]}, "model-settings"),
        ({"gears": ["helmet"]}, "model-settings"),
        ({"thresholds": {"helmet": {"no": 0.1, "yes": 0.9}, "vest": {"no": 0.9, "yes": 0.9}}}, "model-settings"),
        ({"input": {"side_px": 9, "order": "BGR"}}, "model-failed"),
        ({"gears": [*"abc"], "thresholds": {gear: {"no": 0.9, "yes": 0.9} for gear in "abc"}}, "model-failed"),
    ],
    ids=["answers in another order", "limits of more gears", "a limit that is none", "another size", "more gears"],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, settings: dict[str, Any], code: str) -> None:
    with pytest.raises(ModelError) as raised:
        SecondLookNetwork(write_network(tmp_path, settings=settings))
    assert raised.value.code == code


# --- what it does to evidence ---


def evidence(state: str, weight: float = 0.0, reason: str = "r") -> GearEvidence:
    return GearEvidence(state, weight, reason, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("boxes_say", "answer", "probability", "state", "weight", "reason"),
    [
        (evidence("worn", 1.0), "yes", 1.0, "worn", 1.0, "r"),
        (evidence("worn", 0.4), "yes", 0.95, "worn", 0.886, "r"),
        (evidence("worn", 1.0), "no", 1.0, "missing", 0.8, "bare-head"),
        (evidence("worn", 1.0), "no", 0.95, "missing", 0.62, "bare-head"),
        (evidence("worn", 1.0), "no", 0.76, "unknown", 0.0, "low-confidence"),
        (evidence("worn", 0.5), "no", 0.75, "missing", 0.175, None),
        (evidence("missing", 1.0), "yes", 0.95, "worn", 0.62, "helmet-on-head"),
        (evidence("missing", 0.5), "no", 0.95, "missing", 0.905, "r"),
        (evidence("unknown", 0.0, "not-seen"), "no", 0.95, "missing", 0.81, "bare-head"),
        (evidence("unknown", 0.0, "low-confidence"), "yes", 0.95, "worn", 0.81, "helmet-on-head"),
        (evidence("unknown", 0.0, "occluded"), "no", 1.0, "unknown", 0.0, "occluded"),
        (evidence("unknown", 0.0, "truncated"), "no", 1.0, "unknown", 0.0, "truncated"),
        (evidence("unknown", 0.0, "too-small"), "no", 1.0, "unknown", 0.0, "too-small"),
        (evidence("carried", 0.6), "no", 1.0, "carried", 0.96, "r"),
        (evidence("carried", 0.6), "yes", 1.0, "worn", 0.84, "helmet-on-head"),
        (evidence("worn", 0.5), "no", 0.5, "worn", 0.5, "r"),
    ],
)  # fmt: skip
def test_what_a_look_adds(
    boxes_say: GearEvidence, answer: str, probability: float, state: str, weight: float, reason: str | None
) -> None:
    look = Look("helmet", answer, probability, norm(*BODY))  # type: ignore[arg-type]
    both = with_look(boxes_say, look, dark=False, minimum_weight=0.1)
    assert (both.state, both.weight) == (state, pytest.approx(weight))
    assert reason is None or both.reason == reason
    assert both.box_index == 3


def test_in_the_dark_a_look_counts_half() -> None:
    look = Look("vest", "no", 1.0, norm(*BODY))
    both = with_look(evidence("worn", 0.5), look, dark=True, minimum_weight=0.1)
    assert (both.state, both.weight, both.reason) == ("missing", pytest.approx(0.175), "no-vest")


@given(st.floats(0, 1), st.floats(0.5, 1), st.sampled_from(["worn", "missing", "carried"]), st.booleans())
def test_a_surer_look_never_counts_less(weight: float, probability: float, state: str, yes: bool) -> None:
    def signed(one: float) -> float:
        look = Look("helmet", "yes" if yes else "no", one, norm(*BODY))
        both = with_look(evidence(state, weight), look, dark=False, minimum_weight=0.0)
        return both.weight if both.state == "worn" else -both.weight

    less, more = signed(0.5 + (probability - 0.5) / 2), signed(probability)
    assert more >= less - 1e-9 if yes else more <= less + 1e-9
    assert -1 <= more <= 1


# --- over time, and in the record ---


def wearer() -> CameraJudge:
    plan = ZonePlan({}, {}, RulesConfig())
    episodes = Episodes(plan, EpisodeConfig(), origin="t")
    return CameraJudge("gate", zones=plan.camera("gate"), config=JudgingConfig(), ids=TrackIds("t"), episodes=episodes)


def test_a_hood_that_passes_for_a_helmet_is_told_by_the_looks() -> None:
    judge, known = wearer(), ("person", "helmet", "head", "vest")
    hooded = boxes(("person", 0.9, BODY), ("helmet", 0.5, HEAD))
    look = Look("helmet", "no", 0.97, hooded.xyxy_norm[0])
    states, pressing = [], []
    for number in range(30):
        asked = judge.judge(
            hooded, known=known, now_s=number / 5, wall_s=0.0, dark=False, frame_size_px=SIZE,
            looks=[look] if pressing and pressing[-1] else (),
        )  # fmt: skip
        states += [verdict.person.gear["helmet"] for verdict in asked.people]
        pressing += [wish.pressing for wish in asked.look_wishes if wish.gear == "helmet"]
    assert set(states[-15:]) == {"missing"} and "worn" not in states
    # Nobody looks while it is settled; the box then contradicts, and somebody looks again.
    assert {*pressing[-10:]} == {True, False}


def test_a_look_is_pressing_where_the_boxes_say_nothing() -> None:
    judge, asked = wearer(), []
    for number in range(20):
        shown = [("person", 0.9, BODY)] + ([("helmet", 0.9, HEAD)] if number < 15 else [])
        judged = judge.judge(
            boxes(*shown), known=("person", "helmet"), now_s=number / 5, wall_s=0.0, dark=False, frame_size_px=SIZE
        )
        asked.append([wish.pressing for wish in judged.look_wishes])
    assert asked[14] == [False] and asked[15] == [True]


def test_nobody_is_asked_for_whose_head_can_not_be_judged() -> None:
    judge, far = wearer(), (300.0, 100.0, 318.0, 145.0)
    for number in range(5):
        judged = judge.judge(
            boxes(("person", 0.9, far), ("helmet", 0.9, (306, 100, 312, 106))),
            known=("person", "helmet"), now_s=number / 5, wall_s=0.0, dark=False, frame_size_px=SIZE,
        )  # fmt: skip
        assert judged.look_wishes == ()


def test_a_recording_has_the_looks_that_were_judged_by() -> None:
    seen = boxes(("person", 0.9, BODY))
    look = Look("helmet", "no", 0.97, seen.xyxy_norm[0])
    message = detections_message(
        frame(), DetectedBoxes(seen.xyxy_norm, np.zeros(1, np.int64), seen.probability), labels=("person",),
        model=ModelIdentity(name="m", version="1", sha256="0" * 64), shard="s", sequence=1,
        latency=LatencyMs(capture=0, queue=0, inference=0, total=0), minimum_probability=0.0, looks=[look],
    )  # fmt: skip
    (recorded,) = read_recording([encode(message)], "x").frames
    (read,) = recorded.looks
    assert (read.gear, read.answer, read.probability) == ("helmet", "no", 0.97)
    assert read.xyxy_norm == pytest.approx(look.xyxy_norm, abs=1e-5)


# --- the desk ---


def test_the_desk_asks_within_the_budget_and_only_for_what_the_network_knows(tmp_path: Path) -> None:
    write_network(tmp_path)
    problems = Problems()
    wishes = {"gate": [wish(), wish(gear="boots")], "yard": []}
    desk = SecondLookDesk(tmp_path, lambda camera: wishes[camera], problems)
    asked = desk.wanted(frame(), 0.0)
    assert asked is not None and [one.gear for one in asked.wishes] == ["helmet"]
    assert desk.wanted(frame(camera="yard"), 0.0) is None
    desk.config = SecondLookConfig(enabled=False)
    assert desk.wanted(frame(), 10.0) is None
    assert problems.as_document() == {}


def test_without_the_file_nobody_looks_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    problems = Problems()
    desk = SecondLookDesk(tmp_path, lambda camera: [wish()], problems)
    assert desk.wanted(frame(), 0.0) is None and problems.as_document() == {}
    write_network(tmp_path).write_bytes(b"nothing")
    desk = SecondLookDesk(tmp_path, lambda camera: [wish()], problems)
    assert desk.wanted(frame(), 0.0) is None
    assert problems.as_document()["second-look"]["code"] == "model-unreadable"


def test_a_network_that_fails_costs_no_boxes(tmp_path: Path) -> None:
    problems = Problems()
    network = SecondLookNetwork(write_network(tmp_path))

    def fail(tiles: object) -> Any:
        raise ModelError("the network failed", code="model-failed")

    working = network.chances
    network.chances = fail  # type: ignore[method-assign]
    seen = boxes(("person", 0.9, BODY))
    desk = SecondLookDesk(tmp_path, lambda camera: [wish()], problems)
    looked = SecondLook(network, [wish()]).at(painted(), seen, NoReader())  # type: ignore[arg-type]
    desk.looked(frame(), looked)
    assert looked.looks == () and desk.outcomes == {("helmet", "failed"): 1}
    assert problems.as_document()["second-look"]["code"] == "model-failed"
    network.chances = working  # type: ignore[method-assign]
    desk.looked(frame(), SecondLook(network, [wish()]).at(painted(), seen, NoReader()))  # type: ignore[arg-type]
    assert problems.as_document() == {}


def test_side_px_is_the_settings_(network: SecondLookNetwork) -> None:
    assert network.side_px == SIDE_PX and network.gears == ("helmet", "vest")
