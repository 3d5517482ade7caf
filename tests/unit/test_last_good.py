"""What is kept of the desired properties for the next run, and what of it that run can use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.twin.last_good import LAYOUT, MAX_KEPT_BYTES, OF_EARLIER_RUN, LastGoodError, packed, told, unpacked
from safetygear.twin.reading import FieldError, read_desired
from safetygear_capture.config import CaptureTwin
from safetygear_inference.config import InferenceTwin
from safetygear_workbench.reference.twin_catalogue import CAPTURE, INFERENCE, TwinEntry

OWNER = "site-07/capture"
URL = "rtsp://10.0.7.12/stream1"
GATE: dict[str, Any] = {"url": URL, "username": "viewer", "password": "file:gate", "analysedFps": 2}
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


def capture(desired: Mapping[str, Any], last_good: CaptureTwin | None = None) -> CaptureTwin:
    return read_desired(CaptureTwin, desired, last_good=last_good).config


KEPT = json.loads(packed(capture({"cameras": {"gate": GATE}}), OWNER))


def data(**changes: Any) -> bytes:
    return json.dumps(KEPT | changes).encode()


@pytest.mark.parametrize("twin", [CAPTURE, INFERENCE], ids=lambda twin: twin.module)
def test_what_is_kept_comes_back_as_it_was(twin: TwinEntry) -> None:
    for desired in ({}, twin.example, *(patch for _, patch in twin.patches)):
        config = read_desired(twin.kind, desired, last_good=None).config
        reading = unpacked(twin.kind, packed(config, OWNER), OWNER)
        assert (reading.config, reading.errors) == (config, ())


def test_last_good_values_that_contradict_what_was_changed_after_them_come_back_too() -> None:
    rules = {"calendars": {"day": {}}, "rules": {"calendar": "day"}, "zones": {"gate": {"dock": {
        "polygon": SQUARE, "calendar": "day"}}}}  # fmt: skip
    good = read_desired(InferenceTwin, rules, last_good=None).config
    in_force = read_desired(InferenceTwin, rules | {"calendars": {}}, last_good=good)
    assert in_force.errors and in_force.config.rules.calendar == "day", "it has a calendar that is gone"
    assert in_force.config.zones == good.zones
    assert unpacked(InferenceTwin, packed(in_force.config, OWNER), OWNER).config == in_force.config


@pytest.mark.parametrize(
    ("kept", "code"),
    [
        (b"", "damaged"),
        (b"\x00" * 300, "damaged"),
        (b"\xff\xfe", "damaged"),
        (data()[:-1], "damaged"),
        (b"[]", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"{}", "damaged"),
        (data(config=[]), "damaged"),
        (data(config=None), "damaged"),
        (data(owner=7), "damaged"),
        (json.dumps({"layout": LAYOUT, "config": {}}).encode(), "damaged"),
        (data(layout="safetygear.last-good-twin/2"), "other-layout"),
        (json.dumps({"layout": "safetygear.last-good-twin/2", "sites": []}).encode(), "other-layout"),
        (data(owner="site-08/capture"), "other-module"),
        (data(owner="site-07/inference"), "other-module"),
        (data(owner=""), "other-module"),
        (data() + b" " * MAX_KEPT_BYTES, "too-large"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_damaged_or_not_for_this_module_is_refused_by_name(kept: bytes, code: str) -> None:
    with pytest.raises(LastGoodError) as raised:
        unpacked(CaptureTwin, kept, OWNER)
    assert raised.value.code == code
    assert str(raised.value).isprintable()


def test_what_another_version_has_kept_is_used_as_far_as_it_can_be() -> None:
    cameras = {"gate": GATE, "yard": {"url": "onvif://x"}, "dock": GATE | {"wiper": True}}
    reading = unpacked(CaptureTwin, data(config={"cameras": cameras, "colour": "red", "shards": "?"}), OWNER)
    assert reading.config == capture({"cameras": {"gate": GATE, "dock": GATE}})
    assert {error.path for error in reading.errors} == {"colour", "shards", "cameras.yard.url", "cameras.dock.wiper"}


def test_a_value_that_the_checks_refuse_is_not_used_whoever_wrote_it() -> None:
    reading = unpacked(CaptureTwin, data(config={"cameras": {"gate": {"url": "rtsp://a:b@10.0.0.1/1"}}}), OWNER)
    assert reading.config.cameras == {}


def test_what_is_too_large_to_be_kept_is_told() -> None:
    class Large(msgspec.Struct):
        text: str

    with pytest.raises(LastGoodError) as raised:
        packed(Large("x" * MAX_KEPT_BYTES), OWNER)
    assert raised.value.code == "too-large"


@pytest.mark.parametrize(
    "camera",
    [
        {"url": "rtsp://viewer:sesame-77@10.0.7.12/stream1"},
        {"url": "rtsp://10.0.7.12/user=admin_password=sesame-77_channel=1"},
        {"url": "rtsp://10.0.7.12/1?token=sesame-77"},
        {"url": URL, "subStreamUrl": "rtsp://viewer:sesame-77@10.0.7.12/stream2"},
        {"url": URL, "password": "sesame-77"},
    ],
)
def test_no_password_that_stands_in_a_twin_gets_onto_the_disk(camera: dict[str, Any]) -> None:
    for last_good in (None, capture({"cameras": {"gate": GATE}})):
        reading = read_desired(CaptureTwin, {"cameras": {"gate": camera}}, last_good=last_good)
        assert reading.errors
        assert b"sesame" not in packed(reading.config, OWNER)


def error(path: str) -> FieldError:
    return FieldError(path=path, code="wrong-type", message="must be a number")


@pytest.mark.parametrize(
    ("path", "stays", "is_told"),
    [
        ("cameras.gate.url", {"cameras.gate"}, True),
        ("cameras.gate", {"cameras.gate"}, True),
        ("cameras.gate", {"cameras"}, True),
        ("zones.gate.dock.polygon", {"rules", "zones.gate.dock"}, True),
        ("cameras.gate-2.url", {"cameras.gate"}, False),
        ("cameras", {"cameras.gate"}, False),
        ("cameras.gate.url", set(), False),
        ("", {"cameras"}, False),
    ],
)
def test_an_error_says_whose_value_is_in_force(path: str, stays: set[str], is_told: bool) -> None:
    (found,) = told([error(path)], stays)
    assert found == (
        FieldError(path=path, code="wrong-type", message=f"must be a number{OF_EARLIER_RUN}")
        if is_told
        else error(path)
    )


patches = st.fixed_dictionaries(
    {},
    optional={
        "cameras": st.dictionaries(
            st.sampled_from(["gate", "yard", "a b"]),
            st.sampled_from([GATE, {"url": URL}, {"url": 7}, {"url": URL, "analysedFps": 99}, None, "x"]),
        ),
        "logLevel": st.sampled_from(["DEBUG", "LOUD", None]),
        "shards": st.sampled_from([["a"], [], "a", None]),
    },
)


@given(st.lists(patches, min_size=1, max_size=4), patches)
def test_a_restart_changes_nothing_of_what_is_in_force(before: list[dict[str, Any]], after: dict[str, Any]) -> None:
    """Whatever the twin went through, the next one is read by a restarted module as by one that ran on."""
    config: CaptureTwin | None = None
    for desired in before:
        config = capture(desired, config)
    assert config is not None
    recalled = unpacked(CaptureTwin, packed(config, OWNER), OWNER).config
    assert read_desired(CaptureTwin, after, last_good=recalled) == read_desired(CaptureTwin, after, last_good=config)
