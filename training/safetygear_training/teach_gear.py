"""Finds gear with an earlier detector, looked through in several sizes and mirrored, once per run: `<out>/gear.npz`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from safetygear_training.average_precision import Found
from safetygear_training.detecting import Network, find, onnx_network
from safetygear_training.fusion import fuse, mirrored_back
from safetygear_training.gear import with_gear
from safetygear_training.labels import CLASSES
from safetygear_training.pictures import Picture, Pixels

log = logging.getLogger(__name__)


def look(networks: Sequence[tuple[Network, tuple[int, int]]], pixels: Pixels) -> Found:
    """All networks, on the picture and on its mirror image, as one answer."""
    mirror = np.ascontiguousarray(pixels[:, ::-1])
    views = []
    for network, size in networks:
        views.append(find(network, size, pixels, len(CLASSES)))
        views.append(mirrored_back(find(network, size, mirror, len(CLASSES)), pixels.shape[1]))
    return fuse(views)


def teach_gear(pictures: Sequence[Picture], teachers: Sequence[Path], cache: Path) -> list[Picture]:
    """The pictures with gear. The cache is by picture name; what is missing is found and stored."""
    known: dict[str, np.ndarray] = dict(np.load(cache)) if cache.exists() else {}
    missing = [picture for picture in pictures if picture.name not in known]
    if missing:
        networks = [onnx_network(path) for path in teachers]
        for picture in missing:
            found = look(networks, picture.pixels)
            known[picture.name] = np.concatenate((found.boxes, found.scores[:, None], found.classes[:, None]), 1)
        np.savez_compressed(cache, **known)
        log.info("found gear in %d pictures with %s", len(missing), ", ".join(path.name for path in teachers))
    return [with_gear(p, as_found(known[p.name])) for p in pictures]


def as_found(rows: np.ndarray) -> Found:
    """The cached rows (n, 6): box, score, class."""
    return Found(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.intp))
