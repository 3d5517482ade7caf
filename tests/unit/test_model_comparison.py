"""Two detectors on the same frames, and whether one is too slow. Numbers by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from safetygear.messages.detections import ModelIdentity
from safetygear_inference.model_change.comparison import LABELS_TOLD, Comparing, Comparison, Seen, Times
from safetygear_inference.model_change.pace import FORGOTTEN_S, FRAMES_JUDGED, LEAST_FRAMES, Lately, Watch, longest_ms
from safetygear_inference.model_change.state import InUse, ModelState, progress_percent
from safetygear_inference.picture import DetectedBoxes

LABELS = ("person", "helmet")
LEFT, RIGHT = (0.0, 0.0, 0.2, 0.4), (0.5, 0.0, 0.7, 0.4)
NEAR_LEFT = (0.0, 0.0, 0.2, 0.3)
"""Overlaps LEFT by .75."""
FAR_LEFT = (0.0, 0.0, 0.2, 0.19)
"""Overlaps LEFT by less than half."""


def seen(*boxes: tuple[tuple[float, float, float, float], int], labels: Sequence[str] = LABELS, ms: float = 20) -> Seen:
    found = DetectedBoxes(
        np.array([box for box, _ in boxes], np.float32).reshape(-1, 4),
        np.array([number for _, number in boxes], np.int64),
        np.full(len(boxes), 0.9, np.float32),
    )
    return Seen(found, labels, ms)


def compared(*frames: tuple[Seen, Seen]) -> Comparison:
    comparing = Comparing()
    for old, new in frames:
        comparing.add(old, new)
    return comparing.so_far()


@pytest.mark.parametrize(
    ("old", "new", "agreement"),
    [
        (seen(), seen(), 1.0),
        (seen((LEFT, 0)), seen((LEFT, 0)), 1.0),
        (seen((LEFT, 0)), seen((NEAR_LEFT, 0)), 1.0),
        (seen((LEFT, 0)), seen((FAR_LEFT, 0)), 0.0),
        (seen((LEFT, 0)), seen((LEFT, 1)), 0.0),
        (seen((LEFT, 0)), seen(), 0.0),
        (seen((LEFT, 0), (RIGHT, 0)), seen((LEFT, 0)), 2 / 3),
        (seen((LEFT, 0)), seen((LEFT, 0), (NEAR_LEFT, 0)), 2 / 3),
        (seen((LEFT, 0)), seen((LEFT, 1), labels=("gloves", "person")), 1.0),
        (seen((LEFT, 0)), seen((LEFT, 1), (RIGHT, 0), labels=("gloves", "person")), 1.0),
    ],
    ids=[
        "nothing by both", "the same", "near", "far", "another label", "missing", "one of two", "twice", "by name",
        "a label of one model only",
    ],
)  # fmt: skip
def test_how_far_two_agree(old: Seen, new: Seen, agreement: float) -> None:
    assert compared((old, new)).agreement == pytest.approx(agreement)


def test_counts_and_times() -> None:
    both = compared((seen((LEFT, 0), (RIGHT, 1), ms=10), seen((LEFT, 0), ms=30)), (seen(ms=20), seen(ms=50)))
    assert (both.frames, both.counts) == (2, {"person": (1, 1), "helmet": (1, 0)})
    assert (both.old, both.new) == (Times(15.0, 19.5), Times(40.0, 49.0))
    assert both.as_document() == {
        "frames": 2,
        "agreement": 0.667,
        "counts": [{"label": "person", "old": 1, "new": 1}, {"label": "helmet", "old": 1, "new": 0}],
        "old": {"p50Ms": 15.0, "p95Ms": 19.5},
        "new": {"p50Ms": 40.0, "p95Ms": 49.0},
    }


def test_no_frames_and_many_labels_make_a_small_document() -> None:
    nothing = compared().as_document()
    assert nothing == {"frames": 0, "agreement": 1.0, "counts": []}
    labels = [f"class {number}" for number in range(100)]
    many = seen(*((LEFT, number) for number in range(100)), labels=labels)
    assert len(compared((many, many)).as_document()["counts"]) == LABELS_TOLD


def test_the_limit_is_what_the_twin_says_else_what_the_cameras_leave() -> None:
    assert longest_ms(50, workers=2, frames_per_s=20, old_p50_ms=500) == 50
    assert longest_ms(None, workers=2, frames_per_s=20, old_p50_ms=20) == 100
    assert longest_ms(None, workers=2, frames_per_s=20, old_p50_ms=200) == 250, "the one in use is slower than that"
    assert longest_ms(None, workers=2, frames_per_s=0, old_p50_ms=20) is None


def test_how_the_model_in_use_does() -> None:
    lately = Lately()
    assert (lately.fps(0.0), lately.p50_ms(0.0)) == (0.0, None)
    for number in range(21):
        lately.saw(100 + number / 10, 20 + number)
    assert lately.fps(103) == pytest.approx(10)
    assert lately.p50_ms(103) == 30
    assert (lately.fps(103 + FORGOTTEN_S), lately.p50_ms(103 + FORGOTTEN_S)) == (0.0, None)


def test_a_model_that_is_slow_is_given_back_as_soon_as_that_is_sure() -> None:
    watch = Watch(until_s=100.0, longest_ms=50)
    for _ in range(FRAMES_JUDGED - 1):
        watch.took(60)
        assert watch.verdict(10.0) == "going-on"
    watch.took(60)
    assert watch.verdict(10.0) == "slow"


def test_a_few_slow_frames_are_no_slow_model() -> None:
    watch = Watch(until_s=100.0, longest_ms=50)
    for number in range(200):
        watch.took(500 if number % 3 == 0 else 40)
    assert watch.verdict(10.0) == "going-on"
    assert watch.verdict(100.0) == "kept"


def test_at_its_end_few_frames_are_enough() -> None:
    watch = Watch(until_s=100.0, longest_ms=50)
    for _ in range(LEAST_FRAMES):
        assert watch.verdict(100.0) == "kept"
        watch.took(60)
    assert watch.verdict(100.0) == "slow"
    assert Watch(until_s=0.0, longest_ms=None).verdict(0.0) == "kept"


def test_progress_is_told_in_steps() -> None:
    assert [progress_percent(have, 100) for have in (0, 24, 25, 99, 100)] == [0, 0, 25, 75, 100]
    assert progress_percent(10, None) == progress_percent(0, 0) == 0


def test_what_is_reported() -> None:
    identity = ModelIdentity(name="m", version="1", sha256="0" * 64)
    state = ModelState(InUse(identity, "yolox", "a" * 64), "downloading", "b" * 64, 25)
    assert state.as_document() == {
        "state": "downloading", "name": "m", "version": "1", "sha256": "0" * 64, "format": "yolox",
        "packageSha256": "a" * 64, "wantedSha256": "b" * 64, "progressPercent": 25,
    }  # fmt: skip
    assert ModelState().as_document() == {"state": "loading"}
    refused = ModelState(phase="refused", reason="too large", code="model-too-large")
    assert refused.as_document() == {"state": "refused", "reason": "too large", "code": "model-too-large"}
