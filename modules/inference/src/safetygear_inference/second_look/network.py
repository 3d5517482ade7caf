"""The second look's network: its file, the settings beside it, and a session that any worker thread may use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.detectors.runtimes.onnx import OnnxSession
from safetygear_inference.judging.observation import Gear

INPUT, OUTPUT = "crops", "answers"
NO, YES = 0, 1
ANSWERS: Final = ("no", "yes", "unclear")

_Chance = Annotated[float, Meta(ge=0.34, le=1)]
"""At least: below a third another answer would be as good."""


class _Limits(msgspec.Struct, frozen=True):
    no: _Chance
    yes: _Chance


class _Input(msgspec.Struct, frozen=True):
    side_px: Annotated[int, Meta(ge=8, le=256)]
    order: Literal["BGR"]


class _Settings(msgspec.Struct, frozen=True):
    """What training/safetygear_training/second_look/export.py writes, as far as it is needed here."""

    version: str
    gears: list[str]
    answers: list[str]
    input: _Input
    thresholds: dict[str, _Limits]


class SecondLookNetwork:
    """(n, side, side, 3) uint8 BGR crops to chances (n, gears, 3) of no, yes and unclear. ONNX Runtime's sessions may
    be run by several threads at once, and nothing else is kept."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError: `model-unreadable`, `model-settings`, and the session's own."""
        try:
            network, settings = path.read_bytes(), path.with_suffix(".json").read_bytes()
        except OSError as exc:
            raise ModelError(f"{path.name}: {exc.strerror} ({exc.filename})", code="model-unreadable") from exc
        try:
            self._settings = msgspec.json.decode(settings, type=_Settings)
        except msgspec.DecodeError as exc:  # ValidationError is one
            raise ModelError(f"{path.with_suffix('.json').name}: {exc}", code="model-settings") from exc
        if tuple(self._settings.answers) != ANSWERS or set(self._settings.thresholds) != set(self._settings.gears):
            raise ModelError(
                f"{path.stem}.json: answers must be {', '.join(ANSWERS)}, and thresholds must name the gears",
                code="model-settings",
            )
        self.sha256 = hashlib.sha256(network).hexdigest()
        self._session = OnnxSession(network)
        # One run settles whether file and settings go together.
        self.chances(np.zeros((1, self.side_px, self.side_px, 3), np.uint8))

    @property
    def side_px(self) -> int:
        """Of the square input."""
        return self._settings.input.side_px

    @property
    def gears(self) -> tuple[Gear, ...]:
        """What it knows, in the order of its output."""
        return tuple(self._settings.gears)

    @property
    def version(self) -> str:
        return self._settings.version

    def limit(self, gear: Gear, answer: Literal["no", "yes"]) -> float:
        """The least chance from which on it may answer so."""
        limits = self._settings.thresholds[gear]
        return limits.no if answer == "no" else limits.yes

    def chances(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, gears, 3). Raises ModelError (`model-failed`)."""
        found = self._session.run({INPUT: crops}).get(OUTPUT)
        shape = (len(crops), len(self._settings.gears), len(ANSWERS))
        if found is None or found.shape != shape or not np.isfinite(found).all():
            raise ModelError(f"the second look's network gave no chances of shape {shape}", code="model-failed")
        return np.asarray(found, np.float32)
