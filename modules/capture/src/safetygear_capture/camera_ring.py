"""A camera's ring: made when its first frame is handed over, and again when the pictures no longer fit."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Final

from safetygear.clock import rfc3339
from safetygear.errors import CameraError, FrameError
from safetygear.frames.ring import FrameRingWriter, slot_bytes_for
from safetygear.messages.frames import FrameReference, Stream
from safetygear_capture.source import FrameMoment, Planes

LEAST_SLOTS = 4
SLOTS_FOR_S = 0.8
"""A frame is to stay for about so long: longer than a hub hop and an analysis of a camera's turn take."""
MAIN_SLOTS: Final = 3
"""Of the ring of a main stream's key frames: they come a second or more apart, and are large."""
MAIN_LEAVES_SHARE: Final = 0.25
"""Of the frames folder: what rings of main streams leave free, so that no analysed stream lacks room for its own. A
quarter of the manifest's 256 MiB holds 45 rings of 360p."""
MAIN_LEAVES_MOST_BYTES: Final = 2**30
"""On a disk of any size that is room enough, however full the rest of it is."""
TRY_AGAIN_S = 5.0
"""After the frames folder could not take a ring."""


class CameraRing:
    """Belongs to one camera thread. A main stream's is named `<camera>.main`, as no camera can be."""

    def __init__(self, folder: Path, camera_id: str, analysed_fps: float, stream: Stream = "analysed") -> None:
        self._folder = folder
        self._camera_id = camera_id
        self._main = stream == "main"
        self._name = f"{camera_id}.main" if self._main else camera_id
        self._path = str(folder / self._name)
        self._slots = MAIN_SLOTS if self._main else max(LEAST_SLOTS, math.ceil(analysed_fps * SLOTS_FOR_S))
        self._writer: FrameRingWriter | None = None
        self._refused: tuple[float, str] | None = None

    def hand_over(self, planes: Planes, moment: FrameMoment) -> tuple[FrameReference, None]:
        """Copy the planes into the next slot.

        Raises CameraError (ring-folder-missing, ring-not-writable, ring-no-space); tries the folder again after 5 s.
        """
        width, height = moment.width, moment.height
        writer = self._writer_for(slot_bytes_for(width, height), moment.monotonic_s)
        written = writer.write(planes.arrays, width=width, height=height, pixel_format=planes.pixel_format)
        reference = FrameReference(
            camera=self._camera_id,
            frame=moment.number,
            ring=writer.name,
            epoch=writer.epoch,
            slot=written.slot,
            sequence=written.sequence,
            width=width,
            height=height,
            stride=written.stride,
            pixel_format=planes.pixel_format,
            captured_at=rfc3339(moment.captured_s),
            clock=moment.clock,
            decoded_at=rfc3339(moment.decoded_s),
        )
        return reference, None

    def close(self) -> None:
        """Remove the ring."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _writer_for(self, slot_bytes: int, now_s: float) -> FrameRingWriter:
        if self._writer is not None and self._writer.slot_bytes == slot_bytes and self._is_there():
            return self._writer
        if self._refused is not None and now_s - self._refused[0] < TRY_AGAIN_S:
            raise CameraError("the frames folder has no ring for this camera", code=self._refused[1])
        self.close()
        try:
            if self._main:
                _leave_room(self._folder, self._slots * slot_bytes)
            self._writer = FrameRingWriter(self._folder, self._name, slots=self._slots, slot_bytes=slot_bytes)
        except FrameError as exc:
            self._refused = (now_s, exc.code)
            raise CameraError(str(exc), code=exc.code) from exc
        self._refused = None
        return self._writer

    def _is_there(self) -> bool:
        # Somebody may have emptied or remounted the folder; a stat costs microseconds per analysed frame.
        return os.path.exists(self._path)  # noqa: PTH110  # a Path takes longer to make than to look for


def _leave_room(folder: Path, size_bytes: int) -> None:
    """Raises FrameError (ring-no-space) where a ring of that size would leave too little for others."""
    try:
        room = shutil.disk_usage(folder)
    except OSError:
        return  # the ring's own error says what is wrong
    leaves_bytes = min(MAIN_LEAVES_SHARE * room.total, MAIN_LEAVES_MOST_BYTES)
    if room.free - size_bytes < leaves_bytes:
        raise FrameError(
            f"a ring of {-(-size_bytes // 2**20)} MiB for key frames would leave less than "
            f"{leaves_bytes / 2**20:.0f} MiB of {folder} free: give the tmpfs there more, or set mainStream to off",
            code="ring-no-space",
        )
