"""Direct methods about cameras: `restartCamera` ends a camera's connection and makes a new one at once."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from safetygear.hub.methods import MethodError, Methods, read_arguments
from safetygear.hub.port import Json
from safetygear_capture.fleet import CameraDisabledError, CameraRestartingError, Fleet, UnknownCameraError
from safetygear_capture.main_streams import MainStreams


class RestartCamera(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which camera."""

    camera: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class CameraMethods:
    """Answers them out of the fleet; a camera's main stream goes with it."""

    def __init__(self, fleet: Fleet, main_streams: MainStreams) -> None:
        self._fleet = fleet
        self._main_streams = main_streams

    def add_to(self, methods: Methods) -> None:
        methods.add("restartCamera", self.restart)

    async def restart(self, payload: Json) -> Json:
        """Raises MethodError: 404 no such camera, 409 it is disabled or is ending just now."""
        camera = read_arguments(RestartCamera, payload).camera
        try:
            starts = self._fleet.restart(camera)
        except UnknownCameraError as exc:
            raise MethodError(str(exc), status=404, code=exc.code, field="camera") from exc
        except (CameraDisabledError, CameraRestartingError) as exc:
            raise MethodError(str(exc), status=409, code=exc.code, field="camera") from exc
        self._main_streams.restart(camera)
        return {"camera": camera, "starts": starts}
