"""One stream of server-sent events per viewer: always the newest, and nobody waits for a slow one.

There is no queue. A viewer has the sequences that it was sent last; when it can take more, it gets what is newest then.
What came between is skipped for it. One that takes nothing for `slow_after_s` is let go and counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from safetygear.clock import Clock
from safetygear_inference import __version__
from safetygear_inference.live import LiveState
from safetygear_inference.web.view import PageCounts, StateView, event, frame_view, state_view


@dataclass(frozen=True)
class Limits:
    """What the page takes at most."""

    viewers: int = 16
    connections: int = 96
    """A browser opens up to six."""
    slow_after_s: float = 5.0
    stream_s: float = 3600.0
    """A stream ends after this and is opened anew, so that a viewer has to show again that he may see it."""
    state_every_s: float = 1.0


CHECKED_EVERY_S = 0.25
"""How often it is looked whether a camera has ceased to be watched: silence makes no event."""


class Viewers:
    """The streams that are open. `wake` tells them that there is something new."""

    def __init__(
        self, live: LiveState, clock: Clock, limits: Limits, *, token_needed: bool, may_change: bool = False
    ) -> None:
        self.dropped: Counter[str] = Counter()
        """Since the start: `slow`, and `full` for those turned away."""
        self._live = live
        self._clock = clock
        self._limits = limits
        self._token_needed = token_needed
        self._may_change = may_change
        self._open: set[_Viewer] = set()
        self._closing = False

    def wake(self) -> None:
        """Something has changed."""
        for viewer in self._open:
            viewer.news.set()

    def close(self) -> None:
        """End every stream."""
        self._closing = True
        self.wake()

    def full(self) -> bool:
        """Whether one more would be too many; if so, it is counted as turned away."""
        if len(self._open) < self._limits.viewers:
            return False
        self.dropped["full"] += 1
        return True

    def state(self) -> StateView:
        """What stands now."""
        counts = PageCounts(
            token_needed=self._token_needed,
            may_change=self._may_change,
            viewers=len(self._open),
            viewers_at_most=self._limits.viewers,
            dropped=dict(sorted(self.dropped.items())),
        )
        return state_view(
            self._live,
            version=__version__,
            page=counts,
            now_s=self._clock.now_s(),
            monotonic_s=self._clock.monotonic_s(),
        )

    async def stream(self, write: Callable[[bytes], Awaitable[None]]) -> bool:
        """Send a viewer what is new until its time is over; False: it was too slow. Raises what `write` does."""
        viewer = _Viewer()
        self._open.add(viewer)
        ends_s = self._clock.monotonic_s() + self._limits.stream_s
        try:
            while not self._closing and self._clock.monotonic_s() < ends_s:
                viewer.news.clear()
                news = self._news(viewer)
                if news:
                    async with asyncio.timeout(self._limits.slow_after_s):
                        await write(news)
                await viewer.wait(min(CHECKED_EVERY_S, self._limits.state_every_s))
        except TimeoutError:
            self.dropped["slow"] += 1
            return False
        finally:
            self._open.discard(viewer)
        return True

    def _news(self, viewer: _Viewer) -> bytes:
        parts = []
        now_s = self._clock.monotonic_s()
        if self._state_due(viewer, now_s):
            viewer.state_s, viewer.revision = now_s, self._live.revision
            viewer.checked_s, viewer.watched = now_s, self._live.watched(now_s)
            parts.append(event("state", self.state()))
        sent = {}
        for camera in self._live.all_cameras():
            message = camera.message
            if message is None:
                continue
            sent[camera.name] = message.sequence
            if viewer.sent.get(camera.name) != message.sequence:
                parts.append(event("frame", frame_view(self._live, message)))
        viewer.sent = sent
        return b"".join(parts)

    def _state_due(self, viewer: _Viewer, now_s: float) -> bool:
        if viewer.state_s is None or now_s - viewer.state_s >= self._limits.state_every_s:
            return True
        if viewer.revision != self._live.revision:
            return True
        if now_s - viewer.checked_s < CHECKED_EVERY_S:
            return False
        viewer.checked_s = now_s
        return self._live.watched(now_s) != viewer.watched


class _Viewer:
    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.state_s: float | None = None
        self.revision = -1
        self.checked_s = 0.0
        self.watched: frozenset[str] = frozenset()
        self.sent: dict[str, int] = {}

    async def wait(self, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await self.news.wait()
        except TimeoutError:
            pass
