"""Desired properties of the motion gate."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class MotionGateConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Frames in which nothing has moved are not analysed while nobody is followed and no episode is open. They count as
    watched."""

    enabled: Annotated[bool, Meta(description="Whether there is a gate; cameras may say otherwise.")] = False
    floor_s: Annotated[
        float,
        Meta(ge=1, le=60, description="A camera's first frame after this time without an analysis has one."),
    ] = 5.0
    cameras: Annotated[
        dict[str, bool], Meta(description="Cameras by id for which enabled is not to count, but this.")
    ] = msgspec.field(default_factory=dict)

    def holds_for(self, camera: str) -> bool:
        """Whether the camera has a gate."""
        return self.cameras.get(camera, self.enabled)
