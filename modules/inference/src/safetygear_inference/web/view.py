"""The documents that the page and scripts read: `GET /api/state` and the events `state` and `frame`. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from safetygear.clock import rfc3339
from safetygear.messages.detections import Detection, DetectionsMessage, FrameSize, LatencyMs, Person
from safetygear.messages.event import CloseReason, EventMessage, Severity
from safetygear.messages.health import BudgetHealth, LearningHealth
from safetygear_inference.compliance.kpi import Verdict
from safetygear_inference.evidence.picture_id import picture_of_uri
from safetygear_inference.live import Condition, LiveCamera, LiveState, since_epoch_s
from safetygear_inference.live_episodes import since
from safetygear_inference.watched import WINDOW_S
from safetygear_inference.web.wording import explain

OPEN_SHOWN = 50
CLOSED_SHOWN = 10

_encoder = msgspec.json.Encoder()


class _View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class LatencyView(_View, frozen=True, kw_only=True):
    """Frame taken to message handed over, milliseconds; null where nothing was analysed."""

    last: float | None
    p50: float | None
    """Over the last minute."""


class MainStreamView(_View, frozen=True, kw_only=True):
    """The stream beside the one that is analysed, of which pictures of violations are cut. That it is in trouble does
    not mean that the camera is not watched."""

    state: str
    reason: str
    explanation: str
    """The reason in plain words; empty for `ok`."""
    since: str
    frame: FrameSize | None
    """Its pictures; null while it does not stream."""


class CameraView(_View, frozen=True, kw_only=True):
    """One tile."""

    camera: str
    shard: str
    watched: bool
    """Whether somebody in front of it would be seen now."""
    state: str
    reason: str
    explanation: str
    """The reason in plain words; empty for `ok`."""
    since: str
    stall_budget_s: float
    decoded_fps: float | None
    analysed_fps: float
    latency_ms: LatencyView
    codec: str | None
    frame: FrameSize | None
    main_stream: MainStreamView | None
    """Null: it is not opened, or capture has not told yet."""
    watched_s: float
    """Of the last `watchedOfS` seconds."""
    watched_of_s: float
    """A minute, or the time since this module first heard of the camera."""
    watched_percent: list[int | None]
    """Of each second of the last minute, the oldest first; null before this module had heard of the camera."""


class SightingView(_View, frozen=True, kw_only=True):
    """An entry in the list of detections: what a camera shows since then."""

    camera: str
    at: str
    sequence: int
    counts: Mapping[str, int]


class EpisodeView(_View, frozen=True, kw_only=True):
    """One violation; `until` and `closeReason` are null while it is open."""

    id: str
    camera: str
    zone: str
    rule: str
    reason: str
    """Why it opened."""
    severity: Severity
    since: str
    """When the violation was first seen, before its minimum duration."""
    until: str | None
    close_reason: CloseReason | None
    picture: str | None
    """The path of its stored picture on this page; null where there is none."""
    blurred: bool | None
    verdict: Verdict | None
    """What a person last said of it."""


class EpisodesView(_View, frozen=True, kw_only=True):
    """The newest first."""

    open: list[EpisodeView]
    open_in_all: int
    """With those that are too many to be listed."""
    closed: list[EpisodeView]


class OutboxView(_View, frozen=True, kw_only=True):
    """Events on this device."""

    depth: int
    """Those that the hub has not taken yet."""
    newest_sequence: int | None


class HourView(_View, frozen=True, kw_only=True):
    """Person-seconds in one zone since the hour began (UTC)."""

    camera: str
    zone: str
    compliant_s: float
    violating_s: float
    indeterminate_s: float
    precision: float | None
    """Events that people said are true, of those they said are true or false, ever; null where nobody said anything."""


class PageCounts(_View, frozen=True, kw_only=True):
    """How the page itself is used."""

    token_needed: bool
    may_change: bool
    """Whether it takes verdicts and has the zone editor."""
    viewers: int
    viewers_at_most: int
    dropped: Mapping[str, int]
    """Viewers turned away or let go since the start, by reason."""


class StateView(_View, frozen=True, kw_only=True):
    """Everything but boxes and pictures."""

    now: str
    instance: str
    version: str
    cameras: list[CameraView]
    cameras_left_out: int
    sightings: list[SightingView]
    """The newest first."""
    episodes: EpisodesView
    outbox: OutboxView | None
    """Null: it could not be asked yet."""
    learning: LearningHealth | None
    """Null: no pictures are kept for labelling."""
    hour: list[HourView]
    """Zones with the most violations first."""
    budget: BudgetHealth | None
    model: Mapping[str, object]
    problems: Mapping[str, Mapping[str, str]]
    page: PageCounts


class FrameView(_View, frozen=True, kw_only=True):
    """The boxes of one analysed frame; `picture` is the path of the very picture they belong to."""

    camera: str
    sequence: int
    captured_at: str
    frame: FrameSize
    detections: list[Detection]
    people: list[Person]
    latency_ms: LatencyMs
    picture: str | None


def state_view(live: LiveState, *, version: str, page: PageCounts, now_s: float, monotonic_s: float) -> StateView:
    """What stands at this moment. `now_s` is the wall clock."""
    return StateView(
        now=rfc3339(now_s),
        instance=live.instance,
        version=version,
        cameras=[_camera(live, camera, now_s, monotonic_s) for camera in live.all_cameras()],
        cameras_left_out=len(live.left_out),
        sightings=[
            SightingView(camera=seen.camera, at=seen.at, sequence=seen.sequence, counts=seen.counts)
            for seen in reversed(live.sightings)
        ],
        episodes=_episodes(live),
        outbox=_outbox(live),
        learning=live.newest_learning,
        hour=[
            HourView(
                camera=row.camera,
                zone=row.zone,
                compliant_s=round(row.compliant_s, 1),
                violating_s=round(row.violating_s, 1),
                indeterminate_s=round(row.indeterminate_s, 1),
                precision=live.precision_of(row.camera, row.zone),
            )
            for row in live.hour
        ],
        budget=live.newest_budget,
        model=live.newest_model,
        problems=live.newest_problems,
        page=page,
    )


def frame_view(live: LiveState, message: DetectionsMessage) -> FrameView:
    """The newest boxes of a camera, with the picture's path if it was encoded."""
    has_picture = live.jpeg(message.camera, message.sequence) is not None
    return FrameView(
        camera=message.camera,
        sequence=message.sequence,
        captured_at=message.captured_at,
        frame=message.frame,
        detections=message.detections,
        people=message.people,
        latency_ms=message.latency_ms,
        picture=f"/pictures/{message.camera}/{message.sequence}.jpg" if has_picture else None,
    )


def to_json(view: _View) -> bytes:
    """UTF-8 JSON on one line."""
    return _encoder.encode(view)


def event(name: str, view: _View) -> bytes:
    """A server-sent event. JSON has no raw line break in it, so one `data` line holds it."""
    return b"event: " + name.encode() + b"\ndata: " + to_json(view) + b"\n\n"


def _episodes(live: LiveState) -> EpisodesView:
    still_open = live.episodes.open()
    return EpisodesView(
        open=[_episode(live, message) for message in still_open[:OPEN_SHOWN]],
        open_in_all=len(still_open),
        closed=[_episode(live, message) for message in live.episodes.closed()[:CLOSED_SHOWN]],
    )


def _episode(live: LiveState, message: EventMessage) -> EpisodeView:
    evidence = message.evidence
    picture = picture_of_uri(evidence.uri) if evidence is not None else None
    return EpisodeView(
        id=message.id,
        camera=message.camera,
        zone=message.zone,
        rule=message.rule,
        reason=message.reason,
        severity=message.severity,
        since=since(message),
        until=message.closed_at,
        close_reason=message.close_reason,
        picture=picture.page_path if picture is not None else None,
        blurred=evidence.blurred if evidence is not None else None,
        verdict=live.verdict_of(message.id),
    )


def _outbox(live: LiveState) -> OutboxView | None:
    outbox = live.newest_outbox
    return OutboxView(depth=outbox.depth, newest_sequence=outbox.newest_sequence) if outbox is not None else None


def _main_stream(camera: LiveCamera, analysed: Condition, now_s: float, monotonic_s: float) -> MainStreamView | None:
    main = camera.status.main_stream if camera.status is not None else None
    if main is None:
        return None
    # What a capture that is silent said last is not known to be so any more.
    shown = analysed if analysed.state == "silent" else Condition(False, main.state, main.reason, main.since)
    known = shown.state == "streaming" and main.width is not None and main.height is not None
    return MainStreamView(
        state=shown.state,
        reason=shown.reason,
        explanation=explain(shown.reason),
        since=rfc3339(since_epoch_s(shown, now_s=now_s, monotonic_s=monotonic_s)),
        frame=FrameSize(width=main.width or 0, height=main.height or 0) if known else None,
    )


def _camera(live: LiveState, camera: LiveCamera, now_s: float, monotonic_s: float) -> CameraView:
    condition = live.condition(camera, monotonic_s)
    shares = camera.watched.shares(monotonic_s)
    status, message = camera.status, camera.message
    streaming = condition.state == "streaming"
    known_s = min(float(WINDOW_S), monotonic_s - camera.first_s)
    return CameraView(
        camera=camera.name,
        shard=camera.shard,
        watched=condition.watched,
        state=condition.state,
        reason=condition.reason,
        explanation=explain(condition.reason),
        since=rfc3339(since_epoch_s(condition, now_s=now_s, monotonic_s=monotonic_s)),
        stall_budget_s=camera.stall_budget_s,
        decoded_fps=status.decoded_fps if status is not None and streaming else None,
        analysed_fps=round(camera.analysed_fps(monotonic_s), 1),
        latency_ms=LatencyView(
            last=message.latency_ms.total if message is not None else None, p50=camera.latency_p50_ms(monotonic_s)
        ),
        codec=status.codec if status is not None else None,
        frame=message.frame if message is not None else None,
        main_stream=_main_stream(camera, condition, now_s, monotonic_s),
        watched_s=round(sum(shares), 1),
        watched_of_s=round(known_s, 1),
        watched_percent=[
            round(100 * share) if second >= WINDOW_S - math.floor(known_s) else None
            for second, share in enumerate(shares)
        ],
    )
