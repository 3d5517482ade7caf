"""Training a project: begin or join it, wait, and tell what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from safetygear.errors import SafetyGearError, UserError
from safetygear_workbench.learn.exportable import check_exportable
from safetygear_workbench.learn.patience import Patience
from safetygear_workbench.learn.project_push import SOURCE
from safetygear_workbench.learn.training_service import (
    Iteration,
    Performance,
    Project,
    TagPerformance,
    TrainingService,
    TrainingServiceError,
)

THRESHOLD: Final = 0.5
OVERLAP: Final = 0.3
"""What the portal shows at first."""
COMPLETED, FAILED = "Completed", "Failed"
_UNCHANGED: Final = ("BadRequestTrainingNotNeeded", "BadRequestTrainingNotNeededButTrainingPipelineUpdated")
_HINTS: Final = {
    "BadRequestDetectionTrainingValidationFailed": "At least 15 pictures must have each tag: tag more of them.",
    "BadRequestExceedIterationPerProjectLimit": "Delete an iteration in the portal, under Performance.",
    "BadRequestExceededQuota": "The tier's trainings of this month are used up.",
    "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining": "Give --budget-hours more.",
}


@dataclass(frozen=True)
class Waiting:
    """How often a long job is asked for, and for how long."""

    every_s: float
    longest_s: float
    sleep: Callable[[float], None]
    monotonic_s: Callable[[], float]


@dataclass(frozen=True)
class Trained:
    """`changed`: False where the service found nothing new to train on; then the iteration is the newest there is."""

    project: Project
    iteration: Iteration
    performance: Performance
    changed: bool


def measured(service: TrainingService, patience: Patience, iteration: Iteration) -> Performance:
    """What the service measured; nothing where it keeps no figures of that iteration. Raises what the service does."""
    try:
        return patience.call(lambda _: service.performance(iteration.id, threshold=THRESHOLD, overlap=OVERLAP))
    except TrainingServiceError as exc:
        if exc.said != "NotFoundIterationPerformance":
            raise
        return Performance(TagPerformance("all", None, None, None), ())


class TrainingError(SafetyGearError):
    """The service could not train, or takes longer than one wants to wait."""

    default_code = "training-failed"


class ProjectTraining:
    """One training. Raises UserError, TrainingServiceError, TrainingError."""

    def __init__(self, service: TrainingService, patience: Patience, waiting: Waiting) -> None:
        self._service = service
        self._patience = patience
        self._waiting = waiting

    def project(self) -> Project:
        """The project, which can be trained for the edge."""
        project = self._patience.call(lambda _: self._service.project())
        check_exportable(project)
        return project

    def pushed_pictures(self) -> int | None:
        """How many of its pictures came from `learn push`; None where the service does not say."""
        try:
            return self._patience.call(lambda _: self._service.count_pictures(SOURCE))
        except TrainingServiceError as exc:
            if exc.retryable:
                raise
            return None

    def run(
        self, project: Project, *, budget_hours: int | None, force: bool, told: Callable[[Iteration], None]
    ) -> Trained:
        """Until the service is done. `told`: learns at each look how far it is."""
        begun = self._begin(budget_hours, force)
        iteration = begun or self._newest()
        if begun is not None:
            iteration = self._wait(begun, told)
        performance = measured(self._service, self._patience, iteration)
        return Trained(project, iteration, performance, changed=begun is not None)

    def _begin(self, budget_hours: int | None, force: bool) -> Iteration | None:
        """None: nothing has changed since the last one. One that runs already is joined."""

        try:
            return self._patience.call(lambda _: self._service.train(budget_hours=budget_hours, force=force))
        except TrainingServiceError as exc:
            if exc.said in _UNCHANGED:
                return None
            if exc.said in _HINTS:
                raise UserError(f"{exc}.", hint=_HINTS[exc.said], code=exc.code) from exc
            # By somebody else, or by an attempt of ours whose answer was lost.
            if not exc.retryable and (running := self._running()) is not None:
                return running
            raise

    def _running(self) -> Iteration | None:
        found = self._patience.call(lambda _: self._service.iterations())
        return next((one for one in found if one.status not in (COMPLETED, FAILED) and one.trained_at is None), None)

    def _newest(self) -> Iteration:
        found = self._patience.call(lambda _: self._service.iterations())
        newest = next((one for one in found if one.status == COMPLETED), None)
        if newest is None:
            raise TrainingError("the service sees nothing to train on, and the project has no trained iteration")
        return newest

    def _wait(self, iteration: Iteration, told: Callable[[Iteration], None]) -> Iteration:
        start_s = self._waiting.monotonic_s()
        while iteration.status != COMPLETED:
            if iteration.status == FAILED:
                raise TrainingError(f"{iteration.name} failed: {iteration.failure or 'the service gives no reason'}")
            waited_s = self._waiting.monotonic_s() - start_s
            told(iteration)
            if waited_s >= self._waiting.longest_s:
                raise TrainingError(
                    f"{iteration.name} is not ready after {waited_s / 3600:.1f} h; it goes on there, and the same "
                    "command waits for it again",
                    code="training-wait",
                )
            self._waiting.sleep(self._waiting.every_s)
            iteration = self._look(iteration.id)
        return iteration

    def _look(self, iteration_id: str) -> Iteration:
        return self._patience.call(lambda _: self._service.iteration(iteration_id))
