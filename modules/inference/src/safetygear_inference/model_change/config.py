"""The twin's section `model`: which detector runs, where it comes from, and what a change has to stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from safetygear.errors import TwinError
from safetygear.redact import has_credentials
from safetygear.secret_references import check_reference
from safetygear_inference.model_change.addresses import address_error

DEFAULT_MODEL = "ppe_yolox_nano_relu_384x640"

Finding = tuple[str, str, str]
Share = Annotated[float, Meta(ge=0, le=1)]


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which detector runs, and from which probability its boxes count."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$",
            description="A model in the data folder's models/ or in the image: a folder or file of that name, "
            "with or without .zip or .onnx. Where uri is given, the one that is used until that model is there.",
        ),
    ] = DEFAULT_MODEL
    uri: Annotated[
        Annotated[str, Meta(max_length=1024, examples=["https://models.example/site-ppe-v4.zip"])] | None,
        Meta(
            description="Where to fetch the model: `https:` (a server, or blob storage), or `file:` (below the data "
            "folder's or the image's models/). Without user name and token; sha256 is required with it."
        ),
    ] = None
    sha256: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")] | None,
        Meta(description="SHA-256 of the file at uri, as `safetygear model pack` prints it."),
    ] = None
    sas: Annotated[
        Annotated[str, Meta(max_length=128)] | None,
        Meta(
            description="A secret reference to the SAS token that is added to uri's query: `file:<name>` in the "
            "device's secrets folder, or `env:SAFETYGEAR_SECRET_<NAME>`. Never the token itself."
        ),
    ] = None
    default_threshold: Annotated[
        Share | None,
        Meta(description="Least probability (0..1) of a box whose label is not in thresholds. Null: the model's own."),
    ] = None
    thresholds: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=128)], Share],
        Meta(max_length=200, description="Least probability (0..1) of a box, by label."),
    ] = msgspec.field(default_factory=dict)
    shadow_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="For so long a model from uri looks at live frames beside the one in use before it takes "
            "over. 0: not at all.",
        ),
    ] = 30.0
    watch_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="For so long after it has taken over, a model from uri is given back for the one before where "
            "it fails or is too slow. 0: not at all.",
        ),
    ] = 60.0
    slowest_ms: Annotated[
        Annotated[float, Meta(gt=0, le=60_000)] | None,
        Meta(
            description="The longest a model from uri may take for a frame, as a median, while it is compared and "
            "watched. Null: what the cameras' rates leave for a frame."
        ),
    ] = None
    least_agreement: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="A model from uri that agrees less with the one in use, while they are compared, does not take "
            "over. 0: it is only told.",
        ),
    ] = 0.0

    def check(self) -> Iterator[Finding]:
        """What no single field's type can say."""
        if self.uri is not None:
            if has_credentials(self.uri):
                yield (
                    "uri",
                    "credentials-in-url",
                    "has a user name, password or token in it: take it out, and give a secret reference in sas",
                )
            elif (wrong := address_error(self.uri)) is not None:
                yield "uri", "bad-format", wrong
            if self.sha256 is None:
                yield "sha256", "missing-field", "is missing: with uri, write the file's SHA-256, 64 hexadecimal digits"
        elif self.sha256 is not None or self.sas is not None:
            yield "uri", "missing-field", "is missing: sha256 and sas are about the file that it names"
        if self.sas is not None:
            try:
                check_reference(self.sas)
            except TwinError as exc:
                yield "sas", exc.code, str(exc)

    @property
    def package(self) -> str | None:
        """The digest of the package that is wanted; None where a name is."""
        return self.sha256 if self.uri is not None else None
