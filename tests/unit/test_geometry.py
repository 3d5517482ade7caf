"""Boxes and the letterbox."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.geometry import (
    Letterbox,
    Placement,
    area,
    as_xyxy,
    clip_xyxy,
    iou,
    xyxy_from_cxcywh,
)

sides = st.integers(1, 4000)
sizes = st.tuples(sides, sides)
placements = st.sampled_from(["stretch", "center", "top-left"])
corners = st.floats(-500, 4500, width=32)
boxes = st.lists(st.tuples(corners, corners, corners, corners), max_size=5).map(
    lambda rows: as_xyxy([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in rows])
)


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros((0,))])
def test_no_boxes_have_the_shape_of_boxes(empty: Any) -> None:
    array = as_xyxy(empty)
    assert (array.shape, array.dtype) == ((0, 4), np.float32)
    assert (area(array).shape, iou(array, as_xyxy([[0, 0, 1, 1]])).shape) == ((0,), (0, 1))


@pytest.mark.parametrize("wrong", [[1, 2, 3, 4], [[1, 2, 3]], np.zeros((2, 2, 4)), [[1, 2, 3, 4, 5]]])
def test_another_shape_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"must have shape \(n, 4\), not"):
        as_xyxy(wrong)


def test_centres_become_corners() -> None:
    corners_of = xyxy_from_cxcywh(np.array([[10, 20, 4, 6]], np.float32))
    assert corners_of.tolist() == [[8, 17, 12, 23]]
    assert corners_of.dtype == np.float32


def test_clipping_and_areas() -> None:
    assert clip_xyxy(as_xyxy([[-5, 3, 50, 9]]), 40, 8).tolist() == [[0, 3, 40, 8]]
    assert area(as_xyxy([[0, 0, 2, 3], [2, 0, 0, 3], [1, 1, 1, 5]])).tolist() == [6, 0, 0]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2], 1.0),
        ([0, 0, 2, 2], [1, 0, 3, 2], 1 / 3),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0.0),
        ([0, 0, 4, 4], [1, 1, 2, 2], 1 / 16),
        ([1, 1, 1, 1], [1, 1, 1, 1], 0.0),
        ([2, 2, 0, 0], [0, 0, 2, 2], 0.0),
    ],
)
def test_iou_table(a: list[float], b: list[float], expected: float) -> None:
    assert iou(as_xyxy([a]), as_xyxy([b]))[0, 0] == pytest.approx(expected)


@given(boxes, boxes)
def test_iou_is_symmetric_and_between_0_and_1(a: Any, b: Any) -> None:
    found = iou(a, b)
    assert found.shape == (len(a), len(b)) and found.dtype == np.float32
    assert np.allclose(found, iou(b, a).T)
    assert ((found >= 0) & (found <= 1 + 1e-5)).all()
    own = np.diag(iou(a, a))
    assert np.allclose(own[area(a) > 1e-3], 1, atol=1e-4)


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        # scale x and y, left, top, inner width and height
        ("stretch", (0.5, 384 / 720, 0, 0, 640, 384)),
        ("center", (0.5, 0.5, 0, 12, 640, 360)),
        ("top-left", (0.5, 0.5, 0, 0, 640, 360)),
    ],
)
def test_720p_in_384x640(placement: Placement, expected: tuple[float, ...]) -> None:
    box = Letterbox.fit((1280, 720), (640, 384), placement)
    assert (box.scale_x, box.scale_y, box.left_px, box.top_px, box.inner_width_px, box.inner_height_px) == expected
    whole = box.to_network(as_xyxy([[0, 0, 1280, 720]]))[0]
    assert whole.tolist() == [expected[2], expected[3], expected[2] + expected[4], expected[3] + expected[5]]


@given(sizes, sizes, placements)
def test_the_picture_lies_within_the_network(source: Any, network: Any, placement: Placement) -> None:
    box = Letterbox.fit(source, network, placement)
    assert 1 <= box.inner_width_px <= network[0] - box.left_px
    assert 1 <= box.inner_height_px <= network[1] - box.top_px
    # The scales are those of the whole pixels that the resize fills, not of the exact ratio.
    filled = [box.left_px, box.top_px, box.left_px + box.inner_width_px, box.top_px + box.inner_height_px]
    assert np.allclose(box.to_network(as_xyxy([[0, 0, *source]]))[0], filled, atol=0.01)
    if placement != "stretch":
        assert box.inner_width_px == network[0] or box.inner_height_px == network[1]
    if placement == "center":
        assert abs(network[0] - box.inner_width_px - 2 * box.left_px) <= 1
        assert abs(network[1] - box.inner_height_px - 2 * box.top_px) <= 1


@given(sizes, sizes, placements, boxes)
def test_there_and_back(source: Any, network: Any, placement: Placement, xyxy: Any) -> None:
    box = Letterbox.fit(source, network, placement)
    back = box.to_source(box.to_network(xyxy))
    # float32 keeps 24 bits of network px; a px there is 1/scale source px.
    tolerance = 4500 * 2.0**-21 / min(box.scale_x, box.scale_y, 1) + max(box.left_px, box.top_px) * 2.0**-22 / min(
        box.scale_x, box.scale_y
    )
    assert back.dtype == np.float32 and back.shape == xyxy.shape
    assert np.abs(back - xyxy).max(initial=0) <= tolerance


@given(sizes, sizes, placements, boxes)
def test_shares_of_the_picture_stay_within_it(source: Any, network: Any, placement: Placement, xyxy: Any) -> None:
    norm = Letterbox.fit(source, network, placement).to_source_norm(xyxy)
    assert norm.dtype == np.float32
    assert ((norm >= 0) & (norm <= 1)).all()


def test_shares_of_the_picture() -> None:
    box = Letterbox.fit((1280, 720), (640, 384), "center")
    assert np.allclose(
        box.to_source_norm(as_xyxy([[320, 192, 640, 384], [-9, -9, 0, 12]])), [[0.5, 0.5, 1, 1], [0, 0, 0, 0]]
    )


@pytest.mark.parametrize(("source", "network"), [((0, 5), (5, 5)), ((5, 5), (5, 0)), ((-1, 5), (5, 5))])
def test_sides_must_be_positive(source: tuple[int, int], network: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="sizes must be positive"):
        Letterbox.fit(source, network, "center")
