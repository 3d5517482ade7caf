"""What the live page shows: the newest of every camera. Pure: monotonic seconds passed in, no I/O.

A camera is *watched* by the health message's rule: capture says that it streams, and a picture was analysed within
`COVERS_S`. Whatever else holds has a reason and a beginning: capture's own state, a capture that is silent, a frozen
picture, a picture that is late, or, from the stall budget on, pictures that nobody analyses.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from safetygear.clock import epoch_s
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.event import EventMessage
from safetygear.messages.frames import CamerasMessage, CameraState, CameraStatus
from safetygear.messages.health import BudgetHealth, LearningHealth
from safetygear_inference.compliance.kpi import KpiHour, Verdict
from safetygear_inference.coverage import COVERS_S, SILENT_AFTER_S, percentiles
from safetygear_inference.live_episodes import LiveEpisodes
from safetygear_inference.watched import WatchedTime

LOOKED_AT_S = 5.0
"""A camera whose picture was asked for in this time is looked at: its next pictures are encoded."""
PICTURES_KEPT = 3
"""Per camera: a browser that is a moment late still finds the picture whose boxes it has."""
FPS_OVER_S = 10.0
LATENCIES_OVER_S = 60.0
LATENCIES_KEPT = 2048
SIGHTINGS_KEPT = 60
SIGHTING_EVERY_S = 1.0
"""Least time between two entries of one camera in the list of detections."""
DEFAULT_STALL_BUDGET_S = 10.0
"""Until capture has told the camera's own."""
TOLD_WITHIN_S = 0.5
"""What it takes until a viewer sees it: what has to show within the stall budget counts that much earlier."""
MAX_CAMERAS = 256
ZONES_KEPT = 50
"""Zones whose hour is shown: those with the most violations."""


@dataclass(frozen=True)
class Condition:
    """How a camera is. Where capture reported the state, `since` is the wall clock it gave (RFC 3339)."""

    watched: bool
    state: CameraState
    reason: str
    since: str | None = None
    since_s: float | None = None
    """Monotonic, where this module saw it for itself."""


@dataclass(frozen=True)
class Sighting:
    """What a camera shows since `at`: how many boxes of each label."""

    camera: str
    at: str
    sequence: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class OutboxCount:
    """Events on this device that the hub has not taken yet, and the newest one's sequence, if there is one."""

    depth: int
    newest_sequence: int | None


@dataclass
class LiveCamera:
    """The newest of one camera."""

    name: str
    shard: str
    first_s: float
    instance: str | None = None
    """The capture module that named it last; None: only its frames have come so far."""
    status: CameraStatus | None = None
    streaming_since_s: float | None = None
    message: DetectionsMessage | None = None
    looked_s: float | None = None
    """When its newest picture was analysed, or found to be as one that was."""
    watched: WatchedTime = field(default_factory=WatchedTime)
    pictures: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=PICTURES_KEPT))
    """Sequence and JPEG, the newest last."""
    looked_at_s: float | None = None
    latencies: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    """Time of the analysis (s) and latency (ms)."""
    seen: Counter[str] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)
    listed_s: float | None = None
    started_at: str = ""

    @property
    def stall_budget_s(self) -> float:
        return self.status.stall_budget_s if self.status is not None else DEFAULT_STALL_BUDGET_S

    def analysed_fps(self, now_s: float) -> float:
        """Analysed pictures per second over the last `FPS_OVER_S`, or since the first one."""
        recent = sum(1 for time_s, _ in self.latencies if time_s > now_s - FPS_OVER_S)
        return recent / min(FPS_OVER_S, max(1.0, now_s - self.first_s))

    def latency_p50_ms(self, now_s: float) -> float | None:
        """Over the last `LATENCIES_OVER_S`."""
        return percentiles([ms for time_s, ms in self.latencies if time_s > now_s - LATENCIES_OVER_S]).p50


class LiveState:
    """Belongs to the event loop. `on_change` is called whenever there is something new to show."""

    def __init__(self, instance: str = "") -> None:
        self.instance = instance
        self.newest_budget: BudgetHealth | None = None
        self.newest_model: Mapping[str, object] = {"state": "loading"}
        self.newest_problems: Mapping[str, Mapping[str, str]] = {}
        self.sightings: deque[Sighting] = deque(maxlen=SIGHTINGS_KEPT)
        """The newest last."""
        self.episodes = LiveEpisodes()
        self.newest_outbox: OutboxCount | None = None
        self.newest_learning: LearningHealth | None = None
        """None: it could not be asked yet."""
        self.verdict_of: Callable[[str], Verdict | None] = lambda _: None
        """What a person last said of an episode."""
        self.precision_of: Callable[[str, str], float | None] = lambda camera, zone: None
        """The part of a camera's zone's judged events that people found right."""
        self.hour: tuple[KpiHour, ...] = ()
        """Of the zones in this hour, those with the most violations first."""
        self.left_out: dict[str, tuple[str, str | None]] = {}
        """Cameras beyond `MAX_CAMERAS`, with shard and instance; no more than that many are remembered."""
        self.on_change: Callable[[], None] = lambda: None
        self.revision = 0
        """Another one: a camera has come, gone, or changed its state, or an event has come."""
        self._cameras: dict[str, LiveCamera] = {}
        self._heard_s: dict[tuple[str, str | None], float] = {}

    def cameras(self, message: CamerasMessage, now_s: float) -> None:
        """A capture module has told how its cameras are; those of its own that it no longer names are gone.

        A camera that no module has named yet waits for its own: several may share a shard.
        """
        owner = message.shard, message.instance
        self._heard_s[owner] = now_s
        for status in message.cameras:
            camera = self._camera(status.camera, message.shard, now_s, message.instance)
            if camera is not None and _take_status(camera, status, message.started_at, now_s):
                self.revision += 1
        named = {status.camera for status in message.cameras}
        for name, camera in list(self._cameras.items()):
            unnamed = camera.instance is None and now_s - camera.first_s > SILENT_AFTER_S
            if name not in named and camera.shard == message.shard and (unnamed or camera.instance == message.instance):
                del self._cameras[name]
                self.revision += 1
        for name, of in list(self.left_out.items()):
            if name in self._cameras or (name not in named and of in (owner, (message.shard, None))):
                del self.left_out[name]
        for known in self._heard_s.keys() - {(camera.shard, camera.instance) for camera in self._cameras.values()}:
            del self._heard_s[known]
        self.on_change()

    def analysed(self, message: DetectionsMessage, now_s: float, *, judged: bool = True) -> None:
        """The newest boxes of a camera. Not `judged`: the rules could not be looked at, and nobody was watched."""
        camera = self._camera(message.camera, message.shard, now_s)
        if camera is None:
            return
        camera.message = message
        if judged:
            camera.looked_s = now_s
            camera.watched.analysed(now_s)
        camera.latencies.append((now_s, message.latency_ms.total))
        while camera.latencies[0][0] < now_s - LATENCIES_OVER_S:
            camera.latencies.popleft()
        self._list(camera, message, now_s)
        self.on_change()

    def unchanged(self, camera: str, now_s: float) -> None:
        """A picture of the camera is as the newest that was analysed."""
        known = self._cameras.get(camera)
        if known is not None:
            known.looked_s = now_s
            known.watched.analysed(now_s)

    def wants_picture(self, camera: str, now_s: float) -> bool:
        """Whether somebody looks at the camera, so that its next picture is worth encoding."""
        known = self._cameras.get(camera)
        if known is None or known.looked_at_s is None:
            return False
        return now_s - known.looked_at_s <= LOOKED_AT_S

    def picture(self, camera: str, sequence: int, jpeg: bytes, now_s: float) -> None:
        """The picture of the analysed frame `sequence`."""
        known = self._cameras.get(camera)
        if known is None:
            return
        known.pictures.append((sequence, jpeg))
        self.on_change()

    def budget(self, budget: BudgetHealth) -> None:
        """Today's message budget as it stands."""
        self.newest_budget = budget

    def event(self, message: EventMessage) -> None:
        """An episode opens, goes on or closes."""
        self.episodes.take(message)
        self.revision += 1
        self.on_change()

    def outbox(self, depth: int, newest_sequence: int | None) -> None:
        """How many events wait, and which is the newest."""
        self.newest_outbox = OutboxCount(depth, newest_sequence)

    def learning(self, health: LearningHealth | None) -> None:
        """Pictures kept for labelling; None: none are taken."""
        self.newest_learning = health

    def compliance(self, hour: Iterable[KpiHour]) -> None:
        """The person-seconds of the hour that runs, one entry per zone."""
        rows = sorted(hour, key=lambda row: (-row.violating_s, row.camera, row.zone))
        self.hour = tuple(rows[:ZONES_KEPT])

    def model(self, document: Mapping[str, object]) -> None:
        """Which model is in use: `state`, and where there is one its name, version and sha256."""
        self.newest_model = document

    def problems(self, document: Mapping[str, Mapping[str, str]]) -> None:
        """What is wrong with the module, by part."""
        self.newest_problems = document

    def look(self, camera: str, now_s: float) -> bool:
        """Somebody asked for a picture of the camera; False: there is no such camera."""
        known = self._cameras.get(camera)
        if known is None:
            return False
        if not self.wants_picture(camera, now_s):
            known.pictures.clear()  # nobody has looked for a while: what is kept is old
        known.looked_at_s = now_s
        return True

    def newest_jpeg(self, camera: str) -> bytes | None:
        """The camera's newest picture, if one is kept."""
        known = self._cameras.get(camera)
        return known.pictures[-1][1] if known is not None and known.pictures else None

    def jpeg(self, camera: str, sequence: int) -> bytes | None:
        """The picture of that analysed frame, while it is kept."""
        known = self._cameras.get(camera)
        pictures = known.pictures if known is not None else ()
        return next((jpeg for number, jpeg in pictures if number == sequence), None)

    def forget_pictures(self, now_s: float) -> None:
        """Drop the pictures of cameras that nobody looks at."""
        for name, camera in self._cameras.items():
            if camera.pictures and not self.wants_picture(name, now_s):
                camera.pictures.clear()

    def all_cameras(self) -> list[LiveCamera]:
        """Sorted by name."""
        return [self._cameras[name] for name in sorted(self._cameras)]

    def condition(self, camera: LiveCamera, now_s: float) -> Condition:
        """Whether the camera is watched, and if not, why and since when."""
        told_s = self._heard_s.get((camera.shard, camera.instance), camera.first_s)
        heard_s = max(told_s, camera.looked_s or camera.first_s)
        if now_s - heard_s > SILENT_AFTER_S:
            return Condition(False, "silent", "capture-silent", since_s=heard_s)
        status = camera.status
        if status is not None and (status.state != "streaming" or status.reason == "frozen"):
            return Condition(False, status.state, status.reason, status.since)
        unanalysed_since_s = max(camera.looked_s or camera.first_s, camera.streaming_since_s or camera.first_s)
        if now_s - unanalysed_since_s > camera.stall_budget_s - TOLD_WITHIN_S:
            return Condition(False, "streaming", "nothing-analysed", since_s=unanalysed_since_s)
        if camera.looked_s is None:
            return Condition(False, "streaming", "first-picture", since_s=unanalysed_since_s)
        if now_s - camera.looked_s > COVERS_S:
            return Condition(False, "streaming", "late", since_s=camera.looked_s)
        if status is None:
            return Condition(True, "streaming", "ok", since_s=camera.first_s)
        return Condition(True, "streaming", status.reason, status.since)

    def watched(self, now_s: float) -> frozenset[str]:
        """The cameras that are watched."""
        return frozenset(name for name, camera in self._cameras.items() if self.condition(camera, now_s).watched)

    def _camera(self, name: str, shard: str, now_s: float, instance: str | None = None) -> LiveCamera | None:
        camera = self._cameras.get(name)
        if camera is None:
            if len(self._cameras) >= MAX_CAMERAS:
                if len(self.left_out) < MAX_CAMERAS:
                    self.left_out[name] = (shard, instance)
                return None
            camera = self._cameras[name] = LiveCamera(name, shard, now_s)
            self.revision += 1
        camera.shard = shard
        if instance is not None:
            camera.instance = instance
        return camera

    def _list(self, camera: LiveCamera, message: DetectionsMessage, now_s: float) -> None:
        """Two pictures running must show the same before it is listed: a label that flickers is no news."""
        counts = Counter(detection.label for detection in message.detections)
        steady, camera.seen = counts == camera.seen, counts
        if not steady or counts == camera.listed:
            return
        if camera.listed_s is not None and now_s - camera.listed_s < SIGHTING_EVERY_S:
            return
        camera.listed, camera.listed_s = counts, now_s
        self.sightings.append(Sighting(camera.name, message.captured_at, message.sequence, dict(counts)))


def _take_status(camera: LiveCamera, status: CameraStatus, started_at: str, now_s: float) -> bool:
    """Whether the state of one of the camera's streams or its reason is another one than before."""
    before = camera.status
    if before is not None:
        # The counter runs from the start of the capture process: after a restart it begins again at 0.
        frozen_before_s = before.seconds_frozen if camera.started_at == started_at else 0.0
        if status.seconds_frozen > frozen_before_s:
            camera.watched.frozen(status.seconds_frozen - frozen_before_s, now_s)
    if status.state != "streaming":
        camera.streaming_since_s = None
    elif camera.streaming_since_s is None:
        camera.streaming_since_s = now_s
    camera.status, camera.started_at = status, started_at
    return before is None or _states(before) != _states(status)


def _states(status: CameraStatus) -> tuple[str | None, ...]:
    main = status.main_stream
    return (status.state, status.reason, *((None, None) if main is None else (main.state, main.reason)))


def since_epoch_s(condition: Condition, *, now_s: float, monotonic_s: float) -> float:
    """The wall clock (seconds) of the condition's beginning; never in the future."""
    if condition.since is not None:
        try:
            return min(now_s, epoch_s(condition.since))
        except ValueError:  # another capture's text: not worth losing the page
            return now_s
    return now_s - max(0.0, monotonic_s - (condition.since_s if condition.since_s is not None else monotonic_s))
