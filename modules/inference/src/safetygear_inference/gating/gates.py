"""The gates of all cameras: which frames may be left out at all, and what became of them. Belongs to the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from safetygear_inference.gating.config import MotionGateConfig
from safetygear_inference.gating.gate import MotionGate
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import luma_sketch

BUSY_FOR_S: Final = 10.0
"""A camera is quiet again so long after the last movement: its decoder goes on and off, and most people come back."""


@dataclass(frozen=True)
class GateLook:
    """What a worker needs to look at one frame; only one looks at a camera's frames at a time."""

    gate: MotionGate
    now_s: float
    floor_s: float
    may_close: bool = True

    def closes(self, picture: Picture) -> bool:
        """Whether the frame needs no analysis."""
        return self.gate.closes(luma_sketch(picture), self.now_s, self.floor_s if self.may_close else 0.0)


class MotionGates:
    """`quiet` says of a camera whether nobody is followed and no episode is open on it."""

    def __init__(self, quiet: Callable[[str], bool]) -> None:
        self.config = MotionGateConfig()
        self.on_call: set[str] = set()
        """Cameras of which capture decodes key frames alone until every frame is wanted."""
        self._quiet = quiet
        self._gates: dict[str, MotionGate] = {}

    def look(self, camera: str, now_s: float, *, always: bool) -> GateLook | None:
        """For the camera's next frame; None: it is analysed, whatever it shows. `always`: there is a reason for it."""
        holds = self.config.holds_for(camera)
        if not holds and camera not in self.on_call:
            self._gates.pop(camera, None)
            return None
        gate = self._gates.setdefault(camera, MotionGate())
        if always or not self._quiet(camera):
            gate.busy(now_s)
            return None
        return GateLook(gate, now_s, self.config.floor_s, may_close=holds)

    def analysed(self, camera: str, now_s: float) -> None:
        """The camera's frame was analysed and judged."""
        gate = self._gates.get(camera)
        if gate is not None:
            gate.analysed(now_s, nobody=self._quiet(camera))

    def wanted(self, now_s: float) -> list[str]:
        """Of the cameras on call, those of which every frame is wanted, sorted."""
        return sorted(camera for camera in self.on_call if not self._quiet(camera) or self._busy(camera, now_s))

    def _busy(self, camera: str, now_s: float) -> bool:
        gate = self._gates.get(camera)
        return gate is not None and now_s - gate.moved_s < BUSY_FOR_S

    def forget(self, camera: str) -> None:
        """The camera was removed."""
        self.on_call.discard(camera)
        self._gates.pop(camera, None)
