import numpy as np
import pytest

from safetygear_training.average_precision import Found, Truth, score_class
from safetygear_training.boxes import iou, suppress

ALL = np.array([True, True])
FIRST_ONLY = np.array([True, False])


def truth(*rows, labelled=ALL):
    return Truth(np.array(rows, float).reshape(-1, 5), labelled)


def found(*rows):
    table = np.array(rows, float).reshape(-1, 6)
    return Found(table[:, :4], table[:, 4], table[:, 5].astype(int))


def test_an_exact_find_scores_one_at_every_overlap():
    score = score_class([truth((0, 0, 10, 10, 0))], [found((0, 0, 10, 10, 0.9, 0))], 0)
    assert (score.ap50, score.ap, score.support) == (1.0, 1.0, 1)


def test_a_loose_box_counts_up_to_its_overlap():
    # 10 x 10 against 10 x 8.2: IoU .82, so right at .5 to .8 and wrong at .85 to .95
    score = score_class([truth((0, 0, 10, 10, 0))], [found((0, 0, 10, 8.2, 0.9, 0))], 0)
    assert score.ap50 == 1.0
    assert score.ap == pytest.approx(0.7)


def test_a_second_box_on_the_same_object_is_wrong():
    twice = found((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 10, 0.8, 0), (20, 0, 30, 10, 0.7, 0))
    score = score_class([truth((0, 0, 10, 10, 0), (20, 0, 30, 10, 0))], [twice], 0)
    # precision 1 up to recall .5 (51 of 101 points), then 2 of 3
    assert score.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_picture_that_does_not_label_the_class_says_nothing_about_it():
    truths = [truth((0, 0, 10, 10, 1)), truth(labelled=FIRST_ONLY)]
    founds = [found((0, 0, 10, 10, 0.6, 1)), found((0, 0, 10, 10, 0.9, 1))]
    assert score_class(truths, founds, 1).ap50 == 1.0
    everywhere = [truth((0, 0, 10, 10, 1)), truth()]
    assert score_class(everywhere, founds, 1).ap50 == pytest.approx(0.5)


def test_what_lies_in_an_ignored_place_counts_neither_way():
    ignored = np.array([[50.0, 0, 60, 10, 0]])
    shown = Truth(np.array([[0.0, 0, 10, 10, 0]]), ALL, ignored)
    boxes = found((51, 1, 59, 9, 0.9, 0), (0, 0, 10, 10, 0.8, 0))
    assert score_class([shown], [boxes], 0).ap50 == 1.0
    boxes = found((51, 1, 90, 9, 0.9, 0), (0, 0, 10, 10, 0.8, 0))
    assert score_class([shown], [boxes], 0).ap50 == pytest.approx(0.5)


def test_a_class_nobody_shows_has_no_score():
    assert score_class([truth(labelled=FIRST_ONLY)], [found()], 1) is None
    assert score_class([truth()], [found((0, 0, 1, 1, 0.9, 0))], 0) is None


def test_what_is_not_found_scores_zero():
    score = score_class([truth((0, 0, 10, 10, 0))], [found()], 0)
    assert (score.ap50, score.support) == (0.0, 1)


def test_overlap_of_boxes():
    first = np.array([[0.0, 0, 10, 10]])
    second = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 10, 20, 20], [3, 3, 2, 2]])
    assert iou(first, second)[0] == pytest.approx([1, 1 / 3, 0, 0], abs=1e-6)


def test_suppression_keeps_the_best_of_each_class():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [50, 50, 60, 60]])
    scores, classes = np.array([0.5, 0.9, 0.7, 0.1]), np.array([0, 0, 1, 0])
    assert suppress(boxes, scores, classes, 0.6, 10).tolist() == [1, 2, 3]
    assert suppress(boxes, scores, classes, 0.6, 2).tolist() == [1, 2]
