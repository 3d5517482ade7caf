"""Pictures with true and found boxes, for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from safetygear_workbench.evaluate.found import Judged, JudgedPicture

Row = tuple[int, float, float, float, float]
"""Class, left, top, width, height in px."""


def picture(
    truth: Sequence[Row] = (),
    found: Sequence[tuple[float, Row]] = (),
    *,
    name: str = "a.jpg",
    crowd: Sequence[int] = (),
    scale: float = 1.0,
) -> JudgedPicture:
    """`found`: probability and row, in any order; `crowd`: places in `truth`."""
    ordered = sorted(found, key=lambda one: -one[0])
    return JudgedPicture(
        name=name,
        size_px=(640, 480),
        truth_xywh_px=np.array([row[1:] for row in truth], np.float64).reshape(-1, 4),
        truth_class=np.array([row[0] for row in truth], np.int64),
        crowd=np.isin(np.arange(len(truth)), list(crowd)),
        found_xywh_px=np.array([row[1:] for _, row in ordered], np.float64).reshape(-1, 4),
        found_class=np.array([row[0] for _, row in ordered], np.int64),
        probability=np.array([probability for probability, _ in ordered], np.float32),
        network_px_per_px=scale,
    )


def judged(
    *pictures: JudgedPicture, labels: Sequence[str] = ("person", "helmet"), thresholds: Sequence[float] = (0.5, 0.5)
) -> Judged:
    return Judged("meter", tuple(labels), tuple(thresholds), pictures)


def random_pictures(number: int, seed: int, classes: int = 3, found_most: int = 40) -> Judged:
    """Boxes found near true ones, beside them, of another class, or nowhere; equal probabilities; some crowds."""
    random = np.random.default_rng(seed)
    pictures = []
    for index in range(number):
        truths = [_row(random, classes) for _ in range(random.integers(0, 8))]
        found = []
        for _ in range(random.integers(0, found_most)):
            row = _row(random, classes)
            if truths and random.random() < 0.7:
                class_id, *box = truths[random.integers(len(truths))]
                moved = np.maximum(np.array(box) * random.normal(1, 0.08, 4), 1).round(1).tolist()
                row = (class_id if random.random() < 0.9 else row[0], moved[0], moved[1], moved[2], moved[3])
            found.append((float(np.round(random.random() * 0.98 + 0.01, 2)), row))
        crowd = [place for place in range(len(truths)) if random.random() < 0.1]
        pictures.append(
            picture(truths, found, name=f"{index}.jpg", crowd=crowd, scale=float(random.choice([0.5, 1.0, 0.8])))
        )
    return judged(*pictures, labels=[f"class {one}" for one in range(classes)], thresholds=[0.35] * classes)


def _row(random: np.random.Generator, classes: int) -> Row:
    left, top = random.uniform(0, 500), random.uniform(0, 300)
    width, height = random.uniform(5, 200), random.uniform(5, 200)
    return (int(random.integers(classes)), round(left, 1), round(top, 1), round(width, 1), round(height, 1))
