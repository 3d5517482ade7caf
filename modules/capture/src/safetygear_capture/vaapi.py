"""VA-API by PyAV: the render nodes of this machine, and whether one can be used. Decoding itself is in rtsp.py."""

from __future__ import annotations

import os
from pathlib import Path

import av
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available

from safetygear_capture.decoding import NO_DECODER, NO_DEVICE, SOFTWARE, Decode, Decoding, choose

RENDER_NODES = Path("/dev/dri")
"""Where Linux has them (Documentation/gpu/drm-uapi: renderD128 and on)."""


def accelerator(decode: Decode, nodes: Path = RENDER_NODES) -> tuple[HWAccel | None, Decoding]:
    """What to open a stream with, and what that gives; None: FFmpeg's own decoders.

    Opens the device once for it: where `av.open` does so and fails, it can't be told from a camera that does.
    """
    if decode == "software":
        return None, SOFTWARE
    usable = {str(node): os.access(node, os.R_OK | os.W_OK) for node in nodes.glob("renderD*")}
    node, reason = choose(decode, built_in=hwdevices_available(), render_nodes=usable)
    if node is None:
        return None, Decoding("software", reason)
    wanted = HWAccel("vaapi", device=node, allow_software_fallback=True)
    try:
        wanted.create(Codec("h264", "r"))
    except NotImplementedError:
        return None, Decoding("software", NO_DECODER)
    except (av.FFmpegError, OSError):
        return None, Decoding("software", NO_DEVICE)
    return wanted, Decoding("vaapi")
