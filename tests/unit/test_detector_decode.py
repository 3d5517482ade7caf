"""Outputs become boxes as the exporters' own scripts have it. Golden values are worked out here, one box at a time,
by those scripts' formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.detectors.decode import custom_vision_compact, custom_vision_compact_s1, yolox
from safetygear_inference.detectors.format import Candidates

ANCHORS = [(0.573, 0.677), (1.87, 2.06), (3.34, 5.47), (7.88, 3.53), (9.77, 9.17)]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def rows(found: Candidates) -> list[tuple[list[float], int, float]]:
    return sorted(
        (
            (box, int(label), float(score))
            for box, label, score in zip(
                found.xyxy_network_px.tolist(), found.class_id.tolist(), found.probability.tolist(), strict=True
            )
        ),
        key=lambda row: -row[2],
    )


def thresholds(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


# --- Custom Vision General (compact): object_detection.py of the export, _extract_bb ---


def compact_head(classes: int, grid_w: int, grid_h: int) -> NDArray[np.float32]:
    """Nothing anywhere: objectness of sigmoid(-20)."""
    head = np.zeros((1, 5 * (5 + classes), grid_h, grid_w), np.float32)
    head[0, 4 :: 5 + classes] = -20
    return head


@pytest.mark.parametrize("anchor", range(5))
@pytest.mark.parametrize(("grid_w", "grid_h"), [(13, 13), (22, 12)])
def test_a_compact_box_lies_where_the_export_puts_it(anchor: int, grid_w: int, grid_h: int) -> None:
    classes, column, row = 3, 7, 2
    tx, ty, tw, th, objectness, logits = 0.4, -1.1, 0.3, -0.2, 2.0, (1.0, 3.0, -0.5)
    head = compact_head(classes, grid_w, grid_h)
    head[0, anchor * 8 : (anchor + 1) * 8, row, column] = (tx, ty, tw, th, objectness, *logits)
    width, height = grid_w * 32, grid_h * 32
    found = custom_vision_compact.decode({"model_outputs0": head}, (width, height), thresholds(0.05, 0.05, 0.05))

    x = (sigmoid(tx) + column) / grid_w
    y = (sigmoid(ty) + row) / grid_h
    w = math.exp(tw) * ANCHORS[anchor][0] / grid_w
    h = math.exp(th) * ANCHORS[anchor][1] / grid_h
    total = sum(math.exp(logit) for logit in logits)
    scores = {label: math.exp(logit) / total * sigmoid(objectness) for label, logit in enumerate(logits)}
    expected_box = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
    assert [(label, pytest.approx(score, rel=1e-5)) for _, label, score in rows(found)] == [
        (label, score) for label, score in sorted(scores.items(), key=lambda item: -item[1]) if score >= 0.05
    ]
    for box, _, _ in rows(found):
        assert box == pytest.approx(expected_box, abs=0.01)


def test_x_and_y_go_through_the_sigmoid() -> None:
    # Without it, as in Azure-Samples, an offset of 0 would put the centre on the cell's corner, half a cell away.
    head = compact_head(1, 13, 13)
    head[0, 4, 5, 5] = 10
    (box, _, _), *_ = rows(custom_vision_compact.decode({"o": head}, (416, 416), thresholds(0.5)))
    assert (box[0] + box[2]) / 2 == pytest.approx(5.5 * 32, abs=1e-3)
    assert (box[1] + box[3]) / 2 == pytest.approx(5.5 * 32, abs=1e-3)


def test_compact_values_that_overflow_half_precision_are_harmless() -> None:
    head = compact_head(2, 13, 13)
    head[0, :7, 1, 1] = (90, -90, 89, 89, 90, 90, -90)  # exp(12) is infinite in float16, exp(89) in float32
    with np.errstate(all="raise", under="ignore"):
        found = custom_vision_compact.decode({"o": head}, (416, 416), thresholds(0.5, 0.5))
    assert np.isfinite(found.xyxy_network_px).all()
    assert found.probability.tolist() == [1.0]


def test_each_class_has_its_own_threshold() -> None:
    head = compact_head(2, 13, 13)
    head[0, :7, 1, 1] = (0, 0, 0, 0, 10, 0, 0)  # a half each
    found = custom_vision_compact.decode({"o": head}, (416, 416), thresholds(0.6, 0.4))
    assert found.class_id.tolist() == [1]


def test_nothing_seen_is_no_boxes() -> None:
    found = custom_vision_compact.decode({"o": compact_head(2, 13, 13)}, (416, 416), thresholds(0.5, 0.5))
    assert (found.xyxy_network_px.shape, len(found.class_id), len(found.probability)) == ((0, 4), 0, 0)


def test_a_broken_network_is_no_empty_result() -> None:
    head = compact_head(2, 13, 13)
    head[:] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        custom_vision_compact.decode({"o": head}, (416, 416), thresholds(0.5, 0.5))
    with pytest.raises(ModelError, match=r"labels\.txt"):
        custom_vision_compact.decode({"o": compact_head(2, 13, 13)}, (416, 416), thresholds(0.5))


@pytest.mark.parametrize(
    ("logits", "expected"),
    [((np.inf, 0.0), 1.0), ((np.inf, np.inf), 0.5), ((-np.inf, -np.inf), 0.5)],
)
def test_class_logits_that_overflowed_half_precision_are_a_clear_answer(
    logits: tuple[float, float], expected: float
) -> None:
    head = compact_head(2, 13, 13)
    head[0, 4:7, 3, 3] = (20.0, *logits)
    found = custom_vision_compact.decode({"o": head}, (416, 416), thresholds(0.4, 0.6))
    assert found.probability.tolist() == pytest.approx([expected])


def test_class_scores_without_numbers_are_no_empty_result() -> None:
    head = compact_head(2, 13, 13)
    head[0, 4:7, 3, 3] = (20.0, np.nan, 0.0)
    with pytest.raises(ModelError, match="NaN"):
        custom_vision_compact.decode({"o": head}, (416, 416), thresholds(0.5, 0.5))
    output = np.zeros((1, ROWS, 7), np.float32)
    output[0, 3, 4:] = (0.9, np.nan, 0.1)
    with pytest.raises(ModelError, match="NaN"):
        yolox.YoloxDecode((8, 16, 32), False)({"o": output}, NETWORK, thresholds(0.5, 0.5))
    outputs = {
        "detected_boxes": np.zeros((1, 1, 4), np.float32),
        "detected_classes": np.zeros((1, 1), np.int64),
        "detected_scores": np.full((1, 1), np.nan, np.float32),
    }
    with pytest.raises(ModelError, match="NaN"):
        custom_vision_compact_s1.decode(outputs, (320, 320), thresholds(0.5))


# --- Custom Vision General (compact) [S1]: three outputs, bound by name ---


@pytest.mark.parametrize("batch", [True, False])
def test_s1_boxes_are_scaled_to_the_network(batch: bool) -> None:
    outputs = {
        "detected_scores": np.array([[0.2, 0.9, 0.7]], np.float32),
        "detected_classes": np.array([[0, 2, 1]], np.int64),
        "detected_boxes": np.array([[[0, 0, 1, 1], [0.25, 0.5, 0.5, 0.75], [0.1, 0.1, 0.2, 0.2]]], np.float32),
    }
    if not batch:
        outputs = {name: value[0] for name, value in outputs.items()}
    found = custom_vision_compact_s1.decode(outputs, (320, 320), thresholds(0.3, 0.8, 0.3))
    assert rows(found) == [([80, 160, 160, 240], 2, pytest.approx(0.9))]


@pytest.mark.parametrize("number", [0, 1, 64])
def test_s1_gives_any_number_of_boxes(number: int) -> None:
    outputs = {
        "detected_boxes": np.zeros((1, number, 4), np.float32),
        "detected_classes": np.zeros((1, number), np.int64),
        "detected_scores": np.full((1, number), 0.9, np.float32),
    }
    assert len(custom_vision_compact_s1.decode(outputs, (320, 320), thresholds(0.5)).probability) == number


@pytest.mark.parametrize(
    ("boxes", "classes", "scores", "why"),
    [(2, 1, 2, "1 classes and 2 scores"), (1, 1, 1, "gave class 3")],
)
def test_s1_outputs_that_contradict(boxes: int, classes: int, scores: int, why: str) -> None:
    outputs = {
        "detected_boxes": np.zeros((1, boxes, 4), np.float32),
        "detected_classes": np.full((1, classes), 3, np.int64),
        "detected_scores": np.ones((1, scores), np.float32),
    }
    with pytest.raises(ModelError, match=why):
        custom_vision_compact_s1.decode(outputs, (320, 320), thresholds(0.5, 0.5))


def test_s1_boxes_of_another_shape() -> None:
    outputs = {
        "detected_boxes": np.zeros((1, 2, 5), np.float32),
        "detected_classes": np.zeros((1, 2), np.int64),
        "detected_scores": np.zeros((1, 2), np.float32),
    }
    with pytest.raises(ModelError, match=r"boxes of shape \(1, 2, 5\)"):
        custom_vision_compact_s1.decode(outputs, (320, 320), thresholds(0.5))


# --- YOLOX: yolo_head.py, decode_outputs ---

NETWORK = (96, 64)
ROWS = 12 * 8 + 6 * 4 + 3 * 2
# A row's number, its cell and stride: the second line of stride 8, the last of stride 16, the first of stride 32.
PLACES = [(12 + 5, (5, 1), 8), (96 + 23, (5, 3), 16), (120, (0, 0), 32)]


@pytest.mark.parametrize(("row", "cell", "stride"), PLACES)
def test_a_raw_yolox_row(row: int, cell: tuple[int, int], stride: int) -> None:
    output = np.zeros((1, ROWS, 7), np.float32)
    output[0, row] = (0.25, -0.4, 0.5, 1.2, 0.8, 0.1, 0.9)
    found = yolox.YoloxDecode((8, 16, 32), decoded=False)({"output": output}, NETWORK, thresholds(0.3, 0.3))
    x, y = (0.25 + cell[0]) * stride, (-0.4 + cell[1]) * stride
    w, h = math.exp(0.5) * stride, math.exp(1.2) * stride
    assert rows(found) == [
        (pytest.approx([x - w / 2, y - h / 2, x + w / 2, y + h / 2], abs=1e-3), 1, pytest.approx(0.72))
    ]


def test_a_decoded_yolox_row() -> None:
    output = np.zeros((1, ROWS, 7), np.float32)
    output[0, 100] = (40, 30, 20, 10, 0.5, 1.0, 0.9)
    found = yolox.YoloxDecode((8, 16, 32), decoded=True)({"output": output}, NETWORK, thresholds(0.3, 0.5))
    assert rows(found) == [([30, 25, 50, 35], 0, pytest.approx(0.5))]


def decode_all(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """decode_outputs, row by row."""
    out, row = raw.copy(), 0
    for stride in (8, 16, 32):
        for y in range(NETWORK[1] // stride):
            for x in range(NETWORK[0] // stride):
                out[row, 0], out[row, 1] = (raw[row, 0] + x) * stride, (raw[row, 1] + y) * stride
                out[row, 2:4] = np.exp(raw[row, 2:4]) * stride
                row += 1
    return out


@pytest.mark.parametrize("seed", range(5))
def test_a_run_tells_raw_from_decoded(seed: int) -> None:
    raw = np.random.default_rng(seed).normal(0.5, 0.6, (ROWS, 7)).astype(np.float32)
    assert yolox.boxes_are_decoded(raw, NETWORK, (8, 16, 32)) is False
    assert yolox.boxes_are_decoded(decode_all(raw), NETWORK, (8, 16, 32)) is True


def test_a_run_that_tells_nothing() -> None:
    assert yolox.boxes_are_decoded(np.full((ROWS, 7), 1e4, np.float32), NETWORK, (8, 16, 32)) is None


@pytest.mark.parametrize(
    ("shape", "why"),
    [((1, ROWS - 1, 7), "gives 125 rows"), ((1, ROWS, 8), "3 classes, but there are 2"), ((2, ROWS, 7), "shape")],
)
def test_yolox_outputs_of_another_model(shape: tuple[int, ...], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        yolox.YoloxDecode((8, 16, 32), False)({"o": np.zeros(shape, np.float32)}, NETWORK, thresholds(0.5, 0.5))


def test_a_yolox_run_without_numbers_is_no_empty_result() -> None:
    with pytest.raises(ModelError, match="NaN"):
        output = np.full((1, ROWS, 7), np.nan, np.float32)
        yolox.YoloxDecode((8, 16, 32), False)({"o": output}, NETWORK, thresholds(0.5, 0.5))
