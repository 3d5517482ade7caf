"""With true boxes the rules tell each violation of the rendered stories once, and nothing else, at 2, 5 and 10 fps."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from safetygear_inference.gating.gate import LEAST_CHANGE, largest_change
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import luma_sketch
from support import scenes
from support.cheap_frames import film, judged, on_call

PROMISED = {
    "compliant", "bare-head", "no-vest", "helmet-put-on", "crossing", "behind-container", "zone-edge", "shift-end",
    "caps-and-hoods",
}  # fmt: skip
OPENED_WITHIN_S = 4.0
"""From when it can be judged: the vote, the minimum duration, and two frames at 2 fps."""


def test_the_promised_stories_are_there_and_nothing_is_trained_on_them() -> None:
    assert set(scenes.names()) >= PROMISED
    assert {scenes.truth(name)["use"] for name in scenes.names()} == {"evaluation"}


@pytest.mark.parametrize("fps", [2, 5, 10])
@pytest.mark.parametrize("name", [*scenes.names(), scenes.CROWD, scenes.TOUR])
def test_a_story_is_told_as_it_is(name: str, fps: int, tmp_path: Path) -> None:
    story, score = scenes.truth(name), scenes.SceneScore()
    score.take(name, story, scenes.replayed(story, fps, tmp_path), scenes.start_s(story))
    assert (score.missed, score.false, score.again) == ([], [], [])
    assert score.right == sum(event["due"] for event in story["events"])
    assert all(delay_s <= OPENED_WITHIN_S for delay_s in score.delays_s)


@pytest.mark.parametrize("name", scenes.names())
def test_frames_that_are_spared_lose_nothing_of_a_story(name: str) -> None:
    """With a motion gate each violation is told at the same moment; with key frames until somebody comes, within the
    two seconds between them."""
    story, frames = scenes.truth(name), film(name)
    told, counts = [], [Counter[str]() for _ in range(3)]
    for number, opened in enumerate(
        (
            judged(story, frames[::2], lambda frame: frame.perfect, counts[0], gate=False),
            judged(story, frames[::2], lambda frame: frame.perfect, counts[1], gate=True),
            on_call(story, frames, lambda frame: frame.perfect, counts[2], key_frames_apart_s=2.0),
        )
    ):
        score = scenes.SceneScore()
        score.take(name, story, opened, scenes.start_s(story))
        assert (score.missed, score.false, score.again) == ([], [], [])
        told.append((score.right, score.delays_s))
        assert counts[number]["analysed"] <= counts[0]["analysed"]
    assert told[1] == told[0]
    assert told[2][0] == told[0][0]
    assert all(late <= plain + 2.5 for late, plain in zip(told[2][1], told[0][1], strict=True))


@pytest.mark.parametrize("name", scenes.names())
def test_their_people_open_a_gate_from_twenty_pixels_on(name: str) -> None:
    """Each picture with one whole person in it is shrunk until he is 20 pixels tall, and put into the empty place."""
    frames = film(name)
    empty = next(frame for frame in frames if frame.empty).planes.planes[0]
    for frame, truth in zip(frames[::3], scenes.truth(name)["frames"][::3], strict=True):
        people = truth["persons"]
        if len(people) != 1 or people[0]["in_frame"] < 0.9 or people[0]["visible_fraction"] < 0.8:
            continue
        scale = 20 / (people[0]["box"][3] - people[0]["box"][1])
        without, with_him = (embedded(empty, shrunk(luma, scale)) for luma in (empty, frame.planes.planes[0]))
        assert largest_change(luma_sketch(without), luma_sketch(with_him)) > LEAST_CHANGE, frame.t_s


def shrunk(luma: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def embedded(place: NDArray[np.uint8], window: NDArray[np.uint8]) -> Picture:
    luma = place.copy()
    luma[200 : 200 + window.shape[0], 400 : 400 + window.shape[1]] = window
    grey = np.full((place.shape[0] // 2, place.shape[1] // 2), 128, np.uint8)
    return Picture((luma, grey, grey), place.shape[1], place.shape[0], "i420")


def test_empty_stretches_are_spared() -> None:
    counts = Counter[str]()
    for name in ("compliant", "glare", "helmet-taken-off"):
        judged(scenes.truth(name), film(name)[::2], lambda frame: frame.perfect, counts, gate=True)
    assert counts["empty_analysed"] <= 0.6 * counts["empty"]
