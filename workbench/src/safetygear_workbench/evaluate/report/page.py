"""Writes the report. The only file that imports jinja2; it escapes everything that comes from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from safetygear.errors import UserError
from safetygear_workbench.evaluate.evaluation import Comparison, Evaluation
from safetygear_workbench.evaluate.report import curves
from safetygear_workbench.evaluate.report.curves import plots
from safetygear_workbench.evaluate.report.pictures import Shown
from safetygear_workbench.evaluate.resampling import DRAWS, FIGURES, SEED, interval
from safetygear_workbench.evaluate.sizes import BUCKETS

TITLES = {"ap50": "AP50", "ap": "AP50-95", "f1": "F1"}


def render(
    evaluations: Sequence[Evaluation],
    comparison: Comparison | None,
    shown: Sequence[Shown],
    data: str,
    warnings: Sequence[str],
) -> str:
    """HTML without scripts that loads nothing. `shown`: the first model's worst pictures."""
    environment = Environment(
        loader=PackageLoader("safetygear_workbench.evaluate.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = lambda value: "-" if value is None else f"{value:.3f}"
    environment.filters["signed"] = lambda value: "-" if value is None else f"{value:+.3f}"
    return environment.get_template("page.html").render(
        evaluations=evaluations,
        comparison=comparison,
        plots=plots(list(evaluations)),
        curves=curves,
        shown=shown,
        data=data,
        warnings=warnings,
        buckets=BUCKETS,
        figures=FIGURES,
        titles=TITLES,
        draws=DRAWS,
        seed=SEED,
        interval=interval,
    )


def write(path: Path, html: str) -> None:
    """Raises UserError where it can't be written."""
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as exc:
        raise UserError(f"{path}: can't be written ({exc.strerror}).") from exc
