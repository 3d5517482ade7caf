"""The results of `safetygear learn`, for `--json`. Pure."""

from __future__ import annotations

from typing import Any

from safetygear_workbench.learn.project_pull import Found
from safetygear_workbench.learn.project_push import Plan, Result
from safetygear_workbench.learn.project_training import Trained
from safetygear_workbench.learn.stored_examples import StoredExamples
from safetygear_workbench.learn.training_service import Iteration, Project, TagPerformance
from safetygear_workbench.model_packing import Verified, described

Json = dict[str, Any]


def read_document(examples: StoredExamples) -> Json:
    """{examples, repeated, broken: {name: why}}."""
    return {"examples": len(examples.whole), "repeated": len(examples.repeated), "broken": examples.broken}


def plan_document(plan: Plan) -> Json:
    """{project, pending, sentBefore, tags: {missing}, boxes: {tag: count}}."""
    return {
        "project": _project(plan.project),
        "pending": len(plan.pending),
        "sentBefore": plan.sent_before,
        "tags": {"missing": list(plan.tags.missing)},
        "boxes": plan.suggested,
    }


def push_document(plan: Plan, result: Result) -> Json:
    """{project, added, there, sentBefore, boxes, boxesLeftOut, tags: {created}, refused: {id: why}}."""
    return {
        "project": _project(plan.project),
        "added": result.added,
        "there": result.there,
        "sentBefore": plan.sent_before,
        "boxes": result.regions,
        "boxesLeftOut": result.left_out,
        "tags": {"created": list(plan.tags.missing)},
        "refused": result.refused,
    }


def trained_document(trained: Trained) -> Json:
    """{project, iteration, changed, performance: {precision, recall, averagePrecision, tags: [...]}}."""
    return {
        "project": _project(trained.project),
        "iteration": _iteration(trained.iteration),
        "changed": trained.changed,
        "performance": {
            **_performance(trained.performance.whole),
            "tags": [{"name": one.name, **_performance(one)} for one in trained.performance.tags],
        },
    }


def pulled_document(found: Found, verified: Verified, path: str) -> Json:
    """{path, sha256, project, iteration, export: {platform, flavor, reused}, twin, model, golden, card}."""
    export = found.export
    return {
        "path": path,
        "project": _project(found.project),
        "iteration": _iteration(found.iteration),
        "export": {"platform": export.platform, "flavor": export.flavor, "reused": found.reused},
        "twin": twin_patch(verified, path),
        **described(verified),
    }


def twin_patch(verified: Verified, path: str) -> Json:
    """What inference's module twin must say, once the package lies where devices can fetch it."""
    return {"model": {"uri": f"https://HOST/PATH/{path.rpartition('/')[2]}", "sha256": verified.sha256}}


def _project(project: Project) -> Json:
    return {"id": project.id, "name": project.name, "domain": project.domain.name}


def _iteration(iteration: Iteration) -> Json:
    return {
        "id": iteration.id,
        "name": iteration.name,
        "trainedAt": iteration.trained_at,
        "trainingMinutes": iteration.training_minutes,
    }


def _performance(one: TagPerformance) -> Json:
    return {"precision": one.precision, "recall": one.recall, "averagePrecision": one.average_precision}
