"""A recording judged under one configuration, by the module's own judges. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from safetygear.twin.reading import FieldError
from safetygear_inference.compliance.episode import EpisodeChange
from safetygear_inference.compliance.kpi import HOUR_S, KpiHour
from safetygear_inference.config import InferenceTwin
from safetygear_inference.judging.camera_judge import JudgedFrame
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.labels import PERSON, canonical_labels
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.judging.weak_boxes import labelled
from safetygear_inference.model_change.config import ModelConfig
from safetygear_workbench.replay.recording import Frame, Recording

USUAL_LABELS: Final = frozenset({PERSON, "helmet", "vest", "head", "no-vest"})
"""A model may know them though nothing in the recording has them."""
TICK_S: Final = 1.0
ORIGIN = TOKEN = "replay"
_SAME_S: Final = 1e-3
_ROUNDED_BY: Final = 5e-5
"""A recorded probability may be so much less than the one that was compared with the threshold."""


@dataclass
class ReplayedEpisode:
    """An episode from its opening on."""

    opened: EpisodeChange
    newest: EpisodeChange
    tracks: set[str]
    last_seen_s: float
    """UTC epoch seconds of the last frame in which it was open."""
    sightings: set[int] = field(default_factory=set)
    """The recording's boxes of its person since the violation began, numbered through."""

    @property
    def closed(self) -> bool:
        return self.newest.state == "closed"

    @property
    def ended_at_s(self) -> float:
        """UTC epoch seconds; of an open one, when the recording ended."""
        closed_s = self.newest.closed_at_s
        return self.last_seen_s if closed_s is None else closed_s


@dataclass(frozen=True)
class Replayed:
    """What one configuration makes of a recording."""

    episodes: tuple[ReplayedEpisode, ...]
    """In the order in which they opened."""
    kpi: tuple[KpiHour, ...]


def known_labels(recording: Recording, more: Iterable[str] = ()) -> frozenset[str]:
    """Canonical labels that the recording's model is taken to have: the usual ones, those of its boxes, `more`."""
    seen = frozenset(canonical_labels((*recording.labels, *more)))
    return USUAL_LABELS | seen | {label.removeprefix("no-") for label in seen}


def label_errors(config: InferenceTwin, known: Iterable[str]) -> tuple[FieldError, ...]:
    """What the rules ask for that the recording's model does not know."""
    return _judges(config, known).errors()


def replay(
    recording: Recording,
    config: InferenceTwin,
    known: Iterable[str],
    *,
    progress: Callable[[Sequence[Frame]], Iterable[Frame]] = iter,
) -> Replayed:
    """Judge every frame. `progress` hands the frames on one by one and may show how far they are."""
    judges = _judges(config, known)
    told = _Told()
    hours: dict[tuple[str, str, int], KpiHour] = {}
    ticked_s = recording.began_s
    before: Frame | None = None
    first_box = 0
    for frame in progress(recording.frames):
        # Live, seconds pass without frames too; there is nothing for them to end but what is open.
        while before is not None and ticked_s + TICK_S <= frame.now_s and judges.open_episodes():
            ticked_s += TICK_S
            wall_s = before.wall_s + (ticked_s - before.now_s)
            told.changes(judges.tick(now_s=ticked_s, wall_s=wall_s))
        if ticked_s + TICK_S <= frame.now_s:
            ticked_s = frame.now_s
        if before is not None and before.wall_s // HOUR_S != frame.wall_s // HOUR_S:
            # The module keeps two days, a recording may be longer.
            hours.update(_by_key(judges))
        boxes, rows = _boxes(frame, config.model)
        judged = judges.judge(
            frame.camera,
            boxes,
            now_s=frame.now_s,
            wall_s=frame.wall_s,
            dark=frame.dark,
            frame_size_px=frame.size_px,
            looks=frame.looks if config.second_look.enabled else (),
        )
        told.seen(frame, judged, [first_box + row for row in rows], boxes)
        told.changes(judged.changes)
        told.still_open(frame, judges)
        first_box += len(frame.label)
        before = frame
    hours.update(_by_key(judges))
    return Replayed(tuple(told.finished()), tuple(hours[key] for key in sorted(hours)))


class _Told:
    """Collects changes into episodes, and which boxes each track had when."""

    def __init__(self) -> None:
        self._episodes: dict[str, ReplayedEpisode] = {}
        self._boxes: dict[tuple[str, str], list[tuple[float, int]]] = {}

    def changes(self, changes: Iterable[EpisodeChange]) -> None:
        for change in changes:
            episode = self._episodes.get(change.id)
            if episode is None:
                episode = ReplayedEpisode(change, change, set(), change.updated_at_s)
                self._episodes[change.id] = episode
            episode.newest = change
            episode.tracks |= {change.track, change.seen_as}

    def seen(self, frame: Frame, judged: JudgedFrame, numbers: Sequence[int], boxes: LabelledBoxes) -> None:
        for label, track, number in zip(boxes.label, judged.tracks, numbers, strict=True):
            if track is not None and label == PERSON:
                self._boxes.setdefault((frame.camera, track), []).append((frame.wall_s, number))

    def still_open(self, frame: Frame, judges: Judges) -> None:
        for episode in judges.open_episodes(frame.camera):
            known = self._episodes[episode.id]
            known.last_seen_s = frame.wall_s
            known.tracks.add(episode.seen_as)

    def finished(self) -> Iterable[ReplayedEpisode]:
        for episode in self._episodes.values():
            episode.sightings = {
                number
                for track in episode.tracks
                for wall_s, number in self._boxes.get((episode.opened.camera, track), ())
                if episode.opened.began_at_s - _SAME_S <= wall_s <= episode.ended_at_s + _SAME_S
            }
            yield episode


def _judges(config: InferenceTwin, known: Iterable[str]) -> Judges:
    judges = Judges(origin=ORIGIN, token=TOKEN)
    judges.configure(config, now_s=0.0)
    judges.model(known)
    return judges


def _boxes(frame: Frame, model: ModelConfig) -> tuple[LabelledBoxes, list[int]]:
    """The boxes that reach their label's threshold, then the weak ones, and which of the frame's they are. Where the
    twin has no threshold, it is as it was when they were recorded."""
    recorded = np.arange(len(frame.label)) < len(frame.label) - frame.weak
    least = [model.thresholds.get(label, model.default_threshold) for label in frame.label]
    given = np.array([one is not None for one in least], bool)
    reached = frame.probability >= np.array([one or 0.0 for one in least]) - _ROUNDED_BY
    weak = np.flatnonzero(~given & ~recorded).tolist()
    rows = [*np.flatnonzero(np.where(given, reached, recorded)).tolist(), *weak]
    labels = canonical_labels(frame.label[row] for row in rows)
    return labelled(frame.xyxy_norm[rows].reshape(-1, 4), labels, frame.probability[rows], weak=len(weak)), rows


def _by_key(judges: Judges) -> dict[tuple[str, str, int], KpiHour]:
    return {(row.camera, row.zone, row.hour_s): row for row in judges.kpi.hours()}
