"""Folders of examples as a device leaves them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from safetygear.learning.example import Example, ExampleDetection, ExamplePicture, example_id
from safetygear.messages.codec import BoundingBox, encode
from safetygear.messages.detections import FrameSize, ModelIdentity
from safetygear_inference.pixels import encode_jpeg

LABELS = ("person", "helmet", "vest")
WIDTH, HEIGHT = 64, 48


@dataclass(frozen=True)
class Box:
    """A detection; edges in 0..1."""

    label: str
    left: float = 0.25
    top: float = 0.25
    width: float = 0.5
    height: float = 0.25
    probability: float = 0.75
    weak: bool = False


def jpeg(number: int) -> bytes:
    """Another picture for each number below 2 ** 24."""
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for bit in range(24):
        column = 2 * bit
        pixels[:24, column : column + 2] = 220 if number >> bit & 1 else 20
    return encode_jpeg(pixels, 95)


def described(number: int, boxes: Sequence[Box] = (Box("helmet"),), *, picture: bytes = b"", **changes: Any) -> Example:
    """The description of example number `number`; `changes` to it."""
    digest = hashlib.sha256(picture).hexdigest()
    captured_at = f"2026-11-29T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"
    whole = BoundingBox(left=0, top=0, width=1, height=1)
    blurred = changes.pop("faces_blurred", True)
    example = Example(
        id=example_id("gate", captured_at, digest),
        camera="gate",
        captured_at=captured_at,
        reasons=["uncertain"],
        score=0.5,
        frame=FrameSize(width=WIDTH, height=HEIGHT),
        picture=ExamplePicture(
            width=WIDTH, height=HEIGHT, sha256=digest, quality=95, faces_blurred=blurred, privacy=False
        ),
        focus=whole,
        perceptual_hash="0" * 16,
        focus_hash="0" * 16,
        model=ModelIdentity(name="site", version="3", sha256="a" * 64),
        labels=list(LABELS),
        detections=[
            ExampleDetection(
                label=one.label,
                probability=one.probability,
                bounding_box=BoundingBox(left=one.left, top=one.top, width=one.width, height=one.height),
                weak=one.weak,
            )
            for one in boxes
        ],
        tracks=[],
    )
    return msgspec.structs.replace(example, **changes)


def write_example(
    folder: Path, number: int, boxes: Sequence[Box] = (Box("helmet"),), *, picture: bytes | None = None, **changes: Any
) -> Example:
    """Both files of it."""
    data = jpeg(number) if picture is None else picture
    example = described(number, boxes, picture=data, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{example.id}.jpg").write_bytes(data)
    (folder / f"{example.id}.json").write_bytes(encode(example))
    return example


def write_examples(folder: Path, count: int, boxes: Sequence[Box] = (Box("helmet"),)) -> list[Example]:
    """Examples 0 to `count` - 1."""
    return [write_example(folder, number, boxes) for number in range(count)]
