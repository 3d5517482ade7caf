"""Zones, rules and episodes as the twin writes them. The fields are optional where the twin's `rules` has a default."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from safetygear.messages.event import Severity
from safetygear_inference.compliance import polygon as polygons
from safetygear_inference.compliance.polygon import MAX_CORNERS, MIN_CORNERS
from safetygear_inference.compliance.shift_config import CalendarConfig

MAX_ZONES_PER_CAMERA: Final = 16
MAX_ZONES: Final = 128
"""Of the module: a twin has 32 KB, and a zone of four corners takes about 100 bytes."""

Finding = tuple[str, str, str]
"""Path by wire names, code, message."""
Label = Annotated[str, Meta(min_length=1, max_length=128)]
Required = Annotated[tuple[Label, ...], Meta(min_length=1, max_length=8, examples=[["helmet", "vest"]])]
Anchor = Literal["foot", "overlap"]
Polygon = Annotated[
    tuple[tuple[float, float], ...],
    Meta(min_length=MIN_CORNERS, max_length=MAX_CORNERS, examples=[[[0.1, 0.5], [0.9, 0.5], [0.9, 1], [0.1, 1]]]),
]


class ZoneConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One zone of one camera."""

    kind: Annotated[
        Literal["rule", "ignore", "privacy"],
        Meta(
            description="rule: people in it must wear what requires says. ignore: nobody is tracked whose anchor is in "
            "it (posters, mannequins, the public road). privacy: blacked out in every picture that leaves the module."
        ),
    ] = "rule"
    polygon: Annotated[
        Polygon,
        Meta(description="Corners [x, y] in their order, 0 to 1 of the camera's picture from its upper left corner."),
    ]
    anchor: Annotated[
        Anchor,
        Meta(
            description="What of a person has to be in the zone. foot: the middle of the box's lower edge. overlap: "
            "minimumOverlap of the box."
        ),
    ] = "foot"
    minimum_overlap: Annotated[
        float, Meta(ge=0.05, le=1, description="With anchor overlap: least part of the person's box, 0 to 1.")
    ] = 0.5
    requires: Annotated[
        Required | None,
        Meta(description="What must be worn: `helmet`, `vest`, or another label of the model. Null: rules.requires."),
    ] = None
    severity: Annotated[
        Severity | None, Meta(description="How much a violation here matters. Null: rules.severity.")
    ] = None
    minimum_duration_s: Annotated[
        Annotated[float, Meta(ge=0, le=3600)] | None,
        Meta(description="A violation is told when it has lasted so long. Null: rules.minimumDurationS."),
    ] = None
    calendar: Annotated[
        str | None,
        Meta(description="When the zone's rules are in force: an id of calendars. Null: rules.calendar, or always."),
    ] = None
    shifts: Annotated[
        CalendarConfig | None, Meta(description="A table of the zone's own, instead of a calendar's id.")
    ] = None

    def check(self) -> Iterator[Finding]:
        """What no single field's type can say."""
        for code, message in polygons.faults(self.polygon):
            yield "polygon", code, message
        if self.kind != "rule":
            for name in ("requires", "severity", "minimum_duration_s", "calendar", "shifts"):
                if getattr(self, name) is not None:
                    yield _wire_name(name), "not-for-this-kind", f"only a rule zone has it, not one of kind {self.kind}"
        if self.calendar is not None and self.shifts is not None:
            yield "shifts", "two-calendars", "give calendar or shifts, not both"
        if self.requires is not None and len(set(self.requires)) < len(self.requires):
            yield "requires", "repeated-label", "names a label twice"


class RulesConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What holds where a zone says nothing of its own, and for a camera without a rule zone."""

    requires: Annotated[Required, Meta(description="What must be worn.")] = ("helmet", "vest")
    severity: Annotated[Severity, Meta(description="How much a violation matters.")] = "medium"
    minimum_duration_s: Annotated[
        float, Meta(ge=0, le=3600, description="A violation is told when it has lasted so long.")
    ] = 2.0
    calendar: Annotated[str | None, Meta(description="An id of calendars. Null: always.")] = None
    whole_picture: Annotated[
        bool,
        Meta(
            description="Whether a camera without a rule zone is watched all over, as zone `default`. "
            "false: such a camera has no rules."
        ),
    ] = True

    def check(self) -> Iterator[Finding]:
        """What no single field's type can say."""
        if len(set(self.requires)) < len(self.requires):
            yield "requires", "repeated-label", "names a label twice"


class EpisodeConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How long an episode waits before it ends, and how often it is told."""

    merge_window_s: Annotated[
        float,
        Meta(
            ge=0,
            le=120,
            description="A person who is lost and found again within it near the same place goes on with the same "
            "episode; after it, a lost one's episode is closed.",
        ),
    ] = 5.0
    hold_unknown_s: Annotated[
        float,
        Meta(ge=0, le=600, description="An episode stays open while its person can't be judged, at most so long."),
    ] = 15.0
    camera_lost_after_s: Annotated[
        float, Meta(ge=1, le=600, description="Without a frame for so long, a camera's episodes are closed.")
    ] = 15.0
    update_interval_s: Annotated[
        float, Meta(ge=1, le=86400, description="Least time between two messages of an open episode.")
    ] = 30.0
    edge_margin: Annotated[
        float,
        Meta(
            ge=0,
            le=0.2,
            description="How far (0 to 1 of the picture) the foot has to be inside a zone to enter it at once, and "
            "outside to leave it: whoever walks along the edge does not flicker.",
        ),
    ] = 0.02
    settle_s: Annotated[
        float,
        Meta(
            ge=0,
            le=30,
            description="Inside for so long enters a zone without the margin; outside beyond the margin for so long "
            "leaves it.",
        ),
    ] = 1.0


def check_rules(
    zones: Mapping[str, Mapping[str, ZoneConfig]], calendars: Mapping[str, CalendarConfig], rules: RulesConfig
) -> Iterator[Finding]:
    """What no zone alone can say; for the twin's own check."""
    total = sum(len(entries) for entries in zones.values())
    if total > MAX_ZONES:
        yield "zones", "too-many", f"has {total} zones: at most {MAX_ZONES} fit into a twin"
    for camera, entries in zones.items():
        if len(entries) > MAX_ZONES_PER_CAMERA:
            yield (
                f"zones.{camera}",
                "too-many",
                f"has {len(entries)} zones: at most {MAX_ZONES_PER_CAMERA} for one camera",
            )
        for key, zone in entries.items():
            if zone.calendar is not None and zone.calendar not in calendars:
                yield f"zones.{camera}.{key}.calendar", "unknown-calendar", _no_calendar(calendars)
    if rules.calendar is not None and rules.calendar not in calendars:
        yield "rules.calendar", "unknown-calendar", _no_calendar(calendars)


def check_labels(
    zones: Mapping[str, Mapping[str, ZoneConfig]], rules: RulesConfig, labels: Collection[str]
) -> Iterator[Finding]:
    """Rules that ask for what the model in force can't see. `labels`: its canonical ones."""
    asked = [("rules", rules.requires)] + [
        (f"zones.{camera}.{key}", zone.requires or ())
        for camera, entries in zones.items()
        for key, zone in entries.items()
    ]
    for path, required in asked:
        for label in required:
            if label not in labels:
                known = ", ".join(sorted(labels)) or "nothing"
                yield f"{path}.requires", "unknown-label", f"the model has no {label[:40]!r}; it knows {known[:120]}"


def _no_calendar(calendars: Mapping[str, CalendarConfig]) -> str:
    return "no such id in calendars; " + (f"known are {', '.join(sorted(calendars))}" if calendars else "it has none")


def _wire_name(name: str) -> str:
    return next(info.encode_name for info in msgspec.structs.fields(ZoneConfig) if info.name == name)
