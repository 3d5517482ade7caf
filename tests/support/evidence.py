"""Frames with people in them, whose pixels are noise, and a model that sees what it is told to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from safetygear.geometry import as_xyxy
from safetygear.messages.frames import FrameReference
from safetygear_inference.analysis import Analysed
from safetygear_inference.compliance.camera_episodes import PictureWish
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.camera_judge import JudgedFrame
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.pixels import encode_jpeg

WIDTH, HEIGHT = 320, 240
LABELS = ("person", "head")
Box = tuple[float, float, float, float]
PERSON: Box = (0.3, 0.2, 0.45, 0.8)
HEAD: Box = (0.35, 0.2, 0.4, 0.28)
NOW = "2026-11-25T09:00:00.000Z"


class Seeing:
    """A model and its detector in one: `looks` are what it was asked for."""

    labels = LABELS
    own_thresholds: Mapping[str, float] = {"person": 0.4}

    def __init__(self, *boxes: tuple[str, Box], fails: Exception | None = None) -> None:
        self.boxes, self.fails = boxes, fails
        self.thresholds: list[tuple[Mapping[str, float], float | None]] = []
        self.looks: list[tuple[int, int]] = []

    def detector(self, *, thresholds: Mapping[str, float], default_threshold: float | None) -> Seeing:
        self.thresholds.append((dict(thresholds), default_threshold))
        return self

    def detect(self, picture: Picture) -> DetectedBoxes:
        self.looks.append((picture.width, picture.height))
        if self.fails is not None:
            raise self.fails
        return detected(self.boxes)


def detected(boxes: Sequence[tuple[str, Box]]) -> DetectedBoxes:
    classes = np.array([LABELS.index(label) for label, _ in boxes], np.int64)
    return DetectedBoxes(as_xyxy([box for _, box in boxes]), classes, np.full(len(boxes), 0.9, np.float32))


def noise(width: int = WIDTH, height: int = HEIGHT, seed: int = 1) -> np.ndarray:
    """(height, width, 3): detail everywhere, coarse enough to survive a JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return np.kron(coarse, np.ones((4, 4, 1), np.uint8))


def seen_frame(
    model: Any,
    *,
    wishes: Sequence[PictureWish] = (),
    boxes: Sequence[tuple[str, Box]] = (("person", PERSON), ("head", HEAD)),
    unseen: Sequence[Box] = (),
    camera: str = "gate",
    jpeg: bytes | None = None,
    size_px: tuple[int, int] = (WIDTH, HEIGHT),
) -> SeenFrame:
    """As it comes where the modules share no memory: the picture in the message."""
    reference = FrameReference(
        camera=camera, frame=1, ring=camera, epoch=1, slot=0, sequence=2, width=size_px[0], height=size_px[1],
        stride=size_px[0], pixel_format="i420", captured_at=NOW, clock="arrival", decoded_at=NOW,
    )  # fmt: skip
    body = encode_jpeg(noise(*size_px), 95) if jpeg is None else jpeg
    analysed = Analysed(detected(boxes), 0.0, 1.0, None, None)
    judged = JudgedFrame(wishes=tuple(wishes), unseen=tuple(unseen))
    message: Any = None
    return SeenFrame(Arrival("default", reference, 0.0, body), analysed, model, judged, message, False)


def wish(episode: int, score: float = 0.5, track: str = "t1", box: Box = PERSON) -> PictureWish:
    return PictureWish(f"ep-{episode:024x}", track, box, score)
