"""A model that sees the same crowd of bare heads in every picture: many events from few pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from support.onnx_models import yolox

SIZE = (640, 384)
STRIDES = (8, 16, 32)
LABELS = ("person", "helmet", "vest", "head", "no-vest")
PEOPLE = 14
"""In two rows of a picture of 640 x 360."""
EVERYBODY_TELLS = {
    "model": {"name": "crowd"},
    "rules": {"requires": ["helmet"], "minimumDurationS": 0},
    "votes": {"missingAfterS": 0.2, "wornAfterS": 0.2},
    "episodes": {"updateIntervalS": 1},
}
"""Desired properties: each of them is an episode, told anew each second."""


def write_crowd(folder: Path) -> Path:
    """The model `crowd` in a models folder; the folder."""
    cells = sum((SIZE[0] // stride) * (SIZE[1] // stride) for stride in STRIDES)
    rows = np.zeros((1, cells, 5 + len(LABELS)), np.float32)
    for number in range(PEOPLE):
        line, column = divmod(number, PEOPLE // 2)
        x, y = 50 + 88 * column, 90 + 170 * line
        for at, (label, box) in enumerate((("person", (x, y, 40, 120)), ("head", (x, y - 51, 16, 16)))):
            row = rows[0, 2 * number + at]
            row[:5] = (*box, 1.0)
            row[5 + LABELS.index(label)] = 0.9
    folder.mkdir(exist_ok=True)
    (folder / "crowd.onnx").write_bytes(yolox(rows, size=SIZE))
    settings = {"format": "yolox", "decoded": True, "labels": LABELS, "version": "1"}
    (folder / "crowd.json").write_text(json.dumps(settings))
    return folder
