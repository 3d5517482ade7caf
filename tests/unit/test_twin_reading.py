"""Desired properties: every field judged alone, and the last good one behind it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.twin.reading import FieldError, describe, read_desired, read_in_force


class Zone(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    rule_name: str = "no-helmet"
    points: list[Annotated[float, msgspec.Meta(ge=0, le=1)]] = []


class Camera(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    url: Annotated[str, msgspec.Meta(pattern="^rtsps?://", examples=["rtsp://192.0.2.1/stream"], description="Where.")]
    analysed_fps: Annotated[float, msgspec.Meta(gt=0, le=30, description="Frames analysed per second.")] = 5
    transport: Literal["tcp", "udp"] = "tcp"
    sub_stream_url: str | None = None
    zones: dict[str, Zone] = {}

    def check(self) -> Iterable[tuple[str, str, str]]:
        if "@" in self.url:
            yield "url", "credentials-in-url", "no user info in a URL"


class Detections(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    policy: Literal["all", "changes"] = "changes"
    interval_s: Annotated[float, msgspec.Meta(ge=0.1)] = 1
    thresholds: dict[str, Annotated[float, msgspec.Meta(ge=0, le=1)]] = {}


class Config(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    schema_version: Annotated[str, msgspec.Meta(pattern=r"^1\.")] = "1.0"
    log_level: Annotated[Literal["DEBUG", "INFO"], msgspec.Meta(description="How much is logged.")] = "INFO"
    daily_blocks: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100
    floor_blocks: int = 0
    detections: Detections = Detections()
    cameras: Annotated[dict[str, Camera], msgspec.Meta(description="By id.")] = {}
    token_name: str | None = None

    def check(self) -> Iterable[tuple[str, str, str]]:
        if self.floor_blocks > self.daily_blocks:
            yield "floorBlocks", "out-of-range", "must not exceed dailyBlocks"
        for key, camera in self.cameras.items():
            if camera.transport == "udp" and self.log_level == "DEBUG":
                yield f"cameras.{key}.transport", "refused", "no udp while debugging"


GOOD = read_desired(
    Config,
    {"dailyBlocks": 7, "cameras": {"gate": {"url": "rtsp://a/1", "analysedFps": 3}, "yard": {"url": "rtsp://b/1"}}},
    last_good=None,
).config


def found(errors: Iterable[FieldError]) -> list[tuple[str, str]]:
    return [(error.path, error.code) for error in errors]


def test_an_empty_twin_is_the_defaults() -> None:
    reading = read_desired(Config, {"$version": 4, "$metadata": {}}, last_good=GOOD)
    assert reading.config == Config() and reading.errors == ()


@pytest.mark.parametrize(
    ("desired", "errors"),
    [
        ({"logLevel": "LOUD"}, [("logLevel", "unknown-value")]),
        ({"logLevel": 3}, [("logLevel", "wrong-type")]),
        ({"dailyBlocks": "7"}, [("dailyBlocks", "wrong-type")]),
        ({"dailyBlocks": 7.5}, [("dailyBlocks", "wrong-type")]),
        ({"dailyBlocks": True}, [("dailyBlocks", "wrong-type")]),
        ({"dailyBlocks": 1001}, [("dailyBlocks", "out-of-range")]),
        ({"dailyBlocks": float("nan")}, [("dailyBlocks", "out-of-range")]),
        ({"dailyBlocks": 2**70}, [("dailyBlocks", "out-of-range")]),
        ({"schemaVersion": "2.0"}, [("schemaVersion", "bad-format")]),
        ({"detections": []}, [("detections", "wrong-type")]),
        ({"detections": {"policy": "none", "intervalS": 0}}, [
            ("detections.policy", "unknown-value"), ("detections.intervalS", "out-of-range")]),
        ({"detections": {"thresholds": {"helmet": 2}}}, [("detections.thresholds", "out-of-range")]),
        # JSON's half a surrogate pair, which no UTF-8 can hold.
        ({"detections": {"thresholds": {"\ud800": 0.5}}}, [("detections.thresholds", "bad-format")]),
        ({"detections": {"thresholds": {"\ud800": "\ud800"}}}, [("detections.thresholds", "bad-format")]),
        ({"detections": {"thresholds": {"a\nb": 0.5}}}, [("detections.thresholds", "bad-format")]),
        ({"cameras": {"\ud800": {}}}, [("cameras.\\ud800", "invalid-id")]),
        ({"logLevle": "INFO"}, [("logLevle", "unknown-field")]),
        ({"detections": {"polcy": "all"}}, [("detections.polcy", "unknown-field")]),
        ({"cameras": []}, [("cameras", "wrong-type")]),
        ({"cameras": {"a b": {"url": "rtsp://a/1"}}}, [("cameras.a b", "invalid-id")]),
        ({"cameras": {"gate": "rtsp://a/1"}}, [("cameras.gate", "wrong-type")]),
        ({"cameras": {"gate": {}}}, [("cameras.gate.url", "missing-field")]),
        ({"cameras": {"gate": {"url": "http://a"}}}, [("cameras.gate.url", "bad-format")]),
        ({"cameras": {"gate": {"url": "rtsp://u:p@a/1"}}}, [("cameras.gate.url", "credentials-in-url")]),
        ({"cameras": {"gate": {"url": "rtsp://a", "zones": {"z": {"points": [3]}}}}}, [
            ("cameras.gate.zones.z.points", "out-of-range")]),
        ({"floorBlocks": 500}, [("floorBlocks", "out-of-range")]),
        ({"logLevel": "DEBUG", "cameras": {"gate": {"url": "rtsp://a", "transport": "udp"}}}, [
            ("cameras.gate.transport", "refused")]),
        ("text", [("", "wrong-type")]),
    ],
)  # fmt: skip
def test_each_mistake_is_named(desired: Any, errors: list[tuple[str, str]]) -> None:
    assert found(read_desired(Config, desired, last_good=None).errors) == errors


def test_a_bad_field_keeps_the_last_good_value_and_the_others_are_taken() -> None:
    reading = read_desired(Config, {"dailyBlocks": "x", "logLevel": "DEBUG"}, last_good=GOOD)
    assert (reading.config.daily_blocks, reading.config.log_level) == (7, "DEBUG")


def test_a_bad_entry_keeps_its_last_good_one_and_the_others_are_taken() -> None:
    desired = {"cameras": {"gate": {"url": "rtsp://new/1", "analysedFps": -1}, "dock": {"url": "rtsp://c/1"}}}
    cameras = read_desired(Config, desired, last_good=GOOD).config.cameras
    assert cameras["gate"] == GOOD.cameras["gate"]
    assert cameras["dock"].url == "rtsp://c/1"
    assert "yard" not in cameras, "what is no longer desired is gone"


def test_a_bad_entry_without_a_last_good_one_is_absent() -> None:
    reading = read_desired(Config, {"cameras": {"gate": {"url": 3}, "dock": {"url": "rtsp://c"}}}, last_good=None)
    assert list(reading.config.cameras) == ["dock"]


def test_null_removes() -> None:
    reading = read_desired(Config, {"cameras": {"gate": None}, "dailyBlocks": None, "tokenName": None}, last_good=GOOD)
    assert reading.config == Config() and reading.errors == ()


def test_a_bad_zone_does_not_take_its_camera_down() -> None:
    zones = {"a": {"points": [0.1]}, "b": {"points": [9]}}
    good = read_desired(Config, {"cameras": {"gate": {"url": "rtsp://a", "zones": zones}}}, last_good=None)
    assert list(good.config.cameras["gate"].zones) == ["a"]
    worse = {"a": {"points": "?"}, "b": {"points": [0.2]}}
    reading = read_desired(Config, {"cameras": {"gate": {"url": "rtsp://b", "zones": worse}}}, last_good=good.config)
    gate = reading.config.cameras["gate"]
    assert gate.url == "rtsp://b"
    assert (gate.zones["a"].points, gate.zones["b"].points) == ([0.1], [0.2])


def test_an_unknown_field_of_an_entry_is_told_and_the_entry_is_taken() -> None:
    reading = read_desired(Config, {"cameras": {"gate": {"url": "rtsp://a", "analysdFps": 2}}}, last_good=None)
    assert reading.config.cameras["gate"].analysed_fps == 5
    assert reading.errors[0].message == "unknown; did you mean analysedFps?"


def test_a_finding_of_the_whole_config_puts_the_field_back() -> None:
    assert read_desired(Config, {"dailyBlocks": 9, "floorBlocks": 50}, last_good=GOOD).config.floor_blocks == 0
    desired = {"logLevel": "DEBUG", "cameras": {"gate": {"url": "rtsp://x", "transport": "udp"}}}
    assert read_desired(Config, desired, last_good=GOOD).config.cameras == {"gate": GOOD.cameras["gate"]}
    assert read_desired(Config, desired, last_good=None).config.cameras == {}


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        ({"dailyBlocks": 5000}, "must be a whole number, 0 to 1000, not 5000"),
        ({"logLevel": "LOUD"}, 'must be one of DEBUG, INFO, not "LOUD"'),
        ({"dailyBlocks": [7]}, "must be a whole number, 0 to 1000, not a list"),
        ({"cameras": {"g": {"url": "rtsp://a", "zones": {"z": {"points": [3]}}}}},
            "must be a list of numbers, not [3]"),
        (
            {"cameras": {"g": {"url": "cam"}}},
            "must be a text, of the form ^rtsps?://, e.g. rtsp://192.0.2.1/stream",
        ),
        ({"cameras": {"g": {}}}, "is missing: a text, of the form ^rtsps?://"),
        ({"nothing": 1}, "unknown; known are schemaVersion, logLevel, dailyBlocks, floorBlocks, detections, cameras, "
            "tokenName"),
    ],
)  # fmt: skip
def test_messages_say_what_would_be_right(desired: dict[str, Any], message: str) -> None:
    assert read_desired(Config, desired, last_good=None).errors[0].message == message


@pytest.mark.parametrize(
    "desired",
    [
        {"tokenName": 12345678},
        {"cameras": {"g": {"url": "rtsp//u:12345678@x"}}},
        {"rtsp://u:12345678@cam/1": 1},
        {"cameras": {"rtsp://u:12345678@cam/1": {}}},
        {"detections": {"thresholds": {"rtsp://u:12345678@cam/1": 2}}},
    ],
)
def test_no_message_shows_a_secret(desired: dict[str, Any]) -> None:
    reading = read_desired(Config, desired, last_good=None)
    assert reading.errors
    assert "12345678" not in repr(reading.errors)


def test_names_stay_on_one_line() -> None:
    reading = read_desired(Config, {"a\nb\x1b[31m" + "c" * 500: 1}, last_good=None)
    assert reading.errors[0].path.isprintable() and len(reading.errors[0].path) <= 40


names = st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from(
    ["cameras", "gate", "url", "analysedFps", "zones", "points", "detections", "policy", "$version", "dailyBlocks"]
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(["tcp", "rtsp://a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
desired_json = json_values | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("cameras", "detections", "dailyBlocks", "logLevel", "floorBlocks"), json_values)
)


@given(desired_json, st.sampled_from([None, GOOD]))
def test_no_json_makes_it_raise_and_the_config_is_valid(desired: Any, last_good: Config | None) -> None:
    reading = read_desired(Config, desired, last_good=last_good)
    # What was read would be accepted again, and changes nothing.
    again = read_desired(Config, msgspec.to_builtins(reading.config), last_good=None)
    assert again.config == reading.config and again.errors == ()
    assert all(error.path.isprintable() and error.message.isprintable() for error in reading.errors)
    msgspec.json.encode(reading.errors)
    msgspec.json.encode(reading.config)


def test_describing_follows_the_types() -> None:
    described = {field.path: field for field in describe(Config)}
    assert list(described)[:6] == [
        "schemaVersion", "logLevel", "dailyBlocks", "floorBlocks", "detections", "detections.policy"
    ]  # fmt: skip
    fps = described["cameras.<id>.analysedFps"]
    assert (fps.type, fps.default, fps.limits, fps.description) == (
        "number", "5", "more than 0, at most 30", "Frames analysed per second."
    )  # fmt: skip
    assert described["cameras.<id>.url"].default == "required"
    assert described["cameras.<id>.subStreamUrl"].default == "null"
    assert described["cameras.<id>.zones.<id>.points"].type == "list of numbers"
    assert described["cameras"].type == "object by id"
    assert described["detections"].default == ""
    assert described["logLevel"].type == "one of DEBUG, INFO"


class Site(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Objects keyed by two ids: zones by camera, then by zone."""

    zones: dict[str, dict[str, Zone]] = {}

    def check(self) -> Iterable[tuple[str, str, str]]:
        for camera, zones in self.zones.items():
            if len(zones) > 2:
                yield f"zones.{camera}", "too-many", "at most 2"
            for key, zone in zones.items():
                if zone.rule_name == "no-hat":
                    yield f"zones.{camera}.{key}.ruleName", "unknown-value", "no such rule"


SITE = read_desired(
    Site, {"zones": {"gate": {"a": {"points": [0.1]}, "b": {}}, "yard": {"a": {}}}}, last_good=None
).config


@pytest.mark.parametrize(
    ("zones", "errors", "left"),
    [
        ({"gate": {"a": {"points": [7]}, "c": {}}}, [("zones.gate.a.points", "out-of-range")], {"gate": {"a", "c"}}),
        ({"gate": {"d": {"points": [7]}, "c": {}}}, [("zones.gate.d.points", "out-of-range")], {"gate": {"c"}}),
        ({"gate": {"a": None, "b": {}}, "yard": None}, [], {"gate": {"b"}}),
        ({"gate": 3, "dock": []}, [("zones.gate", "wrong-type"), ("zones.dock", "wrong-type")], {"gate": {"a", "b"}}),
        ({"gate": {"a.b": {}, "c": {}}}, [("zones.gate.a.b", "invalid-id")], {"gate": {"c"}}),
        ({"a b": {"c": {}}}, [("zones.a b", "invalid-id")], {}),
        ({"gate": {"a": {"ruleNme": "x"}}}, [("zones.gate.a.ruleNme", "unknown-field")], {"gate": {"a"}}),
        ({"gate": {"a": {"ruleName": "no-hat"}, "c": {"ruleName": "no-hat"}, "d": {}}}, [
            ("zones.gate", "too-many"), ("zones.gate.a.ruleName", "unknown-value"),
            ("zones.gate.c.ruleName", "unknown-value")], {"gate": {"a", "b"}}),
        ({"gate": {"a": {"ruleName": "no-hat"}, "c": {"ruleName": "no-hat"}}, "dock": {"z": {}}}, [
            ("zones.gate.a.ruleName", "unknown-value"), ("zones.gate.c.ruleName", "unknown-value")],
            {"gate": {"a"}, "dock": {"z"}}),
        (7, [("zones", "wrong-type")], {"gate": {"a", "b"}, "yard": {"a"}}),
    ],
)  # fmt: skip
def test_keyed_by_two_ids_each_inner_entry_is_judged_alone(
    zones: Any, errors: list[tuple[str, str]], left: dict[str, set[str]]
) -> None:
    reading = read_desired(Site, {"zones": zones}, last_good=SITE)
    assert found(reading.errors) == errors
    assert {camera: set(entries) for camera, entries in reading.config.zones.items()} == left
    if errors and "a" in left.get("gate", set()) and "ruleNme" not in str(zones):
        assert reading.config.zones["gate"]["a"] == SITE.zones["gate"]["a"], "the last good one"


def test_describing_what_is_keyed_by_two_ids() -> None:
    described = {field.path: field for field in describe(Site)}
    assert described["zones"].type == "object by id"
    assert described["zones.<id>.<id>.ruleName"].default == '"no-helmet"'


@pytest.mark.parametrize(
    ("kind", "desired", "last_good", "stays"),
    [
        (Config, {"dailyBlocks": "x", "logLevel": "DEBUG"}, GOOD, {"dailyBlocks"}),
        (Config, {"dailyBlocks": "x", "logLevel": "DEBUG"}, None, set()),
        (Config, {"dailyBlocks": 8, "cameras": {"gate": {"url": 3}, "dock": {"url": 3}}}, GOOD, {"cameras.gate"}),
        (Config, {"cameras": []}, GOOD, {"cameras"}),
        (Config, {"logLevle": "INFO"}, GOOD, set()),
        (Config, {"floorBlocks": 500}, GOOD, {"floorBlocks"}),
        (Config, {"floorBlocks": 500}, None, set()),
        (Config, {"logLevel": "DEBUG", "cameras": {"gate": {"url": "rtsp://a", "transport": "udp"}}}, GOOD,
         {"cameras.gate"}),
        (Site, {"zones": {"gate": {"a": {"points": [7]}, "c": {"points": [7]}, "b": {}}}}, SITE, {"zones.gate.a"}),
        (Site, {"zones": {"gate": {"a": {"ruleName": "no-hat"}}}}, SITE, {"zones.gate.a"}),
        (Site, {"zones": {"gate": {"a": {}, "b": {}, "c": {}}}}, SITE, {"zones.gate"}),
        (Site, {"zones": {"gate": 3, "dock": 3}}, SITE, {"zones.gate"}),
    ],
)  # fmt: skip
def test_what_keeps_its_last_good_value_is_named(kind: Any, desired: Any, last_good: Any, stays: set[str]) -> None:
    assert read_desired(kind, desired, last_good=last_good).stays == stays


@given(desired_json, desired_json)
def test_what_is_in_force_is_read_as_it_was(first: Any, second: Any) -> None:
    """Also where last good values contradict what was changed after them."""
    config = read_desired(Config, second, last_good=read_desired(Config, first, last_good=None).config).config
    reading = read_in_force(Config, json.loads(msgspec.json.encode(config)))
    assert (reading.config, reading.errors, reading.stays) == (config, (), frozenset())
