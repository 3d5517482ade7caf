"""From logits to chances, for networks that leave that to their reader. Nothing overflows. Pure."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LARGEST_LOGIT: Final = 65504.0
"""The largest number of half precision, beyond which it has infinities: the difference of two of them is no number."""


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Each for itself, any shape; NaN stays NaN."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)


def softmax(logits: NDArray[Any]) -> NDArray[np.float32]:
    """(n, classes) to chances that add up to 1 in each row; a row with NaN becomes NaN."""
    logits = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
