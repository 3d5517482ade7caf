"""A trained iteration to a package: an export that is there, or else a new one; fetched, packed, verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from safetygear.errors import UserError
from safetygear_workbench.learn.exportable import check_detector, check_exportable
from safetygear_workbench.learn.patience import Patience
from safetygear_workbench.learn.project_training import COMPLETED, TrainingError, Waiting, measured
from safetygear_workbench.learn.training_service import (
    Export,
    Iteration,
    Performance,
    Project,
    TrainingService,
    TrainingServiceError,
)

PLATFORM: Final = "ONNX"
FLAVORS: Final = (None, "ONNXFloat16")
"""Of the exports there are, the first is taken: float32 is what a processor computes in anyway."""
EXPORTING, DONE = "Exporting", "Done"
_SPENT: Final = "BadRequestExceededQuota"


@dataclass(frozen=True)
class Found:
    """The export to fetch. `reused`: it was there, or was being made, before it was asked for."""

    project: Project
    iteration: Iteration
    export: Export
    reused: bool


class ExportError(TrainingError):
    """The service could not export, or takes longer than one wants to wait."""

    default_code = "export-failed"


class ProjectPull:
    """Finds or orders an export. Raises UserError, TrainingServiceError, ExportError."""

    def __init__(self, service: TrainingService, patience: Patience, waiting: Waiting) -> None:
        self._service = service
        self._patience = patience
        self._waiting = waiting

    def find(self, wanted: str | None, *, may_order: bool, told: Callable[[str], None]) -> Found:
        """`wanted`: an iteration's id or name; None: the newest that is trained. `told`: learns what is done."""
        project = self._patience.call(lambda _: self._service.project())
        check_detector(project)
        iteration = self._iteration(project, wanted)
        export = choose_export(self._exports(iteration))
        reused = export is not None
        if export is None:
            if not may_order:
                raise UserError(f"{iteration.name} has no {PLATFORM} export yet.", hint="Leave --reuse-only out.")
            told(f"ordering an export of {iteration.name}")
            export, reused = self._order(iteration)
        elif export.newer_available:
            told(f"taking the export that {iteration.name} has; the portal offers a newer form of it")
        else:
            told(f"taking the export that {iteration.name} has")
        return Found(project, iteration, self._wait(iteration, export, told), reused)

    def performance(self, found: Found) -> Performance:
        """What the service measured, as far as it keeps figures of that iteration."""
        return measured(self._service, self._patience, found.iteration)

    def _iteration(self, project: Project, wanted: str | None) -> Iteration:
        found = self._patience.call(lambda _: self._service.iterations())
        trained = [one for one in found if one.status == COMPLETED]
        chosen = trained[:1] if wanted is None else [one for one in trained if wanted in (one.id, one.name)]
        if not chosen:
            names = ", ".join(one.name for one in trained)
            raise UserError(
                f"the project {project.name!r} has no trained iteration{f' {wanted!r}' if wanted else ''}.",
                hint=f"It has: {names}." if names else "Run `safetygear learn train` first.",
            )
        if not chosen[0].exportable:
            check_exportable(project)
            raise UserError(
                f"{chosen[0].name} can't be exported: it was trained in another domain than the project has now.",
                hint="Train again, then pull that iteration.",
            )
        return chosen[0]

    def _exports(self, iteration: Iteration) -> list[Export]:
        return self._patience.call(lambda _: self._service.exports(iteration.id))

    def _order(self, iteration: Iteration) -> tuple[Export, bool]:
        try:
            return self._patience.call(lambda _: self._service.export(iteration.id, PLATFORM)), False
        except TrainingServiceError as exc:
            # "… is already queued for export", by somebody else or by an attempt of ours whose answer was lost. Which
            # code comes with it is documented nowhere.
            if not exc.retryable and (there := choose_export(self._exports(iteration))) is not None:
                return there, True
            if exc.said == _SPENT:
                raise UserError(
                    f"{exc}.",
                    hint="The tier's exports of this month are used up; an iteration that has one can be pulled "
                    "with --iteration.",
                    code=exc.code,
                ) from exc
            raise

    def _wait(self, iteration: Iteration, export: Export, told: Callable[[str], None]) -> Export:
        start_s = self._waiting.monotonic_s()
        while export.status != DONE:
            if export.status != EXPORTING:
                raise ExportError(f"the export of {iteration.name} is {export.status}")
            waited_s = self._waiting.monotonic_s() - start_s
            if waited_s >= self._waiting.longest_s:
                raise ExportError(
                    f"the export of {iteration.name} is not ready after {waited_s / 60:.0f} min; the same command "
                    "takes it when it is",
                    code="training-wait",
                )
            told(f"exporting {iteration.name}")
            self._waiting.sleep(self._waiting.every_s)
            export = next(
                (
                    one
                    for one in self._exports(iteration)
                    if (one.platform, one.flavor) == (export.platform, export.flavor)
                ),
                export,
            )
        return export


def choose_export(exports: Sequence[Export]) -> Export | None:
    """One that is done or being made, in the order of FLAVORS; a finished one first. Pure."""
    usable = [
        one for one in exports if one.platform == PLATFORM and one.flavor in FLAVORS and one.status in (DONE, EXPORTING)
    ]
    return min(usable, key=lambda one: (one.status != DONE, FLAVORS.index(one.flavor)), default=None)
