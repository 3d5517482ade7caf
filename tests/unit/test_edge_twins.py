"""Module twins as IoT Hub keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.edge_runtime.twins import (
    MAX_HALF_BYTES,
    InvalidPropertiesError,
    TwinDocument,
    TwinTooLargeError,
    merged,
)


def plain(half: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in half.items() if key != "$version"}


@pytest.mark.parametrize(
    ("current", "patch", "expected"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": None}, {}),
        ({"a": 1}, {"b": None}, {"a": 1}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": None, "z": 3}}, {"a": {"y": 2, "z": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"x": {"y": None, "z": 1}}}, {"a": {"x": {"z": 1}}}),
        ({"a": {"x": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"$version": 99, "a": 2}, {"a": 2}),
    ],
)
def test_merge_patches(current: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    before = json.dumps([current, patch])
    assert merged(current, patch) == expected
    assert json.dumps([current, patch]) == before


def test_each_change_is_one_version_and_is_told() -> None:
    twin = TwinDocument()
    assert twin.desired == {"$version": 1}
    assert twin.patch_desired({"a": {"b": None}, "c": 1}) == {"a": {"b": None}, "c": 1, "$version": 2}
    assert twin.desired == {"a": {}, "c": 1, "$version": 2}
    assert twin.patch_reported({"r": 1}) == 2
    assert twin.as_json() == {"desired": {"a": {}, "c": 1, "$version": 2}, "reported": {"r": 1, "$version": 2}}
    assert TwinDocument(json.loads(json.dumps(twin.as_json()))).as_json() == twin.as_json()


def test_a_deployment_overwrites_what_was_patched() -> None:
    twin = TwinDocument({"desired": {"cameras": {"a": 1, "b": {"x": 1}}, "patched": True, "$version": 7}})
    told = twin.replace_desired({"cameras": {"b": {"y": 2}}})
    assert twin.desired == {"cameras": {"b": {"y": 2}}, "$version": 8}
    assert told == {"cameras": {"a": None, "b": {"x": None, "y": 2}}, "patched": None, "$version": 8}


values = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(objects, objects)
def test_what_a_module_is_told_leads_it_to_the_twin(before: dict[str, Any], after: dict[str, Any]) -> None:
    replaced, patched = TwinDocument(), TwinDocument()
    replaced.replace_desired(before)
    assert merged(before, replaced.replace_desired(after)) == after == plain(replaced.desired)
    patched.replace_desired(before)
    assert merged(before, patched.patch_desired(after)) == plain(patched.desired) == merged(before, after)


def test_32_kb_is_the_limit_and_nothing_changes_beyond() -> None:
    twin = TwinDocument()
    full = {str(n): "x" * 4096 for n in range(7)}
    rest = MAX_HALF_BYTES - len(json.dumps({**full, "rest": ""}, separators=(",", ":")))
    twin.replace_desired({**full, "rest": "x" * rest})
    before = twin.as_json()
    for change in (twin.replace_desired, twin.patch_desired):
        with pytest.raises(TwinTooLargeError, match="32769 bytes; IoT Hub allows 32768"):
            change({**full, "rest": "x" * (rest + 1)})
    assert twin.as_json() == before
    assert twin.patch_reported(full) == 2
    with pytest.raises(TwinTooLargeError):
        twin.patch_reported({"a": "x" * 4096})
    assert twin.reported["$version"] == 2


def test_letters_count_as_utf_8() -> None:
    TwinDocument().replace_desired({str(n): "ü" * 2000 for n in range(8)})


def nested(levels: int) -> dict[str, Any]:
    return {"a": 1} if levels == 1 else {"a": nested(levels - 1)}


@pytest.mark.parametrize(
    ("properties", "part"),
    [
        (nested(11), "more than 10 levels"),
        ({"a b": 1}, "'a b'"),
        ({"a": {"b.c": 1}}, "'b.c' below a"),
        ({"a": {"$b": 1}}, "'$b'"),
        ({"a": [{"b\n": 1}]}, "below a.0"),
        ({"": 1}, "empty"),
        ({"k" * 1025: 1}, "too long"),
        ({"a": {"b": "x" * 4097}}, "a.b is a text above 4096"),
        ({"a": 2**52}, "a is beyond"),
        ({"a": -(2**52) - 1}, "a is beyond"),
        ({"a": [float("nan")]}, "a.0 is no number"),
    ],
)
def test_what_iot_hub_would_refuse_is_refused(properties: dict[str, Any], part: str) -> None:
    twin = TwinDocument()
    for change in (twin.patch_desired, twin.replace_desired, twin.patch_reported):
        with pytest.raises(InvalidPropertiesError) as caught:
            change(properties)
        assert part in str(caught.value) and str(caught.value).isprintable()
    assert twin.as_json() == TwinDocument().as_json()


def test_what_just_fits_is_taken() -> None:
    TwinDocument().replace_desired({**nested(10), "k" * 1024: 2**52 - 1, "t": "x" * 4096, "ü-_": [True, None, 1.5]})
