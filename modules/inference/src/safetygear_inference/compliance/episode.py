"""One violation episode: what is known of it, what is told of it, and what is kept of it over a restart. Pure.

Two clocks: `now_s` never goes back and makes every duration; `wall_s` (UTC epoch seconds) is read once, when the
episode opens. Its later times are that plus a duration, so a clock that is put right in between changes no order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from safetygear.errors import SafetyGearError
from safetygear.messages.codec import Message
from safetygear.messages.event import CloseReason, EventState, Severity

BoxTuple = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in 0..1 of the camera's picture."""


class EpisodeStateError(SafetyGearError):
    """What was kept of the episodes can't be read."""

    default_code = "episode-state-invalid"


@dataclass(frozen=True)
class EpisodeChange:
    """What an event message is made of. Times are UTC epoch seconds."""

    state: EventState
    id: str
    dedup_key: str
    """Of this message: the same whenever it is made again from the same state."""
    camera: str
    zone: str
    rule: str
    severity: Severity
    track: str
    """The track under which the episode opened."""
    seen_as: str
    """The track that the person has now; another one after it was lost and found."""
    reason: str
    confidence: float
    began_at_s: float
    """When the violation was first seen, before its minimum duration."""
    opened_at_s: float
    updated_at_s: float
    closed_at_s: float | None
    close_reason: CloseReason | None
    violating_s: float
    """Person-seconds that were seen as a violation."""


@dataclass
class Episode:
    """An open one. Fields in `_s` without `wall` are on the clock `now_s`."""

    id: str
    camera: str
    zone: str
    rule: str
    severity: Severity
    track: str
    seen_as: str
    reason: str
    confidence: float
    began_s: float
    opened_s: float
    opened_wall_s: float
    told_s: float
    last_violation_s: float
    last_seen_s: float
    seen_watched_s: float
    """The camera's watched time when the person was last seen."""
    last_box: BoxTuple
    violating_s: float
    updates: int = 0
    best_score: float = -1.0
    """Of the best picture so far; below any score before the first."""
    restored: bool = False
    """Open when the module ended, and not seen since."""
    claimed_by: str | None = None
    """A new track that may be the lost person; it goes on with the episode once it is seen in violation."""
    claimed_s: float = 0.0
    refused: set[str] = field(default_factory=set)
    """Tracks that are not the lost person."""

    def wall_s(self, now_s: float) -> float:
        """UTC epoch seconds of a moment of the episode."""
        return self.opened_wall_s + (now_s - self.opened_s)

    def opens(self) -> EpisodeChange:
        """The first message."""
        return self._change("open", self.opened_s, f"{self.id}:open")

    def goes_on(self, now_s: float) -> EpisodeChange:
        """The next message of an open episode."""
        self.updates += 1
        self.told_s = now_s
        return self._change("update", now_s, f"{self.id}:update:{self.updates}")

    def stands(self) -> EpisodeChange:
        """What was told last, for those who came later; no message of its own."""
        return self._change("update", self.told_s, f"{self.id}:update:{self.updates}")

    def closes(self, reason: CloseReason, ended_s: float) -> EpisodeChange:
        """The last message."""
        return self._change("closed", max(ended_s, self.told_s), f"{self.id}:closed", reason)

    def _change(
        self, state: EventState, at_s: float, dedup_key: str, close_reason: CloseReason | None = None
    ) -> EpisodeChange:
        at_wall_s = self.wall_s(at_s)
        return EpisodeChange(
            state=state,
            id=self.id,
            dedup_key=dedup_key,
            camera=self.camera,
            zone=self.zone,
            rule=self.rule,
            severity=self.severity,
            track=self.track,
            seen_as=self.seen_as,
            reason=self.reason,
            confidence=self.confidence,
            began_at_s=self.wall_s(self.began_s),
            opened_at_s=self.opened_wall_s,
            updated_at_s=at_wall_s,
            closed_at_s=None if close_reason is None else at_wall_s,
            close_reason=close_reason,
            violating_s=round(self.violating_s, 3),
        )


def episode_id(origin: str, camera: str, zone: str, rule: str, track: str, serial: int) -> str:
    """Derived, not drawn: the same frames give the same id, and no two episodes have one.

    `serial` counts the camera's episodes and is kept over a restart; where it is lost with the disk, `track` is a new
    one.
    """
    named = "\x00".join((origin, camera, zone, rule, track, str(serial)))
    return "ep-" + hashlib.sha256(named.encode()).hexdigest()[:24]


class SavedEpisode(Message, frozen=True, kw_only=True):
    """An open episode in a file. Ages are seconds before the moment of saving."""

    id: str
    zone: str
    rule: str
    severity: Severity
    track: str
    seen_as: str
    reason: str
    confidence: float
    opened_wall_s: float
    began_age_s: float
    opened_age_s: float
    told_age_s: float
    last_violation_age_s: float
    last_seen_age_s: float
    last_box: BoxTuple
    violating_s: float
    updates: int
    best_score: float


class SavedCamera(Message, frozen=True, kw_only=True):
    """The episodes of one camera in a file."""

    serial: int
    episodes: tuple[SavedEpisode, ...]


class EpisodesState(Message, frozen=True, kw_only=True):
    """All open episodes in a file."""

    schema: Literal["safetygear.episodes/1"] = "safetygear.episodes/1"
    saved_wall_s: float
    cameras: dict[str, SavedCamera]


def encode_state(state: EpisodesState) -> bytes:
    """UTF-8 JSON."""
    return msgspec.json.encode(state)


def decode_state(data: bytes) -> EpisodesState:
    """The state in `data`. Raises EpisodeStateError."""
    try:
        return msgspec.json.decode(data, type=EpisodesState)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise EpisodeStateError(f"the kept episodes can not be read: {exc}") from exc


def saved(episode: Episode, now_s: float) -> SavedEpisode:
    """`episode` at `now_s` for a file."""
    return SavedEpisode(
        id=episode.id,
        zone=episode.zone,
        rule=episode.rule,
        severity=episode.severity,
        track=episode.track,
        seen_as=episode.seen_as,
        reason=episode.reason,
        confidence=episode.confidence,
        opened_wall_s=episode.opened_wall_s,
        began_age_s=now_s - episode.began_s,
        opened_age_s=now_s - episode.opened_s,
        told_age_s=now_s - episode.told_s,
        last_violation_age_s=now_s - episode.last_violation_s,
        last_seen_age_s=now_s - episode.last_seen_s,
        last_box=episode.last_box,
        violating_s=episode.violating_s,
        updates=episode.updates,
        best_score=episode.best_score,
    )


def restored(kept: SavedEpisode, camera: str, saved_s: float) -> Episode:
    """The episode of a file. `saved_s`: the moment of saving on this process's clock `now_s`, which it may precede."""
    return Episode(
        id=kept.id,
        camera=camera,
        zone=kept.zone,
        rule=kept.rule,
        severity=kept.severity,
        track=kept.track,
        seen_as=kept.seen_as,
        reason=kept.reason,
        confidence=kept.confidence,
        began_s=saved_s - kept.began_age_s,
        opened_s=saved_s - kept.opened_age_s,
        opened_wall_s=kept.opened_wall_s,
        told_s=saved_s - kept.told_age_s,
        last_violation_s=saved_s - kept.last_violation_age_s,
        last_seen_s=saved_s - kept.last_seen_age_s,
        seen_watched_s=0.0,
        last_box=kept.last_box,
        violating_s=kept.violating_s,
        updates=kept.updates,
        best_score=kept.best_score,
        restored=True,
    )
