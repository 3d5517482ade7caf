"""The gates of all cameras: which frames may be left out at all, and what became of them. Belongs to the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from safetygear_inference.gating.config import MotionGateConfig
from safetygear_inference.gating.gate import MotionGate
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import luma_sketch


@dataclass(frozen=True)
class GateLook:
    """What a worker needs to look at one frame; only one looks at a camera's frames at a time."""

    gate: MotionGate
    now_s: float
    floor_s: float

    def closes(self, picture: Picture) -> bool:
        """Whether the frame needs no analysis."""
        return self.gate.closes(luma_sketch(picture), self.now_s, self.floor_s)


class MotionGates:
    """`quiet` says of a camera whether nobody is followed and no episode is open on it."""

    def __init__(self, quiet: Callable[[str], bool]) -> None:
        self.config = MotionGateConfig()
        self._quiet = quiet
        self._gates: dict[str, MotionGate] = {}

    def look(self, camera: str, now_s: float, *, always: bool) -> GateLook | None:
        """For the camera's next frame; None: it is analysed, whatever it shows. `always`: there is a reason for it."""
        if not self.config.holds_for(camera):
            self._gates.pop(camera, None)
            return None
        gate = self._gates.setdefault(camera, MotionGate())
        if always or not self._quiet(camera):
            gate.busy(now_s)
            return None
        return GateLook(gate, now_s, self.config.floor_s)

    def analysed(self, camera: str, now_s: float) -> None:
        """The camera's frame was analysed and judged."""
        gate = self._gates.get(camera)
        if gate is not None:
            gate.analysed(now_s, nobody=self._quiet(camera))

    def forget(self, camera: str) -> None:
        """The camera was removed."""
        self._gates.pop(camera, None)
