from dataclasses import replace

import numpy as np
import pytest

from safetygear_training.anchors import decode, grid
from safetygear_training.assignment import assign
from safetygear_training.labels import CLASSES, HEAD, HELMET, PERSON, class_mask, cut_heads
from safetygear_training.looks import Looks
from safetygear_training.persons import with_persons
from safetygear_training.pictures import Picture, letterbox, no_boxes
from safetygear_training.samples import Framing, make_sample, move_boxes

PLAIN = Looks(gamma=0, infrared=0, low_resolution=0, blur=0, noise=0, compression=0)
ROUGH = Looks(gamma=1, infrared=1, low_resolution=1, blur=1, noise=1, compression=1)
FITTED = Framing(whole_scale=(1, 1), tile_scale=(0.7, 2), small_mosaic=0.5, zoom_out=0, zoom_out_scale=(0.2, 0.5))
SIZE = (128, 160)


def picture(*rows, labelled=("helmet",), ignored=None, level=200):
    boxes = np.array(rows, np.float32).reshape(-1, 5)
    pixels = np.full((80, 100, 3), level, np.uint8)
    return Picture("p", pixels, boxes, class_mask(list(labelled)), no_boxes() if ignored is None else ignored)


def sample(shown, mosaic=0.0, looks=PLAIN, framing=FITTED, seed=1):
    return make_sample(lambda: shown, SIZE, mosaic, framing, looks, np.random.default_rng(seed))


def test_only_labelled_classes_are_taught():
    got = sample(picture((20, 20, 60, 60, HELMET)))
    assert got.mask[:, HELMET].all()
    assert not got.mask[:, [c for c in range(len(CLASSES)) if c != HELMET]].any()
    assert got.boxes[:, 4].tolist() == [HELMET]


def test_an_ignored_place_teaches_nothing_of_its_class():
    place = np.array([[0, 0, 100, 80, PERSON]], np.float32)
    got = sample(picture((20, 20, 60, 60, HELMET), labelled=("person", "helmet"), ignored=place))
    # scale 1 fits the picture to the canvas, its sides stretched by a tenth at most
    assert got.mask[:, PERSON].mean() < 0.2
    assert got.mask[:, HELMET].all()


def test_every_tile_of_a_mosaic_keeps_its_own_labels():
    shown = iter([picture(labelled=("person",)), picture(), picture(), picture()] * 3)
    framing = Framing((1, 1), (1, 1), 0, 0, (0.2, 0.5))
    got = make_sample(lambda: next(shown), SIZE, 1.0, framing, PLAIN, np.random.default_rng(3))
    assert (got.mask.sum(1) == 1).all()
    centres = grid(*SIZE).centres
    first = centres[got.mask[:, PERSON]]
    assert (first.max(0) < [SIZE[1] * 0.65, SIZE[0] * 0.65]).all()


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_boxes_lie_on_the_canvas_and_the_same_seed_gives_the_same_sample(mosaic, seed):
    shown = picture((5, 5, 90, 70, PERSON), (20, 5, 40, 15, HELMET), labelled=CLASSES)
    got, again = (sample(shown, mosaic, ROUGH, seed=seed) for _ in range(2))
    assert (got.boxes[:, :4] >= 0).all()
    assert (got.boxes[:, [2, 3]] <= [SIZE[1], SIZE[0]]).all()
    assert np.array_equal(got.pixels, again.pixels)
    assert np.array_equal(got.mask, again.mask)


def test_a_squeezed_picture_is_shown_wider():
    shown = picture((40, 20, 60, 60, HELMET))
    framing = Framing((0.4, 0.4), (1, 1), 0, 0, (0.2, 0.5))

    def shape(source, seed):
        box = sample(source, framing=framing, seed=seed).boxes[0]
        return (box[2] - box[0]) / (box[3] - box[1])

    as_it_is = [shape(shown, seed) for seed in range(20)]
    wider = [shape(replace(shown, squeezed=True), seed) for seed in range(20)]
    assert 0.45 < np.mean(as_it_is) < 0.55
    assert 0.57 < np.mean(wider) < 0.7


def test_a_mirrored_box_keeps_its_order():
    boxes = np.array([[10, 20, 30, 40, 2]], np.float32)
    mirrored = move_boxes(boxes, np.array([[-2.0, 0, 200], [0, 2, 5]]))
    assert mirrored.tolist() == [[140, 45, 180, 85, 2]]


def test_whole_heads_are_cut_and_others_left():
    boxes = np.array([[0, 0, 100, 100, HEAD], [0, 0, 100, 100, HELMET]], np.float32)
    assert cut_heads(boxes).tolist() == [[-6, 0, 106, 70, HEAD], [0, 0, 100, 100, HELMET]]
    assert boxes[0, 3] == 100


def test_an_unknown_class_is_named():
    with pytest.raises(ValueError, match="gloves"):
        class_mask(["helmet", "gloves"])


def test_persons_come_from_a_sure_teacher_and_nothing_where_it_missed_somebody():
    shown = picture((30, 10, 40, 20, HELMET), (70, 10, 80, 20, HEAD), labelled=("helmet", "head"))
    found = np.array([[25, 8, 45, 70, PERSON], [0, 0, 9, 9, PERSON]], np.float32)
    got = with_persons(shown, found, np.array([0.9, 0.2]))
    assert got.labelled[PERSON]
    assert got.boxes[got.boxes[:, 4] == PERSON].tolist() == [[25, 8, 45, 70, PERSON]]
    # the unsure one, and the body below the bare head
    assert got.ignored.tolist() == [[0, 0, 9, 9, PERSON], [60, 5, 90, 90, PERSON]]
    assert not shown.labelled[PERSON]


def test_letterbox_keeps_the_aspect_and_pads_below():
    canvas, scale = letterbox(np.full((50, 100, 3), 9, np.uint8), 64, 64)
    assert scale == 0.64
    assert (canvas[:32] == 9).all()
    assert (canvas[32:] == 114).all()


def test_decoding_puts_a_box_around_its_cell():
    raw = np.zeros((len(grid(64, 64).cells), 4), np.float32)
    boxes = decode(raw, 64, 64)
    assert boxes[0].tolist() == [-4, -4, 4, 4]
    assert boxes[9].tolist() == [4, 4, 12, 12]
    assert boxes[-1].tolist() == [16, 16, 48, 48]
    # a cell's box starts at its corner, but the cell answers for what lies around its centre
    assert grid(64, 64).centres[[0, 9, -1]].tolist() == [[4, 4], [12, 12], [48, 48]]


def test_each_anchor_answers_for_one_box_near_it():
    at = grid(64, 64)
    boxes = np.array([[8, 8, 24, 24, 0], [9, 9, 25, 25, 1]], np.float32)
    predicted = np.concatenate((at.centres - at.strides, at.centres + at.strides), 1)
    anchors, owners = assign(boxes, predicted, np.full((len(predicted), 2), 0.1), at, centre_radius=1.5)
    assert set(owners) == {0, 1}
    assert len(set(anchors)) == len(anchors)
    centres = (boxes[owners, :2] + boxes[owners, 2:4]) / 2
    assert (np.abs(at.centres[anchors] - centres) < 1.5 * at.strides[anchors]).all()


def test_a_wider_radius_lets_farther_anchors_answer():
    at = grid(96, 96)
    boxes = np.array([[8, 8, 88, 88, 0]], np.float32)
    same = np.repeat(boxes[:, :4], len(at.cells), 0)
    radii = {}
    for radius in (1.5, 2.5):
        fine = np.where(at.strides == 16, 0.9, 0.1)
        anchors, _ = assign(boxes, same, np.broadcast_to(fine, (len(same), 2)), at, radius)
        radii[radius] = (np.abs(at.centres[anchors] - 48) / at.strides[anchors]).max()
    assert radii[1.5] < 1.5 <= radii[2.5] < 2.5


def test_no_box_needs_no_anchor():
    at = grid(32, 32)
    anchors, owners = assign(no_boxes(), at.centres.repeat(2, 1), np.full((len(at.cells), 2), 0.1), at, 1.5)
    assert len(anchors) == len(owners) == 0
