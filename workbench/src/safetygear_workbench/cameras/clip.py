"""Clips as the server sends them: the coded pictures of an H.264 or H.265 file, read with PyAV."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from safetygear.errors import UserError
from safetygear_workbench.cameras.rtp import Codec

_CODECS: dict[str, tuple[Codec, str]] = {
    "h264": ("H264", "h264_mp4toannexb"),
    "hevc": ("H265", "hevc_mp4toannexb"),
}


@dataclass(frozen=True)
class CodedPicture:
    """One access unit. `time_s` counts from the clip's first picture."""

    time_s: float
    keyframe: bool
    nals: tuple[bytes, ...]
    late_s: float = 0.0
    """How long after its time it is sent: where there are B-frames, pictures leave in another order than they are shown
    in, and yet one after the other."""


@dataclass(frozen=True)
class Clip:
    """A whole clip in memory."""

    codec: Codec
    width_px: int
    height_px: int
    pictures: tuple[CodedPicture, ...]
    duration_s: float
    """From the first picture to where the first of the next round is due."""
    parameter_sets: tuple[bytes, ...]

    def format_parameters(self) -> str:
        """The SDP's fmtp value (RFC 6184 8.1, RFC 7798 7.1)."""
        sets = [base64.b64encode(item).decode() for item in self.parameter_sets]
        if self.codec == "H264":
            profile = self.parameter_sets[0][1:4].hex().upper()
            return f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={','.join(sets)}"
        names = ("sprop-vps", "sprop-sps", "sprop-pps")
        return ";".join(f"{name}={value}" for name, value in zip(names, sets, strict=False))


def load_clip(path: Path) -> Clip:
    """Read `path` from its first key frame on. Raises UserError for anything that is no upright H.264 or H.265 clip."""
    if not path.is_file():
        raise UserError(f"there is no clip {path}.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{path} has no video in it.")
            stream = container.streams.video[0]
            name = stream.codec_context.codec.canonical_name
            if name not in _CODECS:
                raise UserError(f"{path} is {name}; cameras send H.264 or H.265.", hint=f"Convert it: {_ffmpeg(path)}")
            codec, to_annex_b = _CODECS[name]
            bitstream = BitStreamFilterContext(to_annex_b, stream)
            pictures: list[CodedPicture] = []
            for packet in container.demux(stream):
                if packet.size == 0 or not (pictures or packet.is_keyframe):
                    continue  # the end of the file, or a picture that refers to one before its begin
                if packet.pts is None or packet.time_base is None:
                    raise UserError(
                        f"{path} does not say when its pictures are shown.",
                        hint=f"Put it into an MP4: {_ffmpeg(path, '-c copy')}",
                    )
                time_s = float(packet.pts * packet.time_base)
                for unit in bitstream.filter(packet):
                    nals = split_annex_b(bytes(unit))
                    pictures.append(CodedPicture(time_s, bool(unit.is_keyframe), nals))
            width, height = stream.codec_context.width, stream.codec_context.height
        turned_deg = _turned_deg(path)
    except av.FFmpegError as exc:
        raise UserError(f"{path} can't be read as a video: {exc.strerror}.") from exc
    if turned_deg:
        raise UserError(
            f"{path} is to be turned by {turned_deg} degrees when it is shown, as phones film; no camera's stream is.",
            hint=f"Turn its pictures: {_ffmpeg(path)}",
        )
    if len(pictures) < 2:
        raise UserError(f"{path} has fewer than two pictures from its first key frame on.")
    return _as_clip(codec, width, height, pictures)


def _ffmpeg(path: Path, *options: str) -> str:
    """The command that makes a clip of `path` which can be read."""
    return " ".join(("ffmpeg -i", shlex.quote(str(path)), *options, "converted.mp4"))


def _turned_deg(path: Path) -> int:
    """By how much a player turns the pictures, as phones ask for. Raises av.FFmpegError."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0), None)
        return 0 if first is None else first.rotation


def split_annex_b(data: bytes) -> tuple[bytes, ...]:
    """The NAL units between start codes."""
    nals = []
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        nal = data[start + 3 : end if end >= 0 else None]
        # A four-byte start code's first zero belongs to the unit before it only by accident.
        nals.append(nal.rstrip(b"\0") if end >= 0 else nal)
        start = end
    return tuple(nal for nal in nals if nal)


def nal_kind(nal: bytes, codec: Codec) -> int:
    return nal[0] & 0x1F if codec == "H264" else nal[0] >> 1 & 0x3F


def is_parameter_set(nal: bytes, codec: Codec) -> bool:
    return nal_kind(nal, codec) in ((7, 8) if codec == "H264" else (32, 33, 34))


def _as_clip(codec: Codec, width: int, height: int, pictures: list[CodedPicture]) -> Clip:
    """`pictures` in the order in which they are decoded."""
    shown_s = sorted(picture.time_s for picture in pictures)
    # One picture is decoded for each that is shown. A file's own times of decoding are not needed: Matroska has none.
    delay_s = max(picture.time_s - decode_s for picture, decode_s in zip(pictures, shown_s, strict=True))
    moved = tuple(
        replace(picture, time_s=picture.time_s - shown_s[0], late_s=decode_s + delay_s - picture.time_s)
        for picture, decode_s in zip(pictures, shown_s, strict=True)
    )
    last_s = shown_s[-1] - shown_s[0]
    step_s = last_s / (len(moved) - 1)
    sets = tuple(nal for nal in moved[0].nals if is_parameter_set(nal, codec))
    return Clip(codec, width, height, moved, last_s + step_s, sets)
