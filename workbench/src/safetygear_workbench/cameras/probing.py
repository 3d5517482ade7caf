"""What `camera probe` finds out: a stream's measures, what they mean, and the twin fragment for it. Pure.

Frames are passed in with their times; `probe_run.py` gets them from a camera.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from safetygear.camera_reasons import explain

LONG_KEYFRAME_INTERVAL_S = 4.0
LARGE_WIDTH_PX = 1280
CLOCK_OFF_S = 0.5
_MOST_OFFSETS = 1000

ADVICE_WITHOUT_USER = "The URL names no user: write rtsp://USER@HOST/PATH, and the password is asked for."
ADVICE = {
    "auth-failed": "Check user name and password on the camera's own page. Wait some minutes before you try again: "
    "cameras lock an account after a few wrong passwords. If they are right, set RTSP authentication there to digest "
    "with MD5: SHA-256 is not answered.",
    "forbidden": "Give this user the right to see the stream, on the camera's own page.",
    "not-found": "Look the stream's path up in the camera's manual (or ask it by ONVIF): it differs by vendor.",
    "bad-request": "Check the path and its parameters against the camera's manual.",
    "transport-refused": "Try --transport udp, or tcp.",
    "redirect-loop": "Ask the camera or recorder itself by its own address: what stands before it sends you back.",
    "no-video": "The path may be the camera's audio: look up that of a video stream.",
    "wrong-codec": "Set the stream to H.264 or H.265 on the camera's own page.",
    "no-key-frame": "Set the camera's key frame (I-frame) interval to 1 or 2 s on its own page.",
    "unsupported-codec": "Set the stream to H.264 or H.265 on the camera's own page.",
    "tls-certificate": "Most cameras sign their own certificate: use --no-tls-verify here and tlsVerify false in the "
    "twin, or install the camera's authority.",
    "tls-failed": "Is it the port for rtsps? Try rtsp://.",
    "host-unknown": "Check the host's name, or use the camera's address.",
    "unreachable": "Check address, cable and network: is this machine in the camera's network?",
    "refused-connection": "Check the port (554 is usual) and that RTSP is switched on in the camera.",
    "timeout": "Check the address; a firewall may swallow the packets.",
    "no-data": "With udp, a firewall may swallow the packets: try --transport tcp.",
    "busy": "Somebody else uses the camera's streams: end a viewer, or raise the number of sessions.",
    "server-error": "Restart the camera; look for a firmware update.",
    "protocol": "Is it an RTSP port? Try 554, or 8554.",
    "stall": "The stream stops: check the network's load and the camera's bitrate.",
    "connection-lost": "The connection breaks: check cable, switch and power of the camera.",
}
"""What to do about a reason of camera_reasons.py."""


@dataclass
class StreamMeter:
    """Fed with every packet and picture of a stream."""

    started_s: float
    """Monotonic, when the stream was open."""
    pictures: int = 0
    corrupt: int = 0
    width: int = 0
    height: int = 0
    _first_s: float | None = None
    _last_s: float = 0.0
    _pts_s: list[float] = field(default_factory=list)
    _keyframes: list[int] = field(default_factory=list)
    _offsets_s: list[float] = field(default_factory=list)

    def picture(
        self,
        *,
        width: int,
        height: int,
        pts_s: float | None,
        camera_s: float | None,
        keyframe: bool,
        corrupt: bool,
        now_s: float,
        wall_s: float,
    ) -> None:
        """`pts_s`: media time; `camera_s`: the camera's wall clock by RTCP; `now_s` monotonic, `wall_s` ours."""
        self.pictures += 1
        self.corrupt += corrupt
        self.width, self.height = width, height
        if self._first_s is None:
            self._first_s = now_s
        self._last_s = now_s
        if pts_s is not None:
            self._pts_s.append(pts_s)
        if keyframe:
            self._keyframes.append(self.pictures)
        if camera_s is not None and len(self._offsets_s) < _MOST_OFFSETS:
            self._offsets_s.append(camera_s - wall_s)

    @property
    def fps(self) -> float | None:
        """By media time; by arrival where that stands still."""
        if self.pictures < 2:
            return None
        # FFmpeg gives the first pictures no time.
        count, span_s = len(self._pts_s), max(self._pts_s, default=0.0) - min(self._pts_s, default=0.0)
        if span_s <= 0:
            count, span_s = self.pictures, self._last_s - (self._first_s or 0.0)
        return round((count - 1) / span_s, 2) if span_s > 0 else None

    @property
    def keyframe_interval_s(self) -> float | None:
        """Between key frames; None where fewer than two came."""
        steps = [later - earlier for earlier, later in itertools.pairwise(self._keyframes)]
        return round(statistics.median(steps) / self.fps, 2) if steps and self.fps else None

    @property
    def clock_offset_s(self) -> float | None:
        """How far the camera's clock is ahead of ours, the way through network and decoder included; None: no RTCP."""
        # The frame that was the least under way.
        return round(max(self._offsets_s), 3) if self._offsets_s else None

    @property
    def first_picture_after_s(self) -> float | None:
        return None if self._first_s is None else round(self._first_s - self.started_s, 2)


@dataclass(frozen=True)
class ProbeResult:
    """The answer. `url` holds no credentials."""

    url: str
    transport: str
    reason: str
    """`ok`, or why there is no stream (camera_reasons.py)."""
    camera_id: str
    username: str | None = None
    has_password: bool = False
    tls_verify: bool = True
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    keyframe_interval_s: float | None = None
    bitrate_kbps: float | None = None
    clock_offset_s: float | None = None
    first_picture_after_s: float | None = None
    corrupt: int = 0

    @property
    def ok(self) -> bool:
        return self.reason == "ok"

    def as_json(self) -> dict[str, Any]:
        stream = {
            "codec": self.codec,
            "width": self.width,
            "height": self.height,
            "fps": self.fps,
            "keyframeIntervalS": self.keyframe_interval_s,
            "bitrateKbps": self.bitrate_kbps,
            "firstPictureAfterS": self.first_picture_after_s,
            "corruptPictures": self.corrupt,
            "rtcp": {"present": self.clock_offset_s is not None, "clockOffsetS": self.clock_offset_s},
        }
        return {
            "url": self.url,
            "transport": self.transport,
            "ok": self.ok,
            "reason": self.reason,
            "explanation": "the camera streams" if self.ok else explain(self.reason),
            "stream": stream if self.ok else None,
            "hints": self.hints(),
            "twin": {"properties": {"desired": self.twin_fragment()}} if self.ok else None,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Name and value, for people. Empty where there is no stream."""
        if not self.ok:
            return []
        if self.clock_offset_s is None:
            clock = "none: frames will carry the time of their arrival"
        else:
            clock = f"yes; the camera's clock is {abs(self.clock_offset_s):.1f} s "
            clock += "ahead of" if self.clock_offset_s > 0 else "behind"
            clock += " this machine's (the stream's delay included)"
        interval = "longer than the probe" if self.keyframe_interval_s is None else f"{self.keyframe_interval_s:g} s"
        return [
            ("codec", str(self.codec)),
            ("size", f"{self.width} x {self.height}"),
            ("pictures", f"{self.fps:g} per second" if self.fps else "too few to say"),
            ("key frames", interval if self.keyframe_interval_s is None else f"one each {interval}"),
            ("bitrate", f"{self.bitrate_kbps:.0f} kbit/s" if self.bitrate_kbps else "unknown"),
            ("first picture", f"{self.first_picture_after_s} s after the stream was open"),
            ("RTCP time", clock),
            ("transport", self.transport),
        ]

    def hints(self) -> list[str]:
        """What should be changed at the camera or in the network."""
        if self.reason == "auth-failed" and self.username is None:
            return [ADVICE_WITHOUT_USER]
        if not self.ok:
            return [ADVICE[self.reason]] if self.reason in ADVICE else []
        hints = []
        if self.keyframe_interval_s is None or self.keyframe_interval_s > LONG_KEYFRAME_INTERVAL_S:
            hints.append(
                "Set the camera's key frame (I-frame) interval to 1 or 2 s: after each reconnect the picture begins "
                "with one."
            )
        if self.width is not None and self.width > LARGE_WIDTH_PX:
            hints.append(
                "Give the camera's smaller sub-stream as subStreamUrl: decoding costs by the pixel, and the detector "
                "works at 640 x 384."
            )
        if self.clock_offset_s is not None and self.clock_offset_s > CLOCK_OFF_S:
            hints.append("The camera's clock is ahead: set its NTP server. Until then times of arrival are used.")
        if self.clock_offset_s is not None and self.clock_offset_s < -5.0:
            hints.append("The camera's clock is behind: set its NTP server. Until then times of arrival are used.")
        if self.corrupt:
            hints.append(f"{self.corrupt} pictures were damaged: check the network, or use --transport tcp.")
        return hints

    def twin_fragment(self) -> dict[str, Any]:
        """To paste below the capture module's desired properties."""
        camera: dict[str, Any] = {"url": self.url}
        if self.username is not None:
            camera["username"] = self.username
        if self.has_password:
            camera["password"] = f"file:{self.camera_id}"
        if self.transport != "tcp":
            camera["transport"] = self.transport
        if not self.tls_verify:
            camera["tlsVerify"] = False
        return {"cameras": {self.camera_id: camera}}

    def lines_to_paste(self) -> list[str]:
        """The fragment and, where there is a password, how its file is made."""
        lines = json.dumps(self.twin_fragment(), indent=2, ensure_ascii=False).splitlines()
        if self.has_password:
            file = f"/etc/safetygear/secrets/{self.camera_id}"
            lines += [
                "",
                "and on the device, once, with the password typed or pasted after the command (Ctrl-D ends it):",
                f"sudo install -D -m 440 -g 10001 /dev/stdin {file}",
            ]
        return lines


def failed_words(result: ProbeResult) -> Sequence[str]:
    """Why there is no stream, and what to do."""
    return [f"{result.url}: {explain(result.reason)} ({result.reason}).", *result.hints()]
