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
    kept: list[int] = []
    for label in np.unique(class_id[order]):
        left = order[class_id[order] == label]
        while left.size and len(kept) < MAX_CANDIDATES:
            best, left = left[0], left[1:]
            kept.append(int(best))
            left = left[iou(xyxy[best : best + 1], xyxy[left])[0] <= iou_above]
    indices = np.array(kept, np.intp)
    return indices[np.argsort(-probability[indices], kind="stable")][:MAX_BOXES]
