"""What the page's zone editor works with: the zones in force, and a check of others by the twin's own rules.

Where a stand-in runtime on this machine offers it, also their way into the twin. On a device nothing here changes
anything: a module can't write its own desired properties, and the page hands out a twin fragment to copy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from safetygear.hub.port import Json
from safetygear.twin.desired import merged
from safetygear.twin.reading import FieldError, read_desired
from safetygear_inference.compliance.polygon import MAX_CORNERS, MIN_CORNERS
from safetygear_inference.compliance.zone_config import MAX_ZONES_PER_CAMERA, check_labels
from safetygear_inference.config import InferenceTwin
from safetygear_inference.judging.labels import PERSON, canonical_labels

ApplyZones = Callable[[Mapping[str, Json]], Awaitable[None]]
"""Writes `zones` (by camera and id; null removes) into the twin. Raises SafetyGearError."""
GEAR: Final = ("helmet", "vest")
"""What may be required before the model in use is known."""


class ZoneDesk:
    """`config` and `labels` give what is in force; `apply` is None on a device."""

    def __init__(
        self, config: Callable[[], InferenceTwin], labels: Callable[[], Iterable[str]], apply: ApplyZones | None
    ) -> None:
        self._config = config
        self._labels = labels
        self._apply = apply

    @property
    def can_apply(self) -> bool:
        return self._apply is not None

    def document(self) -> dict[str, Any]:
        """What the editor needs to begin: zones as the twin writes them, and what may stand in one."""
        config = self._config()
        return {
            "zones": {
                camera: {key: _written(zone) for key, zone in entries.items()}
                for camera, entries in config.zones.items()
            },
            "rules": msgspec.to_builtins(config.rules),
            "calendars": sorted(config.calendars),
            "gear": self._gear(),
            "limits": {"minCorners": MIN_CORNERS, "maxCorners": MAX_CORNERS, "perCamera": MAX_ZONES_PER_CAMERA},
            "canApply": self.can_apply,
        }

    def errors(self, patch: Json) -> tuple[FieldError, ...]:
        """What would be wrong with the zones after `patch`, {"zones": {camera: {id: zone or null}}}; nothing else may
        be in it."""
        if not isinstance(patch, Mapping) or set(patch) != {"zones"} or not isinstance(patch["zones"], Mapping):
            return (FieldError(path="", code="wrong-type", message="must be an object with zones, and nothing else"),)
        before = {camera: dict(entries) for camera, entries in self.document()["zones"].items()}
        desired = {"zones": merged(before, patch["zones"])} | {
            "calendars": msgspec.to_builtins(self._config().calendars),
            "rules": msgspec.to_builtins(self._config().rules),
        }
        reading = read_desired(InferenceTwin, desired, last_good=None)
        found = [error for error in reading.errors if error.path.partition(".")[0] == "zones"]
        labels = frozenset(canonical_labels(self._labels()))
        if labels:
            named = patch["zones"]
            found += [
                FieldError(path=path, code=code, message=message)
                for path, code, message in check_labels(reading.config.zones, reading.config.rules, labels)
                if path.split(".")[0] == "zones" and path.split(".")[1] in named
            ]
        return tuple(found)

    async def apply(self, patch: Mapping[str, Json]) -> None:
        """Write what `errors` finds nothing wrong with into the twin. Raises SafetyGearError, and ValueError where
        `can_apply` is false."""
        if self._apply is None:
            raise ValueError("zones can't be applied from here")
        zones = patch["zones"]
        assert isinstance(zones, Mapping)
        await self._apply(zones)

    def _gear(self) -> list[str]:
        labels = canonical_labels(self._labels())
        found = [label for label in labels if label not in (PERSON, "head") and not label.startswith("no-")]
        return sorted(dict.fromkeys((*GEAR, *found)), key=lambda name: (name not in GEAR, name))


def _written(zone: msgspec.Struct) -> dict[str, Any]:
    """Without what is at its default: short, as somebody would write it."""
    defaults = {info.encode_name: info.default for info in msgspec.structs.fields(type(zone))}
    return {key: value for key, value in msgspec.to_builtins(zone).items() if value != defaults[key]}
