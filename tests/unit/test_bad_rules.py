"""What can be wrong with zones, shifts and rules: an error at its field, and the last good one stays in force."""

from __future__ import annotations

from typing import Any

import pytest

from safetygear.twin.desired import merged
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.judging.judges import Judges

SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
GOOD: dict[str, Any] = {
    "zones": {
        "gate": {"dock": {"polygon": SQUARE, "requires": ["helmet"], "minimumDurationS": 3, "calendar": "day"}},
        "yard": {"all": {"polygon": SQUARE}},
    },
    "calendars": {"day": {"timeZone": "Europe/Berlin", "week": {"monday": ["06:00-14:00"]}}},
    "rules": {"requires": ["helmet"], "minimumDurationS": 5},
    "episodes": {"mergeWindowS": 4},
}
DOCK, DAY = "zones.gate.dock", "calendars.day"


def dock(**changes: Any) -> dict[str, Any]:
    return {"zones": {"gate": {"dock": changes}}}


def zones(camera: str, count: int) -> dict[str, Any]:
    return {"zones": {camera: {f"z{number}": {"polygon": SQUARE} for number in range(count)}}}


BAD: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("edges that cross", dock(polygon=[[0, 0], [1, 1], [1, 0], [0, 1]]), [(f"{DOCK}.polygon", "self-intersecting")]),
    ("an edge that runs back", dock(polygon=[[0, 0], [1, 0], [0.5, 0]]), [(f"{DOCK}.polygon", "self-intersecting")]),
    ("two corners", dock(polygon=[[0, 0], [1, 1]]), [(f"{DOCK}.polygon", "out-of-range")]),
    ("no corner", dock(polygon=[]), [(f"{DOCK}.polygon", "out-of-range")]),
    ("a corner outside", dock(polygon=[[0, 0], [1.2, 0], [1, 1]]), [(f"{DOCK}.polygon", "out-of-range")]),
    ("a corner of three", dock(polygon=[[0, 0, 0], [1, 0], [1, 1]]), [(f"{DOCK}.polygon", "out-of-range")]),
    ("corners as text", dock(polygon="0,0 1,0 1,1"), [(f"{DOCK}.polygon", "wrong-type")]),
    ("a kind that is none", dock(kind="danger"), [(f"{DOCK}.kind", "unknown-value")]),
    ("an unknown calendar", dock(calendar="night"), [(f"{DOCK}.calendar", "unknown-calendar")]),
    ("a rule's unknown calendar", {"rules": {"calendar": "night"}}, [("rules.calendar", "unknown-calendar")]),
    ("a calendar that is taken out", {"calendars": {"day": None}}, [(f"{DOCK}.calendar", "unknown-calendar")]),
    ("two calendars of one zone", dock(shifts={"week": {}}), [(f"{DOCK}.shifts", "two-calendars")]),
    ("an unknown time zone", {"calendars": {"day": {"timeZone": "Europe/Berln"}}},
     [(f"{DAY}.timeZone", "unknown-time-zone")]),
    ("shifts that overlap", {"calendars": {"day": {"week": {"monday": ["06:00-14:00", "13:00-20:00"]}}}},
     [(f"{DAY}.week.monday", "overlapping-shifts")]),
    ("a night shift into the next day's", {"calendars": {"day": {"week": {"sunday": ["22:00-06:30"]}}}},
     [(f"{DAY}.week.monday", "overlapping-shifts")]),
    ("a shift that is no time", {"calendars": {"day": {"week": {"monday": ["6-14"]}}}},
     [(f"{DAY}.week.monday", "bad-format")]),
    ("a date that is none", {"calendars": {"day": {"exceptions": {"2026-02-30": []}}}},
     [(f"{DAY}.exceptions.2026-02-30", "bad-format")]),
    ("a negative duration", dock(minimumDurationS=-1), [(f"{DOCK}.minimumDurationS", "out-of-range")]),
    ("a rule's negative duration", {"rules": {"minimumDurationS": -0.1}}, [("rules.minimumDurationS", "out-of-range")]),
    ("a negative window", {"episodes": {"mergeWindowS": -5}}, [("episodes.mergeWindowS", "out-of-range")]),
    ("a negative vote", {"votes": {"missingAfterS": -1}}, [("votes.missingAfterS", "out-of-range")]),
    ("a negative occlusion", {"tracking": {"occlusionS": -1}}, [("tracking.occlusionS", "out-of-range")]),
    ("a duration as text", dock(minimumDurationS="3"), [(f"{DOCK}.minimumDurationS", "wrong-type")]),
    ("a label twice", dock(requires=["helmet", "helmet"]), [(f"{DOCK}.requires", "repeated-label")]),
    ("no label", dock(requires=[]), [(f"{DOCK}.requires", "out-of-range")]),
    ("gear in a privacy zone", dock(kind="privacy", minimumDurationS=None, calendar=None),
     [(f"{DOCK}.requires", "not-for-this-kind")]),
    ("200 zones of one camera", zones("roof", 200), [("zones", "too-many"), ("zones.roof", "too-many")]),
    ("200 zones of twenty cameras",
     {"zones": {f"c{number}": zones("c", 10)["zones"]["c"] for number in range(20)}}, [("zones", "too-many")]),
    ("an id with a dot", {"zones": {"gate": {"a.b": {"polygon": SQUARE}}}}, [("zones.gate.a.b", "invalid-id")]),
    ("an id with a dollar", {"zones": {"gate": {"$a": {"polygon": SQUARE}}}}, [("zones.gate.$a", "invalid-id")]),
    ("an id with a space", {"zones": {"gate": {"a b": {"polygon": SQUARE}}}}, [("zones.gate.a b", "invalid-id")]),
    ("a camera with a space", {"zones": {"gate 2": {"a": {"polygon": SQUARE}}}}, [("zones.gate 2", "invalid-id")]),
    ("a calendar with a dot", {"calendars": {"a.b": {}}}, [("calendars.a.b", "invalid-id")]),
    ("an id that is too long", {"zones": {"gate": {"z" * 65: {"polygon": SQUARE}}}},
     [(f"zones.gate.{'z' * 40}", "invalid-id")]),
    ("a field that is none", dock(colour="red"), [(f"{DOCK}.colour", "unknown-field")]),
]  # fmt: skip


def paths(desired: Any, last_good: InferenceTwin | None = None) -> list[tuple[str, str]]:
    reading = read_desired(InferenceTwin, desired, last_good=last_good)
    return [(error.path, error.code) for error in reading.errors]


def test_the_good_one_is_good() -> None:
    assert paths(GOOD) == []


@pytest.mark.parametrize(("patch", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_wrong_is_named_by_its_field_and_the_last_good_stays(
    patch: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    good = read_desired(InferenceTwin, GOOD, last_good=None).config
    reading = read_desired(InferenceTwin, merged(GOOD, patch), last_good=good)
    assert [(error.path, error.code) for error in reading.errors] == expected
    assert all(error.message for error in reading.errors)
    # Whatever is not wrong is taken, whatever is stays as it was: the rules go on.
    assert reading.config.zones["gate"]["dock"] == good.zones["gate"]["dock"]
    assert reading.config.zones["yard"] == good.zones["yard"]
    assert reading.config.rules == good.rules
    if patch.get("calendars") != {"day": None}:  # a zone whose calendar is gone is always watched
        assert reading.config.calendars["day"] == good.calendars["day"]
    assert sum(len(entries) for entries in reading.config.zones.values()) <= 2 + 1


@pytest.mark.parametrize("patch", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_without_a_last_good_one_nothing_wrong_is_in_force(patch: dict[str, Any]) -> None:
    reading = read_desired(InferenceTwin, merged(GOOD, patch), last_good=None)
    again = read_desired(InferenceTwin, GOOD | {"zones": {}}, last_good=None)
    Judges(origin="t", token="t").configure(reading.config, now_s=0.0)
    assert reading.config.outbox == again.config.outbox


@pytest.mark.parametrize(
    ("desired", "labels", "expected"),
    [
        (GOOD, ("person", "helmet"), []),
        (GOOD, ("person", "Hard_Hat"), []),
        (GOOD, ("person", "vest"), [("rules.requires", "unknown-label"), (f"{DOCK}.requires", "unknown-label")]),
        (merged(GOOD, dock(requires=["gloves"])), ("person", "helmet"), [(f"{DOCK}.requires", "unknown-label")]),
        (GOOD, ("helmet", "vest"), [("model.name", "no-person-label")]),
    ],
)
def test_what_the_model_can_not_tell_is_named_once_it_is_known(
    desired: dict[str, Any], labels: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    judges = Judges(origin="t", token="t")
    judges.configure(read_desired(InferenceTwin, desired, last_good=None).config, now_s=0.0)
    assert judges.errors() == (), "no model yet"
    judges.model(labels)
    assert [(error.path, error.code) for error in judges.errors()] == expected
