"""What `evaluate --json` prints. Pure. The keys of the first level and of `classes` are relied on by scripts."""

from __future__ import annotations

from typing import Any

from safetygear_workbench.evaluate.classes import ClassMatch
from safetygear_workbench.evaluate.evaluation import ClassFigures, Comparison, Difference, Evaluation
from safetygear_workbench.evaluate.rates import Rates
from safetygear_workbench.evaluate.resampling import DRAWS, FIGURES, SEED, SHARE, Interval, interval

Document = dict[str, Any]


def evaluation_document(evaluation: Evaluation, classes: ClassMatch, data: str) -> Document:
    """`data`: the file, as it was given."""
    means = evaluation.draws
    return {
        "model": evaluation.judged.model,
        "data": data,
        "images": len(evaluation.judged.pictures),
        "classes": [_class_document(each) for each in evaluation.classes],
        "map50": _rounded(evaluation.map50),
        "map": _rounded(evaluation.map),
        "intervals": {
            name: _interval_document(interval(means[figure])) for name, figure in (("map50", "ap50"), ("map", "ap"))
        },
        "bootstrap": {"draws": DRAWS, "seed": SEED, "share": SHARE},
        "confusion": {
            "labels": [*evaluation.judged.labels, None],
            "counts": evaluation.confusion.tolist(),
        },
        "labels": {"onlyModel": list(classes.model_only), "onlyData": list(classes.data_only)},
    }


def comparison_document(comparison: Comparison) -> Document:
    """Second less first."""
    return {
        "classes": [
            {"label": label, **{figure: _difference_document(each[figure]) for figure in FIGURES}}
            for label, each in comparison.by_class.items()
        ],
        "map50": _difference_document(comparison.mean["ap50"]),
        "map": _difference_document(comparison.mean["ap"]),
        "f1": _difference_document(comparison.mean["f1"]),
    }


def _class_document(figures: ClassFigures) -> Document:
    return {
        "label": figures.label,
        "ap50": _rounded(figures.precision.ap50),
        "ap": _rounded(figures.precision.ap),
        **_rates_document(figures.rates),
        "support": figures.support,
        "best": None if figures.best is None else _rates_document(figures.best),
        "intervals": {figure: _interval_document(figures.interval(figure)) for figure in FIGURES},
        "sizes": [
            {"size": size.name, "support": size.support, "recall": _rounded(size.recall), "ap50": _rounded(size.ap50)}
            for size in figures.sizes
        ],
    }


def _rates_document(rates: Rates) -> Document:
    return {
        "precision": _rounded(rates.precision),
        "recall": _rounded(rates.recall),
        "f1": _rounded(rates.f1),
        "threshold": round(rates.threshold, 6),
    }


def _difference_document(difference: Difference) -> Document:
    return {
        "first": _rounded(difference.first),
        "second": _rounded(difference.second),
        "difference": _rounded(difference.value),
        "interval": _interval_document(difference.interval),
    }


def _interval_document(found: Interval | None) -> list[float] | None:
    return None if found is None else [round(found.low, 5), round(found.high, 5)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
