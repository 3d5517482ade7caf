"""Who else wants to know of every analysed frame: evidence, learning, a model on trial. None of them costs a frame."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from safetygear.messages.detections import DetectionsMessage
from safetygear_inference.analysis import Analysed
from safetygear_inference.detectors import Model
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.camera_judge import JudgedFrame

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeenFrame:
    """A frame that was analysed and judged; for some seconds its pixels still lie in their slot (side_analysis.py)."""

    arrival: Arrival
    analysed: Analysed
    model: Model
    judged: JudgedFrame
    message: DetectionsMessage
    dark: bool

    @property
    def camera(self) -> str:
        return self.arrival.reference.camera


FrameListener = Callable[[SeenFrame], None]


class FrameListeners:
    """Called on the event loop, after the frame's message was handed over: a listener decides and enqueues, no more."""

    def __init__(self) -> None:
        self._listeners: list[FrameListener] = []
        self._surprises: set[tuple[int, str]] = set()

    def add(self, listener: FrameListener) -> None:
        self._listeners.append(listener)

    def tell(self, frame: SeenFrame) -> None:
        """What a listener raises is logged, once for each kind, and costs nothing else."""
        for number, listener in enumerate(self._listeners):
            try:
                listener(frame)
            except Exception as exc:
                surprise = (number, type(exc).__name__)
                if surprise not in self._surprises:
                    self._surprises.add(surprise)
                    log.exception("camera %s: a frame's listener failed", frame.camera)
