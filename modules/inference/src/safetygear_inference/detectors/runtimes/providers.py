"""On which hardware a network runs: what is wanted, what is there, and what it came to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Provider = Literal["cpu", "openvino", "cuda", "tensorrt"]
ORT_NAMES: Final[dict[Provider, str]] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""ONNX Runtime's names of its execution providers."""
CPU_ONLY: Final[tuple[Provider, ...]] = ("cpu",)


@dataclass(frozen=True)
class Placement:
    """`requested` in order of preference; `used` is what runs the network; `reason` says why it is not the first."""

    requested: tuple[Provider, ...] = CPU_ONLY
    used: Provider = "cpu"
    reason: str | None = None


ON_CPU: Final = Placement()


def to_try(requested: Sequence[Provider], available: Collection[str]) -> tuple[list[Provider], str | None]:
    """What to try in order, always ending with the CPU, and why the first wanted is not among it.

    `available`: ONNX Runtime's names of what this build of it has.
    """
    there: list[Provider] = [name for name in dict.fromkeys((*requested, "cpu")) if ORT_NAMES[name] in available]
    missing = [name for name in requested if name not in there]
    if not missing:
        return there, None
    has = ", ".join(name for name, ort_name in ORT_NAMES.items() if ort_name in available)
    return there, f"this build of ONNX Runtime has no {' and no '.join(missing)}; it has {has}"
