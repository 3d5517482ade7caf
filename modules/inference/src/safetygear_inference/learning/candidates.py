"""Frames in which events opened: each waits until somebody says of the event that it was false, and not for ever.

What a person says of an event comes minutes or days later. By then only a picture on the disk can still be learned
from: so the frame is kept, outside the examples, and becomes one when the verdict is `false`. `true` and `unsure` let
it go. Works on the disk off the event loop; raises PictureFolderError.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from safetygear.learning.example import Example
from safetygear.messages.codec import encode
from safetygear_inference.evidence.config import FACES_CLEAR
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.example_folder import CANDIDATES, Candidate, DescribedFolder
from safetygear_inference.learning.library import ExampleLibrary, VerdictOf
from safetygear_inference.outbox.pump import OffLoop

QUOTA_SHARE = 0.25
"""Of the quota of the examples, and beside it."""


class Candidates:
    """By the episodes that opened in them. Belongs to the event loop."""

    def __init__(self, library: ExampleLibrary, *, off_loop: OffLoop = asyncio.to_thread) -> None:
        self.store = DescribedFolder(library.folder / CANDIDATES)
        self._library = library
        self._off_loop = off_loop
        self._kept: dict[str, Candidate] = {}
        self._refused: set[str] = set()
        self._writing = asyncio.Lock()

    async def begin(self) -> int:
        """Take over what earlier processes have kept; how many half-written pictures were removed."""

        def load() -> tuple[int, dict[str, Candidate]]:
            return self.store.begin(), self.store.descriptions(Candidate)

        swept, self._kept = await self._off_loop(load)
        return swept

    async def keep(self, example: Example, jpeg: bytes, episodes: Sequence[str], config: LearningConfig) -> None:
        """The frame in which these episodes opened."""
        candidate = Candidate(example=example, episodes=list(episodes))
        quota_bytes = int(QUOTA_SHARE * config.quota_bytes)

        def write() -> set[str]:
            self.store.put(example.id, jpeg, quota_bytes=quota_bytes, description=encode(candidate))
            return set(self.store.names())

        async with self._writing:
            here = await self._off_loop(write)
            self._kept[example.id] = candidate
            self._keep_only(here)

    async def follow(self, verdict_of: VerdictOf) -> None:
        """Let go of pictures whose events somebody has judged, but for those that were false."""
        for name, candidate in list(self._kept.items()):
            judged = after_verdicts(candidate, verdict_of)
            if judged is None:
                await self._remove(name)
            elif judged != candidate:
                await self._off_loop(self.store.describe, name, encode(judged))
                self._kept[name] = judged

    async def promote(self, config: LearningConfig, now_s: float) -> tuple[int, Counter[str]]:
        """Make examples of what was judged to be false, as far as the budget allows: how many; and why others have to
        wait, once for each. `now_s`: the budget's time."""
        taken, refused = 0, Counter[str]()
        for name, candidate in list(self._kept.items()):
            if candidate.judged_false is None:
                continue
            example = candidate.example
            if config.faces == "blurred" and not example.picture.faces_blurred:
                # Of a time in which they might be clear. They may not any more.
                await self._remove(name)
                refused[FACES_CLEAR] += 1
                continue
            why = self._library.budget.refusal(
                example.camera,
                "judged-false",
                now_s,
                per_hour=config.per_hour,
                per_day=config.per_day,
                reasons=config.reasons,
            )
            if why is not None:
                if name not in self._refused:
                    self._refused.add(name)
                    refused[why] += 1
                continue
            await self._promote(example, candidate.judged_false, config, now_s)
            taken += 1
        return taken, refused

    async def expire(self, config: LearningConfig, now_s: float) -> None:
        """Let go of what nobody has judged in time. `now_s`: wall clock."""
        quota_bytes = int(QUOTA_SHARE * config.quota_bytes)

        def expire() -> set[str]:
            self.store.expire(now_s=now_s, quota_bytes=quota_bytes, retention_days=config.verdict_days)
            return set(self.store.names())

        async with self._writing:
            self._keep_only(await self._off_loop(expire))

    async def _promote(self, example: Example, episode: str, config: LearningConfig, now_s: float) -> None:
        jpeg = await self._off_loop(self.store.read, example.id)
        if jpeg is not None and not self._library.examples.has(example.id):
            judged = msgspec.structs.replace(example, event=episode, verdict="false")
            taken = self._library.budget.take(example.id, example.camera, "judged-false", now_s)
            try:
                # A picture that a person has judged is worth more than a twin of it that nobody has.
                await self._library.add(judged, jpeg, config, instead_of_twins=True)
            except Exception:
                self._library.budget.give_back(taken)
                raise
        await self._remove(example.id)

    async def _remove(self, name: str) -> None:
        await self._off_loop(self.store.remove, name)
        self._kept.pop(name, None)
        self._refused.discard(name)

    def _keep_only(self, here: set[str]) -> None:
        self._kept = {name: candidate for name, candidate in self._kept.items() if name in here}
        self._refused &= here


def after_verdicts(candidate: Candidate, verdict_of: VerdictOf) -> Candidate | None:
    """The candidate by the newest word on each of its events; None: there is nothing left to wait for."""
    before = [*candidate.episodes, *([candidate.judged_false] if candidate.judged_false is not None else [])]
    said = {episode: verdict_of(episode) for episode in before}
    left = [episode for episode in before if said[episode] is None and episode != candidate.judged_false]
    # A verdict that nobody remembers any more still stands.
    false = [
        episode
        for episode in before
        if said[episode] == "false" or (episode == candidate.judged_false and said[episode] is None)
    ]
    if not (left or false):
        return None
    return msgspec.structs.replace(candidate, episodes=left, judged_false=false[-1] if false else None)
