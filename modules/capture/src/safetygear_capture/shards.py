"""Which inference instance analyses a camera that names none. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from safetygear_capture.config import CameraConfig


def shard_of(camera: str, shards: Sequence[str]) -> str:
    """One of `shards`, by the camera's id: the same on every box and after every restart.

    By rendezvous hashing: where a shard is added, only the cameras that it takes move.
    """
    return max(shards, key=lambda shard: hashlib.blake2b(f"{shard}/{camera}".encode(), digest_size=8).digest())


def placed(cameras: Mapping[str, CameraConfig], shards: Sequence[str]) -> dict[str, CameraConfig]:
    """The cameras, each with a shard of its own or one of `shards`."""
    return {
        name: config if config.shard is not None else msgspec.structs.replace(config, shard=shard_of(name, shards))
        for name, config in cameras.items()
    }
