"""The desk of learning with a fake clock, a model that sees what it is told, and frames of noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np

from safetygear.clock import FakeClock, rfc3339
from safetygear.learning.example import Verdict
from safetygear.learning.folder import complete_examples
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.evidence.picture_making import CautiousDetector
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.desk import LearningDesk
from safetygear_inference.pixels import encode_jpeg
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis
from support.evidence import HEAD, PERSON, Seeing, noise, seen_frame
from support.outbox import inline

UNSURE = 0.41
"""The model shows people from 0.4 on."""
ON = LearningConfig(enabled=True, random_share=0, camera_pause_s=0, reasons=("uncertain",))


class Model(Seeing):
    identity = ModelIdentity(name="m", version="1", sha256="0" * 64)

    def own_threshold(self, label: str) -> float:
        return self.own_thresholds.get(label, 0.35)


class Desk:
    def __init__(self, folder: Path, clock: FakeClock | None = None, config: LearningConfig = ON) -> None:
        self.folder = folder
        self.clock, self.problems = clock or FakeClock(), Problems()
        self.zones: tuple[tuple[tuple[float, float], ...], ...] = ()
        self.verdicts: dict[str, Verdict] = {}
        self.side = SideAnalysis(folder)
        self.model = Model()
        self.desk = LearningDesk(
            folder,
            self.side,
            self.problems,
            self.clock,
            detector=CautiousDetector(),
            privacy=lambda _: self.zones,
            shown_from=lambda model: [model.own_threshold(label) for label in model.labels],
            verdict_of=self.verdicts.get,
            random=Random(1),
            off_loop=inline,
        )
        self.desk.configure(config)
        self.frames = 0

    async def see(
        self,
        *,
        seed: int | None = None,
        probability: float = UNSURE,
        camera: str = "gate",
        boxes: Sequence[tuple[str, Any]] = (("person", PERSON), ("head", HEAD)),
        jpeg: bytes | None = None,
        **judged: Any,
    ) -> None:
        """A frame of its own picture, or of that `seed`'s, five seconds after the last one, and what comes of it."""
        self.frames += 1
        await self.clock.advance(5)
        pixels = encode_jpeg(noise(seed=self.frames if seed is None else seed), 95) if jpeg is None else jpeg
        frame = seen_frame(self.model, boxes=boxes, camera=camera, jpeg=pixels)
        reference = msgspec.structs.replace(
            frame.arrival.reference, frame=self.frames, captured_at=rfc3339(self.clock.now_s())
        )
        analysed = replace(
            frame.analysed, boxes=replace(frame.analysed.boxes, probability=_all(probability, len(boxes)))
        )
        self.desk.seen(
            replace(
                frame,
                arrival=replace(frame.arrival, reference=reference),
                analysed=analysed,
                judged=replace(frame.judged, **judged),
            )
        )
        await self.settle()

    async def settle(self) -> None:
        while self.desk._job is not None:
            await self.desk._job

    def stored(self) -> list[str]:
        return complete_examples(self.folder / "learning" / "examples")


def _all(probability: float, count: int) -> Any:
    return np.full(count, probability, np.float32)
