"""Work on a frame's pixels beside the live analysis - evidence, learning, a model on trial - and never in its way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from safetygear.errors import FrameError
from safetygear.frames.ring import FrameRingReader
from safetygear_inference.intake import Arrival
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import decode_jpeg
from safetygear_inference.thread_priority import give_way

S = TypeVar("S")
T = TypeVar("T")

WAITING: Final = 8
"""Jobs that may be under way. A slot is written over within seconds: who comes later would find nothing."""
BUSY: Final = "side-busy"


class SideAnalysis:
    """One thread with a ring reader of its own. A job more than `WAITING` is refused and counted in `refused`."""

    def __init__(self, frames_dir: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="side", initializer=give_way)
        self._reader = FrameRingReader(frames_dir)
        self._under_way = 0
        self.refused: Counter[str] = Counter()
        """Jobs refused since the start, by purpose."""

    async def of(self, arrival: Arrival, work: Callable[[Picture], T], *, purpose: str) -> T:
        """What `work` makes, in the thread, of the frame's pixels where they lie; it must not keep them.

        Raises FrameError - the frame is gone, was written over meanwhile, or too much is under way (`side-busy`) - and
        what `work` raises.
        """
        return await self.run(lambda: _on_pixels(self._reader, arrival, work), purpose=purpose)

    async def copied(
        self, arrival: Arrival, take: Callable[[Picture], S], then: Callable[[S], T], *, purpose: str
    ) -> T:
        """What `then` makes of what `take` has copied, in one job: the pixels have to stand only for the copy.

        Raises as `of` does.
        """
        return await self.run(lambda: then(_on_pixels(self._reader, arrival, take)), purpose=purpose)

    async def run(self, work: Callable[[], T], *, purpose: str) -> T:
        """Other work in the same thread, under the same bound: what becomes of pixels once they are copied."""
        if self._under_way >= WAITING:
            self.refused[purpose] += 1
            raise FrameError(f"{purpose}: {self._under_way} jobs are under way already", code=BUSY)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._under_way -= 1

    def release_rings(self) -> None:
        """Let go of rings that were removed: while mapped they keep their memory."""
        self._reader.forget_missing()

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _on_pixels(reader: FrameRingReader, arrival: Arrival, work: Callable[[Picture], T]) -> T:
    if arrival.jpeg is not None:
        return work(decode_jpeg(arrival.jpeg))
    view = reader.view(arrival.reference)
    made = work(Picture.from_view(view))
    view.check()
    return made
