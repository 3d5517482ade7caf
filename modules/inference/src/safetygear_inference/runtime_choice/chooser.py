"""Opens a model as it runs best on this machine: a measurement of about two seconds, once per model and machine.

A box without a picture of who is there is worse than one that is slow: whatever is tried, after LONGEST_S the model is
in use as ONNX Runtime runs it, and what the trial finds later counts from the next start on.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from safetygear.errors import ModelError
from safetygear_inference.detectors.golden_run import golden_differences
from safetygear_inference.detectors.model import Detector, Model
from safetygear_inference.detectors.opening import open_model
from safetygear_inference.detectors.package import ModelFiles, read_model_files
from safetygear_inference.detectors.runtimes.choice import (
    PLAIN,
    Choice,
    Offer,
    Runtime,
    Variant,
    Wish,
    fastest,
    offered,
    why_fastest,
)
from safetygear_inference.detectors.runtimes.openvino import openvino_version
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, Provider
from safetygear_inference.environment import Environment
from safetygear_inference.picture import Picture
from safetygear_inference.runtime_choice.choice_file import ChoiceFile
from safetygear_inference.runtime_choice.machine import machine
from safetygear_inference.runtime_choice.same_outputs import difference
from safetygear_inference.runtime_choice.timing import medians_ms

LONGEST_S: Final = 3.0
"""What choosing may add to the time until a model is in use."""
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
class _Case:
    """One model that is to be opened."""

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


class RuntimeChooser:
    """`open` is called in one thread at a time. `folder`: where choices are kept over restarts."""

    def __init__(
        self,
        folder: Path,
        *,
        wish: Wish,
        machine: Callable[[], str],
        providers: Sequence[Provider] = CPU_ONLY,
        open_: OpenModel = open_model,
        openvino: Callable[[], str | None] = openvino_version,
        monotonic_s: Callable[[], float] = time.monotonic,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._folder = folder
        self._wish = wish
        self._machine = machine
        self._providers = tuple(providers)
        self._open = open_
        self._openvino = openvino
        self._monotonic_s = monotonic_s
        self._longest_s = longest_s
        self._file: ChoiceFile | None = None

    def open(self, path: Path) -> Model:
        """The model at `path`, `Model.choice` with it. Raises ModelError where ONNX Runtime can't run it."""
        files = read_model_files(path)
        if self._providers != CPU_ONLY or files.runtime != "onnx":
            # Other hardware is named per device (ADR 18); TensorFlow Lite files have one runtime.
            return self._open(path, providers=self._providers)
        case = self._case(path, files)
        if case.offer.candidates == (PLAIN,):
            return self._plain(case, Choice(passed_over=case.offer.passed_over))
        if self._file is None:
            self._file = ChoiceFile(self._folder, self._machine())
        known = self._file.find(case.key)
        if known is not None:
            try:
                return replace(self._opened(case, known.used), choice=known)
            except ModelError as exc:
                log.warning("%s is not run by %s any more: %s", path.name, known.used, exc)
        plain = self._open(path)
        return self._within_time(case, plain, self._file)

    def _case(self, path: Path, files: ModelFiles) -> _Case:
        int8, int8_path, digest, missing = files.settings.int8, None, "", None
        if int8 is not None:
            int8_path, digest, missing = _int8_file(path, int8.network, int8.sha256)
        offer = offered(self._wish, openvino=self._openvino(), int8=int8, int8_missing=missing)
        identity = [hashlib.sha256(files.network).hexdigest(), digest, *map(str, offer.candidates)]
        return _Case(path, files, int8_path, offer, hashlib.sha256(" ".join(identity).encode()).hexdigest())

    def _plain(self, case: _Case, choice: Choice) -> Model:
        return replace(self._open(case.path), choice=choice)

    def _opened(self, case: _Case, variant: Variant) -> Model:
        return self._open(case.path_of(variant), runtime=variant.runtime)

    def _within_time(self, case: _Case, plain: Model, file: ChoiceFile) -> Model:
        """What the trial has chosen, or `plain` where it takes too long or fails."""
        began_s = self._monotonic_s()
        done: queue.SimpleQueue[Model | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                done.put(self._choose(case, plain, file, began_s))
            except Exception:
                # Whatever a strange file does to a library that it has never met, there is one that runs it.
                log.exception("%s: choosing what runs it failed", case.path.name)
                done.put(None)

        threading.Thread(target=work, name="runtime-choice", daemon=True).start()
        why = "choosing failed; see the log"
        try:
            chosen = done.get(timeout=self._longest_s)
            if chosen is not None:
                return chosen
        except queue.Empty:
            why = f"no other was tried within {self._longest_s:g} s; what is found counts from the next start"
            log.warning("%s: %s", case.path.name, why)
        return replace(plain, choice=Choice(passed_over=case.offer.passed_over, reason=why))

    def _choose(self, case: _Case, plain: Model, file: ChoiceFile, began_s: float) -> Model:
        opened, passed_over = {PLAIN: plain}, dict(case.offer.passed_over)
        out_of_time = False
        for variant in case.offer.candidates:
            if variant == PLAIN:
                continue
            if file.is_dangerous(variant):
                passed_over[variant] = "the module has ended while it was tried"
                continue
            if self._monotonic_s() >= began_s + TRYING_S:
                passed_over[variant], out_of_time = "there was no time left to try it", True
                continue
            file.trying(variant)
            try:
                opened[variant] = self._tried(case, variant, opened)
            except ModelError as exc:
                passed_over[variant] = str(exc)
            file.trying(None)
        choosable = {variant: model for variant, model in opened.items() if variant in case.offer.candidates}
        choice = self._decide(choosable, passed_over, began_s)
        if not out_of_time:
            file.keep(case.key, choice)
        log.info("%s is run by %s: %s (%s)", case.path.name, choice.used, choice.reason, _said(choice))
        return replace(opened[choice.used], choice=choice)

    def _tried(self, case: _Case, variant: Variant, opened: dict[Variant, Model]) -> Model:
        """Opened, and found to see what it should. Raises ModelError."""
        model = self._opened(case, variant)
        path = case.path_of(variant)
        differ = golden_differences(model, read_model_files(path).golden)
        if differ:
            raise ModelError(f"it sees a golden picture otherwise here: {differ[0]}", code="golden-differs")
        reference = opened.get(Variant(network=variant.network))
        if variant.runtime != "onnxruntime" and reference is not None:
            why = difference(_outputs(reference.detector()), _outputs(model.detector()))
            if why is not None:
                raise ModelError(f"its outputs are not those of ONNX Runtime: {why}", code="outputs-differ")
        return model

    def _decide(self, choosable: dict[Variant, Model], passed_over: dict[Variant, str], began_s: float) -> Choice:
        if not choosable:
            return Choice(PLAIN, {}, passed_over, "what is asked for can't be used")
        if len(choosable) == 1:
            return Choice(next(iter(choosable)), {}, passed_over, "the only one that is asked for and can be used")
        work: dict[Variant, Callable[[], Any]] = {}
        for variant, model in choosable.items():
            detector = model.detector()
            tensor, _ = detector.prepare(_noise())
            work[variant] = lambda run=detector.run, tensor=tensor: run(tensor)  # type: ignore[misc]  # bound in the loop
        ms = medians_ms(work, until_s=began_s + TIMED_S, monotonic_s=self._monotonic_s)
        used = fastest(ms)
        return Choice(used, ms, passed_over, why_fastest(used, ms))


def runtime_chooser(environment: Environment) -> RuntimeChooser:
    """As the module's environment asks for it; choices are kept in the data folder."""
    return RuntimeChooser(environment.data_dir, wish=environment.wish, machine=machine, providers=environment.providers)


def _int8_file(path: Path, name: str, sha256: str) -> tuple[Path | None, str, str | None]:
    """The int8 network's path and digest, and why it can't be used."""
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


def _noise() -> Picture:
    """A grey picture would give outputs that hardly differ from each other."""
    width, height = SIZE
    return Picture.from_bgr(np.random.default_rng(SEED).integers(0, 256, (height, width, 3), np.uint8))


def _outputs(detector: Detector) -> dict[str, Any]:
    tensor, _ = detector.prepare(_noise())
    return detector.run(tensor)


def _said(choice: Choice) -> str:
    measured = [f"{variant} {ms:g} ms" for variant, ms in choice.ms.items()]
    return "; ".join([*measured, *(f"{variant}: {why}" for variant, why in choice.passed_over.items())]) or "no other"
