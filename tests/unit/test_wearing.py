"""Whose gear it is and whether it is worn, in pictures of a few boxes (pixels of 1280x720)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetygear.geometry import as_xyxy
from safetygear_inference.compliance.judging_config import WearingConfig
from safetygear_inference.compliance.wearing import observe
from safetygear_inference.judging.observation import Gear, GearEvidence, LabelledBoxes, TrackedPerson

SIZE_PX = (1280, 720)
Box = tuple[float, float, float, float]
Seen = tuple[str, Box, float]


@dataclass(frozen=True)
class Body:
    """Somebody upright: `x` the axis, `top` of the head, `tall` in pixels."""

    x: float
    top: float = 200
    tall: float = 250
    wide: float = 0.36

    def at(self, across: float, down: float, width: float, height: float, label: str, probability: float = 0.9) -> Seen:
        """A box by its centre and size, in heights of the body from the axis and the top."""
        x, y = self.x + across * self.tall, self.top + down * self.tall
        half_w, half_h = width * self.tall / 2, height * self.tall / 2
        return label, (x - half_w, y - half_h, x + half_w, y + half_h), probability

    def person(self) -> Seen:
        return self.at(0, 0.5, self.wide, 1, "person")

    def helmet(self, probability: float = 0.9) -> Seen:
        return self.at(0, 0.055, 0.19, 0.11, "helmet", probability)

    def head(self, probability: float = 0.9) -> Seen:
        return self.at(0, 0.07, 0.13, 0.14, "head", probability)

    def vest(self, probability: float = 0.9) -> Seen:
        return self.at(0, 0.35, 0.2, 0.41, "vest", probability)

    def no_vest(self, probability: float = 0.9) -> Seen:
        return self.at(0, 0.35, 0.2, 0.41, "no-vest", probability)

    def in_hand(self, probability: float = 0.9) -> Seen:
        return self.at(0.12, 0.65, 0.14, 0.19, "helmet", probability)


def boxes_of(seen: list[Seen], size_px: tuple[int, int] = SIZE_PX) -> LabelledBoxes:
    scale = np.array([*size_px, *size_px], np.float32)
    xyxy = np.clip(as_xyxy([box for _, box, _ in seen]) / scale, 0, 1).astype(np.float32)
    return LabelledBoxes(
        xyxy, tuple(label for label, _, _ in seen), np.array([probability for *_, probability in seen], np.float32)
    )


def evidence(
    seen: list[Seen],
    gear: tuple[Gear, ...] = ("helmet", "vest"),
    *,
    dark: bool = False,
    untracked: tuple[int, ...] = (),
    size_px: tuple[int, int] = SIZE_PX,
    config: WearingConfig | None = None,
) -> dict[str, dict[Gear, GearEvidence]]:
    """Every person box is tracked, as `p0`, `p1`, …, but for the rows in `untracked`."""
    boxes = boxes_of(seen, size_px)
    rows = [row for row, label in enumerate(boxes.label) if label == "person" and row not in untracked]
    people = [TrackedPerson(f"p{n}", boxes.xyxy_norm[row], 0.9, row) for n, row in enumerate(rows)]
    return observe(people, boxes, frame_size_px=size_px, dark=dark, gear=gear, config=config or WearingConfig())


def said(seen: list[Seen], gear: Gear, **options: object) -> list[tuple[str, str]]:
    """State and reason of one gear, person by person."""
    found = evidence(seen, (gear,), **options)  # type: ignore[arg-type]  # passed on
    return [(of_person[gear].state, of_person[gear].reason) for of_person in found.values()]


ON, BARE, OFF = ("worn", "helmet-on-head"), ("missing", "bare-head"), ("carried", "helmet-off-head")
NOT_SEEN, CUT, COVERED = ("unknown", "not-seen"), ("unknown", "truncated"), ("unknown", "occluded")
VEST, NO_VEST, VEST_OFF = ("worn", "vest-on-torso"), ("missing", "no-vest"), ("carried", "vest-off-torso")

A, B = Body(400), Body(800)
NEAR = Body(470)
"""Shoulder to shoulder with A: the person boxes overlap by a fifth."""
FRONT, BEHIND = Body(420, top=260, tall=300), Body(400)
"""BEHIND's head is above FRONT's; FRONT's box covers his body."""
HIDDEN = Body(425, top=280, tall=230)
"""Behind FRONT with the head too."""
CHILD = Body(400, top=400, tall=110)
BENT: Seen = ("person", (300, 350, 480, 520), 0.9)
"""180 wide, 170 high: somebody who bends down to the right; a body of 250."""
SEATED: Seen = ("person", (300, 350, 400, 500), 0.9)
LYING: Seen = ("person", (300, 500, 550, 570), 0.9)
LOW = Body(400, top=520, tall=420)
"""The picture ends at the hips."""
HIGH = Body(400, top=-100, tall=420)
"""The head is above the picture."""
LEFT = Body(20)
TO_HIPS: Seen = ("person", (355, 200, 445, 325), 0.9)
"""A behind a container: the lower half is hidden, within the picture."""
TO_CHEST: Seen = ("person", (355, 200, 445, 285), 0.9)
"""A behind a wall: head and shoulders, as wide as high."""


def helmet_at(x: float, y: float, width: float = 47, height: float = 28, probability: float = 0.9) -> Seen:
    return "helmet", (x - width / 2, y - height / 2, x + width / 2, y + height / 2), probability


def head_at(x: float, y: float, probability: float = 0.9) -> Seen:
    return "head", (x - 16, y - 18, x + 16, y + 18), probability


@pytest.mark.parametrize(
    ("what", "seen", "helmets"),
    [
        ("one with a helmet", [A.person(), A.helmet()], [ON]),
        ("a helmet box over the whole head", [A.person(), A.at(0, 0.08, 0.17, 0.16, "helmet")], [ON]),
        ("bare", [A.person(), A.head()], [BARE]),
        ("nothing seen", [A.person()], [NOT_SEEN]),
        ("in the hand, bare head", [A.person(), A.head(), A.in_hand()], [OFF]),
        ("in the hand, head not seen", [A.person(), A.in_hand()], [OFF]),
        ("under the arm", [A.person(), A.head(), A.at(-0.15, 0.36, 0.15, 0.15, "helmet")], [OFF]),
        ("before the chest", [A.person(), A.head(), A.at(0, 0.3, 0.18, 0.12, "helmet")], [OFF]),
        ("before the chest, head not seen", [A.person(), A.vest(), A.at(0, 0.33, 0.18, 0.12, "helmet")], [OFF]),
        ("on the hip, beyond the box", [A.person(), A.head(), A.at(0.21, 0.6, 0.14, 0.16, "helmet")], [OFF]),
        ("beside the face", [A.person(), A.head(), A.vest(), A.at(0.19, 0.08, 0.17, 0.13, "helmet")], [OFF]),
        ("beside the face, head not seen", [A.person(), A.vest(), A.at(0.2, 0.16, 0.17, 0.13, "helmet")], [OFF]),
        ("one worn, one in the hand", [A.person(), A.helmet(), A.in_hand()], [ON]),
        ("one of each, the worn one weak", [A.person(), A.helmet(0.4), A.in_hand(0.95)], [ON]),
        ("on the ground at the feet", [A.person(), helmet_at(420, 440)], [NOT_SEEN]),
        ("on the ground, bare head", [A.person(), A.head(), helmet_at(420, 440)], [BARE]),
        ("on the ground between two", [A.person(), NEAR.person(), helmet_at(435, 440)], [NOT_SEEN, NOT_SEEN]),
        ("far from everybody", [A.person(), helmet_at(600, 230)], [NOT_SEEN]),
        ("on a hook above", [A.person(), A.head(), helmet_at(400, 130)], [BARE]),
        ("a helmet as large as a person", [A.person(), A.at(0, 0.3, 0.6, 0.6, "helmet")], [NOT_SEEN]),
        ("a helmet of three pixels", [A.person(), helmet_at(400, 214, 3, 3)], [NOT_SEEN]),
        ("nobody", [helmet_at(400, 214)], []),
        ("two, one bare", [A.person(), A.helmet(), B.person(), B.head()], [ON, BARE]),
        ("side by side", [A.person(), NEAR.person(), A.helmet(), NEAR.head()], [ON, BARE]),
        ("side by side, the other way", [A.person(), NEAR.person(), A.head(), NEAR.helmet()], [BARE, ON]),
        ("between two hands", [A.person(), NEAR.person(), helmet_at(428, 360, 36, 40)], [OFF, NOT_SEEN]),
        ("between two hands, nearer to the other", [A.person(), NEAR.person(), helmet_at(442, 360, 36, 40)],
         [NOT_SEEN, OFF]),
        ("side by side, one seen", [A.person(), NEAR.person(), NEAR.helmet()], [NOT_SEEN, ON]),
        ("in the hand beside one with a helmet", [A.person(), NEAR.person(), NEAR.helmet(), A.head(), A.in_hand()],
         [OFF, ON]),
        ("one behind the other", [FRONT.person(), BEHIND.person(), FRONT.helmet(), BEHIND.head()], [ON, BARE]),
        ("the other way", [FRONT.person(), BEHIND.person(), FRONT.head(), BEHIND.helmet()], [BARE, ON]),
        ("behind, nothing seen", [FRONT.person(), BEHIND.person(), FRONT.helmet()], [ON, NOT_SEEN]),
        ("the head behind somebody", [FRONT.person(), HIDDEN.person(), FRONT.helmet()], [ON, COVERED]),
        ("somebody behind covers nobody", [FRONT.person(), HIDDEN.person(), HIDDEN.helmet()], [NOT_SEEN, ON]),
        ("a helmet in a hand, the head behind somebody",
         [FRONT.person(), HIDDEN.person(), FRONT.helmet(), HIDDEN.in_hand()], [ON, COVERED]),
        ("a child before an adult", [A.person(), CHILD.person(), A.helmet(), CHILD.head()], [ON, BARE]),
        ("a child with a helmet before a bare adult", [A.person(), CHILD.person(), A.head(), CHILD.helmet()],
         [BARE, ON]),
        ("a child's large head", [CHILD.person(), CHILD.at(0, 0.1, 0.2, 0.2, "head")], [BARE]),
        ("bent, helmet at the side", [BENT, helmet_at(455, 385)], [ON]),
        ("bent, helmet low at the side", [BENT, helmet_at(455, 420)], [ON]),
        ("bent, before the belly", [BENT, helmet_at(390, 420)], [OFF]),
        ("bent, bare head", [BENT, head_at(460, 400)], [BARE]),
        ("bent over a helmet on the ground", [BENT, head_at(460, 400), helmet_at(440, 506)], [BARE]),
        ("bent, nothing seen", [BENT], [NOT_SEEN]),
        ("seated", [SEATED, helmet_at(350, 364)], [ON]),
        ("seated, helmet on the knee", [SEATED, head_at(340, 370), helmet_at(380, 440)], [OFF]),
        ("lying", [LYING, helmet_at(325, 530, 35, 45)], [ON]),
        ("hips below the picture", [LOW.person(), LOW.helmet()], [ON]),
        ("hips below the picture, bare", [LOW.person(), LOW.head()], [BARE]),
        ("hips below the picture, in the hand", [LOW.person(), LOW.head(), LOW.at(0.1, 0.36, 0.16, 0.14, "helmet")],
         [OFF]),
        ("head above the picture", [HIGH.person()], [CUT]),
        ("head above the picture, helmet in the hand", [HIGH.person(), HIGH.in_hand()], [CUT]),
        ("half a head at the upper edge looks bare", [Body(400, top=-30, tall=420).person(),
         ("head", (372, 0, 428, 30), 0.9)], [CUT]),
        ("half out of the picture", [LEFT.person()], [CUT]),
        ("half out, the head inside", [LEFT.person(), head_at(30, 218)], [BARE]),
        ("half out, helmet cut", [LEFT.person(), LEFT.helmet()], [ON]),
        ("half out, head cut", [Body(5).person(), Body(5).head()], [CUT]),
        ("behind a container", [TO_HIPS, A.helmet()], [ON]),
        ("behind a container, bare", [TO_HIPS, A.head()], [BARE]),
        ("behind a container, helmet before the chest", [TO_HIPS, A.head(), A.at(0.1, 0.3, 0.18, 0.12, "helmet")],
         [OFF]),
        ("behind a wall", [TO_CHEST, A.helmet()], [ON]),
        ("behind a wall, bare", [TO_CHEST, A.head()], [BARE]),
        ("an arm raised above the head", [("person", (355, 160, 445, 450), 0.9), A.vest(), A.helmet()], [ON]),
        ("before the chest, the person's box from the shoulders on",
         [("person", (355, 235, 445, 450), 0.9), A.vest(), helmet_at(400, 262)], [OFF]),
        ("on somebody small before somebody's hand",
         [A.person(), Body(425, top=330, tall=140).person(), Body(414, top=330, tall=140).helmet()], [NOT_SEEN, ON]),
        ("low because the picture ends", [("person", (350, 668, 470, 720), 0.9), head_at(410, 690)], [BARE]),
        ("too small", [Body(400, tall=50).person(), Body(400, tall=50).head()], [("unknown", "too-small")]),
        ("weak", [A.person(), A.head(0.1)], [("unknown", "low-confidence")]),
    ],
)  # fmt: skip
def test_helmets(what: str, seen: list[Seen], helmets: list[tuple[str, str]]) -> None:
    assert said(seen, "helmet") == helmets, what


@pytest.mark.parametrize(
    ("what", "seen", "vests"),
    [
        ("one with a vest", [A.person(), A.vest()], [VEST]),
        ("one without", [A.person(), A.no_vest()], [NO_VEST]),
        ("nothing seen", [A.person()], [NOT_SEEN]),
        ("from the side, narrow", [A.person(), A.at(0, 0.35, 0.13, 0.4, "vest")], [VEST]),
        ("open, upper half seen", [A.person(), A.at(0, 0.26, 0.2, 0.22, "vest")], [VEST]),
        ("in the hand", [A.person(), A.at(0.12, 0.6, 0.1, 0.2, "vest")], [VEST_OFF]),
        ("before the belly", [A.person(), A.at(0, 0.6, 0.2, 0.2, "vest")], [VEST_OFF]),
        ("in the hand, torso bare", [A.person(), A.no_vest(), A.at(0.12, 0.62, 0.1, 0.2, "vest")], [VEST_OFF]),
        ("worn, another in the hand", [A.person(), A.vest(), A.at(0.12, 0.62, 0.1, 0.2, "vest")], [VEST]),
        ("on the ground", [A.person(), A.at(0.1, 0.95, 0.2, 0.08, "vest")], [NOT_SEEN]),
        ("on a fence", [A.person(), ("vest", (600, 300, 650, 400), 0.9)], [NOT_SEEN]),
        ("side by side", [A.person(), NEAR.person(), A.vest(), NEAR.no_vest()], [VEST, NO_VEST]),
        ("side by side, the other way", [A.person(), NEAR.person(), A.no_vest(), NEAR.vest()], [NO_VEST, VEST]),
        ("the torso behind somebody", [FRONT.person(), BEHIND.person(), FRONT.vest()], [VEST, COVERED]),
        ("only the torso in the picture", [HIGH.person(), HIGH.vest()], [VEST]),
        ("the torso below the picture", [Body(400, top=640, tall=420).person()], [CUT]),
        ("half out of the picture", [LEFT.person()], [CUT]),
        ("half out, torso cut", [Body(5).person(), Body(5).no_vest()], [CUT]),
        ("behind a container", [TO_HIPS, A.vest()], [VEST]),
        ("behind a container, hips hidden", [TO_HIPS, A.at(0, 0.32, 0.2, 0.34, "no-vest")], [NO_VEST]),
        ("behind a wall", [TO_CHEST, A.at(0, 0.24, 0.2, 0.2, "vest")], [VEST]),
        ("bent", [BENT, ("vest", (330, 352, 440, 430), 0.9)], [VEST]),
        ("seated", [SEATED, ("vest", (325, 385, 375, 465), 0.9)], [VEST]),
        ("too small", [Body(400, tall=50).person(), Body(400, tall=50).no_vest()], [("unknown", "too-small")]),
    ],
)
def test_vests(what: str, seen: list[Seen], vests: list[tuple[str, str]]) -> None:
    assert said(seen, "vest") == vests, what


@pytest.mark.parametrize("wide", [0.3, 0.36, 0.5])
@pytest.mark.parametrize("above", [0.1, 0.15, 0.2, 0.25, 0.3])
def test_who_raises_both_arms_carries_nothing_by_that(above: float, wide: float) -> None:
    """On a ladder, or at work overhead: the hands are up to three tenths of a body above the head."""
    reaching: Seen = ("person", (A.x - wide * A.tall / 2, A.top - above * A.tall, A.x + wide * A.tall / 2, 450), 0.9)
    assert said([reaching, A.helmet(), A.vest()], "helmet") == [ON]
    assert said([reaching, A.helmet(), A.vest()], "vest") == [VEST]
    assert said([reaching, A.head(), A.no_vest()], "helmet") == [BARE]
    assert said([reaching, A.head(), A.no_vest()], "vest") == [NO_VEST]
    assert said([reaching, A.head(), A.in_hand(), A.vest()], "helmet") == [OFF]
    assert said([reaching, A.helmet()], "helmet") in ([ON], [NOT_SEEN]), "without a torso it may be before the chest"


def test_a_helmet_put_on_step_by_step() -> None:
    steps = [
        [A.head(), A.in_hand()],
        [A.head(), A.at(0.12, 0.3, 0.17, 0.13, "helmet")],
        [A.head(), A.at(0.15, 0.1, 0.17, 0.13, "helmet")],
        [A.helmet()],
    ]
    assert [said([A.person(), *step], "helmet") for step in steps] == [[OFF], [OFF], [OFF], [ON]]


@pytest.mark.parametrize(
    ("helmet", "head", "state"), [(0.9, 0.4, "worn"), (0.4, 0.9, "missing"), (0.9, 0.85, "unknown")]
)
def test_of_helmet_and_bare_head_on_one_head_the_better_supported_counts_and_counts_less(
    helmet: float, head: float, state: str
) -> None:
    both = evidence([A.person(), A.helmet(helmet), A.head(head)])["p0"]["helmet"]
    alone = evidence([A.person(), A.helmet(helmet) if helmet > head else A.head(head)])["p0"]["helmet"]
    assert both.state == state
    assert both.weight < 0.7 * alone.weight


def test_two_boxes_on_one_helmet_give_the_neighbour_none() -> None:
    twice = A.at(0.01, 0.06, 0.18, 0.12, "helmet", 0.6)
    assert said([A.person(), NEAR.person(), A.helmet(), twice], "helmet") == [ON, NOT_SEEN]


def test_the_box_that_says_so_is_named() -> None:
    found = evidence([A.head(), A.person(), A.vest(), A.in_hand()])["p0"]
    assert (found["helmet"].box_index, found["vest"].box_index) == (3, 2)
    assert evidence([A.person()])["p0"]["helmet"] == GearEvidence("unknown", 0.0, "not-seen", None)


def test_a_weak_box_counts_less_and_a_sure_one_in_full() -> None:
    weights = [evidence([A.person(), A.helmet(p)])["p0"]["helmet"].weight for p in (0.3, 0.45, 0.6, 0.95)]
    assert weights == sorted(weights)
    assert weights[0] == pytest.approx(weights[2] / 2)
    assert weights[2] == weights[3] > 0.9


def test_a_box_that_the_picture_s_edge_cuts_counts_half() -> None:
    whole, cut = Body(400, top=4), Body(400, top=0)
    weights = [evidence([body.person(), body.helmet()])["p0"]["helmet"].weight for body in (whole, cut)]
    assert weights[1] == pytest.approx(weights[0] / 2, rel=0.01)


def test_of_two_helmets_on_one_head_the_more_probable_one_is_it() -> None:
    weak, strong = A.helmet(0.35), A.at(0.1, 0.055, 0.19, 0.11, "helmet", 0.95)
    found = evidence([A.person(), weak, strong])["p0"]["helmet"]
    assert (found.state, found.box_index) == ("worn", 2)


def test_a_carried_helmet_counts_less_where_the_head_is_not_seen_or_the_person_bends() -> None:
    seen, unseen, bent = (
        evidence(row)["p0"]["helmet"]
        for row in (
            [A.person(), A.head(0.2), A.in_hand()],
            [A.person(), A.in_hand()],
            [BENT, head_at(460, 400, 0.2), helmet_at(390, 450)],
        )
    )
    assert seen.state == unseen.state == bent.state == "carried"
    assert unseen.weight == pytest.approx(0.6 * seen.weight)
    assert bent.weight < 0.7 * seen.weight


def test_in_the_dark_boxes_count_half_and_nothing_seen_is_low_light() -> None:
    bright, dark = (evidence([A.person(), A.head()], dark=dark)["p0"]["helmet"] for dark in (False, True))
    assert (dark.state, dark.weight) == ("missing", pytest.approx(bright.weight / 2))
    assert said([A.person()], "helmet", dark=True) == [("unknown", "low-light")]


def test_an_untracked_person_keeps_the_own_helmet() -> None:
    neighbour = Body(440)
    assert said([A.person(), A.head(), neighbour.helmet()], "helmet") == [OFF]
    assert said([A.person(), A.head(), neighbour.person(), neighbour.helmet()], "helmet", untracked=(2,)) == [BARE]


def test_a_second_box_of_a_tracked_person_takes_nothing() -> None:
    # The tracked box is the worse one: without the rule the helmet would be the twin's.
    tracked, twin = ("person", (355.0, 215.0, 460.0, 450.0), 0.9), ("person", (360.0, 200.0, 440.0, 430.0), 0.4)
    assert said([tracked, twin, A.helmet()], "helmet", untracked=(1,)) == [ON]


def test_a_helmet_between_two_heads_counts_less_than_on_one() -> None:
    close = Body(445)
    between = A.at(0.09, 0.055, 0.19, 0.11, "helmet")
    found = evidence([A.person(), close.person(), between])
    assert max(of_person["helmet"].weight for of_person in found.values()) < 0.6


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([A.person(), A.at(0, 0.9, 0.2, 0.1, "boots")], [("worn", "on-person")]),
        ([A.person(), A.at(0, 0.9, 0.2, 0.1, "no-boots")], [("missing", "no-boots")]),
        ([A.person(), A.at(0.3, 0.9, 0.2, 0.1, "boots")], [NOT_SEEN]),
        ([A.person(), NEAR.person(), NEAR.at(0, 0.9, 0.2, 0.1, "boots")], [NOT_SEEN, ("worn", "on-person")]),
    ],
)
def test_other_gear_is_worn_where_it_lies_on_the_person(seen: list[Seen], expected: list[tuple[str, str]]) -> None:
    assert said(seen, "boots") == expected


def test_every_person_has_every_gear_and_nobody_none() -> None:
    found = evidence([A.person(), B.person()], ("helmet", "vest", "boots"))
    assert {track: set(gear) for track, gear in found.items()} == {
        track: {"helmet", "vest", "boots"} for track in ("p0", "p1")
    }
    assert evidence([]) == {}


def test_a_picture_of_another_shape_is_judged_alike() -> None:
    # The same pixels in a portrait picture: normalised boxes have other proportions.
    seen = [A.person(), A.head(), A.in_hand()]
    assert said(seen, "helmet", size_px=(720, 1280)) == [OFF]


def test_a_row_of_ten_shoulder_to_shoulder() -> None:
    row = [Body(100 + 62 * n, top=200 + 7 * (n % 3)) for n in range(10)]
    bare = {2, 3, 7}
    seen = [body.person() for body in row]
    seen += [body.head() if n in bare else body.helmet() for n, body in reversed(list(enumerate(row)))]
    assert said(seen, "helmet") == [BARE if n in bare else ON for n in range(10)]


numbers = st.floats(0, 1, width=32)
rows_of_boxes = st.lists(
    st.tuples(
        st.sampled_from(["person", "person", "helmet", "head", "vest", "no-vest", "boots"]), st.tuples(*[numbers] * 5)
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(rows_of_boxes, st.booleans())
def test_no_box_is_two_peoples_and_weights_are_shares(
    drawn: list[tuple[str, tuple[float, float, float, float, float]]], dark: bool
) -> None:
    seen: list[Seen] = []
    for label, (x0, y0, x1, y1, probability) in drawn:
        # Half of a person's size: such boxes meet more often than boxes of any size.
        scale = 1.0 if label == "person" else 0.3
        x1, y1 = min(1, x0 + (0.1 + x1) * scale * 0.3), min(1, y0 + (0.1 + y1) * scale)
        seen.append((label, (x0 * 1280, y0 * 720, x1 * 1280, y1 * 720), probability))
    found = evidence(seen, ("helmet", "vest", "boots"), dark=dark)
    assert len(found) == sum(label == "person" for label, *_ in seen)
    for gear in ("helmet", "vest", "boots"):
        of_all = [of_person[gear] for of_person in found.values()]
        rows = [one.box_index for one in of_all if one.box_index is not None]
        assert len(rows) == len(set(rows))
        for one in of_all:
            assert 0 <= one.weight <= 1
            assert (one.weight == 0) == (one.state == "unknown")
            assert one.state == "unknown" or one.box_index is not None
            if one.state == "missing":
                assert seen[one.box_index or 0][0] in ("head", "no-vest", "no-boots")


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(8)))
def test_the_order_of_boxes_changes_nothing(order: list[int]) -> None:
    seen = [A.person(), NEAR.person(), FRONT.person(), A.helmet(), NEAR.head(), FRONT.in_hand(), A.vest(), NEAR.vest()]
    boxes = boxes_of([seen[n] for n in order])
    people = [TrackedPerson(f"p{n}", boxes.xyxy_norm[order.index(n)], 0.9, order.index(n)) for n in range(3)]
    found = observe(people, boxes, frame_size_px=SIZE_PX, dark=False, gear=("helmet", "vest"))
    straight = evidence(seen)
    for track, of_person in straight.items():
        for gear, one in of_person.items():
            assert (found[track][gear].state, found[track][gear].reason) == (one.state, one.reason)
