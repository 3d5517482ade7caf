"""Reported properties: send only what changed, and say how the desired properties were taken."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from safetygear.hub.port import Json
from safetygear.twin.desired import merged
from safetygear.twin.reading import FieldError

# Reported properties hold 32 KB in all: the first errors say enough, the count says how many there are.
MAX_REPORTED_ERRORS: Final = 20
_LONGEST_MESSAGE: Final = 300


class ReportedState:
    """Pure. What the hub has acknowledged, and so what is left to send.

    A patch that failed is not acknowledged: the next `change` contains it again.
    """

    def __init__(self, acknowledged: Mapping[str, Json] | None = None) -> None:
        """`acknowledged`: the twin's reported half, so that what an earlier run left there is removed."""
        known = {key: value for key, value in (acknowledged or {}).items() if not key.startswith("$")}
        self._acknowledged: dict[str, Json] = copy.deepcopy(known)

    @property
    def value(self) -> dict[str, Json]:
        """What the hub has acknowledged; a copy."""
        return copy.deepcopy(self._acknowledged)

    def change(self, new: Mapping[str, Json]) -> dict[str, Json] | None:
        """The smallest merge patch that makes the acknowledged state equal to `new`; None where it already is."""
        return _difference(self._acknowledged, _without_nulls(new)) or None

    def acknowledged(self, patch: Mapping[str, Json]) -> None:
        """The hub has taken `patch`."""
        self._acknowledged = merged(self._acknowledged, copy.deepcopy(dict(patch)))


def config_report(version: int, errors: Sequence[FieldError]) -> dict[str, Json]:
    """How the desired properties of `version` were taken: status ok, or partial with the first errors."""
    listed = [_cut(msgspec.to_builtins(error)) for error in errors[:MAX_REPORTED_ERRORS]]
    return {
        "config": {
            "desiredVersion": version,
            "status": "partial" if errors else "ok",
            "errors": listed,
            "errorCount": len(errors),
        }
    }


def _difference(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif isinstance(value, Mapping) and isinstance(old[key], Mapping):
            inner = _difference(old[key], value)
            if inner:
                patch[key] = inner
        elif value != old[key] or type(value) is not type(old[key]):
            # Over an object, a merge patch with a plain value replaces it; the other way round too (RFC 7396).
            patch[key] = value
    return patch


def _without_nulls(value: Mapping[str, Json]) -> dict[str, Json]:
    """Null can't be reported: in a patch it removes."""
    return {
        key: _without_nulls(item) if isinstance(item, Mapping) else item
        for key, item in value.items()
        if item is not None
    }


def _cut(error: dict[str, str]) -> dict[str, str]:
    return {
        name: text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
        for name, text in error.items()
    }
