"""A frame's pixels as JPEG in the message itself."""

from __future__ import annotations

import secrets

from safetygear.clock import rfc3339
from safetygear.frames.layout import EPOCH_BITS
from safetygear.messages.frames import FrameReference
from safetygear_capture.jpeg_encoder import JpegEncoder
from safetygear_capture.source import FrameMoment, Planes

NO_RING = "none"


class JpegSink:
    """Belongs to one camera thread. The reference's fields that a ring would fill are 0, and its name is `none`."""

    def __init__(self, camera_id: str) -> None:
        self._camera_id = camera_id
        self._encoder = JpegEncoder()
        self._epoch = secrets.randbits(EPOCH_BITS)

    def hand_over(self, planes: Planes, moment: FrameMoment) -> tuple[FrameReference, bytes]:
        """Encode. Raises CameraError (`jpeg-too-large`)."""
        jpeg = self._encoder.encode(planes, moment.width, moment.height)
        reference = FrameReference(
            camera=self._camera_id,
            frame=moment.number,
            ring=NO_RING,
            epoch=self._epoch,
            slot=0,
            sequence=0,
            width=moment.width,
            height=moment.height,
            stride=0,
            pixel_format="i420",
            captured_at=rfc3339(moment.captured_s),
            clock=moment.clock,
            decoded_at=rfc3339(moment.decoded_s),
        )
        return reference, jpeg

    def close(self) -> None:
        """Nothing to let go of."""
