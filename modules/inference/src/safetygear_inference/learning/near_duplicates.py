"""Pictures that would teach the same once more. Pure.

The perceptual hash of a whole picture says which scene it is, and not who is in it: of the demo clip's frames, two at
random differ in 4 to 6 of 64 bits. So the part that the picture is about has a hash too, and two pictures are
near-duplicates only where both hashes are alike and both parts lie in the same place. A box that is drawn a little
otherwise around a still person moves up to 16 bits of it; another person, or another posture, 20 and more
(docs/adr/0016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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

    def twins_of(self, picture: Fingerprint, *, minimum_bits: int) -> list[str]:
        """The pictures that differ in fewer bits."""
        # The whole picture first: many are of another scene, and that is one comparison.
        return [
            name
            for name, kept in self._kept.items()
            if (kept.whole ^ picture.whole).bit_count() < minimum_bits and distance_bits(kept, picture) < minimum_bits
        ]

    def add(self, name: str, picture: Fingerprint) -> None:
        self._kept[name] = picture

    def remove(self, name: str) -> None:
        self._kept.pop(name, None)

    def names(self) -> set[str]:
        return set(self._kept)

    def __len__(self) -> int:
        return len(self._kept)
