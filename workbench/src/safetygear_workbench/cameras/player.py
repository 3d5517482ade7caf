"""Sends a clip's pictures in time, round after round, with the faults that are asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from safetygear.clock import Clock
from safetygear_workbench.cameras.clip import Clip, CodedPicture
from safetygear_workbench.cameras.faults import Faults
from safetygear_workbench.cameras.rtp import RtpStream

SENDER_REPORT_EVERY_S = 5.0
_LOOK_EVERY_S = 0.1


class Channel(Protocol):
    """Where packets go."""

    async def send_rtp(self, packet: bytes) -> None: ...
    async def send_rtcp(self, packet: bytes) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Rounds:
    """Walks a clip's pictures for ever, with media times that go on from round to round. Pure."""

    clip: Clip
    _index: int = 0
    _base_s: float = 0.0

    def next(self) -> tuple[float, CodedPicture]:
        """The next picture and its media time in seconds since the stream's start."""
        if self._index == len(self.clip.pictures):
            self._index = 0
            self._base_s += self.clip.duration_s
        picture = self.clip.pictures[self._index]
        self._index += 1
        return self._base_s + picture.time_s, picture

    def join(self, wall_s: float) -> float:
        """Go on with the picture that is due at `wall_s` where the clip has been played round after round for ever; its
        media time."""
        due_s = wall_s % self.clip.duration_s
        self._index = sum(picture.time_s < due_s for picture in self.clip.pictures)
        return self.clip.pictures[self._index].time_s if self._index < len(self.clip.pictures) else self.clip.duration_s

    def continue_at(self, clip: Clip, media_s: float) -> None:
        """Go on with another clip from its first picture, at `media_s`."""
        self.clip, self._index, self._base_s = clip, 0, media_s


@dataclass
class Player:
    """One client's stream. `faults` is asked again for each picture, so that a fault can come and go."""

    clips: Mapping[str, Clip]
    name: str
    stream: RtpStream
    channel: Channel
    clock: Clock
    faults: Callable[[], Faults]
    random: random.Random = field(default_factory=lambda: random.Random(1))

    async def play(self) -> None:
        """Until the connection ends, or a fault ends it."""
        rounds = Rounds(self.clips[self.name])
        playing = self.name
        began_s = started_s = self.clock.monotonic_s()
        if self.faults().live:
            # When the picture of media time 0 would have been due.
            started_s -= rounds.join(self.clock.now_s())
        paused_s = 0.0
        report_due_s = 0.0
        frozen: CodedPicture | None = None
        stood_still_at: int | None = None
        stalled_once = False
        keyframe = rounds.clip.pictures[0]
        if self.faults().start_between_key_frames:
            rounds.next()
        while True:
            media_s, picture = rounds.next()
            faults = self.faults()
            wanted = faults.switch_to or self.name
            if wanted != playing and picture.keyframe:
                playing = wanted
                rounds.continue_at(self.clips[wanted], media_s)
                media_s, picture = rounds.next()
            due_s = (
                started_s
                + paused_s
                + (media_s + picture.late_s) / faults.speed
                + self.random.random() * faults.jitter_ms / 1000
            )
            await self.clock.sleep(max(0.0, due_s - self.clock.monotonic_s()))
            elapsed_s = self.clock.monotonic_s() - began_s
            faults = self.faults()
            if faults.stall_after_s and elapsed_s >= faults.stall_after_s and not stalled_once:
                stalled_once = True
                paused_s += await self._stall(faults.stall_for_s or 1e9)
            if faults.stall:
                paused_s += await self._stall_while_asked()
                faults = self.faults()
            if faults.drop_after_s and elapsed_s >= faults.drop_after_s:
                self.channel.abort()
                return
            if faults.bye_after_s and elapsed_s >= faults.bye_after_s:
                await self.channel.send_rtcp(self.stream.bye())
                self.channel.close()
                return
            if picture.keyframe:
                keyframe = picture
            frozen = (frozen or keyframe) if faults.freeze else None
            timestamp = self.stream.timestamp(media_s + faults.timestamp_jump_s)
            stood_still_at = (stood_still_at or timestamp) if faults.timestamps_stand_still else None
            timestamp = timestamp if stood_still_at is None else stood_still_at
            if elapsed_s >= report_due_s and not faults.no_sender_report:
                report_due_s = elapsed_s + SENDER_REPORT_EVERY_S
                # When the picture was taken, however late this loop is: a camera's own pairs of times are exact.
                age_s = self.clock.monotonic_s() - (started_s + paused_s + media_s / faults.speed)
                taken_s = self.clock.now_s() - age_s + faults.clock_offset_s
                await self.channel.send_rtcp(self.stream.sender_report(taken_s, timestamp))
            for packet in self.stream.packets((frozen or picture).nals, timestamp, rounds.clip.codec):
                if faults.loss and self.random.random() < faults.loss:
                    continue
                await self.channel.send_rtp(self._maybe_corrupt(packet, faults.corrupt))

    async def _stall(self, seconds: float) -> float:
        began_s = self.clock.monotonic_s()
        await self.clock.sleep(seconds)
        return self.clock.monotonic_s() - began_s

    async def _stall_while_asked(self) -> float:
        began_s = self.clock.monotonic_s()
        while self.faults().stall:
            await self.clock.sleep(_LOOK_EVERY_S)
        return self.clock.monotonic_s() - began_s

    def _maybe_corrupt(self, packet: bytes, share: float) -> bytes:
        if not share or self.random.random() >= share:
            return packet
        damaged = bytearray(packet)
        for _ in range(4):
            # The RTP head stays whole: it is the picture that is to be damaged.
            damaged[self.random.randrange(min(14, len(damaged) - 1), len(damaged))] ^= self.random.randrange(1, 255)
        return bytes(damaged)


async def run_quietly(player: Player) -> None:
    """`play`, ended without a word when the client goes."""
    try:
        await player.play()
    except (ConnectionError, asyncio.IncompleteReadError):
        player.channel.close()
