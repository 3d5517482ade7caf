"""What one measurement is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetygear_inference.detectors.runtimes.choice import Runtime


@dataclass(frozen=True)
class Case:
    """A clip, a model, and how often it is analysed."""

    stream: str
    clip: Path
    model_name: str
    model: Path
    manifest: Path
    state: Path
    """A folder of its own for the run's files."""
    cameras: int = 1
    fps: float = 5.0
    runtime: Runtime = "onnxruntime"

    def environment(self) -> dict[str, str]:
        """For whoever opens the model: run it by that runtime, and as it is."""
        return {"SAFETYGEAR_RUNTIME": self.runtime, "SAFETYGEAR_PRECISION": "float"}
