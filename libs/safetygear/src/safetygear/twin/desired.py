"""The desired properties as they stand: a full twin, then merge patches in version order."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from safetygear.hub.port import Json


def merged(current: Mapping[str, Json], patch: Mapping[str, Json]) -> dict[str, Json]:
    """`current` with a JSON merge patch applied (RFC 7396, as twins are patched): null removes, arrays are replaced."""
    result: dict[str, Any] = dict(current)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            result[key] = value
    return result


class DesiredState:
    """Pure. `load` the twin's desired half, then `patch`; where that says False, read the twin again."""

    def __init__(self) -> None:
        self._value: dict[str, Json] = {}
        self._version: int | None = None

    @property
    def value(self) -> dict[str, Json]:
        """What is desired now, `$version` included; a copy."""
        return copy.deepcopy(self._value)

    @property
    def version(self) -> int:
        """`$version` of `value`; 0 before the first load."""
        return self._version or 0

    def load(self, desired: Mapping[str, Json]) -> None:
        """Replace everything by a full desired half."""
        self._value = copy.deepcopy(dict(desired))
        self._version = _version_of(desired)

    def patch(self, patch: Mapping[str, Json]) -> bool:
        """Apply the next patch. False: nothing was applied, because the version shows that one was missed.

        A patch without `$version` says "patches may have been missed" (TwinSession). One that is already in `value`
        (a redelivery, or older than the twin that was read) is left out, which is True: nothing is missing.
        """
        version = _version_of(patch)
        if version is None or self._version is None or version > self._version + 1:
            return False
        if version == self._version + 1:
            self._value = merged(self._value, copy.deepcopy(dict(patch)))
            self._version = version
        return True


def _version_of(desired: Mapping[str, Json]) -> int | None:
    version = desired.get("$version")
    return version if isinstance(version, int) and not isinstance(version, bool) else None
