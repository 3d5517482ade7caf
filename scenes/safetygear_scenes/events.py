"""What the rules have to tell of a story, from the truth of its frames. Pure.

A violation is true from the first to the last frame in which the person stands in the zone, during the shift, without
what the zone requires. It can be judged only while the person is assessable; whether it has to be told at all (`due`)
follows from how long that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from safetygear_scenes.story import Zone

LEAST_IN_FRAME, LEAST_VISIBLE, LEAST_HEIGHT_PX = 0.9, 0.6, 60
VOTE_S = 1.0
"""After which gear counts as missing, by the module's defaults."""
SURE_S = 0.8
"""Some frames more, so that what is due leaves no doubt."""
PLAINLY_VISIBLE = 0.85
_FLICKER_S = 0.3
_HIDDEN_S = 5.0
"""Somebody wholly out of sight for no longer is still the same one."""

Record = Mapping[str, Any]
"""A person in one frame."""


class Run(NamedTuple):
    """Frames, the last one excluded."""

    first: int
    end: int


def runs(flags: Sequence[bool], bridged: int = 0) -> list[Run]:
    """Where flags are set, over gaps of at most so many frames."""
    found: list[Run] = []
    for number in (number for number, flag in enumerate(flags) if flag):
        if found and number - found[-1].end <= bridged:
            found[-1] = Run(found[-1].first, number + 1)
        else:
            found.append(Run(number, number + 1))
    return found


def assessable(record: Record | None) -> bool:
    """Whether a person can be judged in a frame: in the picture, to be seen, tall enough."""
    if record is None:
        return False
    height_px = record["box"][3] - record["box"][1]
    enough = record["in_frame"] >= LEAST_IN_FRAME and record["visible_fraction"] >= LEAST_VISIBLE
    return bool(enough and height_px >= LEAST_HEIGHT_PX)


def inside(polygon: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Whether a point lies in a polygon (even-odd), its own edge aside."""
    x, y = point
    odd = False
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            odd = not odd
    return odd


def zones_of(record: Record, zones: Mapping[str, Zone]) -> list[str]:
    """Ids of the zones somebody stands in. A foot below the picture counts at its edge, as the module has it."""
    x, y = (min(max(float(part), 0.0), 1.0) for part in record["foot"])
    # The edge itself belongs to a zone that reaches it.
    point = (min(max(x, 1e-6), 1 - 1e-6), min(max(y, 1e-6), 1 - 1e-6))
    return [name for name, zone in zones.items() if inside(zone.polygon, point)]


def rule_events(frames: Sequence[Mapping[str, Any]], zones: Mapping[str, Zone], fps: float) -> list[dict[str, Any]]:
    """Every violation, by its start. `frames`: as in the truth file, one for each frame of the clip."""
    people = sorted({person["id"] for frame in frames for person in frame["persons"]})
    found = []
    for name in people:
        seen = [next((p for p in frame["persons"] if p["id"] == name), None) for frame in frames]
        for zone_id, zone in zones.items():
            for gear in zone.requires:
                found += _violations(name, seen, zone_id, zone, gear, fps)
    return sorted(found, key=lambda event: (event["start_s"], event["person"], event["rule"]))


def worn(record: Record, gear: str) -> bool:
    return bool(record["helmet_state"] == "worn" if gear == "helmet" else record["wears_vest"])


def _violations(
    name: str, seen: Sequence[Record | None], zone_id: str, zone: Zone, gear: str, fps: float
) -> list[dict[str, Any]]:
    end_s = float("inf") if zone.until_s is None else zone.until_s

    def violating(number: int) -> bool:
        record = seen[number]
        if record is None or number / fps >= end_s or zone_id not in zones_of(record, {zone_id: zone}):
            return False
        return not worn(record, gear)

    found = []
    for run in _same_one(runs([violating(n) for n in range(len(seen))], round(_FLICKER_S * fps)), seen, fps):
        judged = [n for n in range(*run) if assessable(seen[n])]
        longest = max((r.end - r.first for r in runs([assessable(seen[n]) for n in range(*run)], 3)), default=0)
        states = {seen[n]["helmet_state"] for n in range(*run) if seen[n] is not None}  # type: ignore[index] # not None
        state = "carried" if gear == "helmet" and "carried" in states else "missing"
        found.append(
            {
                "person": name,
                "zone": zone_id,
                "rule": f"no-{gear}",
                "reason": f"{state}-{gear}",
                "start_s": _s(run.first, fps),
                "end_s": _s(run.end, fps),
                "assessable_start_s": _s(judged[0], fps) if judged else None,
                "assessable_end_s": _s(judged[-1] + 1, fps) if judged else None,
                "close_reason": _close_reason(seen, run, zone_id, zone, gear, fps),
                "due": longest / fps >= zone.minimum_duration_s + VOTE_S + SURE_S,
            }
            | ({"helmet_state": sorted(states)} if gear == "helmet" else {})
        )
    return found


def _same_one(found: Sequence[Run], seen: Sequence[Record | None], fps: float) -> list[Run]:
    """Runs joined over gaps in which the person is not to be seen at all."""
    joined: list[Run] = []
    for run in found:
        gap = range(joined[-1].end, run.first) if joined else range(0)
        if joined and len(gap) <= _HIDDEN_S * fps and all(seen[number] is None for number in gap):
            joined[-1] = Run(joined[-1].first, run.end)
        else:
            joined.append(run)
    return joined


def _close_reason(seen: Sequence[Record | None], run: Run, zone_id: str, zone: Zone, gear: str, fps: float) -> str:
    after = seen[run.end] if run.end < len(seen) else None
    if after is None or zone_id not in zones_of(after, {zone_id: zone}):
        return "left"
    return "complied" if worn(after, gear) else "shift-end"


def _s(frame: int, fps: float) -> float:
    return round(frame / fps, 2)


def presence(frames: Sequence[Mapping[str, Any]], fps: float) -> dict[str, dict[str, list[list[float]]]]:
    """Per person, when it is in the picture and when it can be judged."""
    people = sorted({person["id"] for frame in frames for person in frame["persons"]})
    found = {}
    for name in people:
        seen = [next((p for p in frame["persons"] if p["id"] == name), None) for frame in frames]
        found[name] = {
            "present_s": _seconds(runs([record is not None for record in seen], 3), fps),
            "assessable_s": _seconds(runs([assessable(record) for record in seen], 3), fps),
        }
    return found


def occlusions(frames: Sequence[Mapping[str, Any]], fps: float) -> list[list[float]]:
    """When somebody stands behind somebody or something."""
    hidden = [
        any(
            person["visible_fraction"] < PLAINLY_VISIBLE and person["in_frame"] > LEAST_IN_FRAME
            for person in frame["persons"]
        )
        for frame in frames
    ]
    return _seconds(runs(hidden, 3), fps)


def _seconds(found: Sequence[Run], fps: float) -> list[list[float]]:
    return [[_s(run.first, fps), _s(run.end, fps)] for run in found]
