"""What fused views of an earlier detector teach where a source does not label gear."""

import numpy as np
import pytest

from safetygear_training.average_precision import Found
from safetygear_training.fusion import fuse, mirrored_back
from safetygear_training.gear import SURE, UNSURE, with_gear
from safetygear_training.labels import CLASSES, HEAD, HELMET, NO_VEST, PERSON, VEST, class_mask
from safetygear_training.pictures import Picture

BOX = (10, 10, 30, 30)
ELSEWHERE = (50, 10, 70, 30)


def found(*rows):
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Found(table[:, :4], table[:, 4], table[:, 5].astype(np.intp))


def picture(*rows, labelled):
    return Picture(
        "p", np.zeros((80, 100, 3), np.uint8), np.array(rows, np.float32).reshape(-1, 5), class_mask(list(labelled))
    )


def test_a_score_is_the_mean_over_all_views():
    got = fuse([found((*BOX, 0.8, HELMET)), found((*BOX, 0.4, HELMET)), found()])
    assert got.scores.tolist() == pytest.approx([0.4])
    assert got.boxes[0].tolist() == pytest.approx(BOX)


def test_a_fused_box_leans_to_the_surer_view():
    got = fuse([found((10, 10, 30, 30, 0.75, HELMET)), found((14, 10, 34, 30, 0.25, HELMET))])
    assert got.boxes[0].tolist() == pytest.approx((11, 10, 31, 30))


def test_a_view_counts_once_in_a_fused_box():
    got = fuse([found((*BOX, 0.8, HELMET), (11, 10, 31, 30, 0.6, HELMET)), found()])
    assert got.scores.tolist() == pytest.approx([0.4])


def test_classes_and_places_stay_apart():
    got = fuse([found((*BOX, 0.8, HELMET), (*BOX, 0.6, HEAD), (*ELSEWHERE, 0.4, HELMET))])
    assert got.classes.tolist() == [HELMET, HEAD, HELMET]
    assert len(fuse([found(), found()]).scores) == 0


def test_a_mirror_image_is_turned_back():
    assert mirrored_back(found((10, 0, 30, 5, 0.9, PERSON)), width=100).boxes.tolist() == [[70, 0, 90, 5]]


def test_what_is_sure_is_taught_and_what_is_unsure_is_ignored():
    shown = picture(labelled=("person", "helmet", "vest"))
    got = with_gear(shown, found((*BOX, SURE, HEAD), (*ELSEWHERE, UNSURE, HEAD), (0, 0, 5, 5, UNSURE / 2, HEAD)))
    assert got.boxes.tolist() == [[*BOX, HEAD]]
    assert got.ignored.tolist() == [[*ELSEWHERE, HEAD]]
    assert got.labelled.all()


def test_what_the_source_labels_stays_as_it_is():
    shown = picture((*BOX, HELMET), labelled=("person", "helmet", "vest"))
    got = with_gear(shown, found((*ELSEWHERE, 0.9, HELMET), (*ELSEWHERE, 0.9, VEST)))
    assert got.boxes.tolist() == [[*BOX, HELMET]]


def test_person_is_left_to_its_own_teacher():
    got = with_gear(picture(labelled=("helmet",)), found((*BOX, 0.9, PERSON)))
    assert not len(got.boxes)
    assert [CLASSES[i] for i in np.flatnonzero(~got.labelled)] == ["person"]


def test_the_source_is_right_where_it_says_the_opposite():
    got = with_gear(picture((*BOX, VEST), labelled=("vest",)), found((*BOX, 0.9, NO_VEST)))
    assert got.boxes.tolist() == [[*BOX, VEST]]
    assert not len(got.ignored)


def test_two_opposite_finds_in_one_place_teach_neither():
    got = with_gear(picture(labelled=("person",)), found((*BOX, 0.6, VEST), (*BOX, 0.5, NO_VEST)))
    assert not len(got.boxes)
    assert sorted(got.ignored[:, 4].tolist()) == [VEST, NO_VEST]
