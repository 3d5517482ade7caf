"""What a runtime gives: a network that can be run. Each runtime is one file beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from safetygear_inference.detectors.runtimes.providers import Placement
from safetygear_inference.detectors.signature import Signature


class Session(Protocol):
    """One network for one thread at a time."""

    @property
    def signature(self) -> Signature: ...

    @property
    def placement(self) -> Placement: ...

    def run(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name for the inputs by name; half floats come as float32.

        Raises ModelError (`model-failed`).
        """
        ...
