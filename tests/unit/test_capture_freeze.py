"""A picture that does not change."""

from __future__ import annotations

import numpy as np

from safetygear_capture.freeze import FreezeDetector

SHAPE = (64, 64)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, SHAPE, dtype=np.uint8)


def test_a_picture_that_stays_the_same_bit_for_bit_is_frozen_after_the_time() -> None:
    detector, picture = FreezeDetector(10), noise(1)
    for now_s, frozen in ((0, False), (5, False), (9.9, False), (10, True), (12, True)):
        detector.look(picture.copy(), now_s)
        assert detector.frozen is frozen
    assert detector.frozen_s == 12


def test_the_noise_of_a_live_picture_is_enough_to_be_alive() -> None:
    detector = FreezeDetector(10)
    picture = noise(1)
    detector.look(picture, 0)
    changed = picture.copy()
    changed[::8, ::4][3, 2] ^= 1  # one bit of one sample
    detector.look(changed, 9)
    detector.look(changed, 18)
    assert (detector.frozen, detector.frozen_s) == (False, 0)


def test_frozen_time_adds_up_and_stays_when_it_is_over() -> None:
    detector = FreezeDetector(10)
    for seed, times_s in ((1, (0, 12)), (2, (13, 20)), (3, (21, 33))):
        for now_s in times_s:
            detector.look(noise(seed), now_s)
    detector.look(noise(4), 34)
    assert (detector.frozen, detector.frozen_s) == (False, 12 + 12)


def test_zero_means_never() -> None:
    detector = FreezeDetector(0)
    for now_s in range(0, 10_000, 100):
        detector.look(noise(1), now_s)
    assert (detector.frozen, detector.frozen_s) == (False, 0)


def test_another_size_is_another_picture() -> None:
    detector = FreezeDetector(10)
    detector.look(np.zeros((64, 64), np.uint8), 0)
    detector.look(np.zeros((32, 64), np.uint8), 20)
    assert not detector.frozen


def test_rows_may_be_strided() -> None:
    detector, wide = FreezeDetector(10), noise(1)
    detector.look(wide[:, :50], 0)
    detector.look(wide.copy()[:, :50], 10)
    assert detector.frozen
