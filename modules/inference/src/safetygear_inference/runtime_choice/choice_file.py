"""Remembers over restarts what was chosen on this machine for which model, and which variant took the module along."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Final

import msgspec

from safetygear.synced_files import replace_synced
from safetygear_inference.detectors.runtimes.choice import SIMPLEST_FIRST, Choice, Variant

FILE_NAME: Final = "runtime-choice.json"
MOST_KEPT: Final = 16
"""Models; the ones that were chosen for longest ago are forgotten."""
MOST_ENDS: Final = 2
"""A variant during whose trial the process has ended so often is not tried again: once may be chance."""

log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A choice, its variants by name."""

    used: str
    ms: dict[str, float] = {}
    passed_over: dict[str, str] = {}
    reason: str = ""


class Memory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All of the file."""

    machine: str = ""
    choices: dict[str, Kept] = {}
    """By the key of what was chosen from, oldest first."""
    trying: str | None = None
    """The variant that is being opened and tried."""
    ends: dict[str, int] = {}
    """How often the process has ended meanwhile, by variant."""


class ChoiceFile:
    """`<folder>/runtime-choice.json`, for one machine: what another left is forgotten. Calls block for milliseconds.

    Where the folder can't be written nothing is remembered: each start measures again.
    """

    def __init__(self, folder: Path, machine: str) -> None:
        self._path = folder / FILE_NAME
        # A trial that takes too long is left behind in its thread while the next model is opened.
        self._lock = threading.Lock()
        self._complained = self._closed = False
        self._memory = self._load(machine)
        trying = self._memory.trying
        if trying is not None:
            ends = {**self._memory.ends, trying: self._memory.ends.get(trying, 0) + 1}
            self._save(msgspec.structs.replace(self._memory, trying=None, ends=ends))

    def find(self, key: str) -> Choice | None:
        """What was chosen for it before."""
        kept = self._memory.choices.get(key)
        by_name = {str(variant): variant for variant in SIMPLEST_FIRST}
        if kept is None or kept.used not in by_name:
            return None
        return Choice(
            by_name[kept.used],
            {by_name[name]: ms for name, ms in kept.ms.items() if name in by_name},
            {by_name[name]: why for name, why in kept.passed_over.items() if name in by_name},
            kept.reason,
        )

    def keep(self, key: str, choice: Choice) -> None:
        """For the next start."""
        kept = Kept(
            used=str(choice.used),
            ms={str(variant): ms for variant, ms in choice.ms.items()},
            passed_over={str(variant): why for variant, why in choice.passed_over.items()},
            reason=choice.reason,
        )
        with self._lock:
            others = {name: one for name, one in self._memory.choices.items() if name != key}
            recent = dict([*others.items(), (key, kept)][-MOST_KEPT:])
            self._save(msgspec.structs.replace(self._memory, choices=recent))

    def is_dangerous(self, variant: Variant) -> bool:
        """Whether the module has ended too often while it was tried."""
        return self._memory.ends.get(str(variant), 0) >= MOST_ENDS

    def trying(self, variant: Variant | None) -> None:
        """It is about to be opened, which may end the process; None: that went well."""
        with self._lock:
            if self._closed:
                return
            memory = self._memory
            ends = memory.ends
            if variant is None:
                ends = {name: count for name, count in ends.items() if name != memory.trying}
            name = None if variant is None else str(variant)
            self._save(msgspec.structs.replace(memory, trying=name, ends=ends))

    def close(self) -> None:
        """The process ends because it was told to: whatever is being tried has not ended it."""
        with self._lock:
            self._closed = True
            if self._memory.trying is not None:
                self._save(msgspec.structs.replace(self._memory, trying=None))

    def _load(self, machine: str) -> Memory:
        try:
            memory = msgspec.json.decode(self._path.read_bytes(), type=Memory)
        except FileNotFoundError:
            return Memory(machine=machine)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            log.warning("%s can't be read (%s): what runs the model is measured again", self._path, exc)
            return Memory(machine=machine)
        return memory if memory.machine == machine else Memory(machine=machine)

    def _save(self, memory: Memory) -> None:
        self._memory = memory
        try:
            replace_synced(self._path, msgspec.json.encode(memory))
        except OSError as exc:
            if not self._complained:
                log.warning(
                    "%s can't be written (%s): the next start measures again what runs the model", self._path, exc
                )
            self._complained = True
