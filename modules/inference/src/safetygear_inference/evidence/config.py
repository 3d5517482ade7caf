"""What the twin says of evidence pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from safetygear.errors import TwinError
from safetygear.redact import has_credentials
from safetygear.secret_references import check_reference

MEBIBYTE = 1024 * 1024

Faces = Literal["blurred", "clear"]
FACES_DESCRIPTION = (
    "blurred: the face of every person is made unrecognisable, and where no head can be found the person's upper part "
    "is. clear: as the camera gave it."
)
FACES_CLEAR = "faces-clear"
"""Why a picture of a time in which faces might be clear does not leave the device: they may not any more."""


class UploadConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A container of Azure Blob Storage that pictures are copied to."""

    container_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/\s?#]+(/[^/\s?#]+){1,2}$",
            max_length=512,
            examples=["https://account.blob.core.windows.net/evidence"],
            description="The container's address, without a SAS. http only for a blob module on this device: the SAS "
            "travels with each request.",
        ),
    ]
    sas_from: Annotated[
        str,
        Meta(
            max_length=128,
            description="A secret reference to a SAS that may create and write blobs (cw) there: `file:<name>` in "
            "the device's secrets folder, or `env:SAFETYGEAR_SECRET_<NAME>`. Never the SAS itself.",
        ),
    ]

    def check(self) -> Iterator[tuple[str, str, str]]:
        """What no single field's type can say."""
        if has_credentials(self.container_url):
            message = "has a user name, password or token in it: take it out, and give a secret reference in sasFrom"
            yield "containerUrl", "credentials-in-url", message
        try:
            check_reference(self.sas_from)
        except TwinError as exc:
            yield "sasFrom", exc.code, str(exc)


class EvidenceConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Pictures of violations, kept on the data volume."""

    enabled: Annotated[bool, Meta(description="false: events carry no picture, and none is stored.")] = True
    faces: Annotated[Faces, Meta(description=FACES_DESCRIPTION)] = "blurred"
    margin: Annotated[
        float,
        Meta(ge=0, le=2, description="What is shown around the person, in each direction, per side of the box."),
    ] = 0.25
    max_side_px: Annotated[int, Meta(ge=160, le=1920, description="Larger pictures are scaled down to it.")] = 960
    quality: Annotated[int, Meta(ge=40, le=95, description="JPEG quality.")] = 85
    quota_bytes: Annotated[
        int,
        Meta(
            ge=MEBIBYTE,
            le=1024 * 1024 * MEBIBYTE,
            description="Room for pictures on the data volume, 10 to 60 KB each. When it is full the oldest go.",
        ),
    ] = 512 * MEBIBYTE
    retention_days: Annotated[
        float, Meta(ge=0.01, le=3650, description="Older pictures are removed, uploaded or not.")
    ] = 30.0
    upload: Annotated[
        UploadConfig | None, Meta(description="Where pictures are copied to. Null: they stay on the device.")
    ] = None
