"""One model tried in every way that is offered on this machine: opened, looked at, timed."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.detectors.golden_run import golden_differences
from safetygear_inference.detectors.model import Detector, Model
from safetygear_inference.detectors.package import ModelFiles, read_model_files
from safetygear_inference.detectors.runtimes.choice import (
    PLAIN,
    Choice,
    Offer,
    Runtime,
    Variant,
    fastest,
    why_fastest,
)
from safetygear_inference.detectors.runtimes.providers import Provider
from safetygear_inference.picture import Picture
from safetygear_inference.runtime_choice.choice_file import ChoiceFile
from safetygear_inference.runtime_choice.same_outputs import difference
from safetygear_inference.runtime_choice.timing import medians_ms

TRYING_S: Final = 2.0
"""From its beginning on no further variant is opened."""
TIMED_S: Final = 2.5
"""From its beginning on no further round is timed."""
SIZE: Final = (1280, 720)
SEED: Final = 23

log = logging.getLogger(__name__)


class OpenModel(Protocol):
    """`open_model`, or what a test puts in its place."""

    def __call__(self, path: Path, *, providers: Sequence[Provider] = ..., runtime: Runtime = ...) -> Model: ...


@dataclass(frozen=True)
class Clocks:
    """`monotonic_s` ends the trial in time; `used_s` is what variants are compared by."""

    monotonic_s: Callable[[], float] = time.monotonic
    used_s: Callable[[], float] = time.thread_time


@dataclass(frozen=True)
class Case:
    """A model that is to be opened, and how it may be run. `key` stands for both."""

    path: Path
    files: ModelFiles
    int8_path: Path | None
    offer: Offer
    key: str

    def path_of(self, variant: Variant) -> Path:
        if variant.network == "given":
            return self.path
        assert self.int8_path is not None, "int8 is offered only where its file is there"
        return self.int8_path


@dataclass(frozen=True)
class _Opened:
    model: Model
    detector: Detector
    tensor: NDArray[Any]

    @classmethod
    def of(cls, model: Model) -> _Opened:
        detector = model.detector()
        # A copy: the detector's own buffer is overwritten when it looks at a golden picture.
        return cls(model, detector, detector.prepare(_noise())[0].copy())

    def run(self) -> dict[str, NDArray[Any]]:
        return self.detector.run(self.tensor)


class Trial:
    """`plain` is the model as ONNX Runtime runs it: the reference for the others, and what is left without them.

    `waited_for`: whether somebody still waits for the choice; else there is time for every variant.
    """

    def __init__(
        self,
        case: Case,
        plain: Model,
        file: ChoiceFile,
        open_: OpenModel,
        clocks: Clocks,
        *,
        waited_for: Callable[[], bool] = lambda: True,
    ) -> None:
        self._case = case
        self._file = file
        self._open = open_
        self._clocks = clocks
        self._waited_for = waited_for
        self._opened = {PLAIN: _Opened.of(plain)}
        self._passed_over = dict(case.offer.passed_over)

    def run(self) -> Model:
        """The model as it runs best here, and remembered for the next start unless time ran out."""
        began_s = self._clocks.monotonic_s()
        everything = True
        for variant in self._case.offer.candidates:
            if variant != PLAIN:
                everything &= self._try(variant, until_s=began_s + TRYING_S)
        choice = self._decide(until_s=began_s + TIMED_S)
        if everything:
            self._file.keep(self._case.key, choice)
        log.info("%s is run by %s: %s (%s)", self._case.path.name, choice.used, choice.reason, _said(choice))
        return replace(self._opened[choice.used].model, choice=choice)

    def _try(self, variant: Variant, *, until_s: float) -> bool:
        """Whether there was time for it."""
        if self._file.is_dangerous(variant):
            self._passed_over[variant] = "the module has ended while it was tried"
            return True
        if self._waited_for() and self._clocks.monotonic_s() >= until_s:
            self._passed_over[variant] = "there was no time left to try it"
            return False
        self._file.trying(variant)
        try:
            self._opened[variant] = self._looked_at(variant)
        except ModelError as exc:
            self._passed_over[variant] = str(exc)
        self._file.trying(None)
        return True

    def _looked_at(self, variant: Variant) -> _Opened:
        """Opened, and found to see what it should. Raises ModelError."""
        path = self._case.path_of(variant)
        opened = _Opened.of(self._open(path, runtime=variant.runtime))
        if (why := _other_settings(self._opened[PLAIN].model, opened.model)) is not None:
            raise ModelError(f"its settings file says otherwise: {why}", code="settings-differ")
        differ = golden_differences(opened.model, read_model_files(path).golden, opened.detector)
        if differ:
            raise ModelError(f"it sees a golden picture otherwise here: {differ[0]}", code="golden-differs")
        reference = self._opened.get(Variant(network=variant.network))
        if reference is not None and (why := difference(reference.run(), opened.run())) is not None:
            raise ModelError(f"its outputs are not those of ONNX Runtime: {why}", code="outputs-differ")
        return opened

    def _decide(self, *, until_s: float) -> Choice:
        left = {variant: one for variant, one in self._opened.items() if variant in self._case.offer.candidates}
        if not left:
            return Choice(PLAIN, {}, self._passed_over, "what is asked for can't be used")
        if len(left) == 1:
            return Choice(next(iter(left)), {}, self._passed_over, "the only one that is offered and can be used")
        ms = medians_ms(
            {variant: one.run for variant, one in left.items()},
            until_s=until_s,
            monotonic_s=self._clocks.monotonic_s,
            used_s=self._clocks.used_s,
        )
        used = fastest(ms)
        return Choice(used, ms, self._passed_over, why_fastest(used, ms))


def _other_settings(plain: Model, other: Model) -> str | None:
    """What rules and messages would see of an int8 twin whose settings are not the model's own; None: the same."""
    if other.labels != plain.labels:
        return f"its labels are {', '.join(other.labels)} instead of {', '.join(plain.labels)}"
    for label in plain.labels:
        least, wanted = other.own_threshold(label), plain.own_threshold(label)
        if least != wanted:
            return f"its threshold for {label} is {least:g} instead of {wanted:g}"
    return None


def int8_file(path: Path, name: str, sha256: str) -> tuple[Path | None, str, str | None]:
    """Path and digest of the int8 network `name` beside `path`, and why it can't be used (None: it can).

    `sha256`: of the file whose accuracy was measured.
    """
    if path.suffix.lower() != ".onnx":
        return None, "", f"{name} belongs beside a single file"
    other = path.with_name(name)
    try:
        digest = hashlib.sha256(other.read_bytes()).hexdigest()
    except OSError as exc:
        return None, "", f"{name} is not beside it ({exc.strerror})"
    if digest != sha256:
        return None, "", f"{name} is not the file that was measured: its SHA-256 begins with {digest[:12]}"
    return other, digest, None


def settings_beside(path: Path) -> bytes:
    """As they are written; empty where there are none that can be read."""
    try:
        return path.with_suffix(".json").read_bytes()
    except OSError:
        return b""


def _noise() -> Picture:
    """A grey picture would give outputs that hardly differ from each other."""
    width, height = SIZE
    return Picture.from_bgr(np.random.default_rng(SEED).integers(0, 256, (height, width, 3), np.uint8))


def _said(choice: Choice) -> str:
    measured = [f"{variant} {ms:g} ms" for variant, ms in choice.ms.items()]
    return "; ".join([*measured, *(f"{variant}: {why}" for variant, why in choice.passed_over.items())]) or "no other"
