"""Time of a frame: is the stream's own time sound, what does the camera's clock say, and how late are we? Pure.

All `*_s` are seconds. Three clocks: the stream's media time (PTS), this machine's monotonic clock at decoding, and wall
clocks (the camera's by RTCP, and this machine's).
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from safetygear.messages.frames import Clock

JUMP_S: Final = 2.0
"""Media time has jumped that is so much ahead of real time, by the frame that was the least late. Frames that come in a
burst after the network hung, or from which others were left out to catch up, only get less late."""
SLOW: Final = 0.03
"""Media time may lose this part of real time: some cameras stamp 25 pictures a second and send 24.5."""
STILL_S: Final = 1.0
"""Frames arrive and media time doesn't advance for this long: it stands still. Field pairs share a time for less."""
STILL_FRAMES: Final = 2
"""As many at least have the time of the one before. FFmpeg gives the first two pictures the same media time where RTP
timestamps begin at 0."""
SHOWN_S: Final = 10.0
"""How long a jump stays the camera's reason."""

CAMERA_BEHIND_S: Final = 5.0
CAMERA_AHEAD_S: Final = 0.5
"""A camera's clock is used while the age of a frame that is not late lies between: network and decoder take tens of
milliseconds to about a second, and a frame from the future is wrong beyond NTP's error."""
CAMERA_BACK_S: Final = 0.5
"""Each sender report sets the clock anew; a step back of less than this is its jitter."""
TRUST_AGAIN_S: Final = 5.0
"""A clock that was wrong is used again after this long without a fault: one sender report's interval."""
SLEWED: Final = 0.5
"""Where a frame would be told as earlier than the one before, times go on at this part of real time instead, until the
clock they change to has come up with them: 10 s for a camera that is 5 s behind, after frames without its clock."""
NEAR_S: Final = 1.0
"""A time that is so near the camera's is called its own. A connection's first picture, of which its clock says nothing,
may be that late.
"""
LEAST_STEP_S: Final = 0.001
LONGEST_STEP_S: Final = 0.5
SET_BACK_S: Final = 1.0
"""This machine's clock that is set back by more is obeyed: to hold on would take twice as long as it was set back."""

LAG_BEGINS_S: Final = 2.0
"""Behind by more than this, only key frames are decoded until we have caught up."""


class PtsValidator:
    """Judges media time against the time at which frames are decoded."""

    def __init__(self) -> None:
        self._pts_s: float | None = None
        self._decoded_s = 0.0
        self._least_offset_s = math.inf
        self.late_s = 0.0
        """How much later than the least late frame the newest one was decoded after it was taken."""
        self._advanced_s = 0.0
        self._still = 0
        self._jumped_s = -math.inf
        self.jumps = 0
        """Since construction."""

    def look(self, pts_s: float | None, monotonic_s: float) -> bool:
        """A frame's media time; True where it has just jumped."""
        if pts_s is None:
            return False
        before_s, between_s = self._pts_s, monotonic_s - self._decoded_s
        self._pts_s, self._decoded_s = pts_s, monotonic_s
        offset_s = monotonic_s - pts_s
        least_s = self._least_offset_s + SLOW * between_s
        self._least_offset_s = min(offset_s, least_s)
        self.late_s = offset_s - self._least_offset_s
        if before_s is None:
            self._advanced_s = monotonic_s
            return False
        step_s = pts_s - before_s
        self._still += 1
        if step_s != 0:
            self._advanced_s, self._still = monotonic_s, 0
        # Decoders give frames in display order, so that any step back is a jump.
        if step_s < 0 or offset_s < least_s - JUMP_S:
            self.jumps += 1
            self._jumped_s = monotonic_s
            self._least_offset_s, self.late_s = offset_s, 0.0
            return True
        return False

    def reason(self, monotonic_s: float) -> str | None:
        """`timestamps-stand-still`, `timestamps-jump` or None."""
        if self._still >= STILL_FRAMES and self._decoded_s - self._advanced_s >= STILL_S:
            return "timestamps-stand-still"
        return "timestamps-jump" if monotonic_s - self._jumped_s < SHOWN_S else None


class CapturedAt(Struct, frozen=True):
    """A frame's time by `clock`; `reason` says why the camera's clock was not used though it sends one."""

    time_s: float
    clock: Clock
    reason: str | None = None


class CaptureClock:
    """Chooses between the camera's wall clock and the time of arrival, for one connection after the other.

    No frame is told as earlier than the one before, whichever clock each has its time from; but this machine's clock is
    obeyed where it is set back.
    """

    def __init__(self) -> None:
        self._camera_s = -math.inf
        self._distrusted_until_s = -math.inf
        self._reason: str | None = None
        self._last_s = -math.inf
        self._judged_s = -math.inf

    def connected(self) -> None:
        """A connection begins: nothing is known of the camera's clock. The times go on."""
        self._camera_s = self._distrusted_until_s = -math.inf
        self._reason = None

    def judge(
        self, camera_s: float | None, decoded_s: float, monotonic_s: float, *, sound: bool, late_s: float = 0.0
    ) -> CapturedAt:
        """`camera_s`: wall clock by RTCP, or None; `decoded_s`: this machine's wall clock at decoding.

        `sound`: media time is; where it isn't, times derived from it are not either. `late_s`: what of the frame's age
        is not the clock's doing, by media time.
        """
        reason = None if camera_s is None else self._fault(camera_s, decoded_s, sound=sound, late_s=late_s)
        if camera_s is not None:
            self._camera_s = camera_s
        if reason is not None:
            self._reason = reason
            self._distrusted_until_s = monotonic_s + TRUST_AGAIN_S
        used_s = camera_s if camera_s is not None and monotonic_s >= self._distrusted_until_s else None
        if used_s is not None:
            self._reason = None
        wanted_s = decoded_s if used_s is None else used_s
        time_s = self._forward(wanted_s, decoded_s, monotonic_s)
        # Where it is on the way from one clock to the other, it is not the camera's.
        clock: Clock = "rtcp" if used_s is not None and time_s - used_s <= NEAR_S else "arrival"
        return CapturedAt(time_s, clock, None if camera_s is None else self._reason)

    def _fault(self, camera_s: float, decoded_s: float, *, sound: bool, late_s: float) -> str | None:
        """What is wrong with the camera's time of this frame."""
        age_s = decoded_s - camera_s
        if not sound:
            return "timestamps"
        if not any(-CAMERA_AHEAD_S <= age <= CAMERA_BEHIND_S for age in (age_s, age_s - late_s)):
            return "camera-clock-off"
        return "camera-clock-backwards" if camera_s < self._camera_s - CAMERA_BACK_S else None

    def _forward(self, time_s: float, decoded_s: float, monotonic_s: float) -> float:
        if time_s <= self._last_s and self._last_s - decoded_s < SET_BACK_S:
            passed_s = monotonic_s - self._judged_s
            time_s = self._last_s + min(max(SLEWED * passed_s, LEAST_STEP_S), LONGEST_STEP_S)
        self._last_s, self._judged_s = time_s, monotonic_s
        return time_s


class LagMeter:
    """How far decoding has fallen behind the stream, by media time.

    A frame for which we had to wait can't be late by our doing; every other one is compared with the last of those.
    """

    def __init__(self) -> None:
        self._base_s: float | None = None
        self._lagging = False

    @property
    def lagging(self) -> bool:
        """From LAG_BEGINS_S behind until a packet has to be waited for again."""
        return self._lagging

    def look(self, pts_s: float | None, monotonic_s: float, *, waited: bool) -> None:
        """`waited`: the frame's packet was not there yet when it was asked for."""
        if pts_s is None:
            return
        offset_s = monotonic_s - pts_s
        if waited or self._base_s is None:
            self._base_s, self._lagging = offset_s, False
        elif offset_s - self._base_s >= LAG_BEGINS_S:
            self._lagging = True

    def restart(self) -> None:
        """Media time has jumped."""
        self._base_s, self._lagging = None, False
