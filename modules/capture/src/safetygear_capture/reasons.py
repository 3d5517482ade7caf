"""Why a camera does not stream, and what that means for the next attempt. Pure."""

from __future__ import annotations

from typing import Final

from safetygear.camera_reasons import explain as explain  # the wording is shared with the live page
from safetygear.messages.frames import CameraState

OK: Final = "ok"

REFUSALS: Final = frozenset(
    {
        "auth-failed",
        "forbidden",
        "not-found",
        "bad-request",
        "transport-refused",
        "redirect-loop",
        "no-video",
        "wrong-codec",
        "unsupported-codec",
        "tls-certificate",
        "secret-missing",
        "secret-unreadable",
        "secret-reference-invalid",
        "config-invalid",
    }
)
"""Somebody has to change something."""

GAVE_WAY: Final = "gave-way"

RARELY_RETRIED: Final = REFUSALS | {GAVE_WAY}
"""Everything else is retried with a short back-off. A main stream that gave way may be what the analysed one broke for:
some cameras end an older session for a new one."""

STALLS: Final = frozenset({"stall", "corrupt", "no-key-frame"})
"""The connection is there and no usable picture comes."""

WAITING_FOR_KEY_FRAME: Final = "waiting-for-key-frame"
OF_THE_ATTEMPT: Final = frozenset({"starting", WAITING_FOR_KEY_FRAME})
"""Why a camera is `connecting` where that is no trouble of the attempt before."""


def state_after(reason: str) -> CameraState:
    """The state of a camera whose attempt ended for `reason`."""
    return "refused" if reason in REFUSALS else "stalled" if reason in STALLS else "backing-off"
