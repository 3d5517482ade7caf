"""The direct method `takeExample`: what a camera shows now is to be learned from, somebody says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from safetygear.hub.methods import MethodError, Methods, read_arguments
from safetygear.hub.port import Json
from safetygear.messages.frames import CAMERA_ID_PATTERN
from safetygear_inference.learning.desk import LearningDesk, NotTakenError

_DISK: Final = "data-"


class TakeExampleArguments(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Of which camera."""

    camera: Annotated[str, Meta(pattern=CAMERA_ID_PATTERN)]


class TakeExample:
    """`cameras`: the ids that there are."""

    def __init__(self, desk: LearningDesk, cameras: Callable[[], Collection[str]]) -> None:
        self._desk = desk
        self._cameras = cameras

    def add_to(self, methods: Methods) -> None:
        methods.add("takeExample", self.answer)

    async def answer(self, payload: Json) -> Json:
        """Raises MethodError."""
        asked = read_arguments(TakeExampleArguments, payload)
        if asked.camera not in self._cameras():
            raise MethodError("no such camera", status=404, code="unknown-camera", field="camera")
        try:
            return {"id": await self._desk.take_asked(asked.camera), "camera": asked.camera}
        except NotTakenError as exc:
            status = 503 if exc.code.startswith(_DISK) else 409
            raise MethodError(str(exc), status=status, code=exc.code) from exc
