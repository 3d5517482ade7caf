"""Module twins: merge patches, versions and IoT Hub's limits. Pure.

Source: Microsoft, "Understand and use module twins in IoT Hub": desired and reported at most 32 KB each, ten levels,
keys without `.`, `$`, space and control characters, whole numbers within ±2**52, texts of 4 KB; null removes a key; a
PUT replaces; each change adds one to the half's `$version`.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping
from typing import Any

MAX_HALF_BYTES = 32 * 1024
MAX_DEPTH = 10
MAX_TEXT_BYTES = 4096
MAX_KEY_BYTES = 1024
MAX_WHOLE_NUMBER = 2**52
_NOT_IN_KEYS = re.compile(r"[.$ \x00-\x1f\x7f-\x9f]")
Properties = dict[str, Any]


class InvalidPropertiesError(ValueError):
    """IoT Hub would refuse these properties; nothing was changed."""


class TwinTooLargeError(InvalidPropertiesError):
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
        """Apply a merge patch; the notification the module gets. Raises InvalidPropertiesError."""
        self.desired = _next_version(self.desired, patch, self.desired)
        return {**_without_system(patch), "$version": self.desired["$version"]}

    def replace_desired(self, desired: Mapping[str, Any]) -> Properties:
        """What a PUT or a deployment does: keys that are not named are gone, at every level.

        The notification is a merge patch, so it says so with null. Raises InvalidPropertiesError.
        """
        before = self.desired
        self.desired = _next_version(before, desired, {})
        return {**_leading_to(before, _without_system(desired)), "$version": self.desired["$version"]}

    def patch_reported(self, patch: Mapping[str, Any]) -> int:
        """Apply the module's own patch; the new version. Raises InvalidPropertiesError."""
        self.reported = _next_version(self.reported, patch, self.reported)
        return int(self.reported["$version"])


def _without_system(properties: Mapping[str, Any]) -> Properties:
    return {key: copy.deepcopy(value) for key, value in properties.items() if not key.startswith("$")}


def _leading_to(before: Mapping[str, Any], desired: Properties) -> Properties:
    """`desired` with a null for everything of `before` that it does not name."""
    removed: Properties = {key: None for key in before if not key.startswith("$") and key not in desired}
    for key, value in desired.items():
        below = before.get(key)
        if isinstance(value, dict) and isinstance(below, Mapping):
            desired[key] = _leading_to(below, value)
    return removed | desired


def _next_version(before: Mapping[str, Any], patch: Mapping[str, Any], base: Mapping[str, Any]) -> Properties:
    """`base` after `patch`, one version above `before`."""
    _check(patch, "", MAX_DEPTH)
    after = merged(base, patch)
    text = json.dumps(_without_system(after), separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_HALF_BYTES:
        raise TwinTooLargeError(f"the properties would take {size} bytes; IoT Hub allows {MAX_HALF_BYTES}")
    after["$version"] = before["$version"] + 1
    return after


def _check(value: Any, path: str, levels_left: int) -> None:
    match value:
        case Mapping() | list():
            if levels_left == 0:
                raise InvalidPropertiesError(f"{path[:80]} is below more than {MAX_DEPTH} levels")
            entries = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, below in entries:
                if isinstance(key, str) and not (path == "" and key.startswith("$")):
                    _check_key(key, path)
                _check(below, f"{path}.{key}" if path else str(key), levels_left - 1)
        case float() if not math.isfinite(value):
            raise InvalidPropertiesError(f"{path} is no number that JSON has")
        case bool():
            return
        case int() if not -MAX_WHOLE_NUMBER <= value < MAX_WHOLE_NUMBER:
            raise InvalidPropertiesError(f"{path} is beyond the whole numbers that IoT Hub keeps (±2**52)")
        case str() if len(value.encode(errors="surrogatepass")) > MAX_TEXT_BYTES:
            raise InvalidPropertiesError(f"{path} is a text above {MAX_TEXT_BYTES} bytes")


def _check_key(key: str, path: str) -> None:
    if not key or len(key.encode(errors="surrogatepass")) > MAX_KEY_BYTES or _NOT_IN_KEYS.search(key):
        raise InvalidPropertiesError(
            f"the key {key[:80]!r} below {path[:80] or 'the top'} is empty, too long, or has one of . $ space"
        )
