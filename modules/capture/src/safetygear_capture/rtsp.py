"""RTSP by PyAV (FFmpeg). With decoded_planes.py, ffmpeg_memory.py, vaapi.py and jpeg_encoder.py the only files of this
module that import `av`."""

from __future__ import annotations

import errno
import logging
import math
import ssl
import struct
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import av
import av.logging
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from safetygear.errors import CameraError
from safetygear_capture.coded_pictures import carries_slice
from safetygear_capture.decoded_planes import planes_of
from safetygear_capture.decoding import NO_DECODER, Decoding
from safetygear_capture.ffmpeg_errors import NEARLY, open_failure, read_failure
from safetygear_capture.ffmpeg_memory import MOST_BYTES, limit_pieces
from safetygear_capture.kept_packets import KeptPackets
from safetygear_capture.reasons import explain
from safetygear_capture.source import DecodedFrame, SourceRequest
from safetygear_capture.tracks import SILENT_AFTER_S, Tracks
from safetygear_capture.vaapi import accelerator

WAITED_S: Final = 0.01
"""A packet that took longer to get was not there yet. One that was takes tens of microseconds, and some milliseconds
where other threads want the processor too; a live stream of 25 fps is waited for about 30."""
LOOKED_AT_S: Final = 1.0
"""Of media time, from which FFmpeg learns what the tracks are. By itself it looks at 5 s where a track sends nothing,
and takes as long as opening may take where pictures come once a second. What is not known by then, decoding shows."""
UDP_BUFFER_BYTES: Final = 1 << 20
"""A 1080p key frame comes as a burst of some 100 KB."""
MOST_TRACKS: Final = 16
"""Of video in one SDP. FFmpeg makes a decoder for each, of 150 KB, and by itself for up to a thousand."""
TIMES_KEPT: Final = 64
"""Packets whose wall clock is remembered until their frame is decoded; decoders delay by at most 16."""
CATCH_UP_S: Final = 0.1
"""What one call spends on pictures that were kept: whoever waits for it has a camera to watch and a thread to end."""
PRODUCER_REFERENCE_TIME: Final = struct.Struct("<qi")
"""AVProducerReferenceTime: wall clock in microseconds since 1970, flags. FFmpeg's rtpdec makes it of RTCP's reports."""
_I420_NAMES = ("yuv420p", "yuvj420p")
"""4:2:0 planes in this order."""

# FFmpeg says only in its log which RTSP status refused us, and what came before. Its lines never leave this file: they
# may hold URLs, and a damaged stream makes hundreds of them a second.
av.logging.set_level(av.logging.VERBOSE)
av.logging.set_skip_repeated(False)
logging.getLogger("libav").addHandler(logging.NullHandler())
logging.getLogger("libav").propagate = False

if not limit_pieces():
    logging.getLogger(__name__).warning("FFmpeg may take more than %d MiB at once for one camera", MOST_BYTES >> 20)


class RtspSource:
    """A playing stream; see source.py for the contract."""

    def __init__(self, request: SourceRequest) -> None:
        self.decode_errors = 0
        self.bytes_read = 0
        """Of packets, as they came; for `camera probe`."""
        self.awaits_key_frame = False
        self._begun = False
        self._closed = False
        self._key_frames_apart_s = request.key_frames_apart_s
        self._key_frame_s = -math.inf
        self._between = False
        self._kept: KeptPackets[Packet[VideoStream]] | None = KeptPackets() if request.keeps_between else None
        self._newest_kept: VideoFrame | None = None
        self._base: tuple[int, int] | None = None
        self._camera_s: OrderedDict[int | None, float] = OrderedDict()
        self._read_timeout_s = request.read_timeout_s
        started_s = time.monotonic()
        hardware, self.decoding = accelerator(request.decode)
        self._container = _open(request, hardware)
        # FFmpeg gave up waiting for a first picture. What it was interrupted in may still come up as an error.
        self._interrupted = time.monotonic() - started_s >= NEARLY * request.open_timeout_s
        self._video = self._container.streams.video
        if not self._video:
            self._container.close()
            raise CameraError(explain("no-video"), code="no-video")
        self._tracks = Tracks(
            [_is_known(track) for track in self._video],
            [_has_decoder(track) for track in self._video],
            time.monotonic(),
            silent_after_s=min(SILENT_AFTER_S, request.read_timeout_s / 2),
        )
        if not _has_decoder(self._video[self._tracks.chosen]):
            self._container.close()
            raise CameraError(explain("unsupported-codec"), code="unsupported-codec")
        self._take_up(accelerated=hardware is not None)
        # All of them: FFmpeg would not come back from a track that sends nothing while another one sends.
        self._packets: Iterator[Packet[VideoStream]] = self._container.demux(self._video)

    @property
    def codec(self) -> str:
        return str(self._stream.codec_context.name)

    def read(self) -> Sequence[DecodedFrame]:
        if self._closed:
            raise CameraError("the stream is closed", code="closed")
        asked_s = time.monotonic()
        packet = self._next_packet()
        self.bytes_read += packet.size
        waited = time.monotonic() - asked_s >= WAITED_S
        if self._kept is not None and not self._between:
            self._kept.take(packet, packet.size, keyframe=packet.is_keyframe)
        if self._key_frames_apart_s is not None and not self._between:
            return self._key_frame(packet, waited, self._key_frames_apart_s)
        if self._kept is not None and not self._begun:
            return self._catch_up(packet, self._kept)
        self._remember_time(packet)
        if not self._begun:
            self._begun = packet.is_keyframe
            self.awaits_key_frame = not self._begun and (
                self.awaits_key_frame or carries_slice(self.codec, bytes(packet))
            )
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            # Damaged or foreign data. What it means is judged by whether pictures come at all.
            self.decode_errors += 1
            return []
        if decoded:
            # Gradual refreshes give pictures without any key frame.
            self._begun, self.awaits_key_frame = True, False
        return [self._frame(frame, waited) for frame in decoded if isinstance(frame, VideoFrame)]

    def key_frames_only(self, only: bool) -> None:
        if self._key_frames_apart_s is None or self._between:
            self._stream.codec_context.skip_frame = "NONKEY" if only else "DEFAULT"

    def decode_between(self, wanted: bool) -> None:
        if self._kept is not None and wanted != self._between:
            self._between, self._begun, self._newest_kept = wanted, False, None
            self._stream.codec_context.skip_frame = "DEFAULT"
            self._stream.codec_context.flush_buffers()
            if wanted:
                self._kept.wanted()
            else:
                self._kept.clear()

    @property
    def kept_outcomes(self) -> Mapping[str, int]:
        return {} if self._kept is None else self._kept.outcomes

    def _catch_up(self, packet: Packet[VideoStream], kept: KeptPackets[Packet[VideoStream]]) -> list[DecodedFrame]:
        """Some of what was kept is decoded; the picture of the last of it."""
        if packet.is_keyframe:
            # What is left of the run before is skipped.
            self._stream.codec_context.flush_buffers()
            self._newest_kept = None
        kept.take(packet, packet.size, keyframe=packet.is_keyframe)
        until_s = time.monotonic() + CATCH_UP_S
        while (older := kept.next()) is not None:
            self._remember_time(older)
            try:
                decoded = [frame for frame in older.decode() if isinstance(frame, VideoFrame)]
            except av.FFmpegError:
                self.decode_errors += 1
                decoded = []
            self._newest_kept = decoded[-1] if decoded else self._newest_kept
            self._begun = not len(kept)
            if not self._begun and time.monotonic() >= until_s:
                break
        # Nothing is wrong with the camera while it takes time.
        self.awaits_key_frame = not self._begun
        newest, self._newest_kept = self._newest_kept, None if self._begun else self._newest_kept
        # The older ones are as late as the last key frame is old: to hand them over would look like a lag.
        return [self._frame(newest, waited=True)] if self._begun and newest is not None else []

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._container.close()

    def _take_up(self, *, accelerated: bool) -> None:
        """From now on it is the chosen track that is decoded."""
        self._stream = self._video[self._tracks.chosen]
        if accelerated and not self._stream.codec_context.is_hwaccel:
            self.decoding = Decoding("software", NO_DECODER)
        # Frame threads would delay every picture by their number; slices are not worth a second core here.
        self._stream.codec_context.thread_count = 1

    def _next_packet(self) -> Packet[VideoStream]:
        """The next one of the chosen track. Raises CameraError."""
        began_s = time.monotonic()
        while True:
            asked_s = time.monotonic()
            try:
                packet = next(self._packets, None)
            except (av.FFmpegError, OSError) as exc:
                code = read_failure(
                    type(exc).__name__,
                    _errno_name(exc),
                    waited_s=math.inf if self._interrupted else time.monotonic() - asked_s,
                    read_timeout_s=self._read_timeout_s,
                )
                _hide_url(exc)
                raise CameraError(explain(code), code=code) from exc
            if packet is None or packet.size == 0:
                raise CameraError(explain("end-of-stream"), code="end-of-stream")
            self._interrupted = False
            now_s, before = time.monotonic(), self._tracks.chosen
            if self._tracks.takes(self._video.index(packet.stream), now_s):
                if self._tracks.chosen != before:
                    self._take_up(accelerated=self.decoding.decoder == "vaapi")
                return packet
            if now_s - began_s >= self._read_timeout_s:
                raise CameraError(explain("stall"), code="stall")

    def _key_frame(self, packet: Packet[VideoStream], waited: bool, apart_s: float) -> list[DecodedFrame]:
        now_s = time.monotonic()
        if not packet.is_keyframe or now_s - self._key_frame_s < apart_s:
            self.awaits_key_frame = self.awaits_key_frame or carries_slice(self.codec, bytes(packet))
            return []
        self._key_frame_s, self.awaits_key_frame = now_s, False
        self._remember_time(packet)
        context = self._stream.codec_context
        try:
            # Drained at once: a decoder that expects B-frames would hold the picture until the next key frame.
            decoded = [*packet.decode(), *context.decode(None)]
        except av.FFmpegError:
            self.decode_errors += 1
            decoded = []
        context.flush_buffers()
        return [self._frame(frame, waited) for frame in decoded if isinstance(frame, VideoFrame)]

    def _remember_time(self, packet: Packet[VideoStream]) -> None:
        # Of a connection's first picture FFmpeg knows no media time, but its wall clock where a report came before it.
        data = packet.get_sidedata("prft")  # an empty one where there is none
        if data.data_size < PRODUCER_REFERENCE_TIME.size:
            return
        wallclock_us, _ = PRODUCER_REFERENCE_TIME.unpack_from(bytes(data))
        self._camera_s[packet.pts] = wallclock_us / 1e6
        while len(self._camera_s) > TIMES_KEPT:
            self._camera_s.popitem(last=False)

    def _frame(self, frame: VideoFrame, waited: bool) -> DecodedFrame:
        if self.decoding.decoder == "vaapi" and frame.format.name in _I420_NAMES:
            # From the GPU they come as NV12 or P010: FFmpeg decodes what the GPU does not know.
            self.decoding = Decoding("software", NO_DECODER)
        if self._base is None and (base := frame.time_base) is not None:
            # Once: a stream keeps it, and PyAV makes a Fraction of it each time.
            self._base = base.numerator, base.denominator
        pts = frame.pts
        return DecodedFrame(
            width=frame.width,
            height=frame.height,
            pts_s=None if pts is None or self._base is None else pts * self._base[0] / self._base[1],
            camera_s=self._camera_s.pop(pts, None),
            keyframe=bool(frame.key_frame),
            corrupt=bool(frame.is_corrupt),
            waited=waited,
            load=lambda: planes_of(frame),
        )


def open_rtsp(request: SourceRequest) -> RtspSource:
    """An `OpenSource`."""
    return RtspSource(request)


def _open(request: SourceRequest, hardware: HWAccel | None) -> InputContainer:
    started_s = time.monotonic()
    with av.logging.Capture() as lines:
        try:
            return av.open(
                _with_credentials(request),
                mode="r",
                format="rtsp",
                options=_options(request),
                timeout=(request.open_timeout_s, request.read_timeout_s),
                hwaccel=hardware,
            )
        except (av.FFmpegError, OSError) as exc:
            code = open_failure(
                type(exc).__name__,
                _errno_name(exc),
                [message for level, _, message in lines if level <= av.logging.ERROR],
                notes=[message for level, _, message in lines if level > av.logging.ERROR],
                elapsed_s=time.monotonic() - started_s,
                open_timeout_s=request.open_timeout_s,
            )
            _hide_url(exc)
            raise CameraError(explain(code), code=code) from exc


def _has_decoder(track: VideoStream) -> bool:
    """A track whose codec FFmpeg doesn't know has no context, whatever PyAV's types say."""
    return getattr(track, "codec_context", None) is not None


def _is_known(track: VideoStream) -> bool:
    """Whether the size of the track's pictures is: it is told of in the SDP, or something of it came."""
    return _has_decoder(track) and track.codec_context.width > 0


def _hide_url(exc: Exception) -> None:
    """FFmpeg's errors carry the URL they are about, and ours has the password in it."""
    exc.args = exc.args[:2]


def _with_credentials(request: SourceRequest) -> str:
    if request.username is None and request.password is None:
        return request.url
    scheme, mark, rest = request.url.partition("://")
    user, password = (
        quote(secret.reveal(), safe="") if secret is not None else "" for secret in (request.username, request.password)
    )
    return f"{scheme}{mark}{user}:{password}@{rest}"


def _options(request: SourceRequest) -> dict[str, str]:
    """FFmpeg's options for an RTSP demuxer (ffmpeg-protocols, ffmpeg-formats)."""
    options = {
        "rtsp_transport": request.transport,
        "allowed_media_types": "video",
        # Otherwise the demuxer waits for 20 pictures to guess a frame rate that we don't use: 0.8 s at 25 fps.
        "fpsprobesize": "0",
        "analyzeduration": str(round(LOOKED_AT_S * 1e6)),
        "max_streams": str(MOST_TRACKS),
        "tls_verify": "1" if request.tls_verify else "0",
    }
    authorities = ssl.get_default_verify_paths().cafile  # SSL_CERT_FILE, or the system's
    if request.tls_verify and authorities is not None:
        options["ca_file"] = authorities
    if request.transport == "udp":
        options["buffer_size"] = str(UDP_BUFFER_BYTES)
    return options


def _errno_name(exc: Exception) -> str:
    number = getattr(exc, "errno", None)
    return errno.errorcode.get(abs(number), "") if isinstance(number, int) else ""
