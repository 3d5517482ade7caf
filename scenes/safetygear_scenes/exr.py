"""Rendered OpenEXR files: the picture, and who covers which pixel how far (Cryptomatte 1.2)."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from safetygear_scenes.pictures import Coverage, Picture


@dataclass(frozen=True)
class Rendered:
    """`coverage`: by the names of people's objects, person's number and part."""

    picture: Picture
    coverage: dict[tuple[int, str], Coverage]


def read(path: Path) -> Rendered:
    channels: dict[str, Any] = {}
    header: dict[str, Any] = {}
    for part in OpenEXR.File(str(path), separate_channels=True).parts:
        header.update(part.header)
        channels.update((name, np.array(channel.pixels)) for name, channel in part.channels.items())
    picture = np.stack([_ending(channels, f"Combined.{colour}") for colour in "RGB"], -1).astype(np.float32)
    return Rendered(picture, _coverage(channels, header, picture.shape[:2]))


def _ending(channels: dict[str, Any], name: str) -> Any:
    return next(pixels for full, pixels in channels.items() if full == name or full.endswith(f".{name}"))


def object_id(hashed: str) -> np.float32:
    """The manifest's hash as the layers hold it: where the exponent would make it no usable float, one bit is flipped
    (Cryptomatte specification 1.2, ID generation)."""
    bits = int(hashed, 16)
    if (bits >> 23) & 255 in (0, 255):
        bits ^= 1 << 23
    return np.float32(struct.unpack("<f", struct.pack("<I", bits))[0])


def _coverage(
    channels: dict[str, Any], header: dict[str, Any], shape: tuple[int, ...]
) -> dict[tuple[int, str], Coverage]:
    manifest = next(
        value for key, value in header.items() if key.startswith("cryptomatte/") and key.endswith("manifest")
    )
    layers = sorted(
        {name.rsplit(".", 1)[0] for name in channels if "CryptoObject" in name and name[-2:] in (".r", ".R")}
    )
    found = {}
    for name, hashed in json.loads(manifest).items():
        number, _, part = name.partition("_")
        if not number.isdigit():
            continue
        wanted, cover = object_id(hashed), np.zeros(shape, np.float32)
        for layer in layers:
            r, g, b, a = (
                channels[f"{layer}.{c}" if f"{layer}.{c}" in channels else f"{layer}.{c.upper()}"] for c in "rgba"
            )
            cover += np.where(r == wanted, g, 0) + np.where(b == wanted, a, 0)
        if cover.any():
            found[int(number), part] = cover
    return found
