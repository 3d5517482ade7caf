"""Pictures that would teach the same once more. Pure.

The perceptual hash of a whole picture says which scene it is, and not who is in it: two frames of one rendered clip
differ in 6 of 64 bits (median), and never in more than 14. So the part that a picture is about has a hash too, and two
pictures are near-duplicates only where both hashes are alike and both parts lie in the same place
(docs/adr/0016-an-example-is-a-twin-only-in-the-same-place.md has the figures).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear_inference.learning.observed import BoxNorm, overlap

SAME_PLACE_IOU: Final = 0.5


@dataclass(frozen=True)
class Fingerprint:
    """Two 64-bit hashes of one picture."""

    whole: int
    focus: int
    focus_norm: BoxNorm


def distance_bits(first: Fingerprint, second: Fingerprint) -> int:
    """The larger one of both distances; 64 where they are about different places."""
    whole = (first.whole ^ second.whole).bit_count()
    if overlap(first.focus_norm, second.focus_norm) < SAME_PLACE_IOU:
        return 64
    return max(whole, (first.focus ^ second.focus).bit_count())


class NearDuplicates:
    """The fingerprints of the pictures that are kept, by id."""

    def __init__(self) -> None:
        self._kept: dict[str, Fingerprint] = {}
        self._hashes: NDArray[np.uint64] | None = None
        """(pictures, 2), in the order of `_kept`: whole, focus; None: to be made anew."""

    def twins_of(self, picture: Fingerprint, *, minimum_bits: int) -> list[str]:
        """The pictures that differ in fewer bits."""
        if self._hashes is None:
            pairs = [(kept.whole, kept.focus) for kept in self._kept.values()]
            self._hashes = np.array(pairs, np.uint64).reshape(-1, 2)
        # All at once, for this is done on the event loop: a month has thousands of pictures.
        differing = np.bitwise_count(self._hashes ^ np.array([picture.whole, picture.focus], np.uint64))
        rows = np.flatnonzero((differing < minimum_bits).all(axis=1)).tolist()
        if not rows:
            return []
        names = list(self._kept)
        return [names[row] for row in rows if distance_bits(self._kept[names[row]], picture) < minimum_bits]

    def add(self, name: str, picture: Fingerprint) -> None:
        self._kept[name] = picture
        self._hashes = None

    def remove(self, name: str) -> None:
        self._kept.pop(name, None)
        self._hashes = None

    def names(self) -> set[str]:
        return set(self._kept)
