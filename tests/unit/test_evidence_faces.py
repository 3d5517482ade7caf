"""Where faces are covered: with a head, below a helmet's brim, without either; and that nothing is left of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.geometry import as_xyxy
from safetygear_inference.compliance.best_view import sharpness_share, view_score
from safetygear_inference.evidence.faces import HELMET_FROM, face_regions, left_over
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.pixels import CELLS_ACROSS, detail, make_unrecognisable, sharpness

SIZE = (1280, 720)
PERSON = (600.0, 300.0, 680.0, 560.0)
HEAD, HELMET, VEST = (620.0, 298.0, 660.0, 332.0), (618.0, 296.0, 662.0, 330.0), (610.0, 345.0, 670.0, 445.0)
FACE = (622.0, 322.0, 658.0, 345.0)
"""Under the helmet: what must be covered."""
SHELL = (620.0, 297.0, 660.0, 312.0)
"""What of the helmet must stay."""
Box = tuple[float, float, float, float]


def regions(
    *rows: tuple[str, Box], also: list[Box] | None = None, bare: list[Box] | None = None, probability: float = 1.0
) -> np.ndarray:
    """In px."""
    scale = np.array([*SIZE, *SIZE], np.float32)
    boxes = LabelledBoxes(
        as_xyxy([box for _, box in rows]) / scale,
        tuple(label for label, _ in rows),
        np.full(len(rows), probability, np.float32),
    )
    extra, known = (None if given is None else as_xyxy(given) / scale for given in (also, bare))
    return face_regions(boxes, picture_size_px=SIZE, expected_norm=extra, bare_norm=known) * scale


def covered(found: np.ndarray, box: Box) -> float:
    """Share of the box's pixels that some region covers."""
    mask = np.zeros(SIZE[::-1], bool)
    for left, top, right, bottom in found.round().astype(int):
        mask[top:bottom, left:right] = True
    left, top, right, bottom = (round(value) for value in box)
    return float(mask[top:bottom, left:right].mean())


def moved(box: Box, right_px: float, down_px: float = 0) -> Box:
    return box[0] + right_px, box[1] + down_px, box[2] + right_px, box[3] + down_px


def test_without_anybody_nothing_is_covered() -> None:
    assert len(regions()) == 0


def test_a_worn_helmet_stays_visible_and_the_face_below_its_brim_does_not() -> None:
    found = regions(("person", PERSON), ("helmet", HELMET), ("vest", VEST))
    assert (covered(found, FACE), covered(found, SHELL)) == (1.0, 0.0)
    assert covered(found, (610, 370, 670, 445)) == 0.0, "the vest"


@pytest.mark.parametrize(
    ("bare", "probability", "shell"),
    [
        (None, 1.0, 0.0), ([], 1.0, 0.0), ([PERSON], 1.0, 1.0), ([moved(PERSON, 300)], 1.0, 0.0),
        (None, HELMET_FROM, 0.0), (None, HELMET_FROM - 0.01, 1.0),
    ],
    ids=["believed", "nobody is bare", "the votes say none", "somebody else's none", "as sure as shown", "too unsure"],
)  # fmt: skip
def test_what_may_be_no_helmet_is_covered_whole(bare: list[Box] | None, probability: float, shell: float) -> None:
    found = regions(("person", PERSON), ("helmet", HELMET), bare=bare, probability=probability)
    assert (covered(found, FACE), covered(found, SHELL)) == (1.0, shell)


def test_a_helmet_box_that_holds_the_whole_head_is_covered_from_its_middle() -> None:
    whole = (618.0, 290.0, 662.0, 345.0)
    found = regions(("person", PERSON), ("helmet", whole), ("vest", VEST))
    assert (covered(found, (618, 318, 662, 350)), covered(found, (618, 290, 662, 307))) == (1.0, 0.0)


def test_a_bare_head_is_covered_whole_and_further_down_than_its_box() -> None:
    found = regions(("person", PERSON), ("head", HEAD), ("vest", VEST))
    assert covered(found, (618, 296, 662, 344)) == 1.0


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "no head was found"),
        ([("helmet", (560.0, 520.0, 604.0, 556.0))], "the helmet is in the hand"),
        ([("helmet", moved(HELMET, 40)), ("vest", VEST)], "the helmet is held beside the face"),
        ([("helmet", moved(HELMET, 300))], "the helmet is somebody else's"),
        ([("helmet", (560.0, 420.0, 600.0, 450.0))], "the helmet is held at the hip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_person_without_a_head_of_his_own_is_covered_where_it_may_be(rows: list[tuple[str, Box]], why: str) -> None:
    found = regions(("person", PERSON), *rows)
    assert covered(found, (600, 300, 680, 390)) == 1.0, why


def test_two_people_need_two_heads() -> None:
    behind = moved(PERSON, 50, -20)
    found = regions(("person", PERSON), ("person", behind), ("helmet", HELMET))
    assert covered(found, (650, 280, 730, 360)) == 1.0
    both = regions(
        ("person", PERSON), ("person", behind), ("helmet", HELMET), ("helmet", moved(HELMET, 50, -20)), ("vest", VEST)
    )
    assert covered(both, (620, 297, 640, 312)) == 0.0


def test_two_boxes_of_one_person_share_his_head() -> None:
    found = regions(("person", PERSON), ("person", moved(PERSON, 4, 6)), ("helmet", HELMET), ("vest", VEST))
    assert (covered(found, FACE), covered(found, SHELL)) == (1.0, 0.0)


def test_a_head_and_a_torso_tell_of_somebody_without_a_box() -> None:
    assert covered(regions(("head", HEAD)), HEAD) == 1.0
    assert covered(regions(("helmet", HELMET)), FACE) == 1.0
    for label in ("vest", "no-vest"):
        assert covered(regions((label, VEST)), (612, 300, 668, 345)) == 1.0


def test_a_torso_that_shares_its_box_with_somebody_else_s_head_is_noticed() -> None:
    both = (580.0, 260.0, 690.0, 560.0)
    other_helmet = (630.0, 258.0, 674.0, 292.0)
    found = regions(("person", both), ("helmet", other_helmet), ("vest", (580.0, 360.0, 640.0, 460.0)))
    assert covered(found, (582, 320, 638, 360)) == 1.0


@pytest.mark.parametrize("person", [(500.0, 500.0, 760.0, 600.0), (600.0, 400.0, 720.0, 520.0)])
def test_whoever_lies_or_bends_is_covered_whole(person: Box) -> None:
    assert covered(regions(("person", person)), person) == 1.0


def test_somebody_cut_by_the_lower_edge_is_covered_down_to_the_neck() -> None:
    found = regions(("person", (600.0, 640.0, 680.0, 720.0)))
    assert covered(found, (600, 640, 680, 690)) == 1.0


def test_where_somebody_is_expected_he_is_covered_even_beside_a_head() -> None:
    found = regions(("person", PERSON), ("helmet", HELMET), also=[moved(PERSON, 200), moved(PERSON, 20)])
    assert (covered(found, (800, 300, 880, 390)), covered(found, SHELL)) == (1.0, 1.0)


def test_each_box_shows_one_of_those_who_are_expected() -> None:
    scale = np.array([*SIZE, *SIZE], np.float32)
    expected = as_xyxy([PERSON, moved(PERSON, 15), moved(PERSON, 200)]) / scale
    none = LabelledBoxes(as_xyxy([]), (), np.zeros(0, np.float32))
    one = LabelledBoxes(as_xyxy([moved(PERSON, 12), HELMET]) / scale, ("person", "helmet"), np.ones(2, np.float32))
    assert len(left_over(expected, none)) == 3
    assert (left_over(expected, one) == expected[[0, 2]]).all()
    assert len(left_over(as_xyxy([]), one)) == 0


_coordinate = st.floats(-0.25, 1.25, width=32)
_label = st.sampled_from(["person", "helmet", "head", "vest", "no-vest", "cone"])


@given(st.lists(st.tuples(_label, _coordinate, _coordinate, _coordinate, _coordinate), max_size=8))
def test_any_boxes_give_regions_within_the_picture_and_every_head_is_in_one(
    rows: list[tuple[str, float, float, float, float]],
) -> None:
    boxes = LabelledBoxes(
        as_xyxy([row[1:] for row in rows]), tuple(row[0] for row in rows), np.ones(len(rows), np.float32)
    )
    found = face_regions(boxes, picture_size_px=SIZE)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[:, 2:] > found[:, :2]).all()
    for label, left, top, right, bottom in rows:
        x, y = (left + right) / 2, (top + bottom) / 2
        if label == "head" and 0.001 < x < 0.999 and 0.001 < y < 0.999 and right > left + 0.01 and bottom > top + 0.01:
            assert ((found[:, 0] <= x) & (x <= found[:, 2]) & (found[:, 1] <= y) & (y <= found[:, 3])).any()


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(40, 40), (12, 30), (200, 90), (3, 3)])
def test_what_is_covered_is_a_few_averages_and_the_rest_is_untouched(size: tuple[int, int]) -> None:
    width, height = size
    picture = noise(width + 20, height + 20)
    before = picture.copy()
    box = np.array([[10, 10, 10 + width, 10 + height]]) / ([width + 20, height + 20] * 2)
    make_unrecognisable(picture, as_xyxy(box))
    outside = np.ones(picture.shape[:2], bool)
    outside[9 : 11 + height, 9 : 11 + width] = False
    assert (picture[outside] == before[outside]).all()
    inside = picture[10 : 10 + height, 10 : 10 + width].astype(int)
    steps = np.abs(np.diff(inside, axis=1)).max() if width > 8 else 0
    assert steps <= 255 * CELLS_ACROSS / max(size) + 2, "a slope from average to average is all that is left"


def test_the_measure_tells_a_face_from_what_is_left_of_it_at_every_size() -> None:
    for size in (24, 60, 200):
        face = np.kron(noise(12, 12), np.ones((size // 12, size // 12, 1), np.uint8))
        assert detail(face) > 30
        make_unrecognisable(face, as_xyxy([[0, 0, 1, 1]]))
        assert detail(face) < 6, size
    assert detail(np.full((30, 30, 3), 90, np.uint8)) == 0


def test_a_better_view_is_larger_surer_more_central_and_whole() -> None:
    good = view_score((0.4, 0.3, 0.5, 0.7), 0.9)
    assert 0 < good <= 1
    for worse in (
        view_score((0.42, 0.35, 0.48, 0.6), 0.9),
        view_score((0.4, 0.3, 0.5, 0.7), 0.5),
        view_score((0.85, 0.3, 0.95, 0.7), 0.9),
        view_score((0.0, 0.3, 0.1, 0.7), 0.9),
    ):
        assert worse < good
    assert view_score((0.0, 0.0, 1.0, 1.0), 5) <= 1
    assert view_score((0.5, 0.5, 0.4, 0.4), 1) == 0


def test_a_smeared_picture_is_less_sharp() -> None:
    sharp = noise(80, 80)
    smeared = np.repeat(sharp[:, ::8], 8, axis=1)
    assert sharpness(sharp) > sharpness(smeared) > 0
    assert sharpness_share(150) > 1.4 * sharpness_share(30) > 0
    assert sharpness_share(0) == 0
