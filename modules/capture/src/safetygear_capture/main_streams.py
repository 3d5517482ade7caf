"""The main streams of cameras whose sub-stream is analysed: opened for key frames only, to cut pictures from.

They are a fleet of their own. What happens to them - a refusal, a stall, a call that hangs - touches neither the state
nor the threads of the streams that are analysed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

import msgspec

from safetygear.errors import CameraError
from safetygear.hub.port import Json
from safetygear.messages.frames import CameraStatus, MainStreamStatus
from safetygear_capture.config import CameraConfig
from safetygear_capture.fleet import Fleet
from safetygear_capture.reporting import ReportedCameras

KEY_FRAMES_FPS: Final = 2.0
"""At most: some streams (MJPEG) have nothing but key frames."""


def main_stream_of(config: CameraConfig) -> CameraConfig | None:
    """A camera's configuration as that of its main stream; None where it is not to be opened."""
    if not config.enabled or config.main_stream == "off" or config.sub_stream_url in (None, config.url):
        return None
    # A scene without movement gives key frames that are all alike, which is no fault of a stream that nobody watches.
    return msgspec.structs.replace(
        config, sub_stream_url=None, frames="key-frames", analysed_fps=KEY_FRAMES_FPS, freeze_after_s=0.0
    )


def analysed_stream_of(config: CameraConfig) -> CameraConfig:
    """A camera's configuration as that of the stream that is analysed: what is said of its main stream, whose change is
    to leave this one alone, is not in it."""
    return msgspec.structs.replace(config, url=config.analysed_url, sub_stream_url=None, main_stream="off")


class MainStreams:
    """Belongs to the event loop. Without a fleet (the modules share no memory: a main stream's picture fits no message)
    none is opened."""

    def __init__(self, fleet: Fleet | None) -> None:
        self._fleet = fleet
        self._reported = ReportedCameras()

    def apply(self, cameras: Mapping[str, CameraConfig]) -> None:
        """All cameras of the module, placed in their shards."""
        if self._fleet is not None:
            wanted = {name: main_stream_of(config) for name, config in cameras.items()}
            self._fleet.apply({name: config for name, config in wanted.items() if config is not None})

    def restart(self, camera_id: str) -> None:
        """With its camera; nothing where it has none, or where the last connection is still ending."""
        if self._fleet is not None:
            with contextlib.suppress(CameraError):
                self._fleet.restart(camera_id)

    def beside(self, statuses: Mapping[str, list[CameraStatus]]) -> dict[str, list[CameraStatus]]:
        """The analysed streams' statuses by shard, each with that of its main stream."""
        main = self._statuses()
        return {
            shard: [
                msgspec.structs.replace(status, main_stream=_as_main(main[status.camera]))
                if status.camera in main
                else status
                for status in of_shard
            ]
            for shard, of_shard in statuses.items()
        }

    def report(self, cameras: dict[str, Json], now_s: float) -> list[CameraStatus]:
        """Add `mainStream` {state, reason, since} to the cameras' reported properties; those that are told anew. The
        same bounds hold for them as for cameras (reporting.py)."""
        news = self._reported.update(self._statuses().values(), now_s)
        for camera_id, told in self._reported.as_document().items():
            known = cameras.get(camera_id)
            if isinstance(known, dict):
                known["mainStream"] = {field: told[field] for field in ("state", "reason", "since")}
        return news

    def detail(self, camera_id: str, reason: str) -> str:
        """As `Fleet.detail`."""
        return "" if self._fleet is None else self._fleet.detail(camera_id, reason)

    def _statuses(self) -> dict[str, CameraStatus]:
        if self._fleet is None:
            return {}
        return {status.camera: status for of_shard in self._fleet.statuses().values() for status in of_shard}


def _as_main(status: CameraStatus) -> MainStreamStatus:
    return MainStreamStatus(
        state=status.state,
        reason=status.reason,
        since=status.since,
        key_frames_decoded=status.frames_decoded,
        key_frames_sent=status.frames_sent,
        dropped=status.dropped,
        width=status.width,
        height=status.height,
        codec=status.codec,
    )
