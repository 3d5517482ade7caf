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


def near(boxes, random, by):
    """Boxes (n, 4) with every side moved by up to `by` of the box's own."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return boxes + random.uniform(-by, by, boxes.shape) * sides


def drawn(random, pictures=12):
    """True boxes of two classes, and what a network might have found of them: near, twice, and where nothing is."""
    truths, founds = [], []
    for _ in range(pictures):
        count = int(random.integers(0, 7))
        corners = random.uniform(0, 300, (count, 2))
        boxes = np.concatenate((corners, corners + random.uniform(8, 120, (count, 2))), 1)
        classes = random.integers(0, 2, count)
        truths.append(Truth(np.column_stack((boxes, classes)), random.random(2) < 0.8))
        places = np.concatenate((near(boxes, random, 0.12), near(boxes, random, 0.4), random.uniform(0, 300, (3, 4))))
        places[-3:, 2:] = places[-3:, :2] + random.uniform(8, 120, (3, 2))
        labels = np.concatenate((classes, classes, random.integers(0, 2, 3)))
        founds.append(Found(places, random.uniform(0.01, 1, len(places)), labels))
    return truths, founds


def by_pycocotools(truths, founds, label, most):
    """AP50 and AP50-95 of the pictures that label the class."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def row(number, box, **more):
        x0, y0, x1, y1 = box.tolist()
        area = (x1 - x0) * (y1 - y0)
        return {"image_id": number, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": area, **more}

    used = [(t, f) for t, f in zip(truths, founds, strict=True) if t.labelled[label]]
    of_truth = [row(n, box) for n, (t, _) in enumerate(used, 1) for box in t.boxes[t.boxes[:, 4] == label, :4]]
    of_found = [
        row(n, box, score=float(score))
        for n, (_, f) in enumerate(used, 1)
        for box, score in zip(f.boxes[f.classes == label], f.scores[f.classes == label], strict=True)
    ]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": n} for n in range(1, len(used) + 1)],
        "categories": [{"id": 1, "name": "it"}],
        "annotations": [one | {"id": n, "iscrowd": 0} for n, one in enumerate(of_truth, 1)],
    }
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(of_found), "bbox")
    evaluation.params.maxDets, evaluation.params.areaRng, evaluation.params.areaRngLbl = [most], [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, 0]
    return precision[0].mean(), precision.mean()


@pytest.mark.parametrize("most", [100, 4])
@pytest.mark.parametrize("seed", range(5))
def test_the_figures_are_those_of_pycocotools(seed, most, capsys):
    pytest.importorskip("pycocotools", reason="in tests/requirements.txt")
    truths, founds = drawn(np.random.default_rng(seed))
    for label in (0, 1):
        score = score_class(truths, founds, label, most)
        assert (score.ap50, score.ap) == pytest.approx(by_pycocotools(truths, founds, label, most), abs=1e-9)
        assert 0.1 < score.ap < score.ap50 < 1
