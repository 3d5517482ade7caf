"""Pictures that would teach the same once more: hashes that stay, places that count, and no two within the distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_inference.learning.near_duplicates import Fingerprint, NearDuplicates, distance_bits
from safetygear_inference.pixels import decode_jpeg, encode_jpeg, perceptual_hash
from support.evidence import noise

HERE, THERE = (0.4, 0.3, 0.5, 0.8), (0.6, 0.3, 0.7, 0.8)
HASHES = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 3, 2**20 - 1, 2**64 - 1]))
FINGERPRINTS = st.builds(Fingerprint, HASHES, HASHES, st.sampled_from([HERE, THERE]))


def differ(first: int, second: int) -> int:
    return (first ^ second).bit_count()


def scene(seed: int = 4) -> np.ndarray:
    """(240, 320, 3): large soft shapes, as a picture has them."""
    import cv2

    return np.asarray(cv2.GaussianBlur(noise(seed=seed), (0, 0), 12))


def test_the_hash_is_that_of_the_lowest_frequencies() -> None:
    """By the definition, with the cosine transform written out."""
    import cv2

    bgr = scene()
    few = cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), (32, 32), interpolation=cv2.INTER_AREA).astype(float)
    n, k = np.arange(32), np.arange(8)
    cosines = np.cos(np.pi * (2 * n[None, :] + 1) * k[:, None] / 64) * np.where(k == 0, np.sqrt(1 / 32), 0.25)[:, None]
    low = (cosines @ few @ cosines.T).ravel()
    bits = "".join("1" if value > np.median(low) else "0" for value in low)
    assert differ(perceptual_hash(bgr), int(bits, 2)) <= 1, "float32 against float64"


@pytest.mark.parametrize("change", ["jpeg", "smaller", "brighter"])
def test_the_same_picture_in_another_form_is_alike(change: str) -> None:
    import cv2

    bgr = scene()
    changed = {
        "jpeg": lambda: decode_jpeg(encode_jpeg(bgr, 50)).planes[0],
        "smaller": lambda: cv2.resize(bgr, (160, 120), interpolation=cv2.INTER_AREA),
        "brighter": lambda: np.clip(bgr.astype(int) + 15, 0, 255).astype(np.uint8),
    }[change]()
    assert differ(perceptual_hash(bgr), perceptual_hash(np.asarray(changed))) <= 4


def test_another_picture_is_not() -> None:
    found = [differ(perceptual_hash(scene(1)), perceptual_hash(scene(seed))) for seed in range(2, 30)]
    assert min(found) > 16


@pytest.mark.parametrize(
    ("first", "second", "bits"),
    [
        (Fingerprint(0, 0, HERE), Fingerprint(0, 0, HERE), 0),
        (Fingerprint(0b111, 0b1, HERE), Fingerprint(0, 0, HERE), 3),
        (Fingerprint(0b1, 0b11111, HERE), Fingerprint(0, 0, HERE), 5),
        (Fingerprint(0, 0, HERE), Fingerprint(0, 0, THERE), 64),
    ],
    ids=["same", "scene", "person", "place"],
)
def test_two_are_as_far_apart_as_their_scenes_or_their_people(
    first: Fingerprint, second: Fingerprint, bits: int
) -> None:
    assert distance_bits(first, second) == distance_bits(second, first) == bits


@given(st.lists(st.tuples(FINGERPRINTS, st.booleans()), max_size=40), st.integers(0, 32))
def test_no_two_that_are_kept_are_within_the_distance(
    offered: list[tuple[Fingerprint, bool]], minimum_bits: int
) -> None:
    index, kept = NearDuplicates(), dict[str, Fingerprint]()
    for number, (picture, remove_oldest) in enumerate(offered):
        if not index.twins_of(picture, minimum_bits=minimum_bits):
            kept[str(number)] = picture
            index.add(str(number), picture)
        else:
            assert any(distance_bits(picture, one) < minimum_bits for one in kept.values())
        if remove_oldest and kept:
            gone = next(iter(kept))
            del kept[gone]
            index.remove(gone)
    assert index.names() == kept.keys()
    for name, first in kept.items():
        for other, second in kept.items():
            assert name == other or distance_bits(first, second) >= minimum_bits
