"""Which runtime runs a network on this machine, and whether its int8 twin does instead. Pure.

What may be chosen from follows from what is asked for, what is installed and what is recorded of the model; the choice
follows from milliseconds that were measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from safetygear_inference.detectors.settings import Int8Twin

Runtime = Literal["onnxruntime", "openvino"]
Network = Literal["given", "int8"]
WantedRuntime = Literal["auto", "onnxruntime", "openvino"]
WantedPrecision = Literal["auto", "float", "int8"]

LEAST_GAIN: Final = 0.1
"""A variant that is not at least so much faster than a simpler one is not worth what it brings along."""
LOSS_OF_THE_MEAN: Final = 0.01
LOSS_OF_A_CLASS: Final = 0.03
"""AP50 that an int8 network may have been measured to lose: more is another detector."""


@dataclass(frozen=True)
class Variant:
    """One way to run a model. `given`: the file that was asked for, whatever its numbers are."""

    runtime: Runtime = "onnxruntime"
    network: Network = "given"

    def __str__(self) -> str:
        return self.runtime if self.network == "given" else f"{self.runtime} int8"


PLAIN: Final = Variant()
SIMPLEST_FIRST: Final = (PLAIN, Variant(network="int8"), Variant("openvino"), Variant("openvino", "int8"))


@dataclass(frozen=True)
class Wish:
    """What the environment asks for (SAFETYGEAR_RUNTIME, SAFETYGEAR_PRECISION)."""

    runtime: WantedRuntime = "auto"
    precision: WantedPrecision = "auto"


BY_TRYING: Final = Wish()


@dataclass(frozen=True)
class Offer:
    """What may be chosen from, simplest first and never empty, and why the rest may not."""

    candidates: tuple[Variant, ...]
    passed_over: Mapping[Variant, str]


@dataclass(frozen=True)
class Choice:
    """What runs the model, and why. `ms`: median processor time of one run, by variant that was measured."""

    used: Variant = PLAIN
    ms: Mapping[Variant, float] = field(default_factory=dict)
    passed_over: Mapping[Variant, str] = field(default_factory=dict)
    reason: str = "nothing else can run it"


def offered(wish: Wish, *, openvino: str | None, int8: Int8Twin | None, int8_missing: str | None) -> Offer:
    """What `wish` leaves of all variants.

    `openvino`: its version, None where it is not installed. `int8`: what the model's settings say of their int8 twin,
    None where they name none. `int8_missing`: why that twin can't be used, None where it can.
    """
    out = {variant: why for variant in SIMPLEST_FIRST if (why := _why_not(variant, wish, openvino, int8, int8_missing))}
    left = tuple(variant for variant in SIMPLEST_FIRST if variant not in out)
    if left:
        return Offer(left, out)
    # What is asked for can't be had: a camera that is watched by something else is better than one that is not.
    return Offer((PLAIN,), {variant: why for variant, why in out.items() if variant != PLAIN})


def fastest(ms: Mapping[Variant, float]) -> Variant:
    """The simplest of those that no other beats by LEAST_GAIN. Raises ValueError where nothing was measured."""
    best = min(ms.values())
    return next(variant for variant in SIMPLEST_FIRST if variant in ms and ms[variant] * (1 - LEAST_GAIN) <= best)


def why_fastest(used: Variant, ms: Mapping[Variant, float]) -> str:
    """One sentence for people."""
    quicker = [variant for variant in ms if ms[variant] < ms[used]]
    if quicker:
        return f"{', '.join(map(str, quicker))} would gain less than {LEAST_GAIN:.0%}"
    return "the fastest here" if len(ms) > 1 else "the only one that could be measured"


def _why_not(
    variant: Variant, wish: Wish, openvino: str | None, int8: Int8Twin | None, int8_missing: str | None
) -> str | None:
    if wish.runtime not in ("auto", variant.runtime):
        return f"SAFETYGEAR_RUNTIME is {wish.runtime}"
    if variant.runtime == "openvino" and openvino is None:
        return "the optional extra `openvino` is not installed"
    if variant.network == "given":
        has_int8 = int8 is not None and int8_missing is None and _holds(int8)
        return "SAFETYGEAR_PRECISION is int8" if wish.precision == "int8" and has_int8 else None
    if wish.precision == "float":
        return "SAFETYGEAR_PRECISION is float"
    if int8 is None:
        return "the model names no int8 network"
    if not _holds(int8):
        return (
            f"it was measured to lose too much (AP50 {int8.mean_difference:+.3f} on average, "
            f"{int8.worst_difference:+.3f} for one class)"
        )
    return int8_missing


def _holds(int8: Int8Twin) -> bool:
    return int8.mean_difference >= -LOSS_OF_THE_MEAN and int8.worst_difference >= -LOSS_OF_A_CLASS
