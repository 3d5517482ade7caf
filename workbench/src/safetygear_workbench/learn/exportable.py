"""Whether a project can give a detector that the edge can run. Pure."""

from __future__ import annotations

from typing import Final

from safetygear.errors import UserError
from safetygear_workbench.learn.training_service import Project

BEST_DOMAIN: Final = "General (compact) [S1]"


def check_exportable(project: Project) -> None:
    """Raises UserError naming the domain: before a training is paid for that nobody can take home."""
    if not project.domain.exportable:
        raise UserError(
            f"the project {project.name!r} has the domain {project.domain.name!r}, and what is trained in it can't be "
            "exported.",
            hint=f"Choose {BEST_DOMAIN} in the project's settings in the portal (pictures and tags stay), then train.",
            code="training-domain",
        )


def check_detector(project: Project) -> None:
    """Raises UserError where the project makes no detector."""
    if project.domain.kind != "object detection":
        raise UserError(
            f"the project {project.name!r} is for {project.domain.kind}: it gives no detector to pull.",
            hint="Export it in the portal, and put the export into a package's folder `classifier`.",
            code="training-kind",
        )
