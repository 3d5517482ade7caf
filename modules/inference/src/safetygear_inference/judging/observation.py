"""What one frame shows, in the words that tracking, wearing, votes and episodes share. Values only.

Labels are the canonical names: `person`, `helmet`, `vest`, `head` (a bare head), `no-vest` (a torso without a vest);
a model may have others. Boxes are xyxy in 0..1 of the camera's full picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import Boxes

Gear = str
"""`helmet`, `vest` or another label that a rule requires."""
GearState = Literal["worn", "missing", "carried", "unknown"]


@dataclass(frozen=True)
class LabelledBoxes:
    """The boxes of one frame."""

    xyxy_norm: Boxes
    """(n, 4) float32."""
    label: tuple[str, ...]
    """(n)."""
    probability: NDArray[np.float32]
    """(n,) in 0..1."""
    weak: int = 0
    """The last so many did not reach their label's threshold (weak_boxes.py)."""

    @property
    def shown(self) -> int:
        """The first so many did."""
        return len(self.label) - self.weak


@dataclass(frozen=True)
class TrackedPerson:
    """One person of one frame, known from frame to frame."""

    track: str
    """Id of the track, unique within its camera and over restarts."""
    xyxy_norm: Boxes
    """(4,) float32."""
    probability: float
    """Of the person's box, 0..1."""
    box_index: int
    """Row of the person's box in the frame's LabelledBoxes."""


@dataclass(frozen=True)
class GearEvidence:
    """What one frame says of one person's gear."""

    state: GearState
    weight: float
    """How much it counts, 0..1; 0 where the state is unknown."""
    reason: str
    """Machine-readable: `helmet-on-head`, `bare-head`, `occluded`, …"""
    box_index: int | None
    """Row of the box that says so in the frame's LabelledBoxes; None where none does."""


@dataclass(frozen=True)
class Look:
    """What a second look at one person's head or torso has answered; what it can't tell is no answer."""

    gear: Gear
    answer: Literal["yes", "no"]
    """Whether it is worn."""
    probability: float
    """How sure the answer is, 0..1."""
    xyxy_norm: Boxes
    """(4,) float32: the person's box in the frame that was looked at."""


@dataclass(frozen=True)
class LookWish:
    """Somebody of the frame before at whose gear a second look would help."""

    track: str
    gear: Gear
    xyxy_norm: Boxes
    """(4,) float32: where the person was."""
    pressing: bool
    """The vote is open or contested, or this frame said nothing of the gear; else it is settled."""


@dataclass(frozen=True)
class JudgedPerson:
    """One person of one frame with what the votes over the track say of the gear."""

    track: str
    xyxy_norm: Boxes
    """(4,) float32."""
    gear: Mapping[Gear, GearState]
    reasons: Mapping[Gear, str]
    """Why each state is as it is."""
    confidence: Mapping[Gear, float]
    """How sure the vote is, 0..1."""
