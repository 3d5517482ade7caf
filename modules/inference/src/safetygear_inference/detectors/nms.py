"""Non-maximum suppression per class. Pure.

Boxes are corners (x_min, y_min, x_max, y_max) in any unit. `cv2.dnn.NMSBoxes` takes corner and size instead, and fed
with corners it silently drops one of two people who stand side by side: the width it sees grows with the distance
from the left edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import Boxes, iou

MAX_CANDIDATES = 3000
"""Looked at, most probable first: bounds the work where a threshold lets everything through."""
ALL_PAIRS_UP_TO = 128
MAX_BOXES = 300
"""Kept of one picture: a muster of a hundred people with their gear fits."""


def keep_best(
    xyxy: Boxes, class_id: NDArray[np.int64], probability: NDArray[np.float32], *, iou_above: float
) -> NDArray[np.intp]:
    """Indices of the boxes to keep, most probable first.

    A box goes when a more probable one *of its class* overlaps it by an intersection over union above `iou_above`.
    Equal probabilities keep their order, so that the result does not depend on the sort.
    """
    order = np.argsort(-probability, kind="stable")[:MAX_CANDIDATES]
    boxes, labels = xyxy[order], class_id[order]
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    # All pairs at once is cheaper while they are few; row by row it never takes more memory than the boxes do.
    pairs = iou(boxes, boxes) if len(boxes) <= ALL_PAIRS_UP_TO else None
    for best in range(len(order)):
        if not alive[best]:
            continue
        kept.append(best)
        if len(kept) == MAX_BOXES:
            break
        overlap = pairs[best] if pairs is not None else iou(boxes[best : best + 1], boxes)[0]
        alive &= (overlap <= iou_above) | (labels != labels[best])
    return np.asarray(order[kept], np.intp)
