"""The capture module's desired properties: types, limits, defaults. The twin reference is generated from here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from safetygear.errors import TwinError
from safetygear.messages.frames import DecodedFrames
from safetygear.redact import has_credentials
from safetygear.secret_references import check_reference
from safetygear_capture.decoding import Decode

Transport = Literal["tcp", "udp"]
MainStream = Literal["key-frames", "off"]
DEFAULT_SHARD = "default"
Shard = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

RtspUrl = Annotated[
    str,
    Meta(
        pattern=r"^rtsps?://[^\s]+$",
        max_length=1024,
        examples=["rtsp://10.0.0.12/stream1"],
        description="The stream's address, without user name and password.",
    ),
]


class CameraConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One camera of the site."""

    url: RtspUrl
    sub_stream_url: Annotated[
        RtspUrl | None,
        Meta(
            description="A smaller stream of the same camera. Where it is given, it is the one that is analysed: "
            "decoding 1080p costs seven times as much as 360p."
        ),
    ] = None
    main_stream: Annotated[
        MainStream,
        Meta(
            description="Where there is a sub-stream, key-frames: `url` is opened too, and of it only key frames are "
            "decoded, for the pictures of violations. It costs the main stream's whole bandwidth on the way to this "
            "device, and little processor time. off: pictures come from the sub-stream."
        ),
    ] = "key-frames"
    username: Annotated[
        Annotated[str, Meta(min_length=1, max_length=256)] | None,
        Meta(description="User name, or a secret reference to it."),
    ] = None
    password: Annotated[
        Annotated[str, Meta(max_length=128)] | None,
        Meta(
            description="A secret reference: `file:<name>` in the device's secrets folder, or "
            "`env:SAFETYGEAR_SECRET_<NAME>`. Never the password itself.",
        ),
    ] = None
    analysed_fps: Annotated[
        float, Meta(ge=0.02, le=30, description="Frames per second that are handed to inference.")
    ] = 5.0
    frames: Annotated[
        DecodedFrames,
        Meta(
            description="Which pictures are decoded. key-frames-when-quiet: key frames alone, at analysedFps at most, "
            "until inference sees something move or somebody; then all, from the last key frame on. For that the coded "
            "pictures since then are kept, 4 MiB and 750 of them at most; where there were more, or the next key frame "
            "comes before they are decoded, it goes on from that one (`kept` in capture's messages and the metric "
            "`safetygear_capture_pictures_kept_total` count it). key-frames: never others, which shows that somebody "
            "is there, but is too seldom for most rules. Where key frames are more than 2 s apart, health says that "
            "the camera is blind in between."
        ),
    ] = "all"
    decode: Annotated[
        Decode,
        Meta(
            description="What decodes. vaapi: the GPU behind the first render node. auto: vaapi where there is a "
            "render node. What can't be decoded so is decoded in software; `decoderReason` says why."
        ),
    ] = "software"
    priority: Annotated[
        float,
        Meta(
            ge=0.1,
            le=10,
            description="Where the machine can't analyse every frame, a camera with priority 2 keeps twice the share "
            "of its rate that one with priority 1 keeps.",
        ),
    ] = 1.0
    transport: Annotated[Transport, Meta(description="How RTP comes. udp loses packets where tcp waits for them.")] = (
        "tcp"
    )
    stall_budget_s: Annotated[
        float,
        Meta(ge=2, le=120, description="Without a decoded picture for so long, the camera is stalled and reconnected."),
    ] = 10.0
    freeze_after_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="A picture that has not changed in one bit for so long is frozen. 0: never."),
    ] = 30.0
    tls_verify: Annotated[
        bool, Meta(description="rtsps: whether the camera's certificate must be valid. Most cameras sign their own.")
    ] = True
    shard: Annotated[
        Shard | None,
        Meta(
            description="Which inference instance analyses it (the one whose SAFETYGEAR_SHARDS names it). Null: one of "
            "this module's `shards`, by the camera's id."
        ),
    ] = None
    enabled: Annotated[bool, Meta(description="false: not connected, and shown as idle.")] = True

    @property
    def reader(self) -> str:
        """The shard that analyses it; shards.py has placed those that name none."""
        return self.shard or DEFAULT_SHARD

    @property
    def analysed_url(self) -> str:
        """The stream whose frames are analysed."""
        return self.sub_stream_url or self.url

    def check(self) -> Iterator[tuple[str, str, str]]:
        """What no single field's type can say."""
        for name, url in (("url", self.url), ("subStreamUrl", self.sub_stream_url)):
            if url is not None and has_credentials(url):
                yield (
                    name,
                    "credentials-in-url",
                    "has a user name, password or token in it: take it out, and give username and a secret "
                    "reference in password",
                )
        if self.password is not None:
            try:
                check_reference(self.password)
            except TwinError as exc:
                yield "password", exc.code, str(exc)


class CaptureTwin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Desired properties of the capture module."""

    schema_version: Annotated[str, Meta(pattern=r"^1\.[0-9]+$", description="Version of this layout.")] = "1.0"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
        Meta(description="Least level that is logged. Null: what SAFETYGEAR_LOG_LEVEL says."),
    ] = None
    shards: Annotated[
        tuple[Shard, ...],
        Meta(
            min_length=1,
            max_length=32,
            description="Names of the shards over which cameras without a shard of their own are spread: one for each "
            "inference instance.",
        ),
    ] = (DEFAULT_SHARD,)
    cameras: Annotated[
        dict[str, CameraConfig],
        Meta(description="The site's cameras by id (`[A-Za-z0-9_-]{1,64}`); null takes one out."),
    ] = msgspec.field(default_factory=dict)
