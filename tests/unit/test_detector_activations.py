import warnings

import numpy as np
import pytest

from safetygear_inference.detectors.activations import sigmoid, softmax


def test_a_sigmoid_of_any_logit_is_a_chance() -> None:
    logits = np.array([[-np.inf, -1000.0, -1.0, 0.0, 1.0, 1000.0, np.inf]], np.float32)
    assert sigmoid(logits)[0].tolist() == pytest.approx([0, 0, 0.268941, 0.5, 0.731059, 1, 1], abs=1e-6)
    assert sigmoid(logits).dtype == np.float32
    assert np.isnan(sigmoid(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("logits", "chances"),
    [
        ([0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1.0, 2.0, 3.0], [0.090031, 0.244728, 0.665241]),
        ([1e30, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([np.inf, 0.0, 0.0], [1.0, 0.0, 0.0]),
        ([np.inf, np.inf, 0.0], [0.5, 0.5, 0.0]),
        ([-np.inf, 0.0, 0.0], [0.0, 0.5, 0.5]),
    ],
)
def test_a_softmax_of_any_logits_adds_up_to_one(logits: list[float], chances: list[float]) -> None:
    with warnings.catch_warnings(action="error"):
        made = softmax(np.array([logits, [0.0, 0.0, 0.0]], np.float32))
    assert made[0].tolist() == pytest.approx(chances, abs=1e-6)
    assert made[1].tolist() == pytest.approx([1 / 3] * 3)


def test_a_row_without_numbers_stays_without() -> None:
    made = softmax(np.array([[0.0, np.nan], [0.0, 0.0]], np.float32))
    assert np.isnan(made[0]).all()
    assert made[1].tolist() == [0.5, 0.5]
