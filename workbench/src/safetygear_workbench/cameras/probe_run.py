"""Opens a camera as the capture module does, and measures for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from safetygear.errors import CameraError
from safetygear_capture.rtsp import RtspSource
from safetygear_capture.source import SourceRequest
from safetygear_workbench.cameras.address import CameraAddress
from safetygear_workbench.cameras.probing import ProbeResult, StreamMeter

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class ProbeRequest:
    """Which camera, and how long to look."""

    address: CameraAddress
    camera_id: str
    transport: Literal["tcp", "udp"]
    tls_verify: bool
    seconds: float


def probe(request: ProbeRequest, progress: Callable[[str], None]) -> ProbeResult:
    """Blocks for `seconds` and at most the time limits more. A camera that fails is a result, not an exception."""
    address = request.address
    source_request = SourceRequest(
        url=address.url,
        username=address.username,
        password=address.password,
        transport=request.transport,
        tls_verify=request.tls_verify,
        open_timeout_s=OPEN_TIMEOUT_S,
        read_timeout_s=READ_TIMEOUT_S,
    )
    result = _Known(request)
    progress(f"connecting to {address.url}")
    try:
        source = RtspSource(source_request)
    except CameraError as exc:
        return result.failed(exc.code)
    meter = StreamMeter(time.monotonic())
    try:
        progress(f"{source.codec}: measuring for {request.seconds:g} s")
        first_bytes = 0
        while (now_s := time.monotonic()) - meter.started_s < request.seconds:
            for frame in source.read():
                now_s = time.monotonic()
                if not meter.pictures:
                    first_bytes, meter_from_s = source.bytes_read, now_s
                meter.picture(
                    width=frame.width,
                    height=frame.height,
                    pts_s=frame.pts_s,
                    camera_s=frame.camera_s,
                    keyframe=frame.keyframe,
                    corrupt=frame.corrupt,
                    now_s=now_s,
                    wall_s=time.time(),
                )
        if not meter.pictures:
            return result.failed("no-key-frame" if source.awaits_key_frame else "wrong-codec")
        seconds = now_s - meter_from_s
        kbps = (source.bytes_read - first_bytes) * 8 / 1000 / seconds if seconds > 0 else None
        return result.measured(meter, source.codec, kbps)
    except CameraError as exc:
        return result.failed(exc.code)
    finally:
        source.close()


class _Known:
    def __init__(self, request: ProbeRequest) -> None:
        self._request = request

    def failed(self, reason: str) -> ProbeResult:
        request = self._request
        return ProbeResult(request.address.url, request.transport, reason, request.camera_id)

    def measured(self, meter: StreamMeter, codec: str, bitrate_kbps: float | None) -> ProbeResult:
        request, address = self._request, self._request.address
        return ProbeResult(
            url=address.url,
            transport=request.transport,
            reason="ok",
            camera_id=request.camera_id,
            username=address.username.reveal() if address.username is not None else None,
            has_password=address.password is not None,
            tls_verify=request.tls_verify,
            codec=codec,
            width=meter.width,
            height=meter.height,
            fps=meter.fps,
            keyframe_interval_s=meter.keyframe_interval_s,
            bitrate_kbps=round(bitrate_kbps, 1) if bitrate_kbps else None,
            clock_offset_s=meter.clock_offset_s,
            first_picture_after_s=meter.first_picture_after_s,
            corrupt=meter.corrupt,
        )
