"""Reasons that this module finds for itself, in plain words."""

from __future__ import annotations

from typing import Final

from safetygear.camera_reasons import explain as explain_camera

_OWN: Final[dict[str, str]] = {
    "ok": "",
    "no-status": "capture has not told yet how the camera is",
    "capture-silent": "the capture module sends nothing any more",
    "nothing-analysed": "no new picture has been analysed",
    "late": "no new picture for more than two seconds",
    "first-picture": "waiting for its first picture",
}


def explain(reason: str) -> str:
    """One line for people; the code itself where there is none; empty for `ok`."""
    return _OWN[reason] if reason in _OWN else explain_camera(reason)
