"""The seam to the video library: what a camera's session needs of a stream.

Contract (tests/contract/test_frame_source.py runs it against rtsp.py on a real server and against rtsp_fake.py)
- `OpenSource` returns a source whose stream plays, or raises CameraError with a code of reasons.py.
- `read` blocks until the next packet and gives the frames decoded from it: none, one, seldom more. It raises
  CameraError: `stall` (nothing came for the read timeout), `end-of-stream`, `connection-lost`, …
- After `close`, which may be called twice, `read` raises CameraError("closed").
- One thread only. No message and no exception holds a password.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from safetygear.messages.frames import Clock, PixelFormat
from safetygear.secret_references import Secret
from safetygear_capture.config import Transport
from safetygear_capture.decoding import Decode, Decoding


@dataclass(frozen=True)
class SourceRequest:
    """Which stream, and how long to wait for it."""

    url: str
    """Without credentials."""
    username: Secret | None
    password: Secret | None
    transport: Transport
    tls_verify: bool
    open_timeout_s: float
    read_timeout_s: float
    key_frames_apart_s: float | None = None
    """Not None: only key frames are decoded, each for itself, and of those that arrive closer together than this only
    the first. Nothing is done with any other packet."""
    keeps_between: bool = False
    """With `key_frames_apart_s`: the coded pictures since the last key frame are kept, for `decode_between`."""
    decode: Decode = "software"


class Planes(Struct, frozen=True):
    """A picture's planes, uint8 (rows, columns), rows possibly strided; valid while the frame is held."""

    arrays: tuple[NDArray[np.uint8], ...]
    """In video range (16 is black, 235 white). i420: Y (h, w), U and V (ceil h/2, ceil w/2); nv12: Y (h, w), UV
    (ceil h/2, 2 ceil w/2)."""
    pixel_format: PixelFormat
    converted: bool = False
    """The decoder gave another format, or full range."""


class DecodedFrame(Struct, frozen=True):
    """One picture as it left the decoder. One is made for each, and a frozen dataclass takes many times as long to make
    as a Struct."""

    width: int
    height: int
    pts_s: float | None
    """Media time, seconds from an origin of the stream's own."""
    camera_s: float | None
    """When it was taken by the camera's wall clock (RTCP), seconds since 1970 UTC; None where it has not sent it."""
    keyframe: bool
    corrupt: bool
    """The decoder says that parts are missing. H.265's never does."""
    waited: bool
    """Its packet was not there yet when it was asked for."""
    load: Callable[[], Planes]
    """Makes the planes; only called for frames that are analysed."""


class FrameMoment(Struct, frozen=True):
    """What is known of a frame that is handed over, but for its pixels."""

    number: int
    """Counts the camera's decoded frames."""
    width: int
    height: int
    captured_s: float
    """Wall clock by `clock`, seconds since 1970 UTC; so is the next."""
    clock: Clock
    decoded_s: float
    monotonic_s: float
    """The moment of `decoded_s` by this machine's monotonic clock."""


class FrameSource(Protocol):
    """An open stream. See the module docstring for the contract."""

    @property
    def codec(self) -> str:
        """As the stream says: `h264`, `hevc`, …"""
        ...

    @property
    def decoding(self) -> Decoding:
        """What decodes, as far as is known: that a stream is none for the GPU may show with its first picture."""
        ...

    @property
    def decode_errors(self) -> int:
        """Packets from which the decoder could make nothing, since opening."""
        ...

    @property
    def awaits_key_frame(self) -> bool:
        """Pictures of the announced codec arrive, but the first or, where only key frames are decoded, the next one has
        not come yet: nothing is decoded before. Also while those that were kept are still being decoded."""
        ...

    def read(self) -> Sequence[DecodedFrame]: ...

    def key_frames_only(self, only: bool) -> None:
        """Skip everything but key frames, to catch up. Says nothing where no other is decoded anyway."""
        ...

    def decode_between(self, wanted: bool) -> None:
        """Where only key frames are decoded, and what lies between is kept: decode that too, from the last key frame
        on, or no longer. What was kept is decoded by some calls of `read`, none of which takes long; of these pictures
        the newest is given. A key frame that comes meanwhile ends it: it goes on from there."""
        ...

    @property
    def kept_outcomes(self) -> Mapping[str, int]:
        """What became of the pictures that were kept, since opening: see kept_packets.py."""
        ...

    def close(self) -> None: ...


OpenSource = Callable[[SourceRequest], FrameSource]
