"""The direct method `takeExample`: what a camera shows now is to be learned from, somebody says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from safetygear.hub.methods import MethodError, Methods, read_arguments
from safetygear.hub.port import Json
from safetygear.messages.frames import CAMERA_ID_PATTERN
from safetygear_inference.learning.desk import INTERNAL, LearningDesk, NotTakenError

NO_FRAME: Final = "no-frame"
_GONE: Final = frozenset({"overwritten", "epoch-mismatch", "ring-missing", "reference-invalid", "jpeg-invalid"})
"""What becomes of a frame that is read too late, or can't be read: there is none of this camera now."""


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
            raise MethodError(str(exc), status=_status(exc), code=NO_FRAME if exc.code in _GONE else exc.code) from exc


def _status(exc: NotTakenError) -> int:
    """409 where the example is refused, 503 where it failed and may not the next time, 500 for an error of ours."""
    if exc.code == INTERNAL:
        return 500
    return 503 if exc.failed and exc.code not in _GONE else 409
