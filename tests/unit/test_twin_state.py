"""Desired state by version, reported state by difference."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.twin.desired import DesiredState, merged
from safetygear.twin.reading import FieldError
from safetygear.twin.reported import ReportedState, config_report


@pytest.mark.parametrize(
    ("patch", "applied", "value"),
    [
        ({"a": {"y": 2}, "$version": 6}, True, {"a": {"x": 1, "y": 2}, "$version": 6}),
        ({"a": None, "$version": 6}, True, {"$version": 6}),
        ({"a": 3, "$version": 6}, True, {"a": 3, "$version": 6}),
        ({"a": 3, "$version": 5}, True, {"a": {"x": 1}, "$version": 5}),
        ({"a": 3, "$version": 7}, False, {"a": {"x": 1}, "$version": 5}),
        ({"a": 3}, False, {"a": {"x": 1}, "$version": 5}),
        ({}, False, {"a": {"x": 1}, "$version": 5}),
    ],
)
def test_patches_apply_in_version_order(patch: dict[str, Any], applied: bool, value: dict[str, Any]) -> None:
    state = DesiredState()
    state.load({"a": {"x": 1}, "$version": 5})
    assert state.patch(patch) is applied
    assert state.value == value
    assert state.version == value["$version"]


def test_a_patch_before_the_twin_was_read_is_not_applied() -> None:
    assert DesiredState().patch({"a": 1, "$version": 1}) is False


def test_the_value_is_a_copy() -> None:
    state = DesiredState()
    source = {"a": {"x": 1}, "$version": 1}
    state.load(source)
    state.value["a"]["x"] = 2
    source["a"]["x"] = 3
    assert state.value["a"] == {"x": 1}


@pytest.mark.parametrize(
    ("known", "new", "patch"),
    [
        ({}, {}, None),
        ({"a": 1, "$version": 3}, {"a": 1}, None),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": 1}, {"a": True}, {"a": True}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"y": 2}}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"x": 1}}, {"a": {"y": None}}),
        ({"a": {"x": 1}}, {"a": 1}, {"a": 1}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({}, {"a": {"x": None}}, {"a": {}}),
    ],
)
def test_only_the_difference_is_sent(known: dict[str, Any], new: dict[str, Any], patch: dict[str, Any] | None) -> None:
    assert ReportedState(known).change(new) == patch


def test_what_was_not_acknowledged_is_sent_again() -> None:
    state = ReportedState()
    assert state.change({"a": 1}) == {"a": 1}
    patch = state.change({"a": 1, "b": 2})
    assert patch == {"a": 1, "b": 2}
    state.acknowledged(patch)
    assert state.change({"a": 1, "b": 2}) is None


plain = st.recursive(
    st.integers(-2, 2) | st.booleans() | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text("ab", max_size=2), plain, max_size=3)


@given(objects, objects)
def test_the_patch_leads_from_old_to_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    state = ReportedState(old)
    patch = state.change(new)
    assert merged(old, patch or {}) == new
    state.acknowledged(patch or {})
    assert state.change(new) is None


def test_the_report_of_a_broken_twin_stays_small() -> None:
    errors = [FieldError(path=f"cameras.c{index}.url", code="bad-format", message="x" * 2000) for index in range(500)]
    report = config_report(12, errors)["config"]
    assert (report["desiredVersion"], report["status"], report["errorCount"]) == (12, "partial", 500)
    assert len(report["errors"]) == 20
    assert len(json.dumps(report)) < 10_000
    assert config_report(13, [])["config"] == {"desiredVersion": 13, "status": "ok", "errors": [], "errorCount": 0}
