"""Whether the device has time for what its cameras send. Pure: the health of a period passed in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from safetygear.messages.health import CameraHealth
from safetygear_inference.problems import Problems

BEGINS_AT: Final = 0.05
"""Part of the frames shed in a health period. A moment's rush is none: other programs on the device have them."""
ENDS_AT: Final = 0.02


def shed_share(cameras: Iterable[CameraHealth]) -> float:
    """Of all frames that a worker should have looked at, the part that none had time for."""
    looked = shed = 0
    for camera in cameras:
        looked += camera.analysed + camera.gated
        shed += camera.dropped.get("shed", 0)
    return shed / (looked + shed) if shed else 0.0


def name_overload(cameras: Iterable[CameraHealth], problems: Problems) -> None:
    """Raise the problem `capacity` where a period has shed too much, and solve it after one that has not."""
    share = shed_share(cameras)
    if share >= BEGINS_AT:
        # The same words each time: a change of a reported property costs a message.
        problems.raised(
            "capacity",
            "overload",
            "the cameras send more frames than this device analyses; health says by camera how many are shed: lower "
            "analysedFps, set motionGate, or give those that matter a priority",
        )
    elif share < ENDS_AT:
        problems.solved("capacity")
