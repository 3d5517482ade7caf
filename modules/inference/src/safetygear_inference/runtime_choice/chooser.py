"""Opens a model as it runs best on this machine: a trial of about two seconds, once per model and machine.

A box that watches nobody is worse than one that is slow: whatever is tried, after LONGEST_S the model is in use as ONNX
Runtime runs it, and `on_late` is called when the trial has found out after all. One trial at a time, and in what time
the cameras leave: two would take each other's, and where one ended the process the other might be blamed for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from safetygear.errors import ModelError
from safetygear_inference.detectors.model import Model
from safetygear_inference.detectors.opening import open_model
from safetygear_inference.detectors.package import ModelFiles, read_model_files
from safetygear_inference.detectors.runtimes.choice import BY_TRYING, PLAIN, Choice, Wish, offered
from safetygear_inference.detectors.runtimes.openvino import openvino_version
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, Provider
from safetygear_inference.environment import Environment
from safetygear_inference.runtime_choice.choice_file import ChoiceFile
from safetygear_inference.runtime_choice.machine import machine as this_machine
from safetygear_inference.runtime_choice.trial import Case, Clocks, OpenModel, Trial, int8_file, settings_beside
from safetygear_inference.thread_priority import give_way

LONGEST_S: Final = 3.0
"""What choosing may add to the time until a model is in use."""

log = logging.getLogger(__name__)


class _Turn:
    """Whose turn it is to be tried: one at a time. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = self._wanted = False

    def begin(self) -> bool:
        """False: it is another's turn."""
        with self._lock:
            mine, self._wanted = not self._taken, self._wanted or self._taken
            self._taken = True
            return mine

    def end(self) -> bool:
        """Whether another one has been turned away meanwhile."""
        with self._lock:
            wanted, self._taken, self._wanted = self._wanted, False, False
            return wanted


class RuntimeChooser:
    """`open` is called in one thread at a time. `folder`: where choices are kept over restarts."""

    def __init__(
        self,
        folder: Path,
        *,
        wish: Wish = BY_TRYING,
        providers: Sequence[Provider] = CPU_ONLY,
        machine: Callable[[], str] = this_machine,
        open_: OpenModel = open_model,
        openvino: Callable[[], str | None] = openvino_version,
        clocks: Clocks | None = None,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._folder = folder
        self._wish = wish
        self._providers = tuple(providers)
        self._machine = machine
        self._open = open_
        self._openvino = openvino
        self._clocks = clocks or Clocks()
        self._longest_s = longest_s
        self._file: ChoiceFile | None = None
        self._turn = _Turn()
        self.on_late: Callable[[], None] | None = None
        """Called in a thread of its own: a model that is in use would be opened otherwise now, or tried at last."""

    def open(self, path: Path) -> Model:
        """The model at `path`, `Model.choice` with it. Raises ModelError where ONNX Runtime can't run it."""
        files = read_model_files(path)
        if self._providers != CPU_ONLY or files.runtime != "onnx":
            # Other hardware is named per device (ADR 18); TensorFlow Lite files have one runtime.
            return self._open(path, providers=self._providers)
        case = self._case(path, files)
        if case.offer.candidates == (PLAIN,):
            return replace(self._open(path), choice=Choice(passed_over=case.offer.passed_over))
        if self._file is None:
            self._file = ChoiceFile(self._folder, self._machine())
        if not self._turn.begin():
            why = "another model is still being tried; this one's turn comes after it"
            log.warning("%s: %s", path.name, why)
            return replace(self._open(path), choice=Choice(passed_over=case.offer.passed_over, reason=why))
        try:
            opened = self._as_before(case, self._file)
            plain = self._open(path) if opened is None else opened
        except BaseException:
            self._end_turn()
            raise
        if opened is not None:
            self._end_turn()
            return opened
        return self._within_time(case, plain, self._file)

    def close(self) -> None:
        """The module ends in order, maybe in the middle of a trial."""
        if self._file is not None:
            self._file.close()

    def _as_before(self, case: Case, file: ChoiceFile) -> Model | None:
        """As it was chosen at an earlier start; None where it was not, or can't be opened so any more."""
        known = file.find(case.key)
        if known is None or file.is_dangerous(known.used):
            return None
        if known.used != PLAIN:
            # What went well once may end the process now: a limit on its memory, a damaged library.
            file.trying(known.used)
        try:
            opened = self._open(case.path_of(known.used), runtime=known.used.runtime)
        except ModelError as exc:
            log.warning("%s is not run by %s any more: %s", case.path.name, known.used, exc)
            return None
        finally:
            if known.used != PLAIN:
                file.trying(None)
        log.info("%s is run by %s, as chosen before: %s", case.path.name, known.used, known.reason)
        return replace(opened, choice=known)

    def _end_turn(self) -> None:
        """Where there was no trial after all."""
        if self._turn.end() and self.on_late is not None:
            self.on_late()

    def _case(self, path: Path, files: ModelFiles) -> Case:
        int8, int8_path, digest, missing = files.settings.int8, None, "", None
        if int8 is not None:
            int8_path, digest, missing = int8_file(path, int8.network, int8.sha256)
        offer = offered(self._wish, openvino=self._openvino(), int8=int8, int8_missing=missing)
        # With the settings: whether a twin may stand in for the model depends on both files'.
        said = msgspec.json.encode(files.settings) + (b"" if int8_path is None else settings_beside(int8_path))
        parts = (files.network, digest.encode(), said)
        identity = [*(hashlib.sha256(part).hexdigest() for part in parts), *map(str, offer.candidates)]
        return Case(path, files, int8_path, offer, hashlib.sha256(" ".join(identity).encode()).hexdigest())

    def _within_time(self, case: Case, plain: Model, file: ChoiceFile) -> Model:
        """What the trial has chosen, or `plain` where it takes too long or fails."""
        done: queue.SimpleQueue[Model | None] = queue.SimpleQueue()
        given_up = threading.Event()

        def work() -> None:
            give_way()
            try:
                trial = Trial(case, plain, file, self._open, self._clocks, waited_for=lambda: not given_up.is_set())
                chosen = trial.run()
            except Exception:
                # Whatever a strange file does to a library that it has never met, there is one that runs it.
                log.exception("%s: choosing what runs it failed", case.path.name)
                chosen = None
            waited_in_vain = self._turn.end()
            done.put(chosen)
            # Opened again without its choice kept, the model would be tried again, too late once more, and so on.
            kept = chosen is not None and file.find(case.key) == chosen.choice
            if ((given_up.is_set() and kept) or waited_in_vain) and self.on_late is not None:
                self.on_late()

        threading.Thread(target=work, name="runtime-choice", daemon=True).start()
        why = "choosing failed; see the log"
        try:
            chosen = done.get(timeout=self._longest_s)
            if chosen is not None:
                return chosen
        except queue.Empty:
            given_up.set()
            with contextlib.suppress(queue.Empty):  # it may have ended in this very moment
                if (chosen := done.get_nowait()) is not None:
                    return chosen
            why = f"the others are still being tried after {self._longest_s:g} s"
            log.warning("%s: %s", case.path.name, why)
        return replace(plain, choice=Choice(passed_over=case.offer.passed_over, reason=why))


def runtime_chooser(environment: Environment) -> RuntimeChooser:
    """As the module's environment asks for it; choices are kept in the data folder."""
    return RuntimeChooser(environment.data_dir, wish=environment.wish, providers=environment.providers)
