"""`safetygear.health/1`: each minute, what was really watched. "No violations" is not "not looking"."""

from __future__ import annotations

from typing import Literal

import msgspec

from safetygear.messages.codec import Message, UtcTime
from safetygear.messages.frames import CameraId, CameraState


class LatencyPercentiles(Message, frozen=True, kw_only=True):
    """From the picture being taken to the message being handed to the hub, in milliseconds."""

    p50: float | None = None
    """Half of the analysed frames were faster; null where no frame was analysed."""
    p95: float | None = None
    """95 of 100 analysed frames were faster; null where no frame was analysed."""


class CameraHealth(Message, frozen=True, kw_only=True):
    """One camera over the period. Seconds watched and blind add up to the period."""

    camera: CameraId
    """The camera's id in capture's module twin."""
    state: CameraState
    """What the camera does at the end of the period; `silent`: capture itself says nothing."""
    reason: str
    """Why the state is as it is."""
    seconds_watched: float
    """Time in which its pictures were really analysed, or found to be as one that was (a picture counts for 2 s at
    most)."""
    seconds_blind: float
    """The rest of the period: nobody looked, so "no violation" says nothing about it."""
    seconds_frozen: float
    """Part of the blind time in which the camera sent the same picture again and again."""
    seconds_dark: float
    """Part of the watched time in which the picture was too dark to judge people."""
    seconds_blurred: float
    """Part of the watched time in which the picture was too blurred to judge people."""
    frames_in: int
    """Pictures decoded in the period."""
    analysed: int
    """Pictures that went through the detector in the period."""
    gated: int = 0
    """Pictures that did not need to: nothing had moved since an analysed one, nobody was followed and no episode was
    open (`motionGate` in inference's module twin)."""
    dropped: dict[str, int]
    """Pictures that were due for analysis and did not get there, by reason; `shed`: the device had no time for them."""
    latency_ms: LatencyPercentiles
    """How old the pictures were when their result went out."""


class QueueHealth(Message, frozen=True, kw_only=True):
    """Depth of the send queues, and what they had to drop over the period."""

    detections: int
    """Detections messages that wait for the hub now."""
    outbox: int
    """Event messages on the disk, or waiting for it, that the hub has not taken yet."""
    evicted: dict[str, int]
    """Messages dropped in the period, by lane and reason; without an entry: none."""


class EvidenceHealth(Message, frozen=True, kw_only=True):
    """Pictures of violations. Counts are since the module started."""

    pictures: int
    """On the device's disk now."""
    bytes: int
    """Their size."""
    waiting_for_upload: int
    """Of them, those that are not yet where their event says they are; 0 where nothing is uploaded."""
    stored: int
    """Pictures stored."""
    uploaded: int
    """Pictures uploaded."""
    failed: dict[str, int]
    """Pictures that could not be made, stored or uploaded, by reason; some were made at a later attempt."""
    evicted: dict[str, int]
    """Pictures removed: `quota`, `retention`, and `upload-` and the reason where one will not be uploaded any more."""


class LearningDrift(Message, frozen=True, kw_only=True):
    """A label on a camera whose probabilities are spread otherwise than when the model was new there."""

    camera: CameraId
    """The camera's id in capture's module twin."""
    label: str
    """One of the model's labels."""
    stability_index: float
    """Population stability index: below 0.1 nothing has changed, above 0.25 much has."""


class LearningHealth(Message, frozen=True, kw_only=True):
    """Pictures kept for labelling. Counts are since the module started."""

    examples: int
    """On the device's disk now."""
    bytes: int
    """Their size."""
    awaiting_verdict: int
    """Pictures of events that nobody has judged yet, or that the budget has no room for yet."""
    waiting_for_upload: int = 0
    """Examples that have a place in a container and are not there yet."""
    uploaded: int = 0
    """Examples copied to a container."""
    taken: dict[str, int]
    """Pictures taken, by their first reason."""
    refused: dict[str, int]
    """Frames that were worth it and were not taken: `near-duplicate`; `pause` (the camera's), `busy` (another one was
    being made), `hour` and `day` (the budget's), with `-camera` or `-reason` where the room left is kept for others;
    `event-missed`: no frame of an event could be kept for a verdict; `faces-clear`: it was, of a time in which
    `learning.faces` was `clear`."""
    failed: dict[str, int]
    """Pictures that could not be made, stored or uploaded, by reason."""
    evicted: dict[str, int]
    """Pictures removed: `quota`, `retention`, `unreadable` (what describes it is damaged); `verdict-` and any of these
    of events that nobody has judged; `upload-` and the reason where one will not be uploaded any more."""
    drift: list[LearningDrift]
    """The largest first; an empty list: nothing has changed, or too little was seen to tell."""


class BudgetHealth(Message, frozen=True, kw_only=True):
    """IoT Hub's daily message quota as it is used by this module, in 4 KB blocks since 00:00 UTC."""

    daily_blocks: int
    """What this module may use per UTC day, as configured."""
    used_blocks: int
    """What it has used since 00:00 UTC."""
    shedding: bool
    """Whether detections are being left out now to keep within the budget."""
    shed_messages: int
    """Messages left out since 00:00 UTC."""


class ZoneCompliance(Message, frozen=True, kw_only=True):
    """One rule zone in one hour, in person-seconds: two people seen for a minute are 120 s."""

    camera: CameraId
    """The camera's id in capture's module twin."""
    zone: str
    """The zone's id; `default` is the whole picture of a camera without rule zones."""
    hour: UtcTime
    """When the hour began. While it runs its figures grow: the newest message holds."""
    seconds_compliant: float
    """Everything that the zone requires was seen to be worn."""
    seconds_violating: float
    """Something required was seen to be missing or carried, however short: not every violation becomes an event."""
    seconds_indeterminate: float
    """It could not be told."""
    precision: float | None = None
    """Of the zone's events that people have judged (method `acknowledge`), the share that was true; null: none was."""


class HealthMessage(Message, frozen=True, kw_only=True):
    """What was watched over the period, camera by camera, and what the device had to leave out."""

    schema: Literal["safetygear.health/1"] = "safetygear.health/1"
    """Names this layout."""
    instance: str
    """Which inference instance says so."""
    period_started_at: UtcTime
    """Begin of the period: the end of the one before."""
    period_ended_at: UtcTime
    """End of the period."""
    cameras: list[CameraHealth]
    """Every camera this instance knows of."""
    queues: QueueHealth
    """What waits for the hub."""
    newest_event_sequence: int | None
    """The last `eventSequence` given; null where no event was made in this `outboxEpoch`."""
    outbox_epoch: str | None = None
    """Which count `newestEventSequence` belongs to; null where the outbox can't be read."""
    open_episodes: int = 0
    """Violation episodes that are open at the end of the period."""
    compliance: list[ZoneCompliance] = msgspec.field(default_factory=list)
    """Each zone in which people were seen in this hour or in the last one."""
    evidence: EvidenceHealth | None = None
    """Pictures of violations."""
    learning: LearningHealth | None = None
    """Pictures kept for labelling; null: none are taken, as the twin says."""
    budget: BudgetHealth
    """Use of the daily message budget."""
    shards_silent: list[str]
    """Capture shards from which nothing was heard for 5 s, or nothing of one of the capture modules that share one."""
