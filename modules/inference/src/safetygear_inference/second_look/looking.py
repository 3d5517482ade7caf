"""The second look at one frame: whom it was asked to look at, found again, cropped, answered. For a worker thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import FrameError, ModelError
from safetygear.frames.ring import FrameRingReader
from safetygear.messages.frames import FrameReference
from safetygear_inference.judging.observation import LabelledBoxes, Look, LookWish
from safetygear_inference.picture import Picture
from safetygear_inference.second_look.crops import crops
from safetygear_inference.second_look.network import NO, YES, SecondLookNetwork
from safetygear_inference.second_look.squares import Place, places


@dataclass(frozen=True)
class Looked:
    """What came of it."""

    looks: tuple[Look, ...] = ()
    """Those that were answered."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By gear and `yes`, `no`, `unclear`, `not-found` or `failed`."""
    failure: ModelError | None = None
    """The network failed: the boxes alone count."""


@dataclass(frozen=True)
class KeyFrame:
    """The same view, larger, and taken at nearly the same time."""

    reference: FrameReference
    moment: float
    """When, from -1 (the frame before) over 0 (this frame) to 1: people are looked for where they were then."""

    def squares(self, found: Sequence[Place], scale: float) -> list[tuple[float, float, float]]:
        """The places' squares in its own pixels, `scale` times those of the frame."""
        return [
            ((x + moved_x * self.moment) * scale, (y + moved_y * self.moment) * scale, side * scale)
            for (x, y, side), (moved_x, moved_y) in ((place.square_px, place.moved_px) for place in found)
        ]


@dataclass(frozen=True)
class SecondLook:
    """What the frame's analysis is handed: the network, and the wishes that were granted."""

    network: SecondLookNetwork
    wishes: Sequence[LookWish]
    key_frame: KeyFrame | None = None
    """It is looked at instead, as long as it is there."""

    def at(self, picture: Picture, boxes: LabelledBoxes, reader: FrameRingReader) -> Looked:
        """Look at `picture`, in which the detector has found `boxes`, the weak ones too. Raises nothing: a frame whose
        boxes are there is not lost with it."""
        outcomes: Counter[tuple[str, str]] = Counter()
        found = places(list(self.wishes), boxes, (picture.width, picture.height))
        asked = Counter(wish.gear for wish in self.wishes)
        asked.subtract(Counter(place.gear for place in found))
        outcomes.update({(gear, "not-found"): count for gear, count in asked.items() if count > 0})
        if not found:
            return Looked((), outcomes)
        try:
            answers = self.network.chances(self._crops(picture, found, reader))
        except ModelError as exc:
            outcomes.update((place.gear, "failed") for place in found)
            return Looked((), outcomes, exc)
        looks = []
        for place, chances in zip(found, answers, strict=True):
            no, yes = (float(chances[self.network.gears.index(place.gear), answer]) for answer in (NO, YES))
            answer: Literal["yes", "no"] = "yes" if yes >= no else "no"
            chance = max(yes, no)
            if chance >= self.network.limit(place.gear, answer):
                looks.append(Look(place.gear, answer, chance, boxes.xyxy_norm[place.person]))
                outcomes[place.gear, answer] += 1
            else:
                outcomes[place.gear, "unclear"] += 1
        return Looked(tuple(looks), outcomes)

    def _crops(self, picture: Picture, found: Sequence[Place], reader: FrameRingReader) -> NDArray[np.uint8]:
        """From the key frame, else from `picture`, whose pixels the places are in."""
        if self.key_frame is not None:
            try:
                view = reader.view(self.key_frame.reference)
                larger = Picture.from_view(view)
                scale = larger.width / picture.width
                made = crops(larger, self.key_frame.squares(found, scale), self.network.side_px)
                view.check()
            except (FrameError, ValueError):
                pass  # Written over, or somebody was beyond its edge: no loss, the frame itself is there.
            else:
                return made
        return crops(picture, [place.square_px for place in found], self.network.side_px)
