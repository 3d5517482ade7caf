"""The examples that are kept: within budget and quota, no near-duplicates, the same after a restart.

`begin`, `add`, `expire` and `save` work on the disk, off the event loop, and raise PictureFolderError; everything else
is of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from safetygear.learning.example import Example, Verdict
from safetygear.messages.codec import encode
from safetygear_inference.learning.budget import DAY_S, Budget, Taken
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.example_folder import EXAMPLES, DescribedFolder
from safetygear_inference.learning.example_making import fingerprint_in
from safetygear_inference.learning.near_duplicates import Fingerprint, NearDuplicates
from safetygear_inference.learning.selection import Selection
from safetygear_inference.learning.state_file import LearningState, StateFile
from safetygear_inference.outbox.pump import OffLoop

FOLDER: Final = "learning"
VerdictOf = Callable[[str], Verdict | None]
"""What somebody has said last of that episode's event."""


class ExampleLibrary:
    """`<data>/learning`."""

    def __init__(self, data_folder: Path, random: Random, *, off_loop: OffLoop = asyncio.to_thread) -> None:
        self.folder = data_folder / FOLDER
        self.examples = DescribedFolder(self.folder / EXAMPLES)
        self.budget = Budget()
        self.selection = Selection(random)
        self.place: Callable[[str], AbstractContextManager[object]] = nullcontext
        """Entered in a thread with an example's id around its storing: makes sure that it gets to where it is copied
        to. Raises PictureFolderError: then it is not stored."""
        self.clock_moved_s = 0.0
        """How far the wall clock was set since `begin`: on the disk everything is by the clock as it is now."""
        self._state_file = StateFile(self.folder)
        self._fingerprints = NearDuplicates()
        self._of_event: dict[str, tuple[str, Verdict | None]] = {}
        """By episode: the example's id, and what is written in it."""
        self._random = random
        self._off_loop = off_loop
        self._writing = asyncio.Lock()
        """Whoever writes is alone until what is known here says the same as the disk."""

    async def begin(self, now_s: float) -> int:
        """Take over what earlier processes have kept; how many half-written pictures were removed. `now_s`: wall
        clock."""

        def load() -> tuple[LearningState, int, dict[str, Example]]:
            state = self._state_file.load()
            return state, self.examples.begin(), self.examples.descriptions(Example)

        state, swept, examples = await self._off_loop(load)
        self.budget, self._fingerprints, self._of_event = Budget(), NearDuplicates(), {}
        self.clock_moved_s = 0.0
        taken = {one.id: one for one in state.taken}
        for name, example in examples.items():
            self._remember(example)
            # Of a lost state file the pictures tell at least those that are still there.
            stored_s = self.examples.stored_s(name)
            if stored_s is not None:
                first = example.reasons[0]
                taken.setdefault(name, Taken(id=name, camera=example.camera, reason=first, taken_s=stored_s))
        self.budget.restore((one for one in taken.values() if one.taken_s > now_s - DAY_S), now_s)
        self.selection = Selection(
            self._random, drift=state.drift, class_counts=state.class_counts, class_frames=state.class_frames
        )
        return swept

    def knows(self, picture: Fingerprint, config: LearningConfig) -> bool:
        """Whether an example is kept that would teach the same."""
        return self._twins_of(picture, config) != []

    async def add(
        self, example: Example, jpeg: bytes, config: LearningConfig, *, instead_of_twins: bool = False
    ) -> bool:
        """Store an example that the budget has counted; False: there is a near-duplicate of it by now.

        `instead_of_twins`: then those go.
        """
        async with self._writing:
            twins = self._twins_of(fingerprint_in(example), config)
            if twins and not instead_of_twins:
                return False
            state = self._state()

            def write() -> set[str]:
                # First that it was taken: whatever happens next, no more than the budget allows are.
                self._state_file.save(state)
                with self.place(example.id):
                    self.examples.put(example.id, jpeg, quota_bytes=config.quota_bytes, description=encode(example))
                for twin in twins:
                    self.examples.remove(twin)
                return set(self.examples.names())

            here = await self._off_loop(write)
            self._remember(example)
            self._keep_only(here)
        return True

    async def follow(self, verdict_of: VerdictOf) -> None:
        """Write down where somebody has judged an example's event anew."""
        for episode, (name, written) in list(self._of_event.items()):
            verdict = verdict_of(episode)
            if verdict is not None and verdict != written:
                await self._off_loop(self._write_verdict, name, verdict)
                self._of_event[episode] = name, verdict

    async def expire(self, config: LearningConfig, now_s: float) -> None:
        """Remove what is too old or too much. `now_s`: wall clock."""

        def expire() -> set[str]:
            self.examples.expire(now_s=now_s, quota_bytes=config.quota_bytes, retention_days=config.retention_days)
            return set(self.examples.names())

        async with self._writing:
            self._keep_only(await self._off_loop(expire))

    async def save(self) -> None:
        """Keep what is in no picture's description."""
        async with self._writing:
            await self._off_loop(self._state_file.save, self._state())

    def _twins_of(self, picture: Fingerprint, config: LearningConfig) -> list[str]:
        return self._fingerprints.twins_of(picture, minimum_bits=config.minimum_distance_bits)

    def _write_verdict(self, name: str, verdict: Verdict) -> None:
        example = self.examples.description(name, Example)
        if example is not None:
            self.examples.describe(name, encode(msgspec.structs.replace(example, verdict=verdict)))

    def _state(self) -> LearningState:
        rare = self.selection.rare_classes
        return LearningState(
            taken=self.budget.taken(self.clock_moved_s),
            class_counts=dict(rare.counts),
            class_frames=rare.frames,
            drift=self.selection.drift.state(),
        )

    def _remember(self, example: Example) -> None:
        self._fingerprints.add(example.id, fingerprint_in(example))
        if example.event is not None:
            self._of_event[example.event] = example.id, example.verdict

    def _keep_only(self, here: set[str]) -> None:
        for name in self._fingerprints.names() - here:
            self._fingerprints.remove(name)
        self._of_event = {event: one for event, one in self._of_event.items() if one[0] in here}
