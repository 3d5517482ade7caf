"""Exports of those who have their own suppression in the network: torchvision, MMDeploy, PaddleDetection, YOLO-NAS.

As in support/export_models.py, boxes are put in as the exporter's documentation says, which each function names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from support.export_models import LABELS, SIDE, Box, Export, Output, Part, letterboxed, stretched

FASTER_RCNN = {
    "roi_heads.box_predictor.cls_score.weight": (len(LABELS) + 1, 8),
    "roi_heads.box_predictor.bbox_pred.weight": (4 * (len(LABELS) + 1), 8),
}
"""detection/faster_rcnn.py, FastRCNNPredictor: the background is one of the classes."""
RETINANET = {
    "head.classification_head.cls_logits.weight": (9 * len(LABELS), 8, 3, 3),
    "head.regression_head.bbox_reg.weight": (9 * 4, 8, 3, 3),
}
"""detection/retinanet.py: nine anchors for each place; trained on numbers that begin with 0."""
SSDLITE = {
    "head.classification_head.module_list.0.0.0.weight": (8, 1, 3, 3),
    "head.classification_head.module_list.0.1.weight": (6 * (len(LABELS) + 1), 8, 1, 1),
    "head.regression_head.module_list.0.0.0.weight": (8, 1, 3, 3),
    "head.regression_head.module_list.0.1.weight": (6 * 4, 8, 1, 1),
}
"""detection/ssdlite.py: each layer of the head is two, of which the first is the same for both."""


def torchvision(
    boxes: Sequence[Box],
    *,
    first: int = 1,
    names: Sequence[str] = ("boxes", "labels", "scores"),
    weights: Mapping[str, Sequence[int]] = FASTER_RCNN,
    input_dims: Sequence[int | str] = (1, 3, SIDE, SIDE),
) -> Export:
    """pytorch/vision, detection/generalized_rcnn.py: a dict of boxes in px of what is fed, labels, scores."""
    rows = np.array([stretched(box) for box in boxes], np.float32).reshape(-1, 4)
    return Export(
        [
            Output(names[0], [Part(rows, SIDE)]),
            Output(names[1], [Part(np.array([box.label + first for box in boxes], np.float32), 0)], 0, whole=True),
            Output(names[2], [Part(np.array([box.score for box in boxes], np.float32), 1)], 0),
        ],
        input_name="input",
        input_dims=input_dims,
        weights=weights,
    )


def mmdeploy(boxes: Sequence[Box], *, names: Sequence[str] = ("dets", "labels")) -> Export:
    """open-mmlab/mmdeploy, configs/mmdet/_base_: dets (1, n, 5) with the score last, labels (1, n), -1 as filling.

    The settings are those of RTMDet.
    """
    rows = np.zeros((1, 100, 5), np.float32)
    labels = np.full((1, 100), -1, np.float32)
    for row, box in enumerate(boxes):
        rows[0, row] = (*stretched(box), box.score)
        labels[0, row] = box.label
    return Export(
        [
            Output(names[0], [Part(rows[..., :4], SIDE), Part(rows[..., 4:], 1)]),
            Output(names[1], [Part(labels, 0)], whole=True),
        ],
        input_name="input",
        files={"safetygear.json": '{"channels": "bgr", "pixelRange": "imagenet"}'},
    )


def paddle_detection(boxes: Sequence[Box]) -> Export:
    """PaddleDetection, deploy/python/infer.py: rows of class, score, corners in px of the picture before it was scaled
    by scale_factor; rows of class -1 fill up. The settings are those of PP-YOLOE+."""
    rows = np.zeros((100, 6), np.float32)
    rows[:, 0] = -1
    for row, box in enumerate(boxes):
        rows[row] = (box.label, box.score, *stretched(box, (1, 1)))
    parts = [Part(rows[:, :1], 0), Part(rows[:, 1:2], 1), Part(rows[:, 2:], 1)]
    return Export(
        [
            Output("multiclass_nms3_0.tmp_0", parts, times_sizes=True),
            Output("multiclass_nms3_0.tmp_2", [Part(np.array([100], np.float32), 0)], 0, whole=True),
        ],
        input_name="image",
        paddle_inputs=True,
        files={"safetygear.json": '{"pixelRange": "0-1"}'},
    )


def yolo_nas(boxes: Sequence[Box], *, flat: bool = False) -> Export:
    """super-gradients, models_export.md: whole numbers in; batch format, or rows of picture, corners, score, class."""
    rows = np.array([(0, *letterboxed(box), box.score, box.label) for box in boxes], np.float32).reshape(-1, 7)
    if flat:
        parts = [Part(rows[:, :1], 0), Part(rows[:, 1:5], SIDE), Part(rows[:, 5:6], 1), Part(rows[:, 6:], 0)]
        return Export([Output("graph2_flat_predictions", parts)], input_name="input", input_type="uint8")
    filled = np.full((1, 50, 7), 777, np.float32)
    filled[0, : len(rows)] = rows
    filled[0, len(rows) :, 5] = 1
    return Export(
        [
            Output("graph2_num_predictions", [Part(np.array([[len(rows)]], np.float32), 0)], whole=True),
            Output("graph2_pred_boxes", [Part(filled[..., 1:5], SIDE)]),
            Output("graph2_pred_scores", [Part(filled[..., 5], 1)]),
            Output("graph2_pred_classes", [Part(filled[..., 6], 0)], whole=True),
        ],
        input_name="input",
        input_type="uint8",
    )
