"""The footage in which nobody breaks a rule is that: no violator stands in its zone, whatever the variation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from support import scenes
from support.compliant_footage import MARGIN, Play, Variation, contains, draw_variation, plan, play, violating

SIZE_PX = (640, 360)


def variations(count: int = 12) -> list[Variation]:
    draw = np.random.default_rng(7)
    return [Variation(), *(draw_variation(draw) for _ in range(count))]


def feet(story: dict[str, Any], one: Play, *, of_violators: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    affine = one.variation.affine(SIZE_PX)
    found = [
        np.array(person["foot"]) * SIZE_PX @ affine[:, :2].T + affine[:, 2]
        for frame in story["frames"]
        for person in frame["persons"]
        if violating(person) is of_violators
    ]
    return np.clip(np.array(found).reshape(-1, 2) / SIZE_PX, 0, 1)


@pytest.mark.parametrize("name", scenes.names())
def test_no_violator_stands_in_the_zone(name: str) -> None:
    story = scenes.truth(name)
    plays = [one for one in (play(story, variation) for variation in variations()) if one is not None]
    assert plays
    for one in plays:
        assert not contains(one.zone, feet(story, one, of_violators=True)).any(), one


def test_compliant_people_are_in_their_zones_and_violators_are_in_the_films() -> None:
    plays = plan({name: scenes.truth(name) for name in scenes.names()}, 10, seed=1)
    assert sum(one.frames for one in plays) >= 10 * 60 * 5
    assert sum(one.inside_s for one in plays) > 60
    assert sum(one.outside_s for one in plays) > 180
    assert {one.story for one in plays} == set(scenes.names())


def test_a_story_without_violators_has_the_whole_picture_as_its_zone() -> None:
    one = play(scenes.truth("compliant"), Variation())
    assert one is not None
    assert one.zone == ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert one.inside_s == sum(len(frame["persons"]) for frame in scenes.truth("compliant")["frames"][::2]) / 5


def test_a_story_whose_violators_are_everywhere_is_left_out() -> None:
    story = scenes.truth("bare-head")
    everywhere = [
        person | {"foot": [x, y]}
        for person in story["frames"][30]["persons"]
        if violating(person)
        for x in (0.02, 0.5, 0.98)
        for y in (0.02, 0.5, 0.98)
    ]
    crowded = story | {"frames": [story["frames"][30] | {"persons": everywhere}]}
    assert play(crowded, Variation()) is None


@pytest.mark.parametrize("variation", variations())
def test_the_film_covers_the_picture(variation: Variation) -> None:
    affine = variation.affine(SIZE_PX)
    corners = np.array([(0, 0), (640, 0), (0, 360), (640, 360)], float)
    film = (corners - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    assert (film >= -1e-6).all()
    assert (film <= np.array(SIZE_PX) + 1e-6).all()


def test_mirrored_is_mirrored() -> None:
    affine = replace(Variation(), mirrored=True).affine(SIZE_PX)
    assert affine[:, :2] @ (100, 50) + affine[:, 2] == pytest.approx((540, 50))


def test_a_square_contains_what_is_in_it_whichever_way_it_goes_round() -> None:
    square = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
    points = np.array([(0.5, 0.5), (0.2, 0.5), (0.1, 0.5), (0.9, 0.9)])
    for polygon in (square, square[::-1]):
        assert contains(polygon, points).tolist() == [True, True, False, False]


def test_the_zone_keeps_its_margin() -> None:
    story = scenes.truth("bare-head")
    one = play(story, Variation())
    assert one is not None
    lowest = max(y for _, y in one.zone)
    nearest = feet(story, one, of_violators=True)[:, 1].min()
    assert nearest - lowest >= MARGIN - 1e-3
