"""What the direct methods' reference says: arguments, answers, and which statuses beside the general ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Method:
    """A direct method. Every module answers 404 and the list of its methods to any other name."""

    name: str
    arguments: str
    answer: str
    """What status 200 means and holds."""
    example: Mapping[str, Any] | None = None
    """A payload; None: the method takes none."""
    statuses: Mapping[int, str] = field(default_factory=dict)
    """Others than 200 and 400, and when."""


_PING: Final = Method("ping", "none", "`{instance, version, uptimeS}`: the module is alive and reachable.")
ALIASES: Final = {"status": "getStatus"}
"""Names of version 0.1's first weeks, which both modules still answer."""

METHODS: Final[Mapping[str, tuple[Method, ...]]] = {
    "capture": (
        _PING,
        Method(
            "getStatus",
            "none",
            "What is reported, with every camera in full (as in [safetygear.cameras/1]"
            "(messages.md#safetygearcameras1)) and counters since the start: `sent`, `dropped`, `threadsHanging`, "
            "`unreadableMessages`, `uptimeS`.",
        ),
        Method(
            "restartCamera",
            "`camera`: its id",
            "`{camera, starts}`: the camera's connection is being ended and a new one made at once, which has now been "
            "done so many times. Its counts go on.",
            example={"camera": "gate-2"},
            statuses={
                404: "`unknown-camera`: no camera of this id is configured",
                409: "`camera-disabled`, or `camera-restarting`: its last connection is still ending",
            },
        ),
    ),
    "inference": (
        _PING,
        Method(
            "getStatus",
            "none",
            "What is reported, with counters since the start: `frames` by what became of them, `sent`, `queued`, "
            "`dropped`, `retries`, `maybeDuplicated`, `silentShards`, `workers`, `uptimeS`, `events` by rule, severity "
            "and state, `openEpisodes`, and `learning` as in the health message.",
        ),
        Method(
            "reloadModel",
            "none",
            "`{model}`: how the model stands just now, as in the reported properties. The wanted model is looked at "
            "again at once: a file by name is read anew, a download is tried again, and so is a package that was "
            "refused for good; what comes of it is reported.",
        ),
        Method(
            "resendEvents",
            "`from`, `to`: the first and the last `eventSequence`; `outboxEpoch` where it is not the one in force",
            "`{outboxEpoch, queued, waiting, evicted, notKept, notGiven}`: how many were sent before and are in line "
            "again, how many were in line anyway, and ranges of sequences that were dropped for want of room, are no "
            "longer kept, or were never given. What is sent again has the same `dedupKey`.",
            example={"from": 318, "to": 325},
            statuses={404: "`unknown-epoch`: the outbox has no such epoch", 503: "the disk fails"},
        ),
        Method(
            "acknowledge",
            "`eventId`; `verdict`: `true`, `false` or `unsure`; `note`, which may be left out: at most 200 characters",
            "`{eventId, verdict}`, once it is on the disk. The newest verdict of an event counts for its zone's "
            "`precision` in the health message.",
            example={"eventId": "ep-5f2c1a9b7d3e4f60718293a4", "verdict": "false", "note": "a cap"},
            statuses={404: "`unknown-event`: no such event is open or kept here", 503: "the disk fails"},
        ),
        Method(
            "snapshot",
            "`camera`: its id; `maxWidthPx`, which may be left out: 160 to 1920, 960 by default",
            "`{camera, capturedAt, width, height, blurred, jpeg}`: what the camera shows now, as a JPEG in base64. Its "
            "faces are blurred unless the twin says `evidence.faces` = `clear`; privacy zones are black. It has at "
            "most 90 KB: a picture that does not fit has less quality, then fewer pixels. Where a main stream is "
            "opened for key frames, it is one of these, up to 3 s older than the newest frame: `capturedAt` tells.",
            example={"camera": "gate-2", "maxWidthPx": 640},
            statuses={
                404: "`unknown-camera`",
                409: "`no-frame`: no frame of it was analysed in the last 10 s, or it is gone already",
                503: "`side-busy`: too many pictures are being made; or the detector failed",
            },
        ),
        Method(
            "takeExample",
            "`camera`: its id",
            "`{id, camera}`: what the camera showed last is kept to be [learned from](learning.md#on-the-device), for "
            "the reason `asked`; its files are on the disk. It counts in the budget.",
            example={"camera": "gate-2"},
            statuses={
                404: "`unknown-camera`",
                409: "`learning-off`; `no-frame`: none was analysed in the last 10 s, or it is gone already; "
                "`near-duplicate`: it is there already; `busy`: another one is being made; `hour`, `day`: the budget "
                "is used up (with `-camera` or `-reason`: its room is kept for others)",
                500: "`internal`: an error in the module while it was made; its log has the details",
                503: "`not-ready`: what is kept was not looked at yet; `side-busy`: too many pictures are being made; "
                "`data-full`, `data-missing`, `data-unwritable`: the disk fails; or the detector failed (`model-…`)",
            },
        ),
    ),
}
"""By module, in the order in which they are listed."""
