"""The twin's zones ready for use: which rules hold for a person, where nobody is tracked, what is blacked out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import Boxes
from safetygear.messages.event import Severity
from safetygear_inference.compliance import polygon as polygons
from safetygear_inference.compliance.polygon import Point
from safetygear_inference.compliance.shift_config import CalendarConfig
from safetygear_inference.compliance.shifts import Calendar
from safetygear_inference.compliance.zone_config import Anchor, RulesConfig, ZoneConfig

DEFAULT_ZONE: Final = "default"
WHOLE_PICTURE: Final[tuple[Point, ...]] = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
# Of a person's box: where the foot has the twin's edgeMargin.
_OVERLAP_MARGIN: Final = 0.1


@dataclass(frozen=True)
class Area:
    """A polygon and what of a person has to be in it."""

    polygon: tuple[Point, ...]
    anchor: Anchor = "foot"
    minimum_overlap: float = 0.5

    def depths(self, xyxy_norm: Boxes) -> NDArray[np.float64]:
        """How far in people's boxes (n, 4) are: from 0 on they are inside. Of the picture for the foot, of the box for
        overlap."""
        boxes = np.asarray(xyxy_norm, np.float64).reshape(-1, 4)
        if self._everywhere and self.anchor == "foot":
            return np.full(len(boxes), np.inf)
        if self.anchor == "foot":
            # A box may reach beyond the picture, its foot counts at the picture's edge.
            feet = np.stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]), axis=1)
            return polygons.depths(self._corners, np.minimum(np.maximum(feet, 0), 1))
        shares = [polygons.share_inside(self.polygon, (box[0], box[1], box[2], box[3])) for box in boxes.tolist()]
        return np.array(shares, np.float64) - self.minimum_overlap

    def contains(self, xyxy_norm: Boxes) -> bool:
        """Whether a person's box (4,) is in it, without any margin."""
        return bool(self.depths(xyxy_norm)[0] >= 0)

    def margin(self, edge_margin: float) -> float:
        """What `depths` have to exceed to be clearly inside, and below zero clearly outside."""
        return edge_margin if self.anchor == "foot" else min(_OVERLAP_MARGIN, self.minimum_overlap / 2)

    @cached_property
    def _everywhere(self) -> bool:
        """Whether it is the whole picture, as the zone of most cameras is: from inside, its border is no edge."""
        return polygons.area(self.polygon) >= 1

    @cached_property
    def _corners(self) -> NDArray[np.float64]:
        return np.asarray(self.polygon, np.float64)


@dataclass(frozen=True)
class RuleZone:
    """One rule zone of one camera, defaults filled in."""

    id: str
    area: Area
    requires: tuple[str, ...]
    severity: Severity
    minimum_duration_s: float
    calendar: Calendar | None
    """None: always in force."""

    def active(self, wall_s: float) -> bool:
        """Whether its rules are in force at `wall_s` (UTC epoch seconds)."""
        return self.calendar is None or self.calendar.active(wall_s)


@dataclass(frozen=True)
class Zones:
    """All zones of one camera. Rule zones may overlap: each judges on its own."""

    rules: tuple[RuleZone, ...]
    ignored: tuple[Area, ...]
    privacy: tuple[tuple[Point, ...], ...]
    """Polygons to black out, in 0..1 of the picture."""

    def of(self, xyxy_norm: Boxes) -> tuple[str, ...]:
        """Ids of the rule zones that a person's box (4,) is in at this moment, without margins."""
        return tuple(zone.id for zone in self.rules if zone.area.contains(xyxy_norm))

    def ignore(self, xyxy_norm: Boxes) -> bool:
        """Whether no track may start with this box (4,)."""
        return any(area.contains(xyxy_norm) for area in self.ignored)

    @property
    def required(self) -> tuple[str, ...]:
        """Every label that some rule zone requires, each once."""
        return tuple(dict.fromkeys(label for zone in self.rules for label in zone.requires))


class ZonePlan:
    """The zones of every camera, from the twin's `zones`, `calendars` and `rules`."""

    def __init__(
        self,
        zones: Mapping[str, Mapping[str, ZoneConfig]],
        calendars: Mapping[str, CalendarConfig],
        rules: RulesConfig,
    ) -> None:
        self._rules = rules
        self._calendars = {key: Calendar(config) for key, config in calendars.items()}
        self._cameras = {camera: self._compiled(entries) for camera, entries in zones.items()}
        self._others = self._compiled({})

    def camera(self, camera: str) -> Zones:
        """The zones of one camera; of one that is not named, the whole picture as `default`."""
        return self._cameras.get(camera, self._others)

    def _compiled(self, entries: Mapping[str, ZoneConfig]) -> Zones:
        rules = tuple(self._rule(key, zone) for key, zone in entries.items() if zone.kind == "rule")
        if not rules and self._rules.whole_picture:
            rules = (self._rule(DEFAULT_ZONE, ZoneConfig(polygon=WHOLE_PICTURE)),)
        return Zones(
            rules=rules,
            ignored=tuple(_area(zone) for zone in entries.values() if zone.kind == "ignore"),
            privacy=tuple(zone.polygon for zone in entries.values() if zone.kind == "privacy"),
        )

    def _rule(self, key: str, zone: ZoneConfig) -> RuleZone:
        defaults = self._rules
        minimum_s = zone.minimum_duration_s
        return RuleZone(
            id=key,
            area=_area(zone),
            requires=defaults.requires if zone.requires is None else zone.requires,
            severity=defaults.severity if zone.severity is None else zone.severity,
            minimum_duration_s=defaults.minimum_duration_s if minimum_s is None else minimum_s,
            calendar=self._calendar(zone),
        )

    def _calendar(self, zone: ZoneConfig) -> Calendar | None:
        if zone.shifts is not None:
            return Calendar(zone.shifts)
        name = self._rules.calendar if zone.calendar is None else zone.calendar
        # A calendar that was taken away is a field error, and until that is mended the zone is always watched.
        return None if name is None else self._calendars.get(name)


def _area(zone: ZoneConfig) -> Area:
    return Area(zone.polygon, zone.anchor, zone.minimum_overlap)
