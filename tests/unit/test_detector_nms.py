"""One box per thing, and neighbours stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.geometry import as_xyxy, iou
from safetygear_inference.detectors.nms import MAX_BOXES, keep_best

# Corners; read as corner and size, as cv2.dnn.NMSBoxes does, the second covers most of the first: it dropped one.
SIDE_BY_SIDE = [(400, 100, 480, 400), (490, 100, 570, 400)]


def kept(
    boxes: list[tuple[float, float, float, float]], classes: list[int], scores: list[float], limit: float
) -> list[int]:
    arrays = np.array(classes, np.int64), np.array(scores, np.float32)
    return keep_best(as_xyxy(boxes), *arrays, iou_above=limit).tolist()


@pytest.mark.parametrize(
    ("boxes", "classes", "scores", "expected"),
    [
        ([], [], [], []),
        ([(0, 0, 10, 10)], [0], [0.4], [0]),
        (SIDE_BY_SIDE, [0, 0], [0.9, 0.8], [0, 1]),
        # IoU 1/3 (half covered) stays below 0.45; 9/11 goes.
        ([(0, 0, 10, 10), (5, 0, 15, 10)], [0, 0], [0.5, 0.9], [1, 0]),
        ([(0, 0, 10, 10), (1, 0, 11, 10)], [0, 0], [0.5, 0.9], [1]),
        # The same place may hold a person and his vest.
        ([(0, 0, 10, 10), (0, 0, 10, 10)], [0, 1], [0.5, 0.9], [1, 0]),
        # What was dropped drops no others: the third overlaps only the second.
        ([(0, 0, 10, 10), (3, 0, 13, 10), (6, 0, 16, 10)], [0, 0, 0], [0.9, 0.8, 0.7], [0, 2]),
        ([(0, 0, 10, 10), (0, 0, 10, 10)], [0, 0], [0.5, 0.5], [0]),
    ],
)
def test_what_is_kept(
    boxes: list[tuple[float, float, float, float]], classes: list[int], scores: list[float], expected: list[int]
) -> None:
    assert kept(boxes, classes, scores, 0.45) == expected


def test_a_crew_in_one_line_is_kept_whole() -> None:
    crew = [(30.0 * number, 100.0, 30.0 * number + 30, 190.0) for number in range(100)]
    assert len(kept(crew, [0] * 100, [0.5] * 100, 0.45)) == 100


def test_each_of_a_crowd_keeps_one_box() -> None:
    boxes, scores = [], []
    for person in range(100):
        for shift in (0.0, 2.0, 4.0):
            boxes.append((30.0 * person + shift, 100.0, 30.0 * person + 28 + shift, 190.0))
            scores.append(0.5 - shift / 10 + person / 1000)
    assert sorted(kept(boxes, [0] * 300, scores, 0.45)) == list(range(0, 300, 3))


def test_the_most_probable_stay_where_there_are_too_many() -> None:
    boxes = [(20.0 * number, 0.0, 20.0 * number + 10, 10.0) for number in range(MAX_BOXES + 50)]
    scores = np.linspace(0.2, 0.9, len(boxes)).tolist()
    assert kept(boxes, [0] * len(boxes), scores, 0.45) == list(range(len(boxes) - 1, 49, -1))


box = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 30)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
found = st.lists(st.tuples(box, st.integers(0, 2), st.integers(1, 100)), max_size=25)


@given(found)
def test_kept_boxes_are_apart_and_each_dropped_one_has_a_better_one(
    things: list[tuple[tuple[int, int, int, int], int, int]],
) -> None:
    boxes = as_xyxy([thing[0] for thing in things])
    classes = np.array([thing[1] for thing in things], np.int64)
    scores = np.array([thing[2] / 100 for thing in things], np.float32)
    stay = keep_best(boxes, classes, scores, iou_above=0.45)
    overlap = iou(boxes, boxes)
    same = classes[:, None] == classes[None, :]
    for index in range(len(things)):
        rivals = [other for other in stay if other != index and same[index, other] and overlap[index, other] > 0.45]
        if index in stay:
            assert not rivals
        else:
            assert any(scores[other] >= scores[index] for other in rivals)
