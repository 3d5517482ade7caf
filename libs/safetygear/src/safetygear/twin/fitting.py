"""Keeps the reported properties within IoT Hub's 32 KB: above them it refuses every patch, and nothing is told.

What a site has many of is `cameras`, and what a broken twin has many of `config.errors`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from safetygear.hub.port import Json

MAX_REPORTED_BYTES: Final = 30 * 1024
"""As JSON. The hub counts less per text and more per number."""
CALM_BYTES: Final = 27 * 1024
"""A shortening is taken back below this only: at the limit itself, each change would send everything again."""
ERRORS_KEPT: Final = 3
_KEPT_OF_A_CAMERA: Final = frozenset({"state", "reason", "analysedFps"})
_STEPS: Final = ("camera-details", "errors", "cameras-well", "cameras")
"""What is left out, one after the other; the last as far as it must."""


class Fitting:
    """Remembers how far the last document had to be shortened."""

    def __init__(self) -> None:
        self._steps = 0

    def fit(self, document: Mapping[str, Json]) -> dict[str, Json]:
        """`document` as it is, or shortened until it fits: then `shortened` names what was left out."""
        while self._steps and _size_bytes(_shortened(document, self._steps - 1)) <= CALM_BYTES:
            self._steps -= 1
        while self._steps < len(_STEPS) and _size_bytes(_shortened(document, self._steps)) > MAX_REPORTED_BYTES:
            self._steps += 1
        return _shortened(document, self._steps)


def _shortened(document: Mapping[str, Json], steps: int) -> dict[str, Json]:
    result = dict(document)
    if steps == 0:
        return result
    cameras = {
        name: {key: value for key, value in entry.items() if key in _KEPT_OF_A_CAMERA}
        for name, entry in document.get("cameras", {}).items()
    }
    all_cameras = len(cameras)
    if steps >= 2:
        config = document.get("config", {})
        result["config"] = {**config, "errors": config.get("errors", [])[:ERRORS_KEPT]}
    if steps >= 3:
        cameras = {name: entry for name, entry in cameras.items() if entry.get("reason") != "ok"}
    result["cameras"] = cameras
    result["shortened"] = {"leftOut": ", ".join(_STEPS[:steps]), "camerasLeftOut": all_cameras - len(cameras)}
    if steps == len(_STEPS):
        room_bytes = MAX_REPORTED_BYTES - _size_bytes({**result, "cameras": {}})
        kept: dict[str, Json] = {}
        for name, entry in cameras.items():
            room_bytes -= _size_bytes({name: entry})
            if room_bytes < 0:
                break
            kept[name] = entry
        result["cameras"] = kept
        result["shortened"]["camerasLeftOut"] = all_cameras - len(kept)
    return result


def _size_bytes(document: Mapping[str, Json]) -> int:
    return len(msgspec.json.encode(document))
