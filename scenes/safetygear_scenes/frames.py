"""Rendered frames in a folder: a background, and per frame the rectangle that differs from it. Linear half floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from safetygear_scenes.pictures import Picture

BACKGROUND, PLAIN = "background.npy", "plain.npy"


def read_frame(folder: Path, frame: int, background: Picture) -> Picture:
    """A rendered frame, linear; the background where nobody is."""
    path = folder / f"{frame:04d}.npz"
    if not path.exists():
        return background
    picture = background.copy()
    with np.load(path) as stored:
        x0, y0, x1, y1 = stored["box"]
        picture[y0:y1, x0:x1] = stored["pixels"]
    return picture


def write_frame(folder: Path, frame: int, picture: Picture, background: Picture) -> None:
    """What of the picture is not background."""
    differs = (picture != background).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    x0, y0, x1, y1 = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(rows) else (0, 0, 0, 0)
    pixels = picture[y0:y1, x0:x1].astype(np.float16)
    np.savez_compressed(folder / f"{frame:04d}.npz", box=np.array([x0, y0, x1, y1]), pixels=pixels)
