from dataclasses import replace

import numpy as np
import pytest

from safetygear_training.labels import HEAD, HELMET, NO_VEST, PERSON, VEST, class_mask
from safetygear_training.pasting import cuttings, soft_cover, with_newcomer
from safetygear_training.pictures import Picture, no_boxes

EVERY = ("person", "helmet", "vest", "head", "no-vest")
BARE = ((40, 20, 60, 80, PERSON), (46, 22, 54, 30, HEAD), (42, 32, 58, 55, NO_VEST))


def picture(*rows, labelled=EVERY, ignored=(), level=200, side=(100, 160)):
    boxes = np.array(rows, np.float32).reshape(-1, 5)
    places = np.array(ignored, np.float32).reshape(-1, 5) if len(ignored) else no_boxes()
    return Picture("p", np.full((*side, 3), level, np.uint8), boxes, class_mask(list(labelled)), places)


def put(shown, giver, seed=1):
    return with_newcomer(shown, lambda: giver, np.random.default_rng(seed))


def test_a_person_is_cut_out_with_all_that_is_theirs():
    (cutting,) = cuttings(picture(*BARE, (120, 20, 140, 80, PERSON), (125, 22, 135, 30, HELMET)))
    assert cutting.boxes[:, 4].tolist() == [PERSON, HEAD, NO_VEST]
    # a margin of 8 % of 20 x 60 px, in whole pixels
    assert cutting.pixels.shape == (70, 24, 3)
    assert cutting.boxes[0].tolist() == [2, 5, 22, 65, PERSON]


@pytest.mark.parametrize(
    "other",
    [
        (55, 20, 75, 80, PERSON),  # stands beside, and is cut
        (0, 0, 160, 100, PERSON),  # stands before or behind, and is far larger
        (44, 40, 56, 78, PERSON),  # a child
    ],
)
def test_nobody_is_cut_out_together_with_somebody_else(other):
    assert cuttings(picture(*BARE, other)) == []
    assert cuttings(picture(*BARE, ignored=[other])) == []


def test_only_people_of_the_rare_kinds_are_cut_out():
    assert cuttings(picture(BARE[0], (46, 22, 54, 30, HELMET), (42, 32, 58, 55, VEST))) == []
    assert cuttings(picture(*BARE[1:])) == []  # a head whose person nobody knows


@pytest.mark.parametrize("seed", range(12))
def test_the_newcomer_stands_where_nobody_does(seed):
    standing = [(10, 10, 50, 90, PERSON), (100, 30, 120, 70, VEST)]
    shown = picture(*standing, ignored=[(60, 0, 80, 100, PERSON)], level=20)
    got = put(shown, picture(*BARE), seed)
    assert got.boxes[:2].tolist() == shown.boxes.tolist()
    changed = (got.pixels != shown.pixels).any(-1)
    for x0, y0, x1, y1, _ in [*standing, (60, 0, 80, 100, PERSON)]:
        assert not changed[y0:y1, x0:x1].any()
    assert (shown.pixels == 20).all()
    if len(got.boxes) > 2:
        x0, y0, x1, y1 = got.boxes[2, :4].round().astype(int)
        assert changed[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].all()
        head = got.boxes[3]
        assert got.boxes[2:, 4].tolist() == [PERSON, HEAD, NO_VEST]
        assert (head[:2] >= got.boxes[2, :2]).all()
        assert (head[2:4] <= got.boxes[2, 2:4]).all()


def test_a_seed_gives_one_picture_and_most_find_room():
    shown, giver = picture(level=20), picture(*BARE)
    got = [put(shown, giver, seed) for seed in range(20)]
    assert np.array_equal(got[3].pixels, put(shown, giver, 3).pixels)
    assert sum(len(one.boxes) > 0 for one in got) == 20
    tall = [float(one.boxes[0, 3] - one.boxes[0, 1]) for one in got]
    assert 10 < min(tall) < max(tall) < 60


def test_what_only_one_of_the_two_sources_labels_is_not_taught_there():
    shown = picture(labelled=("person", "helmet", "vest", "head"))
    got = put(shown, picture(*BARE, labelled=("person", "head", "no-vest")))
    assert got.boxes[:, 4].tolist() == [PERSON, HEAD]
    assert got.ignored[:, 4].tolist() == [HELMET, VEST]
    assert (got.ignored[:, :2] <= got.boxes[0, :2]).all()
    assert (got.ignored[:, 2:4] >= got.boxes[0, 2:4]).all()
    assert np.array_equal(got.labelled, shown.labelled)


@pytest.mark.parametrize("labelled", [("person", "helmet", "vest"), ("head", "no-vest")])
def test_pictures_without_people_or_rare_classes_labelled_stay(labelled):
    shown = picture(labelled=labelled)
    assert put(shown, picture(*BARE)) is shown


def test_where_nobody_is_found_or_there_is_no_room_a_picture_stays():
    crowded = picture((0, 0, 160, 100, PERSON))
    assert put(crowded, picture(*BARE)) is crowded
    empty = picture()
    assert put(empty, picture()) is empty
    only_head = replace(picture(*BARE[:2]), labelled=class_mask(["person", "head"]))
    no_vests = picture(labelled=("person", "no-vest"))
    assert put(no_vests, only_head) is no_vests


def test_the_edge_is_soft():
    cover = soft_cover(116, 58)
    assert cover.shape == (116, 58)
    assert cover[8:-8, 4:-4].min() == 1
    assert cover[[0, -1]].max() < 0.1
    assert (np.diff(cover[:9, 29]) > 0).any()
