"""The evaluation's figures: by hand where they are small, by pycocotools where they are many."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from safetygear_workbench.evaluate.average_precision import average_precision, found_document, truth_document
from safetygear_workbench.evaluate.confusion import confusion
from safetygear_workbench.evaluate.evaluation import compare, evaluate
from safetygear_workbench.evaluate.found import Judged
from safetygear_workbench.evaluate.matching import MOST_FOUND, match_classes_of
from safetygear_workbench.evaluate.rates import best_rates, curve, rates_at
from safetygear_workbench.evaluate.resampling import draw_pictures, interpolated, resample
from safetygear_workbench.evaluate.sizes import BUCKETS
from safetygear_workbench.evaluate.worst import worst
from support.evaluating import judged, picture, random_pictures

PERSON, HELMET = 0, 1
BOX = (100.0, 100.0, 50.0, 100.0)
NEAR = (105.0, 100.0, 50.0, 100.0)  # intersection over union .82
AWAY = (400.0, 100.0, 50.0, 100.0)


def by_pycocotools(pictures: Judged, ranges: list[list[float]], heights: bool) -> Any:
    """(limits, recalls, classes, ranges, 1), as pycocotools computes it from the same documents."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = truth_document(pictures)
        truth.createIndex()
        found = truth.loadRes(found_document(pictures))
        if heights:
            for row in found.dataset["annotations"]:
                row["area"] = row["bbox"][3] * pictures.pictures[row["image_id"] - 1].network_px_per_px
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.areaRng = ranges
        evaluation.params.areaRngLbl = [str(number) for number in range(len(ranges))]
        evaluation.params.maxDets = [MOST_FOUND]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"]


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    pictures = random_pictures(25, seed, found_most=400 if seed == 3 else 40)
    precision = by_pycocotools(pictures, [[0, 1e10], *([one.from_px, one.below_px] for one in BUCKETS)], heights=True)
    for class_id, mine in enumerate(average_precision(pictures)):
        assert mine.ap50 == pytest.approx(precision[0, :, class_id, 0].mean(), abs=1e-9)
        assert mine.ap == pytest.approx(precision[:, :, class_id, 0].mean(), abs=1e-9)
        for size, value in enumerate(mine.ap50_by_size, 1):
            theirs = precision[0, :, class_id, size]
            assert value == (None if theirs.max() < 0 else pytest.approx(theirs.mean(), abs=1e-9))


@pytest.mark.parametrize("seed", range(4))
def test_the_matches_behind_rates_and_intervals_give_the_same_average_precision(seed: int) -> None:
    pictures = random_pictures(25, seed, found_most=400 if seed == 3 else 40)
    once = np.ones((1, len(pictures.pictures)), np.int64)
    for matches, theirs in zip(match_classes_of(pictures), average_precision(pictures), strict=True):
        mine = resample(matches, 0.35, once)
        assert mine["ap50"][0] == pytest.approx(theirs.ap50, abs=1e-9)
        assert mine["ap"][0] == pytest.approx(theirs.ap, abs=1e-9)
        assert mine["f1"][0] == pytest.approx(rates_at(matches, 0.35).f1)


def test_a_picture_drawn_twice_counts_like_two_copies_of_it() -> None:
    pictures = random_pictures(6, 9).pictures
    labels, thresholds = ["a", "b", "c"], [0.35] * 3
    weights = np.array([[2, 0, 1, 3, 0, 1]])
    copies = [one for one, times in zip(pictures, weights[0], strict=True) for _ in range(times)]
    drawn = judged(*pictures, labels=labels, thresholds=thresholds)
    copied = judged(*copies, labels=labels, thresholds=thresholds)
    for matches, theirs in zip(match_classes_of(drawn), average_precision(copied), strict=True):
        mine = resample(matches, 0.35, weights)
        assert mine["ap50"][0] == pytest.approx(theirs.ap50, abs=0.01)  # copies of one probability lie side by side
        assert mine["ap"][0] == pytest.approx(theirs.ap, abs=0.01)


def test_rates_at_a_threshold_and_at_the_best_one() -> None:
    pictures = judged(
        picture([(PERSON, *BOX), (PERSON, *AWAY)], [(0.9, (PERSON, *NEAR)), (0.3, (PERSON, *AWAY))]),
        picture([], [(0.6, (PERSON, *BOX)), (0.2, (PERSON, *AWAY))]),
    )
    person, helmet = match_classes_of(pictures)
    at = rates_at(person, 0.5)
    assert (at.hits, at.false, at.missed) == (1, 1, 1)
    assert (at.precision, at.recall, at.f1) == (0.5, 0.5, 0.5)
    best = best_rates(person)
    assert best is not None
    assert (best.threshold, best.hits, best.false, best.missed) == (0.3, 2, 1, 0)
    assert rates_at(person, 0.95).precision is None
    drawn = curve(person)
    assert drawn is not None
    assert drawn.recall.tolist() == [0.5, 0.5, 1, 1]
    assert drawn.precision.tolist() == [1, 0.5, pytest.approx(2 / 3), 0.5]
    nothing = rates_at(helmet, 0.5)
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)
    assert best_rates(helmet) is None
    assert curve(helmet) is None


def test_a_threshold_is_compared_as_the_detector_compares_it() -> None:
    """0.35 in single precision is a little more than in double precision."""
    pictures = judged(picture([(PERSON, *BOX)], [(float(np.float32(0.35)), (PERSON, *BOX))]))
    assert rates_at(match_classes_of(pictures)[PERSON], 0.35).hits == 1


def test_a_crowd_is_neither_hit_nor_missed() -> None:
    pictures = judged(
        picture(
            [(PERSON, *BOX), (PERSON, 300, 0, 300, 300)],
            [(0.9, (PERSON, *BOX)), (0.8, (PERSON, 320, 20, 40, 80)), (0.8, (PERSON, 420, 20, 40, 80))],
            crowd=[1],
        )
    )
    at = rates_at(match_classes_of(pictures)[PERSON], 0.5)
    assert (at.hits, at.false, at.missed) == (1, 0, 0)
    assert average_precision(pictures)[PERSON].ap50 == pytest.approx(1)
    assert confusion(pictures).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert worst(pictures) == ()


def test_confusion_pairs_right_ones_first_and_then_what_overlaps() -> None:
    pictures = judged(
        picture(
            [(PERSON, *BOX), (HELMET, *AWAY), (HELMET, 10, 10, 20, 20)],
            [
                (0.95, (HELMET, *BOX)),
                (0.9, (PERSON, *NEAR)),
                (0.8, (PERSON, *AWAY)),
                (0.7, (PERSON, 500, 300, 50, 50)),
                (0.4, (HELMET, 10, 10, 20, 20)),
            ],
        )
    )
    assert confusion(pictures).tolist() == [
        [1, 0, 0],
        [1, 0, 1],
        [1, 1, 0],
    ]


def test_rates_and_confusion_count_the_same() -> None:
    pictures = random_pictures(30, 5)
    table = confusion(pictures)
    for class_id, matches in enumerate(match_classes_of(pictures)):
        at = rates_at(matches, 0.35)
        assert table[class_id, class_id] == at.hits
        assert table[class_id].sum() == at.hits + at.missed
        assert table[:, class_id].sum() == at.hits + at.false


def test_sizes_go_by_the_height_in_the_network() -> None:
    figures = evaluate(judged(picture([(PERSON, *BOX), (PERSON, *AWAY)], [(0.9, (PERSON, *BOX))], scale=0.5))).classes[
        PERSON
    ]
    by_name = {size.name: size for size in figures.sizes}
    assert by_name["32 to 60 px"].support == 2  # 100 px in the picture
    assert by_name["32 to 60 px"].recall == 0.5
    assert by_name["32 to 60 px"].ap50 == pytest.approx(0.5, abs=0.01)
    assert [size.support for size in figures.sizes].count(0) == len(BUCKETS) - 1
    assert by_name["60 to 120 px"].recall is None


def test_means_leave_out_what_the_data_has_no_box_of() -> None:
    evaluation = evaluate(judged(picture([(PERSON, *BOX)], [(0.9, (PERSON, *BOX)), (0.9, (HELMET, *AWAY))])), 10)
    assert evaluation.classes[HELMET].precision.ap50 is None
    assert evaluation.map50 == pytest.approx(1)
    assert evaluation.map == pytest.approx(1)


def test_intervals_are_the_same_each_time_and_hold_the_figure() -> None:
    pictures = random_pictures(40, 2)
    first, second = evaluate(pictures, 200), evaluate(pictures, 200)
    for one, other in zip(first.classes, second.classes, strict=True):
        found = one.interval("ap50")
        assert found == other.interval("ap50")
        assert found is not None
        assert one.precision.ap50 is not None
        assert found.low < one.precision.ap50 < found.high
        assert found.high - found.low < 0.3


def test_a_model_compared_with_itself_differs_by_nothing_and_with_a_better_one_surely() -> None:
    truths = [[(PERSON, 50.0 + number, 60.0, 40.0, 80.0)] for number in range(30)]
    poor = [
        picture(rows, [(0.9, rows[0])] if number % 2 else [], name=f"{number}.jpg")
        for number, rows in enumerate(truths)
    ]
    good = [picture(rows, [(0.9, rows[0])], name=f"{number}.jpg") for number, rows in enumerate(truths)]
    one, other = evaluate(judged(*poor), 200), evaluate(judged(*good), 200)
    same = compare(one, one).by_class["person"]["ap50"]
    assert (same.value, same.interval.low, same.interval.high) == (0, 0, 0)  # type: ignore[union-attr]
    better = compare(one, other)
    assert better.by_class["person"]["ap50"].value == pytest.approx(0.5, abs=0.01)
    assert better.mean["f1"].interval.low > 0.1  # type: ignore[union-attr]
    assert "helmet" not in better.by_class


def test_draws_are_as_many_pictures_each() -> None:
    assert set(draw_pictures(7).sum(axis=1).tolist()) == {7}
    nothing_found = interpolated(np.zeros(0, bool), np.zeros((2, 0), np.int64), np.array([3, 0]))
    assert nothing_found[0] == 0
    assert np.isnan(nothing_found[1])


def test_the_worst_pictures_come_first_and_perfect_ones_not_at_all() -> None:
    right = picture([(PERSON, *BOX)], [(0.9, (PERSON, *BOX))], name="right.jpg")
    missed = picture([(PERSON, *BOX)], [(0.4, (PERSON, *BOX))], name="missed.jpg")
    unsure = picture([(PERSON, *BOX)], [(0.9, (PERSON, *BOX)), (0.6, (HELMET, *AWAY))], name="unsure.jpg")
    sure = picture([(PERSON, *BOX)], [(0.9, (PERSON, *BOX)), (0.8, (HELMET, *AWAY))], name="sure.jpg")
    both = picture([(PERSON, *BOX)], [(0.8, (PERSON, *AWAY))], name="both.jpg")
    bad = worst(judged(right, missed, unsure, sure, both))
    assert [one.name for one in bad] == ["both.jpg", "sure.jpg", "unsure.jpg", "missed.jpg"]
    assert [mark.label for mark in bad[1].false] == ["helmet"]
    assert bad[1].false[0].probability == pytest.approx(0.8)
    assert [mark.xywh_px for mark in bad[3].missed] == [BOX]
    assert [one.name for one in worst(judged(right, missed, sure), most=1)] == ["sure.jpg"]
