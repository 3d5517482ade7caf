"""What the module says of itself: reported properties and the answer to the direct method `status`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from safetygear.hub.port import Json
from safetygear.messages.health import BudgetHealth
from safetygear.twin.reading import FieldError
from safetygear.twin.reported import config_report
from safetygear_inference import __version__
from safetygear_inference.model_change.state import ModelState
from safetygear_inference.outbox.newest_report import REPORTED


def reported(
    *,
    instance: str,
    shards: Sequence[str],
    desired_version: int,
    errors: Sequence[FieldError],
    model: ModelState,
    budget: BudgetHealth,
    analysed_fps: Mapping[str, float],
    problems: Mapping[str, Mapping[str, str]],
    outbox: Mapping[str, Json] | None,
) -> dict[str, Json]:
    """The whole reported half. Numbers are coarse on purpose: each patch costs the hub a message.

    The budget's use is told in tenths; the exact count is in the health message.
    """
    return {
        **config_report(desired_version, errors),
        "version": __version__,
        "instance": instance,
        "shards": list(shards),
        "model": model.as_document(),
        "budget": {
            "dailyBlocks": budget.daily_blocks,
            "usedTenths": min(10, 10 * budget.used_blocks // max(1, budget.daily_blocks)),
            "shedding": budget.shedding,
        },
        "cameras": {camera: {"analysedFps": round(fps, 1)} for camera, fps in sorted(analysed_fps.items())},
        **({} if outbox is None else {REPORTED: dict(outbox)}),
        "problems": {part: dict(problem) for part, problem in problems.items()},
    }
