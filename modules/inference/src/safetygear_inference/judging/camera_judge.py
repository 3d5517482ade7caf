"""One camera's frames, judged: who is who, what each wears, under which rules, and what that changes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from safetygear.geometry import Boxes, as_xyxy, iou
from safetygear.messages.detections import Status
from safetygear_inference.compliance.episode import BoxTuple
from safetygear_inference.compliance.episodes import EpisodeChange, Episodes, PictureWish
from safetygear_inference.compliance.judging_config import VoteConfig, WearingConfig
from safetygear_inference.compliance.looked_again import NOT_TO_BE_SEEN, with_look
from safetygear_inference.compliance.status import status
from safetygear_inference.compliance.vote import GearVotes
from safetygear_inference.compliance.wearing import observe
from safetygear_inference.compliance.zones import Zones
from safetygear_inference.judging.labels import PERSON
from safetygear_inference.judging.observation import (
    Gear,
    GearEvidence,
    JudgedPerson,
    LabelledBoxes,
    Look,
    LookWish,
    TrackedPerson,
)
from safetygear_inference.tracking import PersonTracker, TrackIds, TrackingConfig

ALWAYS: tuple[Gear, ...] = ("helmet", "vest")
"""Each person of a detections message has these, whatever the rules ask for."""
LOOKED_AT_IOU = 0.9
"""A look is at the person whose box it names; recorded boxes are rounded."""
LABEL_MISSING = "label-missing"
"""Why gear is unknown that the model in use has no class for."""


@dataclass(frozen=True)
class Verdict:
    """A person under the rules that hold where and when he is seen."""

    person: JudgedPerson
    status: Status
    reason: str


@dataclass(frozen=True)
class JudgedFrame:
    """What one frame says of the people in it."""

    people: tuple[Verdict, ...] = ()
    """The most probable first."""
    tracks: tuple[str | None, ...] = ()
    """(n) of the frame's boxes, the weak ones last: whose each is; None: nobody's."""
    changes: tuple[EpisodeChange, ...] = ()
    """In the order in which they are to be told."""
    unseen: tuple[BoxTuple, ...] = ()
    """Where people are expected who are followed and were not seen in this frame."""
    wishes: tuple[PictureWish, ...] = ()
    """Open episodes whose person this frame shows better than any picture that there is of it."""
    look_wishes: tuple[LookWish, ...] = ()
    """At whose gear a second look in the next frame would help."""
    failed: bool = False
    """Nothing can be said of the frame, because of an error: nobody was watched in it."""


@dataclass(frozen=True)
class JudgingConfig:
    """The twin's part of it that holds for every camera."""

    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    wearing: WearingConfig = field(default_factory=WearingConfig)
    votes: VoteConfig = field(default_factory=VoteConfig)


class CameraJudge:
    """Everything that is remembered of one camera's people, but for their episodes. Not for two threads."""

    def __init__(self, camera: str, *, zones: Zones, config: JudgingConfig, ids: TrackIds, episodes: Episodes) -> None:
        self._camera = camera
        self._zones = zones
        self._config = config
        self._episodes = episodes
        self._tracker = PersonTracker(config.tracking, ids)
        self._votes = GearVotes(config.votes)

    def configure(self, zones: Zones, config: JudgingConfig) -> None:
        """Other rules from the next frame on. Tracks go on; votes only where their own settings are the same."""
        if config.votes != self._config.votes:
            self._votes = GearVotes(config.votes)
        self._tracker.config = config.tracking
        self._zones, self._config = zones, config

    @property
    def alive(self) -> int:
        """People who are followed, those of whom one is not sure yet included."""
        return self._tracker.alive

    @property
    def refused(self) -> int:
        """Boxes that would have begun a track beyond `maxTracks`, since the start."""
        return self._tracker.refused

    def judge(
        self,
        boxes: LabelledBoxes,
        *,
        known: Collection[str],
        now_s: float,
        wall_s: float,
        dark: bool,
        frame_size_px: tuple[int, int],
        looks: Sequence[Look] = (),
    ) -> JudgedFrame:
        """The next frame. `known`: the labels that the model has; `now_s` of the frame, `wall_s` UTC epoch seconds;
        `looks`: what a second look at this frame's people has answered."""
        tracked = self._track(boxes, now_s, frame_size_px)
        gear = tuple(dict.fromkeys((*ALWAYS, *self._zones.required)))
        found = observe(
            tracked,
            boxes,
            frame_size_px=frame_size_px,
            dark=dark,
            gear=[name for name in gear if name in known],
            config=self._config.wearing,
        )
        if looks:
            self._take_looks(looks, tracked, boxes, found, dark=dark)
        people = [self._vote(person, found[person.track], gear, now_s) for person in tracked]
        changes = self._episodes.update(self._camera, people, now_s=now_s, wall_s=wall_s)
        return JudgedFrame(
            people=self._verdicts(people, wall_s),
            tracks=_tracks(len(boxes.label), tracked, found),
            changes=tuple(changes),
            unseen=tuple(_box_tuple(box) for box in self._tracker.unseen()),
            wishes=tuple(self._episodes.picture_wishes(self._camera)),
            look_wishes=self._look_wishes(tracked, found),
        )

    def _track(self, boxes: LabelledBoxes, now_s: float, frame_size_px: tuple[int, int]) -> list[TrackedPerson]:
        rows = [row for row, label in enumerate(boxes.label) if label == PERSON]
        probability = boxes.probability[rows]
        weak = np.array([row >= boxes.shown for row in rows], bool)
        # Whatever the twin says of highProbability: a weak box begins no track.
        begins = np.nextafter(np.float32(self._config.tracking.high_probability), np.float32(0))
        tracked = self._tracker.update(
            boxes.xyxy_norm[rows].reshape(-1, 4),
            np.where(weak, np.minimum(probability, begins), probability),
            now_s=now_s,
            aspect=frame_size_px[0] / frame_size_px[1],
            ignore=self._zones.ignore if self._zones.ignored else None,
            box_index=rows,
        )
        for track in tracked.ended:
            self._votes.forget(track)
        return tracked.people

    def _take_looks(
        self,
        looks: Sequence[Look],
        tracked: Sequence[TrackedPerson],
        boxes: LabelledBoxes,
        found: Mapping[str, dict[Gear, GearEvidence]],
        *,
        dark: bool,
    ) -> None:
        """Changes `found`."""
        if not tracked:
            return
        at = boxes.xyxy_norm[[person.box_index for person in tracked]].reshape(-1, 4)
        overlap = iou(as_xyxy([look.xyxy_norm for look in looks]), at)
        for look, of_look in zip(looks, overlap, strict=True):
            of_person = found[tracked[int(of_look.argmax())].track]
            if of_look.max() >= LOOKED_AT_IOU and look.gear in of_person:
                of_person[look.gear] = with_look(
                    of_person[look.gear], look, dark=dark, minimum_weight=self._config.wearing.minimum_weight
                )

    def _look_wishes(
        self, tracked: Sequence[TrackedPerson], found: Mapping[str, Mapping[Gear, GearEvidence]]
    ) -> tuple[LookWish, ...]:
        return tuple(
            LookWish(
                person.track,
                gear,
                person.xyxy_norm,
                evidence.state == "unknown" or self._votes.contested(person.track, gear),
            )
            for person in tracked
            for gear, evidence in found[person.track].items()
            if evidence.state != "unknown" or evidence.reason not in NOT_TO_BE_SEEN
        )

    def _vote(
        self, person: TrackedPerson, found: Mapping[Gear, GearEvidence], gear: Sequence[Gear], now_s: float
    ) -> JudgedPerson:
        nothing = GearEvidence("unknown", 0.0, LABEL_MISSING, None)
        states, reasons, confidence = self._votes.update(
            person.track, {name: found.get(name, nothing) for name in gear}, now_s
        )
        return JudgedPerson(person.track, person.xyxy_norm, states, reasons, confidence)

    def _verdicts(self, people: Sequence[JudgedPerson], wall_s: float) -> tuple[Verdict, ...]:
        if not people:
            return ()
        xyxy_norm = as_xyxy([person.xyxy_norm for person in people])
        required: list[dict[Gear, None]] = [{} for _ in people]
        for zone in self._zones.rules:
            if zone.active(wall_s):
                for of_person, depth in zip(required, zone.area.depths(xyxy_norm), strict=True):
                    if depth >= 0:
                        of_person |= dict.fromkeys(zone.requires)
        return tuple(
            Verdict(person, *status(person.gear, tuple(of_person), person.reasons))
            for person, of_person in zip(people, required, strict=True)
        )


def _tracks(
    number: int, people: Sequence[TrackedPerson], found: Mapping[str, Mapping[Gear, GearEvidence]]
) -> tuple[str | None, ...]:
    tracks: list[str | None] = [None] * number
    for person in people:
        for evidence in found[person.track].values():
            if evidence.box_index is not None:
                tracks[evidence.box_index] = person.track
    for person in people:
        tracks[person.box_index] = person.track
    return tuple(tracks)


def _box_tuple(xyxy_norm: Boxes) -> BoxTuple:
    left, top, right, bottom = xyxy_norm.tolist()
    return left, top, right, bottom
