"""The inference module's desired properties: types, limits, defaults. The twin reference is generated from here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from safetygear_inference.compliance.judging_config import VoteConfig, WearingConfig
from safetygear_inference.compliance.shift_config import CalendarConfig
from safetygear_inference.compliance.zone_config import EpisodeConfig, Finding, RulesConfig, ZoneConfig, check_rules
from safetygear_inference.evidence.config import FACES_DESCRIPTION, EvidenceConfig, Faces
from safetygear_inference.gating.config import MotionGateConfig
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.second_look.config import SecondLookConfig
from safetygear_inference.tracking.config import TrackingConfig


class DetectionsConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which analysed frames become a `detections` message."""

    policy: Annotated[
        Literal["all", "changes", "interval"],
        Meta(
            description="all: every analysed frame. interval: one frame of each camera per intervalS. changes: a frame "
            "that differs from the last one sent of its camera, and one per floorIntervalS in any case."
        ),
    ] = "changes"
    interval_s: Annotated[
        float,
        Meta(ge=0.1, le=3600, description="Least time between two messages of one camera under interval and changes."),
    ] = 1.0
    floor_interval_s: Annotated[
        float,
        Meta(ge=1, le=86400, description="Under changes: send a frame of each camera at least this often."),
    ] = 60.0
    moved_iou: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Under changes: a box has moved when it overlaps no box of its label in the last sent frame by "
            "more than this intersection over union. 0: movement is no change, only labels and counts are.",
        ),
    ] = 0.5
    minimum_probability: Annotated[
        float, Meta(ge=0, le=1, description="Boxes below it are neither sent nor counted as a change.")
    ] = 0.0


class BudgetConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """This module's part of the IoT hub's daily message quota. Detections are shed first, events never."""

    daily_blocks: Annotated[
        int,
        Meta(
            ge=100,
            le=1_000_000_000,
            description="Messages per UTC day as IoT Hub bills them: each begun 4 KB counts as one. "
            "An S1 unit has 400000 for all devices of the hub.",
        ),
    ] = 100_000
    reserve_percent: Annotated[
        float,
        Meta(ge=1, le=90, description="Part of dailyBlocks that detections may not use: it is for events and health."),
    ] = 10.0
    burst_percent: Annotated[
        float,
        Meta(
            ge=1,
            le=100,
            description="How far detections may run ahead of an even spread of their part over the UTC day, in percent "
            "of that part. 100: no pacing.",
        ),
    ] = 25.0


class PageConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Pictures on the live page. They are encoded only while somebody looks."""

    faces: Annotated[Faces, Meta(description=FACES_DESCRIPTION)] = "blurred"
    quality: Annotated[int, Meta(ge=20, le=95, description="JPEG quality.")] = 75
    max_width_px: Annotated[int, Meta(ge=160, le=1920, description="Wider pictures are scaled down to it.")] = 960


class VisibilityConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """When a picture counts as too dark or too blurred to judge people (health only)."""

    dark_below: Annotated[
        float, Meta(ge=0, le=255, description="Mean of the luma plane (16 is black) below which a picture is dark.")
    ] = 32.0
    blurred_below: Annotated[
        float,
        Meta(
            ge=0,
            le=10000,
            description="Variance of the luma plane's Laplacian below which a picture is blurred. 0: never.",
        ),
    ] = 2.5


class InferenceTwin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Desired properties of the inference module."""

    schema_version: Annotated[str, Meta(pattern=r"^1\.[0-9]+$", description="Version of this layout.")] = "1.0"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
        Meta(description="Least level that is logged. Null: what SAFETYGEAR_LOG_LEVEL says."),
    ] = None
    detections: DetectionsConfig = DetectionsConfig()
    budget: BudgetConfig = BudgetConfig()
    model: ModelConfig = ModelConfig()
    motion_gate: MotionGateConfig = MotionGateConfig()
    page: PageConfig = PageConfig()
    visibility: VisibilityConfig = VisibilityConfig()
    zones: Annotated[
        dict[str, dict[str, ZoneConfig]],
        Meta(description="Zones by camera and by zone, each with an id. A camera that is not named: rules."),
    ] = msgspec.field(default_factory=dict)
    calendars: Annotated[
        dict[str, CalendarConfig], Meta(description="Shift calendars by id, for zones and rules to name.")
    ] = msgspec.field(default_factory=dict)
    rules: RulesConfig = RulesConfig()
    tracking: TrackingConfig = TrackingConfig()
    wearing: WearingConfig = WearingConfig()
    votes: VoteConfig = VoteConfig()
    second_look: SecondLookConfig = SecondLookConfig()
    episodes: EpisodeConfig = EpisodeConfig()
    outbox: OutboxConfig = OutboxConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    learning: LearningConfig = LearningConfig()
    health_interval_s: Annotated[float, Meta(ge=1, le=3600, description="Time between two health messages.")] = 60.0
    max_frame_age_s: Annotated[
        float, Meta(ge=0.2, le=60, description="A frame decoded longer ago than this is dropped, not analysed.")
    ] = 2.0

    def check(self) -> Iterator[Finding]:
        """What no single field's type can say."""
        yield from check_rules(self.zones, self.calendars, self.rules)
