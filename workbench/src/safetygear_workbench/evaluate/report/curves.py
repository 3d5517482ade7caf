"""Precision over recall, as SVG coordinates. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safetygear_workbench.evaluate.evaluation import ClassFigures, Evaluation
from safetygear_workbench.evaluate.rates import Curve

WIDTH, HEIGHT, MARGIN = 360, 240, 34
MOST_POINTS = 400


@dataclass(frozen=True)
class Line:
    """One model's curve in the drawing's own units."""

    model: str
    points: str
    """`x,y x,y …`."""
    threshold: tuple[float, float] | None
    """Where the threshold lies, if anything reaches it."""


@dataclass(frozen=True)
class Plot:
    """One class."""

    label: str
    lines: tuple[Line, ...]


def plots(evaluations: list[Evaluation]) -> list[Plot]:
    """A plot for each class of the first model, with a line for each model that has it."""
    drawn = []
    for figures in evaluations[0].classes:
        lines = [
            line
            for evaluation in evaluations
            for other in evaluation.classes
            if other.label == figures.label and (line := _line(evaluation.judged.model, other)) is not None
        ]
        if lines:
            drawn.append(Plot(figures.label, tuple(lines)))
    return drawn


def x(recall: float) -> float:
    return round(MARGIN + recall * (WIDTH - MARGIN - 8), 1)


def y(precision: float) -> float:
    return round(8 + (1 - precision) * (HEIGHT - MARGIN - 8), 1)


def _line(model: str, figures: ClassFigures) -> Line | None:
    if figures.curve is None or not len(figures.curve.recall):
        return None
    places = np.unique(np.linspace(0, len(figures.curve.recall) - 1, MOST_POINTS).round().astype(int))
    recall, precision = figures.curve.recall[places].tolist(), figures.curve.precision[places].tolist()
    points = " ".join(f"{x(right)},{y(of)}" for right, of in zip(recall, precision, strict=True))
    return Line(model, points, _threshold(figures.curve, figures))


def _threshold(curve: Curve, figures: ClassFigures) -> tuple[float, float] | None:
    if figures.rates.precision is None or figures.rates.recall is None:
        return None
    return x(figures.rates.recall), y(figures.rates.precision)
