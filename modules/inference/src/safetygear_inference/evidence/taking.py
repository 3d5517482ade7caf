"""Takes pictures of people: from a key frame of the camera's main stream where one shows the same moment, else from the
slot of the frame that was analysed.

A key frame is another picture than the one that was judged. It is taken only where the detector, which looks at it
anyway for the faces, finds a person where the frame had one: streams may be cut differently, or be further apart than
their times say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from safetygear.errors import FrameError
from safetygear_inference.compliance.episodes import PictureWish
from safetygear_inference.evidence.best_pictures import Candidate
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.crop import Part
from safetygear_inference.evidence.frame_order import order_of
from safetygear_inference.evidence.picture_making import (
    CautiousDetector,
    PictureOrder,
    cut_out,
    finish,
    sharpness_of,
    shows_person,
)
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.judges import Judges
from safetygear_inference.key_frames.newest import KeyFrames, apart_s, same_view
from safetygear_inference.picture import Bgr
from safetygear_inference.side_analysis import BUSY, SideAnalysis

PURPOSE: Final = "evidence"
SLOT_COUNTS: Final = 0.6
"""What a picture from the analysed stream counts, to one of the same view from the main stream, while key frames of
that one come: a few seconds later a picture may have two to three times the pixels across."""
EARLIER_S: Final = 2.0
"""So long before the frame in which an episode opens its first picture may have been taken: the person has been in
violation for the minimum duration by then, which is as long by default."""
CAMERAS_KEPT: Final = 256
USED, NOT_THERE = "picture", "person-not-there"
"""Outcomes of key frames; others are codes of FrameError."""


@dataclass(frozen=True)
class Sight:
    """A frame, and what a picture may be taken from."""

    frame: SeenFrame
    key_frame: Arrival | None
    counts: float
    """What a picture of the frame counts, to the score of the wish for it."""
    earlier: Sight | None = None
    """Where no key frame shows this frame: the newest frame of which one does, a moment ago."""


def sight_of(frame: SeenFrame, key_frames: KeyFrames, judges: Judges) -> Sight:
    """Which key frame shows the frame's moment, if one does."""
    reference = frame.arrival.reference
    near = key_frames.near(reference)
    # A zone that is cut out of one picture may lie elsewhere in the other.
    if near is not None and (same_view(reference, near.reference) or not judges.privacy(frame.camera)):
        return Sight(frame, near, 1.0)
    return Sight(frame, None, SLOT_COUNTS if near is None and key_frames.expected(reference) else 1.0)


class PictureTaker:
    """`detector` is used in the side thread only."""

    def __init__(
        self, side: SideAnalysis, judges: Judges, key_frames: KeyFrames, *, detector: CautiousDetector
    ) -> None:
        self._side = side
        self._judges = judges
        self._key_frames = key_frames
        self._detector = detector
        self._with_key_frame: dict[str, Sight] = {}
        """By camera, the newest; the pixels of its key frame are still in their ring for some seconds."""

    def sight(self, frame: SeenFrame) -> Sight:
        """Which key frame shows the frame's moment, or else a moment before."""
        sight = sight_of(frame, self._key_frames, self._judges)
        earlier = self._with_key_frame.pop(frame.camera, None)
        if sight.key_frame is None:
            if earlier is None or apart_s(earlier.frame.arrival.reference, frame.arrival.reference) > EARLIER_S:
                return sight
            self._with_key_frame[frame.camera] = earlier
            return replace(sight, earlier=earlier)
        self._with_key_frame[frame.camera] = sight
        while len(self._with_key_frame) > CAMERAS_KEPT:
            del self._with_key_frame[next(iter(self._with_key_frame))]
        return sight

    async def take(
        self,
        sight: Sight,
        wishes: Sequence[PictureWish],
        config: EvidenceConfig,
        better: Callable[[str, float], bool],
        *,
        first: bool,
    ) -> dict[str, Candidate | None]:
        """One person's picture, by each of his episodes; None where it is no `better` (episode, score) one. The `first`
        one may be of a moment before the frame.

        Raises FrameError (the frame is gone, `side-busy`), ModelError.
        """
        shown, then = sight, wishes
        if first and sight.earlier is not None:
            shown, then = sight.earlier, _as_seen_in(sight.earlier.frame, wishes)
        if shown.key_frame is not None and then:
            try:
                made = await self._from(shown.key_frame, shown.frame, then, config, better, counts=1.0)
            except FrameError as exc:
                if exc.code == BUSY:
                    raise
                self._key_frames.outcomes[exc.code] += 1
            else:
                if made is not None:
                    self._key_frames.outcomes[USED] += any(made.values())
                    return made
                self._key_frames.outcomes[NOT_THERE] += 1
        counts = sight.counts if sight.key_frame is None else SLOT_COUNTS
        made = await self._from(sight.frame.arrival, sight.frame, wishes, config, better, counts=counts)
        return made or {}

    async def _from(
        self,
        arrival: Arrival,
        frame: SeenFrame,
        wishes: Sequence[PictureWish],
        config: EvidenceConfig,
        better: Callable[[str, float], bool],
        *,
        counts: float,
    ) -> dict[str, Candidate | None] | None:
        order = self._order(arrival, frame, wishes[0], config)
        return await self._side.copied(
            arrival,
            lambda picture: cut_out(picture, order),
            lambda bgr: self._finish(bgr, order, arrival, frame, wishes, better, counts),
            purpose=PURPOSE,
        )

    def _finish(
        self,
        bgr: Bgr,
        order: PictureOrder,
        arrival: Arrival,
        frame: SeenFrame,
        wishes: Sequence[PictureWish],
        better: Callable[[str, float], bool],
        counts: float,
    ) -> dict[str, Candidate | None] | None:
        """In the side thread; None where the person is not there."""
        person_norm = np.array(wishes[0].xyxy_norm, np.float32)
        share = sharpness_of(bgr, order, person_norm, frame_width_px=frame.arrival.reference.width)
        score = {wish.episode: wish.score * share * counts for wish in wishes}
        made: dict[str, Candidate | None] = dict.fromkeys(score, None)
        wanted = [episode for episode in score if better(episode, score[episode])]
        if not wanted:
            return made
        looked = None
        if arrival is not frame.arrival:
            looked = self._detector.look(frame.model, bgr)
            if not shows_person(looked, order, person_norm):
                return None
        picture = finish(bgr, order, frame.model, self._detector, looked=looked)
        return made | {episode: Candidate(picture.jpeg, picture.blurred, score[episode]) for episode in wanted}

    def _order(self, arrival: Arrival, frame: SeenFrame, wish: PictureWish, config: EvidenceConfig) -> PictureOrder:
        size_px = arrival.reference.width, arrival.reference.height
        return order_of(
            frame,
            Part.around(wish.xyxy_norm, margin=config.margin, frame_size_px=size_px),
            black_out=self._judges.privacy(frame.camera),
            faces=config.faces,
            max_side_px=config.max_side_px,
            quality=config.quality,
        )


def _as_seen_in(frame: SeenFrame, wishes: Sequence[PictureWish]) -> list[PictureWish]:
    """The wishes with the box that their person had in an earlier frame; none where he was not seen in it."""
    (track,) = {wish.track for wish in wishes}
    for one in frame.judged.people:
        if one.person.track == track:
            left, top, right, bottom = (float(value) for value in one.person.xyxy_norm)
            return [replace(wish, xyxy_norm=(left, top, right, bottom)) for wish in wishes]
    return []
