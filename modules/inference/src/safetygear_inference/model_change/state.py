"""What the module says of its detector: in the reported properties, on the page, in the answer of `status`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from safetygear.hub.port import Json
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.detectors.runtimes.choice import Choice
from safetygear_inference.detectors.runtimes.providers import ON_CPU, Placement
from safetygear_inference.model_change.comparison import Comparison

Phase = Literal["loading", "ok", "downloading", "checking", "shadowing", "watching", "refused", "rolled-back"]

PROGRESS_STEP_PERCENT: Final = 25
"""Progress is told in such steps: each change of a reported property is a message of the hub's quota."""


@dataclass(frozen=True)
class InUse:
    """The detector that looks at the frames."""

    identity: ModelIdentity
    format: str
    package: str | None = None
    """Digest of the package it came in; None for a model by name."""
    placement: Placement = ON_CPU
    choice: Choice | None = None
    """What runs it; None where nobody has chosen."""


@dataclass(frozen=True)
class ModelState:
    """The model in use, and how far the one that is wanted has come. Without one in use nothing is analysed."""

    in_use: InUse | None = None
    phase: Phase = "loading"
    wanted_package: str | None = None
    """Digest of the package that is wanted, while it is not the one in use."""
    progress_percent: int | None = None
    comparison: Comparison | None = None
    reason: str | None = None
    """Why the wanted model is not the one in use."""
    code: str | None = None

    @property
    def identity(self) -> ModelIdentity | None:
        """Of the model in use."""
        return self.in_use.identity if self.in_use is not None else None

    def as_document(self) -> dict[str, Json]:
        """`state`, and what there is to say beside it."""
        document: dict[str, Json] = {"state": self.phase}
        if self.in_use is not None:
            document |= {**msgspec.to_builtins(self.in_use.identity), "format": self.in_use.format}
            if self.in_use.package is not None:
                document["packageSha256"] = self.in_use.package
            document |= hardware(self.in_use.placement) | runtime(self.in_use.choice)
        if self.wanted_package is not None:
            document["wantedSha256"] = self.wanted_package
        if self.progress_percent is not None:
            document["progressPercent"] = self.progress_percent
        if self.comparison is not None:
            document["comparison"] = self.comparison.as_document()
        if self.reason is not None:
            document |= {"reason": self.reason, "code": self.code or "model-refused"}
        return document


def hardware(placement: Placement) -> dict[str, Json]:
    """What the network runs on, where anything but the CPU is asked for: that one needs no words."""
    if placement == ON_CPU:
        return {}
    said: dict[str, Json] = {"requested": list(placement.requested), "used": placement.used}
    if placement.reason is not None:
        said["reason"] = placement.reason
    return {"hardware": said}


def runtime(choice: Choice | None) -> dict[str, Json]:
    """What was chosen to run the network, and from what."""
    if choice is None:
        return {}
    # Lists: a variant's name has a space, which IoT Hub takes in no property's name.
    return {
        "runtime": {
            "used": str(choice.used),
            "reason": choice.reason,
            "timed": [{"variant": str(variant), "ms": ms} for variant, ms in choice.ms.items()],
            "passedOver": [{"variant": str(variant), "reason": why} for variant, why in choice.passed_over.items()],
        }
    }


def progress_percent(have_bytes: int, total_bytes: int | None) -> int:
    """Rounded down to a step; 0 where the length is not told."""
    if not total_bytes:
        return 0
    return 100 * have_bytes // total_bytes // PROGRESS_STEP_PERCENT * PROGRESS_STEP_PERCENT
