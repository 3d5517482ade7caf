"""Whether probabilities are spread otherwise than when the model was new: figures, time, restarts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.messages.codec import decode, encode
from safetygear_inference.learning.drift import (
    BINS,
    CHANGED_ABOVE,
    CHUNK_S,
    LEAST_BOXES,
    SAMPLED_EVERY_S,
    Drift,
    DriftState,
    stability_index,
)
from safetygear_inference.learning.observed import Observed, SeenBox, Wish

HOUR_S = 3600.0
REFERENCE_S = 2 * HOUR_S
BOX = (0.4, 0.3, 0.5, 0.8)


class Watched:
    """A camera that shows one helmet a frame."""

    def __init__(self, drift: Drift) -> None:
        self.drift, self.now_s, self._random = drift, 0.0, Random(5)

    def hours(self, hours: float, mean: float, *, model: str = "a", spread: float = 0.05) -> list[Wish]:
        wishes = []
        end_s = self.now_s + hours * HOUR_S
        while self.now_s < end_s:
            self.now_s += SAMPLED_EVERY_S
            probability = min(0.99, max(0.2, self._random.gauss(mean, spread)))
            box = SeenBox("helmet", probability, 0.35, BOX, None, False)
            frame = Observed("gate", self.now_s, model, (box,))
            wishes += self.drift.look(frame, wall_s=1.8e9 + self.now_s, reference_s=REFERENCE_S)
        return wishes

    def index(self) -> float | None:
        figures = self.drift.figures()
        return figures[0].stability_index if figures else None


def test_the_index_of_a_known_example() -> None:
    """Ten equal bins that become (0.2, 0.2, 0.1 x 4, 0.05 x 4): 2 x 0.1 ln 2 + 4 x 0.05 ln 2."""
    then, now = [10_000] * 10, [20_000] * 2 + [10_000] * 4 + [5_000] * 4
    assert stability_index(then, now) == pytest.approx(0.2772, abs=1e-3)


@given(st.lists(st.integers(0, 10_000), min_size=BINS, max_size=BINS))
def test_the_index_is_never_negative_and_nothing_for_the_same_spread(counts: list[int]) -> None:
    assert stability_index(counts, list(reversed(counts))) >= -1e-12
    assert stability_index(counts, counts) == 0


def test_what_stays_the_same_has_not_drifted() -> None:
    watched = Watched(Drift())
    assert watched.hours(24, 0.8) == []
    assert watched.index() is None


def test_what_becomes_less_sure_has_drifted_and_its_frames_are_wished_for() -> None:
    watched = Watched(Drift())
    assert watched.hours(6, 0.8) == []
    wishes = watched.hours(3, 0.5)
    index = watched.index()
    assert index is not None and index > CHANGED_ABOVE
    assert {(wish.reason, wish.focus_norm) for wish in wishes} == {("drift", BOX)}
    watched.hours(2 * CHUNK_S / HOUR_S + 1, 0.8)
    assert watched.index() is None, "it is over, and forgotten two chunks later"


def test_only_frames_that_show_what_there_is_too_much_of_are_wished_for() -> None:
    watched = Watched(Drift())
    watched.hours(6, 0.8)
    watched.hours(2, 0.5)
    assert watched.hours(0.1, 0.8, spread=0.01) == []
    assert watched.hours(0.1, 0.5, spread=0.01) != []


def test_little_says_nothing() -> None:
    watched = Watched(Drift())
    watched.hours(2, 0.8)
    watched.hours((LEAST_BOXES - 10) * SAMPLED_EVERY_S / HOUR_S, 0.4)
    assert watched.index() is None
    watched.hours(0.1, 0.4)
    assert watched.index() is not None


def test_what_is_seldom_shown_has_a_longer_reference() -> None:
    drift = Drift()
    box = SeenBox("helmet", 0.8, 0.35, BOX, None, False)
    for number in range(LEAST_BOXES + 50):
        now_s = number * REFERENCE_S / 10
        drift.look(Observed("gate", now_s, "a", (box,)), wall_s=1.8e9 + now_s, reference_s=REFERENCE_S)
    (history,) = drift.state().histories
    assert sum(history.reference) == LEAST_BOXES


def test_frames_that_follow_each_other_are_one_sample() -> None:
    drift = Drift()
    box = SeenBox("helmet", 0.8, 0.35, BOX, None, False)
    for number in range(100):
        drift.look(Observed("gate", 0.2 * number, "a", (box,)), wall_s=1.8e9, reference_s=REFERENCE_S)
    assert sum(drift.state().histories[0].reference) == 2


def test_another_model_begins_anew_and_a_restart_does_not() -> None:
    watched = Watched(Drift())
    watched.hours(6, 0.8)
    watched.drift = Drift(decode(encode(watched.drift.state()), DriftState))
    watched.hours(1, 0.5)
    assert watched.index() is not None
    watched.hours(1, 0.5, model="b")
    assert watched.index() is None
    assert watched.drift.state().model == "b"


def test_a_clock_that_is_set_back_or_far_ahead_breaks_nothing() -> None:
    watched = Watched(Drift())
    watched.hours(6, 0.8)
    box = SeenBox("helmet", 0.8, 0.35, BOX, None, False)
    for wall_s in (0.0, 4e9, 1.8e9):
        watched.now_s += 60
        watched.drift.look(Observed("gate", watched.now_s, "a", (box,)), wall_s=wall_s, reference_s=REFERENCE_S)
    assert watched.index() is None
