"""All figures of one model, and of two side by side. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetygear_workbench.evaluate.average_precision import ClassPrecision, average_precision, mean
from safetygear_workbench.evaluate.confusion import confusion, counts, right_ones
from safetygear_workbench.evaluate.found import Judged
from safetygear_workbench.evaluate.matching import ClassMatches, match_classes_of
from safetygear_workbench.evaluate.rates import Curve, Rates, best_rates, curve, rates_at
from safetygear_workbench.evaluate.resampling import (
    DRAWS,
    FIGURES,
    Draws,
    Interval,
    draw_pictures,
    interval,
    mean_draws,
    resample,
)
from safetygear_workbench.evaluate.sizes import BUCKETS, height_network_px
from safetygear_workbench.evaluate.worst import BadPicture, worst


@dataclass(frozen=True)
class SizeFigures:
    """One class in one bucket of `sizes.BUCKETS`."""

    name: str
    support: int
    recall: float | None
    """At the threshold. What is found in error has no true size, so that precision can't be told by it."""
    ap50: float | None


@dataclass(frozen=True)
class ClassFigures:
    """One class."""

    label: str
    support: int
    precision: ClassPrecision
    rates: Rates
    best: Rates | None
    curve: Curve | None
    sizes: tuple[SizeFigures, ...]
    draws: Draws

    def interval(self, figure: str) -> Interval | None:
        """95 % of the bootstrap's draws."""
        return interval(self.draws[figure])


@dataclass(frozen=True)
class Evaluation:
    """One model on all pictures."""

    judged: Judged
    classes: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]
    worst: tuple[BadPicture, ...]

    @property
    def map50(self) -> float | None:
        """Mean over the classes that the data has boxes of."""
        return mean([each.precision.ap50 for each in self.classes])

    @property
    def map(self) -> float | None:
        return mean([each.precision.ap for each in self.classes])

    @property
    def draws(self) -> Draws:
        return mean_draws([each.draws for each in self.classes if each.support])


@dataclass(frozen=True)
class Difference:
    """A figure of the second model less that of the first."""

    first: float | None
    second: float | None
    interval: Interval | None

    @property
    def value(self) -> float | None:
        return None if self.first is None or self.second is None else self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """Two models on the same pictures; labels and figures that both have."""

    by_class: dict[str, dict[str, Difference]]
    mean: dict[str, Difference]


def evaluate(judged: Judged, draws: int = DRAWS) -> Evaluation:
    """Every figure of one model; intervals from so many draws."""
    weights = draw_pictures(len(judged.pictures), draws)
    precisions = average_precision(judged)
    heights = _heights(judged)
    return Evaluation(
        judged,
        tuple(
            _class_figures(judged, class_id, matches, precisions[class_id], heights, weights)
            for class_id, matches in enumerate(match_classes_of(judged))
        ),
        confusion(judged),
        worst(judged),
    )


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Both evaluated on the same pictures: the draws are the same ones."""
    seconds = {each.label: each for each in second.classes}
    both = [(each, seconds[each.label]) for each in first.classes if each.label in seconds and each.support]
    by_class = {
        one.label: {
            figure: Difference(
                _figure(one, figure), _figure(other, figure), interval(other.draws[figure] - one.draws[figure])
            )
            for figure in FIGURES
        }
        for one, other in both
    }
    ones, others = mean_draws([one.draws for one, _ in both]), mean_draws([other.draws for _, other in both])
    return Comparison(
        by_class,
        {
            figure: Difference(
                mean([_figure(one, figure) for one, _ in both]),
                mean([_figure(other, figure) for _, other in both]),
                interval(others[figure] - ones[figure]),
            )
            for figure in FIGURES
        },
    )


def _figure(figures: ClassFigures, name: str) -> float | None:
    return {"ap50": figures.precision.ap50, "ap": figures.precision.ap, "f1": figures.rates.f1}[name]


def _class_figures(
    judged: Judged,
    class_id: int,
    matches: ClassMatches,
    precision: ClassPrecision,
    heights: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]],
    weights: NDArray[np.int64],
) -> ClassFigures:
    threshold = judged.thresholds[class_id]
    true_heights, found = heights[class_id]
    sizes = []
    for number, bucket in enumerate(BUCKETS):
        inside = bucket.holds(true_heights)
        support = int(np.count_nonzero(inside))
        recall = float(np.count_nonzero(found & inside)) / support if support else None
        sizes.append(SizeFigures(bucket.name, support, recall, precision.ap50_by_size[number]))
    return ClassFigures(
        label=matches.label,
        support=int(matches.support.sum()),
        precision=precision,
        rates=rates_at(matches, threshold),
        best=best_rates(matches),
        curve=curve(matches),
        sizes=tuple(sizes),
        draws=resample(matches, threshold, weights),
    )


def _heights(judged: Judged) -> list[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """By class: height in network px of each true box, crowds left out, and whether it was found."""
    thresholds = np.array(judged.thresholds, np.float32)
    rows: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]] = []
    for picture in judged.pictures:
        taken = right_ones(picture, counts(picture, thresholds))
        found = np.isin(np.arange(len(picture.truth_class)), taken)
        alone = ~picture.crowd
        heights = height_network_px(picture, picture.truth_xywh_px)
        rows.append((picture.truth_class[alone], heights[alone], found[alone]))
    classes, heights, found = (np.concatenate(column) for column in zip(*rows, strict=True))
    return [(heights[classes == class_id], found[classes == class_id]) for class_id in range(len(judged.labels))]
