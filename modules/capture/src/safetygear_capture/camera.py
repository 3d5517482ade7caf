"""One camera's states: what each happening leads to, and when to try again. Pure.

connecting -> streaming -> (stalled | refused | backing-off) -> connecting …   paused: streaming, but nobody reads.
"""

from __future__ import annotations

import random as random_module
from dataclasses import dataclass

from safetygear.backoff import Backoff
from safetygear.messages.frames import CameraState
from safetygear_capture.reasons import OK, RARELY_RETRIED, WAITING_FOR_KEY_FRAME, state_after

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
"""Between attempts where the fault may pass by itself."""
FIRST_REFUSED_PAUSE_S, LONGEST_REFUSED_PAUSE_S = 5.0, 120.0
"""Where somebody has to change something: cameras lock an account after a few wrong passwords."""
FEW_PACKETS = 5
"""As many may come without a picture when a stream ends in the middle of one."""
KEY_FRAME_WITHIN_S = 90.0
"""Cameras that save bandwidth ("smart codecs") leave up to a minute between key frames, and not each sends one at PLAY:
half as long again, or the stall budget where that is longer."""
KEY_FRAME_SOON_S = 2.0
"""Most cameras have one within this time: a shorter wait is not worth a reason of its own."""
STEADY_S = 5.0
"""A stream that held for so long was a success: the next pause is short again. One that breaks at once was none."""


@dataclass(frozen=True)
class CameraSnapshot:
    """How a camera is at one moment; times are monotonic seconds."""

    state: CameraState
    reason: str
    since_s: float
    seconds_streaming: float


class Camera:
    """Not thread-safe; `now_s` is monotonic and never goes back."""

    def __init__(
        self,
        *,
        stall_budget_s: float,
        now_s: float,
        steady_s: float = STEADY_S,
        random: random_module.Random | None = None,
    ) -> None:
        """`steady_s`: a stream that held for so long was a success."""
        self._stall_budget_s = stall_budget_s
        self._steady_s = steady_s
        self._quick = Backoff(first_s=FIRST_PAUSE_S, ceiling_s=LONGEST_PAUSE_S, random=random)
        self._slow = Backoff(first_s=FIRST_REFUSED_PAUSE_S, ceiling_s=LONGEST_REFUSED_PAUSE_S, random=random)
        self._base: CameraState = "connecting"
        self._base_reason = "starting"
        self._flaw: str | None = None
        self._blocked: str | None = None
        self._opened_s: float | None = None
        self._decoded_s: float | None = None
        self._streaming_since_s: float | None = None
        self._between_s: float | None = None  # the newest picture that is not decoded, as a key frame has to come first
        self._key_frame_came = False  # since the last sound picture
        self._packets = 0  # since the last sound picture; this and the next two: of this attempt
        self._damaged = False
        self._sound = False
        self._given_up: str | None = None
        self._shown: tuple[CameraState, str] = (self._base, self._base_reason)
        self._since_s = now_s
        self._streamed_s = 0.0
        self._counted_s = now_s

    def connecting(self, now_s: float) -> None:
        """An attempt begins. What ended the one before stays the reason."""
        self._opened_s = self._decoded_s = self._streaming_since_s = None
        self._packets, self._damaged, self._sound = 0, False, False
        self._between_s, self._key_frame_came = None, False
        self._flaw = self._given_up = None
        self._base = "connecting"
        self._show(now_s)

    def opened(self, now_s: float) -> None:
        """The camera says that it plays; the stall budget runs."""
        self._opened_s = now_s

    def packet(self, now_s: float, *, awaits_key_frame: bool = False) -> None:
        """Something came; whether there is a picture in it is not known yet. `awaits_key_frame`: see source.py."""
        self._packets += 1
        if awaits_key_frame and self._opened_s is not None:
            self._between_s = now_s
            if now_s - self._opened_s >= KEY_FRAME_SOON_S and self._base == "connecting":
                self._base_reason = WAITING_FOR_KEY_FRAME
                self._show(now_s)
        elif self._between_s is not None:
            # The key frame is here: from now on, that no picture comes means something.
            self._between_s = None
            if not self._key_frame_came:
                self._key_frame_came, self._opened_s, self._packets = True, now_s, 1

    def damaged(self) -> None:
        """A picture of which parts are missing: no proof of life."""
        self._damaged = True

    def decoded(self, now_s: float) -> None:
        """A sound picture was decoded."""
        self._decoded_s = now_s
        self._between_s, self._key_frame_came = None, False
        self._packets, self._sound = 0, True
        self._given_up = None
        if self._base != "streaming":
            self._base, self._base_reason = "streaming", OK
            self._streaming_since_s = now_s
        elif self._streaming_since_s is not None and now_s - self._streaming_since_s >= self._steady_s:
            self._quick.reset()
            self._slow.reset()
        self._show(now_s)

    def flawed(self, reason: str | None, now_s: float) -> None:
        """It streams, but not as it should; None: all is well again."""
        self._flaw = reason
        self._show(now_s)

    def blocked(self, reason: str | None, now_s: float) -> None:
        """Its frames can't be handed over (nobody reads, no room); None: they can."""
        self._blocked = reason
        self._show(now_s)

    def overdue(self, now_s: float) -> bool:
        """Whether the stall budget has passed without a sound picture. False while there is no stream.

        Before the first key frame, and before each where no other picture is decoded, pictures that arrive are as good
        as sound ones, for `KEY_FRAME_WITHIN_S`.
        """
        if self._between_s is not None:
            return now_s - self._between_s >= self._stall_budget_s or self._without_key_frame(now_s)
        since_s = self._picture_due_since_s()
        return since_s is not None and now_s - since_s >= self._stall_budget_s

    def verdict(self, now_s: float) -> str:
        """What it means that no sound picture came in time: nothing came at all, something undecodable, or damage."""
        if self._between_s is not None:
            return "no-key-frame" if self._without_key_frame(now_s) else "stall"
        if self._sound:
            return "corrupt" if self._packets > FEW_PACKETS else "stall"
        if self._damaged:
            return "corrupt"
        return "wrong-codec" if self._packets else "no-data"

    def stalled(self, now_s: float) -> None:
        """The watchdog says so, while a call into the video library has not yet returned."""
        if self._base in ("streaming", "connecting"):
            self._given_up = self.verdict(now_s)
            self._end(self._given_up, now_s)

    def given_up(self) -> str | None:
        """Why the watchdog has ended the attempt that still runs; None: it has not, or a picture came after all."""
        return self._given_up

    def failed(self, reason: str, now_s: float) -> float:
        """The attempt has ended; how many seconds to wait before the next one."""
        self._end(reason, now_s)
        return (self._slow if reason in RARELY_RETRIED else self._quick).next_s()

    def idle(self, reason: str, now_s: float) -> None:
        """Not connected on purpose."""
        self._base, self._base_reason, self._flaw = "idle", reason, None
        self._show(now_s)

    @property
    def shown(self) -> tuple[CameraState, str]:
        """State and reason now."""
        return self._shown

    def snapshot(self, now_s: float) -> CameraSnapshot:
        """How it is now."""
        self._count(now_s)
        state, reason = self._shown
        return CameraSnapshot(state, reason, self._since_s, self._streamed_s)

    def _end(self, reason: str, now_s: float) -> None:
        self._base = state_after(reason)
        self._base_reason = reason
        self._flaw = None
        self._opened_s = self._decoded_s = self._streaming_since_s = self._between_s = None
        self._show(now_s)

    def _without_key_frame(self, now_s: float) -> bool:
        """Whether pictures came for so long without a key frame that the attempt is given up."""
        since_s = self._picture_due_since_s()
        return since_s is not None and now_s - since_s >= max(KEY_FRAME_WITHIN_S, self._stall_budget_s)

    def _picture_due_since_s(self) -> float | None:
        """The newest sound picture, or the stream's opening or the first key frame since where that is newer."""
        if self._opened_s is None or self._decoded_s is None:
            return self._opened_s if self._decoded_s is None else self._decoded_s
        return max(self._opened_s, self._decoded_s)

    def _show(self, now_s: float) -> None:
        shown: tuple[CameraState, str] = (self._base, self._base_reason)
        if self._base == "streaming":
            shown = ("streaming", self._flaw or OK) if self._blocked is None else ("paused", self._blocked)
        if shown != self._shown:
            self._count(now_s)
            if shown[0] != self._shown[0]:
                self._since_s = now_s
            self._shown = shown

    def _count(self, now_s: float) -> None:
        if self._shown[0] == "streaming":
            self._streamed_s += now_s - self._counted_s
        self._counted_s = now_s
