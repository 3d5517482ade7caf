"""All reasons together: what a frame is wished for. Pure, but for the generator given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from random import Random

from safetygear.learning.example import Reason
from safetygear.messages.health import LearningDrift
from safetygear_inference.learning.disagreement import Disagreement
from safetygear_inference.learning.drift import Drift, DriftState
from safetygear_inference.learning.observed import Observed, Wish
from safetygear_inference.learning.random_share import RandomShare
from safetygear_inference.learning.rare_classes import RareClasses
from safetygear_inference.learning.uncertainty import Uncertainty
from safetygear_inference.learning.vote_flips import VoteFlips

CAMERAS_KEPT = 256
"""The one that was seen longest ago is forgotten first."""


class Selection:
    """What is remembered of all cameras. Not for two threads."""

    def __init__(
        self,
        random: Random,
        *,
        drift: DriftState | None = None,
        class_counts: Mapping[str, int] | None = None,
        class_frames: int = 0,
    ) -> None:
        self.drift = Drift(drift)
        self.rare_classes = RareClasses(class_counts, class_frames)
        self._uncertainty = Uncertainty()
        self._disagreement = Disagreement()
        self._vote_flips = VoteFlips()
        self._random_share = RandomShare(random)
        self._cameras: dict[str, None] = {}

    def look(
        self,
        frame: Observed,
        *,
        wanted: Collection[Reason],
        wall_s: float,
        random_per_hour: float,
        reference_s: float,
    ) -> list[Wish]:
        """Every frame has to be shown, for what is usual is learned from all of them. Only wishes for `wanted` reasons
        come back. `wall_s`: UTC epoch seconds."""
        self._cameras.pop(frame.camera, None)
        self._cameras[frame.camera] = None
        while len(self._cameras) > CAMERAS_KEPT:
            self._forget(next(iter(self._cameras)))
        wishes = [
            *self._uncertainty.look(frame),
            *self._disagreement.look(frame),
            *self._vote_flips.look(frame),
            *self.rare_classes.look(frame),
            *self.drift.look(frame, wall_s=wall_s, reference_s=reference_s),
            *self._random_share.look(frame, per_hour=random_per_hour),
        ]
        return [wish for wish in wishes if wish.reason in wanted]

    def drifting(self) -> list[LearningDrift]:
        """Cameras and labels whose probabilities are spread otherwise than at first."""
        return self.drift.figures()

    def _forget(self, camera: str) -> None:
        del self._cameras[camera]
        for one in (self._uncertainty, self._disagreement, self._random_share):
            one.forget(camera)
