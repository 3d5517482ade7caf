"""The episodes of one camera: when a violation becomes one, who goes on with it, when and why it ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from safetygear.geometry import as_xyxy
from safetygear.messages.event import CloseReason
from safetygear_inference.compliance import reunion
from safetygear_inference.compliance.best_view import BETTER_BY, view_score
from safetygear_inference.compliance.course import Course, at_border, somebody_else
from safetygear_inference.compliance.episode import (
    BoxTuple,
    Episode,
    EpisodeChange,
    SavedCamera,
    episode_id,
    restored,
    saved,
)
from safetygear_inference.compliance.kpi import ComplianceKpi
from safetygear_inference.compliance.membership import Membership
from safetygear_inference.compliance.reunion import Sighting
from safetygear_inference.compliance.status import status
from safetygear_inference.compliance.zone_config import EpisodeConfig
from safetygear_inference.compliance.zones import RuleZone, Zones
from safetygear_inference.judging.observation import JudgedPerson

LONGEST_STEP_S: Final = 2.0
"""Two frames further apart say nothing of the time between them: it counts for nobody and against nobody."""
LONGEST_RESTART_S: Final = 120.0
"""After a longer absence of the module, nobody is taken for the person of before."""
_REMEMBERED_S: Final = 10.0
# A sum of frame steps that should be 2 s may be a hair less.
_ROUNDING_S: Final = 1e-6

_Key = tuple[str, str, str]
"""Zone, rule, track as it is seen now."""


@dataclass(frozen=True)
class PictureWish:
    """The frame just judged may show this episode's person better than any picture that was taken."""

    episode: str
    track: str
    xyxy_norm: BoxTuple
    score: float
    """How well, 0..1, if the picture is sharp there (best_view.py)."""


@dataclass
class _Track:
    first: Sighting
    first_watched_s: float
    last_seen_s: float
    last_watched_s: float
    course: Course = field(default_factory=Course)
    step_s: float = 0.0
    """Since it was seen before; 0 where that is too long ago to say what was in between."""


@dataclass
class _Pending:
    """A violation that has not lasted long enough yet."""

    began_s: float
    last_violation_s: float
    violating_s: float = 0.0


@dataclass
class CameraEpisodes:
    """Pure state of one camera. `origin` tells devices apart in ids."""

    camera: str
    origin: str
    zones: Zones
    config: EpisodeConfig
    kpi: ComplianceKpi
    open: dict[_Key, Episode] = field(default_factory=dict)
    serial: int = 0
    wishes: list[PictureWish] = field(default_factory=list)
    _pending: dict[_Key, _Pending] = field(default_factory=dict)
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _membership: Membership = field(default_factory=Membership)
    _watched_s: float = 0.0
    """Time in which frames came: what a lost person's window is measured in."""
    _frame_s: float | None = None
    _lost_since_s: float | None = None
    _somebody_lost: bool = False

    def update(self, people: Sequence[JudgedPerson], now_s: float, wall_s: float) -> list[EpisodeChange]:
        """One judged frame."""
        now_s = self._take_time(now_s)
        self.wishes = []
        seen = {person.track: person for person in people}
        boxes = {track: _box(person) for track, person in seen.items()}
        corners = as_xyxy(list(boxes.values()))
        self._note_tracks(boxes, now_s)
        self._claim(boxes, now_s)
        changes: list[EpisodeChange] = []
        for zone in self.zones.rules:
            active = zone.active(wall_s)
            if not active:
                changes += self._end_zone(zone.id, "shift-end", now_s)
            depths = zone.area.depths(corners)
            for (track, person), depth in zip(seen.items(), depths.tolist(), strict=True):
                inside = self._membership.update(
                    zone,
                    track,
                    depth,
                    now_s,
                    edge_margin=self.config.edge_margin,
                    settle_s=self.config.settle_s,
                )
                if not active:
                    continue
                for gear in zone.requires:
                    changes += self._judge(zone, gear, person, boxes[track], inside, now_s, wall_s)
                if inside and (step_s := self._tracks[track].step_s) > 0:
                    verdict, _ = status(person.gear, zone.requires)
                    self.kpi.add(self.camera, zone.id, verdict, step_s, wall_s)
        changes += self._expire(seen, now_s)
        self._forget(now_s)
        return changes

    def lost(self, now_s: float) -> list[EpisodeChange]:
        """The camera gives no frames."""
        if self._lost_since_s is None:
            self._lost_since_s = now_s
        return self.tick(now_s)

    def tick(self, now_s: float, wall_s: float | None = None) -> list[EpisodeChange]:
        """Time has passed without a frame."""
        since_s = min((at for at in (self._frame_s, self._lost_since_s) if at is not None), default=None)
        if since_s is not None and now_s - since_s >= self.config.camera_lost_after_s:
            return self.end()
        if wall_s is None:
            return []
        return [
            change
            for zone in self.zones.rules
            if not zone.active(wall_s)
            for change in self._end_zone(zone.id, "shift-end", now_s)
        ]

    def end(self) -> list[EpisodeChange]:
        """Nobody looks any more: everything that is open ends, with the time when its person was last seen."""
        self._pending.clear()
        return [self._close(key, "camera-lost") for key in list(self.open)]

    def change_rules(self, zones: Zones, config: EpisodeConfig, now_s: float) -> list[EpisodeChange]:
        """Other rules from now on. What no rule asks for any more ends as at a shift's end."""
        self.zones, self.config = zones, config
        held = {(zone.id, f"no-{gear}") for zone in zones.rules for gear in zone.requires}
        for key in [key for key in self._pending if key[:2] not in held]:
            del self._pending[key]
        return [self._close(key, "shift-end", now_s) for key in list(self.open) if key[:2] not in held]

    def pictured(self, episode_id: str, score: float) -> None:
        """A picture was taken of an episode; nothing happens where it is over."""
        for episode in self.open.values():
            if episode.id == episode_id:
                episode.best_score = max(episode.best_score, score)

    def snapshot(self, now_s: float) -> SavedCamera:
        """For a file."""
        return SavedCamera(serial=self.serial, episodes=tuple(saved(episode, now_s) for episode in self.open.values()))

    def restore(self, kept: SavedCamera, saved_s: float, now_s: float) -> list[EpisodeChange]:
        """What was open when the module ended, `saved_s` by this process's clock; before the first frame."""
        self.serial = max(self.serial, kept.serial)
        for entry in kept.episodes:
            episode = restored(entry, self.camera, saved_s)
            self.open[(episode.zone, episode.rule, episode.seen_as)] = episode
        self._lost_since_s = now_s
        changes = self.change_rules(self.zones, self.config, now_s)
        if now_s - saved_s > LONGEST_RESTART_S:
            changes += [self._close(key, "restart") for key in list(self.open)]
        return changes

    def _take_time(self, now_s: float) -> float:
        """Count the time watched; `now_s`, or the last frame's where a caller's clock has gone back after all."""
        now_s = now_s if self._frame_s is None else max(now_s, self._frame_s)
        step_s = 0.0 if self._frame_s is None else now_s - self._frame_s
        self._watched_s += step_s if step_s <= LONGEST_STEP_S else 0.0
        self._frame_s, self._lost_since_s = now_s, None
        return now_s

    def _note_tracks(self, boxes: Mapping[str, BoxTuple], now_s: float) -> None:
        for track, box in boxes.items():
            known = self._tracks.get(track)
            if known is None:
                first = Sighting(track, box, now_s)
                known = self._tracks[track] = _Track(first, self._watched_s, now_s, self._watched_s)
            known.course.take(now_s, box)
            step_s = now_s - known.last_seen_s
            known.step_s = step_s if step_s <= LONGEST_STEP_S else 0.0
            known.last_seen_s, known.last_watched_s = now_s, self._watched_s
        for episode in self.open.values():
            if episode.seen_as in boxes:
                episode.last_seen_s, episode.seen_watched_s = now_s, self._watched_s
                episode.last_box, episode.restored, episode.claimed_by = boxes[episode.seen_as], False, None
            elif episode.claimed_by is not None and self._absent_s(episode.claimed_by) > self.config.merge_window_s:
                episode.claimed_by = None

    def _claim(self, boxes: Mapping[str, BoxTuple], now_s: float) -> None:
        """Let new tracks near a lost person wait to be recognised as him."""
        lost = [episode for episode in self.open.values() if episode.seen_as not in boxes]
        self._somebody_lost = bool(lost)
        if not lost:
            return
        going_on = {episode.seen_as for episode in self.open.values()}
        for episode in lost:
            self._refuse(episode, [track for track in boxes if track not in going_on])
        busy = going_on | {episode.claimed_by for episode in lost}
        # Who is missed in a frame keeps the claim, unless another may be the lost person and he is not known to be.
        waiting = [episode for episode in lost if episode.claimed_by not in going_on.union(boxes)]
        candidates = [
            (Sighting(episode.seen_as, episode.last_box, episode.last_seen_s), self._tracks[track].first)
            for episode in waiting
            for track in boxes
            if track not in busy and track not in episode.refused
            if self._tracks[track].first_watched_s - episode.seen_watched_s <= self.config.merge_window_s
        ]
        found = reunion.pairs(candidates)
        for episode in waiting:
            track = found.get(episode.seen_as)
            if track is not None and track not in episode.refused:
                episode.claimed_s = now_s if episode.claimed_by is None else episode.claimed_s
                episode.claimed_by = track

    def _refuse(self, episode: Episode, tracks: Sequence[str]) -> None:
        """Whoever came in where the lost person went out, and is somebody else."""
        gone = self._tracks.get(episode.seen_as)
        if gone is None:
            return
        for track in tracks:
            known = self._tracks[track]
            began_later = known.first.at_s >= episode.last_seen_s - reunion.EARLIEST_S
            if began_later and track not in episode.refused and somebody_else(gone.course, known.course):
                episode.refused.add(track)
                episode.claimed_by = None if episode.claimed_by == track else episode.claimed_by

    def _judge(
        self, zone: RuleZone, gear: str, person: JudgedPerson, box: BoxTuple, inside: bool, now_s: float, wall_s: float
    ) -> list[EpisodeChange]:
        state = person.gear.get(gear, "unknown")
        violating = inside and state in ("missing", "carried")
        key = (zone.id, f"no-{gear}", person.track)
        confidence = min(1.0, max(0.0, person.confidence.get(gear, 0.0)))
        episode = self.open.get(key)
        if episode is None:
            episode = self._go_on_as(key, violating, worn=state == "worn")
        if episode is not None:
            if not inside:
                return [self._close(key, "left", now_s)]
            if state == "worn":
                return [self._close(key, "complied", now_s)]
            return self._go_on(key, episode, violating, confidence, box, now_s)
        pending = self._pending.get(key)
        if not violating:
            waited_s = now_s - pending.last_violation_s if pending is not None else 0.0
            if not inside or state == "worn" or waited_s > self.config.hold_unknown_s:
                self._pending.pop(key, None)
            return []
        if pending is None:
            pending = self._pending[key] = _Pending(began_s=now_s, last_violation_s=now_s)
        else:
            # What was unknown in between is no violation.
            if now_s - pending.last_violation_s <= self._tracks[person.track].step_s:
                pending.violating_s += self._tracks[person.track].step_s
            pending.last_violation_s = now_s
        if pending.violating_s + _ROUNDING_S < zone.minimum_duration_s:
            return []
        del self._pending[key]
        episode = self._opened(zone, key, pending, f"{state}-{gear}", confidence, box, now_s, wall_s)
        self._look(episode, confidence, box)
        return [episode.opens()]

    def _opened(
        self,
        zone: RuleZone,
        key: _Key,
        pending: _Pending,
        reason: str,
        confidence: float,
        box: BoxTuple,
        now_s: float,
        wall_s: float,
    ) -> Episode:
        self.serial += 1
        _, rule, track = key
        episode = self.open[key] = Episode(
            id=episode_id(self.origin, self.camera, zone.id, rule, track, self.serial),
            camera=self.camera,
            zone=zone.id,
            rule=rule,
            severity=zone.severity,
            track=track,
            seen_as=track,
            reason=reason,
            confidence=confidence,
            began_s=pending.began_s,
            opened_s=now_s,
            opened_wall_s=wall_s,
            told_s=now_s,
            last_violation_s=now_s,
            last_seen_s=now_s,
            seen_watched_s=self._watched_s,
            last_box=box,
            violating_s=pending.violating_s,
        )
        return episode

    def _go_on_as(self, key: _Key, violating: bool, *, worn: bool) -> Episode | None:
        """The lost episode that this track goes on with, now that it is seen in violation of the same rule."""
        zone, rule, track = key
        if not self._somebody_lost:
            return None
        for old_key, episode in self.open.items():
            if episode.claimed_by != track or old_key[:2] != (zone, rule):
                continue
            if worn:
                # Somebody else, or he has put it on unseen: either way this is not the violation that was lost.
                episode.refused.add(track)
                episode.claimed_by = None
                return None
            if not violating:
                return None
            del self.open[old_key]
            self.open[key] = episode
            self._pending.pop(key, None)
            known = self._tracks[track]
            episode.seen_as, episode.claimed_by, episode.restored = track, None, False
            episode.last_seen_s, episode.seen_watched_s = known.last_seen_s, self._watched_s
            episode.refused.clear()
            return episode
        return None

    def _go_on(
        self, key: _Key, episode: Episode, violating: bool, confidence: float, box: BoxTuple, now_s: float
    ) -> list[EpisodeChange]:
        if not violating:
            if now_s - episode.last_violation_s > self.config.hold_unknown_s:
                # Still there but no longer to be judged: for the rule as good as lost.
                return [self._close(key, "track-lost", episode.last_violation_s)]
            return []
        step_s = self._tracks[key[2]].step_s
        if now_s - episode.last_violation_s <= step_s:
            episode.violating_s += step_s
        episode.last_violation_s, episode.confidence = now_s, confidence
        self._look(episode, confidence, box)
        if now_s - episode.told_s >= self.config.update_interval_s:
            return [episode.goes_on(now_s)]
        return []

    def _look(self, episode: Episode, confidence: float, box: BoxTuple) -> None:
        """Wish for a picture where this frame may show the person better than the best one that was taken."""
        score = view_score(box, confidence)
        if score > episode.best_score * BETTER_BY:
            self.wishes.append(PictureWish(episode.id, episode.seen_as, box, score))

    def _expire(self, seen: Mapping[str, JudgedPerson], now_s: float) -> list[EpisodeChange]:
        """Close what has waited for a lost person long enough."""
        changes: list[EpisodeChange] = []
        for key, episode in list(self.open.items()):
            if episode.seen_as in seen:
                continue
            # Somebody who may be the lost person can't be judged yet.
            if episode.claimed_by is not None and now_s - episode.claimed_s <= self.config.hold_unknown_s:
                continue
            if self._watched_s - episode.seen_watched_s >= self.config.merge_window_s:
                changes.append(self._close(key, "left" if at_border(episode.last_box) else "track-lost"))
        return changes

    def _end_zone(self, zone: str, reason: CloseReason, now_s: float) -> list[EpisodeChange]:
        for key in [key for key in self._pending if key[0] == zone]:
            del self._pending[key]
        return [self._close(key, reason, now_s) for key in list(self.open) if key[0] == zone]

    def _close(self, key: _Key, reason: CloseReason, ended_s: float | None = None) -> EpisodeChange:
        """`ended_s`: without it, when the person was last seen."""
        episode = self.open.pop(key)
        if episode.restored and reason != "shift-end":
            reason = "restart"
        return episode.closes(reason, episode.last_seen_s if ended_s is None else ended_s)

    def _forget(self, now_s: float) -> None:
        keep_s = _REMEMBERED_S + self.config.merge_window_s + self.config.hold_unknown_s
        over = [track for track, known in self._tracks.items() if now_s - known.last_seen_s > keep_s]
        for track in over:
            del self._tracks[track]
            self._membership.forget(track)
        gone = [key for key in self._pending if self._absent_s(key[2]) > self.config.merge_window_s]
        for key in gone:
            del self._pending[key]

    def _absent_s(self, track: str) -> float:
        known = self._tracks.get(track)
        return self._watched_s - known.last_watched_s if known is not None else float("inf")


def _box(person: JudgedPerson) -> BoxTuple:
    left, top, right, bottom = (float(value) for value in person.xyxy_norm)
    return left, top, right, bottom
