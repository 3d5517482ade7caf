"""What the module says of itself: reported properties and log lines. Pure.

Each change of a reported property is a message of the hub's quota. So a camera that is tried again and again keeps the
state its last attempt ended with, and one that flaps is told of about once a minute; but at once that it is no longer
well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from safetygear.hub.port import Json
from safetygear.messages.frames import CameraState, CameraStatus
from safetygear.twin.reading import ID_PATTERN, FieldError
from safetygear.twin.reported import config_report
from safetygear_capture import __version__
from safetygear_capture.reasons import OF_THE_ATTEMPT, OK, state_after

BURST: Final = 10
"""Changes of one camera that are told at once; then one each REFILL_S."""
REFILL_S: Final = 60.0
DEFAULT_STALL_BUDGET_S: Final = 10.0
"""Said of a camera whose own can't be read; the page must not take 0 s for one."""
_FRESH: Final = frozenset({"streaming", "paused"})
"""States whose beginning is told again each time: that they began anew is the news."""


@dataclass
class _Told:
    state: CameraState
    reason: str
    since: str
    decoding: dict[str, Json]
    credit: float
    credited_s: float


class ReportedCameras:
    """What was told of each camera."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def update(self, statuses: Iterable[CameraStatus], now_s: float) -> list[CameraStatus]:
        """How the cameras are at `now_s` (monotonic); those whose state or reason is told anew, as it is told."""
        by_id = {status.camera: status for status in statuses}
        for camera_id in self._told.keys() - by_id.keys():
            del self._told[camera_id]
        changed = [status for status in by_id.values() if self._update(status, now_s)]
        return [msgspec.structs.replace(status, state=self._told[status.camera].state) for status in changed]

    def as_document(self) -> dict[str, Json]:
        """`{camera: {"state": …, "reason": …, "since": …}}`, and of the decoding what is not as usual."""
        return {
            camera_id: {"state": told.state, "reason": told.reason, "since": told.since, **told.decoding}
            for camera_id, told in sorted(self._told.items())
        }

    def _update(self, status: CameraStatus, now_s: float) -> bool:
        told = self._told.get(status.camera)
        if told is None:
            self._told[status.camera] = _Told(
                status.state, status.reason, status.since, _decoding(status), BURST, now_s
            )
            return True
        told.credit = min(BURST, told.credit + (now_s - told.credited_s) / REFILL_S)
        told.credited_s = now_s
        # The next attempt of the same trouble.
        again = status.state == "connecting" and status.reason not in OF_THE_ATTEMPT
        state = state_after(status.reason) if again else status.state
        # While nothing is decoded, what was said of it last holds.
        decoding = _decoding(status) if status.decoder is not None else told.decoding
        same = (told.state, told.reason, told.decoding) == (state, status.reason, decoding)
        if same and (told.since == status.since or state not in _FRESH):
            return False
        # That a camera is no longer well never waits. That it is well again does, so that there is an end to both.
        if told.credit < 1 and not (told.reason == OK and status.reason != OK):
            return False
        told.credit = max(0.0, told.credit - 1)
        told.state, told.reason, told.since, told.decoding = state, status.reason, status.since, decoding
        return not same


def _decoding(status: CameraStatus) -> dict[str, Json]:
    """What is not as usual."""
    unusual: dict[str, Json] = {} if status.frames == "all" else {"frames": status.frames}
    if status.decoder not in (None, "software") or status.decoder_reason:
        unusual |= {"decoder": status.decoder, "decoderReason": status.decoder_reason}
    return unusual


def unusable(errors: Sequence[FieldError], usable: Iterable[str], since: str) -> list[CameraStatus]:
    """Cameras that are wanted and have no usable configuration, also no earlier one: they are not watched, and must not
    look as if nobody had wanted them. `since`: RFC 3339."""
    paths = [error.path.split(".") for error in errors]
    named = {path[1] for path in paths if path[0] == "cameras" and len(path) > 1 and ID_PATTERN.fullmatch(path[1])}
    return [
        CameraStatus(
            camera=camera_id,
            state="refused",
            reason="config-invalid",
            since=since,
            stall_budget_s=DEFAULT_STALL_BUDGET_S,
            frames_decoded=0,
            frames_sent=0,
            dropped={},
            decoded_fps=0.0,
        )
        for camera_id in sorted(named - set(usable))
    ]


def reported(
    *,
    instance: str,
    desired_version: int,
    errors: Sequence[FieldError],
    cameras: Mapping[str, Json],
    problems: Mapping[str, Mapping[str, str]],
) -> dict[str, Json]:
    """The whole reported half."""
    return {
        **config_report(desired_version, errors),
        "version": __version__,
        "instance": instance,
        "cameras": dict(cameras),
        "problems": {part: dict(problem) for part, problem in problems.items()},
    }
