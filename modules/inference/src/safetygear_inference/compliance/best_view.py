"""Which frame of an episode shows its person best: what speaks for a picture before its pixels are looked at. Pure."""

from __future__ import annotations

import math
from typing import Final

from safetygear_inference.compliance.episode import BoxTuple

LARGE: Final = 0.35
"""Root of the area of a person's box, in 0..1 of the picture, from which larger is no better: about 60 % of its
height."""
CUT_COUNTS: Final = 0.4
"""What a person counts whom the picture's edge cuts."""
AT_EDGE_COUNTS: Final = 0.8
"""What a person counts in the picture's corner, to one in its middle: lenses are worst there."""
HALF_SHARP: Final = 40.0
"""The sharpness that counts half. The rendered people have 104 to 208, smeared over 9 pixels 17 to 51."""
CUT_WITHIN: Final = 0.004
"""A box that ends this near to the picture's edge is cut by it."""
BETTER_BY: Final = 1.15
"""A better picture has to be better by so much, or each frame of somebody coming near would be cut out."""


def view_score(xyxy_norm: BoxTuple, confidence: float) -> float:
    """0..1: by the person's size, how sure it is, how central, and whether all of him is in the picture."""
    left, top, right, bottom = xyxy_norm
    size = min(1.0, math.sqrt(max(0.0, right - left) * max(0.0, bottom - top)) / LARGE)
    off_centre = max(abs(left + right - 1), abs(top + bottom - 1))
    central = 1 - (1 - AT_EDGE_COUNTS) * min(1.0, off_centre)
    cut = min(left, top) <= CUT_WITHIN or max(right, bottom) >= 1 - CUT_WITHIN
    return size * max(0.0, min(1.0, confidence)) * central * (CUT_COUNTS if cut else 1.0)


def sharpness_share(sharpness: float) -> float:
    """0..1 for the sharpness (pixels.py) of the person's part of the picture: motion and a lens out of focus soften."""
    return sharpness / (sharpness + HALF_SHARP)
