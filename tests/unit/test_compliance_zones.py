"""Zones of the twin: mistakes by field, defaults, who is in which, and no flicker at the edge."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.geometry import Boxes
from safetygear.twin.reading import describe, read_desired
from safetygear_inference.compliance.membership import Membership
from safetygear_inference.compliance.shift_config import CalendarConfig
from safetygear_inference.compliance.zone_config import RulesConfig, ZoneConfig, check_labels, check_rules
from safetygear_inference.compliance.zones import RuleZone, ZonePlan

SQUARE = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
LEFT = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
MIDDLE = [[0.4, 0], [0.6, 0], [0.6, 1], [0.4, 1]]


class Twin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    zones: dict[str, dict[str, ZoneConfig]] = {}
    calendars: dict[str, CalendarConfig] = {}
    rules: RulesConfig = RulesConfig()

    def check(self) -> Iterable[tuple[str, str, str]]:
        return check_rules(self.zones, self.calendars, self.rules)


def read(desired: dict[str, Any], last_good: Twin | None = None) -> tuple[Twin, list[tuple[str, str]]]:
    reading = read_desired(Twin, desired, last_good=last_good)
    return reading.config, [(error.path, error.code) for error in reading.errors]


def plan(**desired: Any) -> ZonePlan:
    config, errors = read(desired)
    assert errors == []
    return ZonePlan(config.zones, config.calendars, config.rules)


def box(foot_x: float, foot_y: float, width: float = 0.1, height: float = 0.3) -> Boxes:
    return np.array([foot_x - width / 2, foot_y - height, foot_x + width / 2, foot_y], np.float32)


@pytest.mark.parametrize(
    ("zone", "errors"),
    [
        ({"polygon": SQUARE[:2]}, [("polygon", "out-of-range")]),
        ({"polygon": [[0, 0]] * 65}, [("polygon", "out-of-range")]),
        ({"polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}, [("polygon", "self-intersecting")]),
        ({"polygon": [[0, 0], [0.5, 0.5], [1, 1]]}, [("polygon", "self-intersecting")]),
        ({"polygon": [[0, 0], [1, 0], [1, 1.2]]}, [("polygon", "out-of-range")]),
        ({"polygon": [[0, 0], [1, 0, 0], [1, 1]]}, [("polygon", "out-of-range")]),
        ({"polygon": [[0, 0], [1, "0"], [1, 1]]}, [("polygon", "wrong-type")]),
        ({"polygon": "all"}, [("polygon", "wrong-type")]),
        ({}, [("polygon", "missing-field")]),
        ({"polygon": SQUARE, "kind": "rules"}, [("kind", "unknown-value")]),
        ({"polygon": SQUARE, "anchor": "head"}, [("anchor", "unknown-value")]),
        ({"polygon": SQUARE, "minimumDurationS": -1}, [("minimumDurationS", "out-of-range")]),
        ({"polygon": SQUARE, "minimumOverlap": 0}, [("minimumOverlap", "out-of-range")]),
        ({"polygon": SQUARE, "severity": "severe"}, [("severity", "unknown-value")]),
        ({"polygon": SQUARE, "requires": []}, [("requires", "out-of-range")]),
        ({"polygon": SQUARE, "requires": ["helmet", "helmet"]}, [("requires", "repeated-label")]),
        ({"polygon": SQUARE, "requires": "helmet"}, [("requires", "wrong-type")]),
        ({"polygon": SQUARE, "require": ["helmet"]}, [("require", "unknown-field")]),
        ({"polygon": SQUARE, "calendar": "nights"}, [("calendar", "unknown-calendar")]),
        ({"polygon": SQUARE, "calendar": "site", "shifts": {}}, [("shifts", "two-calendars")]),
        ({"polygon": SQUARE, "shifts": {"timeZone": "Mars/Olympus"}}, [("shifts.timeZone", "unknown-time-zone")]),
        ({"polygon": SQUARE, "kind": "ignore", "requires": ["helmet"]}, [("requires", "not-for-this-kind")]),
        ({"polygon": SQUARE, "kind": "privacy", "minimumDurationS": 1}, [("minimumDurationS", "not-for-this-kind")]),
    ],
)
def test_each_mistake_is_named_and_the_last_good_zone_stays(
    zone: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    calendars: dict[str, Any] = {"site": {}}
    good, _ = read({"zones": {"gate": {"yard": {"polygon": LEFT}}}, "calendars": calendars})
    config, found = read({"zones": {"gate": {"yard": zone, "dock": {"polygon": SQUARE}}}, "calendars": calendars}, good)
    assert found == [(f"zones.gate.yard.{path}", code) for path, code in errors]
    if "unknown-field" not in dict(errors).values():
        assert config.zones["gate"]["yard"] == good.zones["gate"]["yard"]
    assert "dock" in config.zones["gate"], "the others are taken"


@pytest.mark.parametrize("key", ["a.b", "a$b", "a b", "", "x" * 65])
def test_ids_that_are_none(key: str) -> None:
    config, found = read({"zones": {"gate": {key: {"polygon": SQUARE}, "dock": {"polygon": SQUARE}}}})
    assert [code for _, code in found] == ["invalid-id"] and list(config.zones["gate"]) == ["dock"]


def test_too_many_zones_leave_the_last_good_ones() -> None:
    good, _ = read({"zones": {"gate": {"yard": {"polygon": LEFT}}}})
    many = {f"z{number}": {"polygon": SQUARE} for number in range(17)}
    config, found = read({"zones": {"gate": many, "dock": {"a": {"polygon": LEFT}}}}, good)
    assert found == [("zones.gate", "too-many")]
    assert config.zones == {"gate": good.zones["gate"], "dock": config.zones["dock"]} and config.zones["dock"]
    few = {f"z{number}": {"polygon": SQUARE} for number in range(10)}
    config, found = read({"zones": {f"c{number}": few for number in range(20)}}, good)
    assert found == [("zones", "too-many")] and config.zones == good.zones


def test_as_many_zones_as_are_allowed_fit_into_a_twin() -> None:
    corners = [[0.125, 0.125], [0.875, 0.125], [0.875, 0.875], [0.125, 0.875]]
    zones = {f"cam{number}": {f"zone{key}": {"polygon": corners} for key in range(16)} for number in range(8)}
    assert read({"zones": zones})[1] == []
    assert len(msgspec.json.encode({"zones": zones})) < 20_000


def test_a_calendar_that_is_taken_away_is_told_and_the_zone_is_watched() -> None:
    zones = {"gate": {"yard": {"polygon": SQUARE, "calendar": "site"}}}
    good, found = read({"zones": zones, "calendars": {"site": {}}, "rules": {"calendar": "site"}})
    assert found == []
    config, found = read({"zones": zones, "rules": {"calendar": "site"}}, good)
    assert found == [("zones.gate.yard.calendar", "unknown-calendar"), ("rules.calendar", "unknown-calendar")]
    zone = ZonePlan(config.zones, config.calendars, config.rules).camera("gate").rules[0]
    assert zone.id == "yard" and zone.active(0.0)


def test_labels_that_the_model_lacks_are_named() -> None:
    config, _ = read({"zones": {"gate": {"yard": {"polygon": SQUARE, "requires": ["helmet", "goggles"]}}}})
    found = list(check_labels(config.zones, config.rules, ("person", "helmet", "head")))
    assert [(path, code) for path, code, _ in found] == [
        ("rules.requires", "unknown-label"),
        ("zones.gate.yard.requires", "unknown-label"),
    ]
    assert found[1][2] == "the model has no 'goggles'; it knows head, helmet, person"
    assert list(check_labels({}, RulesConfig(requires=("helmet",)), ("helmet",))) == []


def test_with_nothing_configured_the_whole_picture_requires_helmet_and_vest() -> None:
    (zone,) = plan().camera("any").rules
    assert (zone.id, zone.requires, zone.severity, zone.calendar) == ("default", ("helmet", "vest"), "medium", None)
    for x, y in ((0.0, 0.0), (1.0, 1.0), (0.5, 1.0), (0.3, 1.2)):
        assert plan().camera("any").of(box(x, y)) == ("default",)


def test_a_camera_without_a_rule_zone_is_watched_all_over_unless_the_rules_say_no() -> None:
    zones = {"gate": {"door": {"kind": "privacy", "polygon": SQUARE}}}
    assert [zone.id for zone in plan(zones=zones).camera("gate").rules] == ["default"]
    quiet = plan(zones=zones, rules={"wholePicture": False})
    assert quiet.camera("gate").rules == () and quiet.camera("other").rules == ()
    assert quiet.camera("gate").privacy == (tuple(map(tuple, SQUARE)),)


def test_a_zone_says_what_it_says_and_the_rules_the_rest() -> None:
    zones = {
        "gate": {
            "a": {"polygon": LEFT, "requires": ["goggles"], "severity": "high", "minimumDurationS": 0},
            "b": {"polygon": SQUARE},
        }
    }
    gate = plan(zones=zones, rules={"requires": ["vest"], "severity": "low", "minimumDurationS": 7}).camera("gate")
    a, b = gate.rules
    assert (a.requires, a.severity, a.minimum_duration_s) == (("goggles",), "high", 0)
    assert (b.requires, b.severity, b.minimum_duration_s) == (("vest",), "low", 7)
    assert gate.required == ("goggles", "vest")


def test_overlapping_zones_each_hold_and_ignored_ones_keep_tracks_out() -> None:
    zones = {
        "gate": {
            "a": {"polygon": LEFT},
            "b": {"polygon": SQUARE},
            "poster": {"kind": "ignore", "polygon": [[0.9, 0.5], [1, 0.5], [1, 1], [0.9, 1]]},
            "wall": {"kind": "ignore", "anchor": "overlap", "polygon": [[0, 0], [0.3, 0], [0.3, 0.3], [0, 0.3]]},
        }
    }
    gate = plan(zones=zones).camera("gate")
    assert gate.of(box(0.3, 0.5)) == ("a", "b") and gate.of(box(0.7, 0.5)) == ("b",) and gate.of(box(0.9, 0.1)) == ()
    assert gate.ignore(box(0.95, 0.9)) and not gate.ignore(box(0.85, 0.9))
    assert gate.ignore(box(0.1, 0.4)) and not gate.ignore(box(0.1, 0.5)), "half of the box has to be in it"


def test_a_zone_s_calendar_is_its_own_or_the_rules() -> None:
    day = {"week": {"thursday": ["00:00-24:00"]}}
    zones = {
        "gate": {"a": {"polygon": LEFT, "shifts": day}, "b": {"polygon": LEFT, "calendar": "never"}},
        "dock": {"c": {"polygon": LEFT}},
    }
    made = plan(zones=zones, calendars={"never": {}, "day": day}, rules={"calendar": "day"})
    a, b = made.camera("gate").rules
    (c,) = made.camera("dock").rules
    thursday_s, friday_s = 0.0, 86400.0
    assert [zone.active(thursday_s) for zone in (a, b, c)] == [True, False, True]
    assert [zone.active(friday_s) for zone in (a, b, c)] == [False, False, False]


def zone_of(polygon: list[list[float]], **more: Any) -> RuleZone:
    return plan(zones={"gate": {"z": {"polygon": polygon, **more}}}).camera("gate").rules[0]


def stays(zone: RuleZone, xs: Iterable[float], step_s: float = 0.2) -> list[bool]:
    """Who walks over the given places, seen every `step_s`."""
    membership = Membership()
    return [
        membership.update(zone, "t", zone.area.depths(box(x, 0.5))[0], index * step_s, edge_margin=0.02, settle_s=1.0)
        for index, x in enumerate(xs)
    ]


def changes(answers: list[bool]) -> int:
    return sum(before != after for before, after in pairwise(answers))


@pytest.mark.parametrize(
    ("xs", "in_from", "out_from"),
    [
        # Straight in, a second outside before it is out.
        ([0.55] * 5 + [0.45] * 5 + [0.55] * 10, 5, 15),
        # Hardly inside counts after a second, hardly outside does not.
        ([0.55, 0.49, 0.49, 0.49, 0.49, 0.49, 0.49, 0.49, *[0.51] * 20], 6, None),
        # One wrong frame is no leaving.
        ([0.45, 0.45, 0.9, 0.45, 0.45], 0, None),
    ],
)
def test_in_and_out(xs: list[float], in_from: int, out_from: int | None) -> None:
    answers = stays(zone_of(LEFT), xs)
    assert answers.index(True) == in_from
    assert (in_from + answers[in_from:].index(False) if False in answers[in_from:] else None) == out_from


def test_hardly_inside_for_a_moment_is_not_in() -> None:
    assert not any(stays(zone_of(LEFT), [0.51, 0.49, 0.49, 0.51] * 10))


def test_in_the_whole_picture_everybody_is_in_at_once_also_at_its_border() -> None:
    whole = plan().camera("gate").rules[0]
    depth = whole.area.depths(box(0.99, 1.0))[0]
    assert Membership().update(whole, "t", depth, 0, edge_margin=0.2, settle_s=30)


def test_a_zone_narrower_than_its_margins_can_be_entered() -> None:
    assert stays(zone_of([[0.5, 0], [0.52, 0], [0.52, 1], [0.5, 1]]), [0.51] * 7)[-1]


def test_overlap_has_a_margin_of_its_own() -> None:
    zone = zone_of(LEFT, anchor="overlap", minimumOverlap=0.5)
    assert not any(stays(zone, [0.498, 0.502] * 20)), "half of the box, give or take"
    assert changes(stays(zone, [0.45, *[0.498, 0.502] * 20])) == 0
    tiny = zone_of(LEFT, anchor="overlap", minimumOverlap=0.05)
    assert stays(tiny, [0.45] * 2 + [0.6] * 7)[-1] is False


@given(st.lists(st.floats(-0.019, 0.019), min_size=2, max_size=60), st.booleans())
def test_along_the_edge_there_is_no_flicker(jitter: list[float], comes_from_inside: bool) -> None:
    start = [0.4] if comes_from_inside else [0.6]
    answers = stays(zone_of(LEFT), start + [0.5 + offset for offset in jitter])
    assert changes(answers) <= (0 if comes_from_inside else 1)


def test_a_track_that_is_over_is_forgotten() -> None:
    membership, zone = Membership(), zone_of(LEFT)
    assert membership.update(zone, "t", 0.2, 0, edge_margin=0.02, settle_s=1)
    assert membership.update(zone, "t", -0.1, 0.1, edge_margin=0.02, settle_s=1)
    membership.forget("t")
    assert not membership.update(zone, "t", -0.1, 0.2, edge_margin=0.02, settle_s=1)


def test_nobody_is_in_no_zone() -> None:
    nobody = np.zeros((0, 4), np.float32)
    assert zone_of(LEFT).area.depths(nobody).shape == (0,)
    assert zone_of(LEFT, anchor="overlap").area.depths(nobody).shape == (0,)


def test_the_reference_describes_every_field() -> None:
    described = {field.path: field for field in describe(Twin)}
    assert described["zones.<id>.<id>.polygon"].type == "list of pairs of numbers"
    assert described["zones.<id>.<id>.polygon"].limits == "3 to 64 entries"
    assert all(field.description for path, field in described.items() if path.count(".") and not path.endswith("week"))
