"""Module twins: merge patches, versions and IoT Hub's size limit. Pure.

Source: Microsoft, "Understand and use module twins in IoT Hub": desired and reported at most 32 KB each; null removes a
key; a PUT replaces; each change adds one to the half's `$version`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

MAX_HALF_BYTES = 32 * 1024
Properties = dict[str, Any]


class TwinTooLargeError(ValueError):
    """The half would be above 32 KB; nothing was changed."""


def merged(current: Mapping[str, Any], patch: Mapping[str, Any]) -> Properties:
    """`current` after the merge patch; neither argument is changed."""
    result = dict(current)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


class TwinDocument:
    """Both halves of one module's twin."""

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        halves = saved or {}
        self.desired: Properties = dict(halves.get("desired", {"$version": 1}))
        self.reported: Properties = dict(halves.get("reported", {"$version": 1}))

    def as_json(self) -> Properties:
        return {"desired": self.desired, "reported": self.reported}

    def patch_desired(self, patch: Mapping[str, Any]) -> Properties:
        """Apply a merge patch; the notification the module gets. Raises TwinTooLargeError."""
        self.desired = _next_version(self.desired, merged(self.desired, patch))
        return {**_without_system(patch), "$version": self.desired["$version"]}

    def replace_desired(self, desired: Mapping[str, Any]) -> Properties:
        """What a PUT or a deployment does: keys that are not named are gone, and the notification says so with null."""
        removed = {key: None for key in self.desired if not key.startswith("$") and key not in desired}
        fresh = merged({"$version": self.desired["$version"]}, desired)
        self.desired = _next_version(self.desired, fresh)
        return {**removed, **_without_system(desired), "$version": self.desired["$version"]}

    def patch_reported(self, patch: Mapping[str, Any]) -> int:
        """Apply the module's own patch; the new version. Raises TwinTooLargeError."""
        self.reported = _next_version(self.reported, merged(self.reported, patch))
        return int(self.reported["$version"])


def _without_system(properties: Mapping[str, Any]) -> Properties:
    return {key: copy.deepcopy(value) for key, value in properties.items() if not key.startswith("$")}


def _next_version(before: Mapping[str, Any], after: Properties) -> Properties:
    size = len(json.dumps(_without_system(after), separators=(",", ":")).encode())
    if size > MAX_HALF_BYTES:
        raise TwinTooLargeError(f"the properties would take {size} bytes; IoT Hub allows {MAX_HALF_BYTES}")
    after["$version"] = before["$version"] + 1
    return after
