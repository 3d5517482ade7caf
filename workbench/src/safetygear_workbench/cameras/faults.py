"""What can be wrong with a camera, as a test or a person asks for it: in the URL's query, or while it streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from safetygear.errors import UserError


@dataclass(frozen=True)
class Faults:
    """All off by default. Times count from the stream's PLAY; those without a time apply at once."""

    hang: str = ""
    """The RTSP method that is never answered: OPTIONS, DESCRIBE, SETUP or PLAY."""
    status: int = 0
    """DESCRIBE is answered with this: 404, 453, 503, …; 301 or 302: with a redirection to the same URL."""
    play_status: int = 0
    """PLAY is answered with this: 454, 503, …"""
    unauthorized: bool = False
    """401 although the credentials are right."""
    no_data: bool = False
    """PLAY is answered, nothing is sent."""
    wrong_codec: bool = False
    """The SDP names the other codec."""
    no_video: bool = False
    """The SDP names audio alone."""
    silent_track: bool = False
    """The SDP names another video track before the one that plays; it can be set up, and nothing of it is sent."""
    no_parameter_sets: bool = False
    """None in the SDP; those in the stream stay."""
    start_between_key_frames: bool = False
    """PLAY begins with the picture after a key frame: the next one is as far away as can be."""
    live: bool = False
    """No fault, but what a camera does: PLAY begins with the picture that is due by the wall clock, not with the clip's
    first. Two streams of one scene thus show the same moment."""
    stall: bool = False
    """Nothing is sent any more; the connection stays."""
    stall_after_s: float = 0.0
    stall_for_s: float = 0.0
    drop_after_s: float = 0.0
    """The connection is aborted."""
    bye_after_s: float = 0.0
    """RTCP BYE, then the connection is closed."""
    loss: float = 0.0
    """Share of RTP packets that are not sent."""
    corrupt: float = 0.0
    """Share of RTP packets with flipped bytes."""
    freeze: bool = False
    """The same picture again and again, with advancing time."""
    timestamp_jump_s: float = 0.0
    """Added to the media time."""
    timestamps_stand_still: bool = False
    jitter_ms: float = 0.0
    no_sender_report: bool = False
    clock_offset_s: float = 0.0
    """The camera's wall clock is wrong by this."""
    switch_to: str = ""
    """From the next key frame on, pictures of this other clip: a resolution change."""
    speed: float = 1.0
    """Pictures per second, times this."""


_FIELDS = {field.name: field for field in fields(Faults)}
_KINDS: dict[str, type[str] | type[int] | type[float] | type[bool]] = {
    "str": str, "int": int, "float": float, "bool": bool,
}  # fmt: skip


def parse_faults(query: Mapping[str, str], base: Faults | None = None) -> Faults:
    """Faults from text values. Raises UserError naming the field that is not known or has a wrong value."""
    values: dict[str, Any] = {}
    for name, text in query.items():
        field = _FIELDS.get(name)
        if field is None:
            raise UserError(f"there is no camera fault {name!r}.", hint=f"Known: {', '.join(_FIELDS)}.")
        kind = _KINDS[str(field.type)]
        try:
            values[name] = text not in ("", "0", "false") if kind is bool else kind(text)
        except ValueError as exc:
            raise UserError(f"camera fault {name} can't be {text!r}.", hint=f"It is a {kind.__name__}.") from exc
    return replace(base or Faults(), **values)
