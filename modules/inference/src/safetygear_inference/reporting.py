"""What the module says of itself: reported properties and the answer to the direct method `status`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from safetygear.hub.port import Json
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.health import BudgetHealth
from safetygear.twin.reading import FieldError
from safetygear.twin.reported import config_report
from safetygear_inference import __version__
from safetygear_inference.outbox.newest_report import REPORTED


@dataclass(frozen=True)
class ModelState:
    """The model in use, and whether the one that is wanted could be loaded. Without an identity nothing is analysed."""

    identity: ModelIdentity | None = None
    format: str | None = None
    refused: str | None = None
    """Why the wanted model is not the one in use."""
    refused_code: str | None = None

    def as_document(self) -> dict[str, Json]:
        """`state`: loading, ok, refused (an older model may still be in use: then its identity is there)."""
        document: dict[str, Json] = {"state": self.state()}
        if self.identity is not None:
            document |= {**msgspec.to_builtins(self.identity), "format": self.format or ""}
        if self.refused is not None:
            document |= {"reason": self.refused, "code": self.refused_code or "model-refused"}
        return document

    def state(self) -> str:
        if self.refused is not None:
            return "refused"
        return "loading" if self.identity is None else "ok"


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
