"""A camera's URL as a person types it, taken apart: where the stream is, and what must not be shown. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from safetygear.errors import UserError
from safetygear.redact import has_credentials, redact_url
from safetygear.secret_references import Secret

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
SCHEMES = ("rtsp", "rtsps")


@dataclass(frozen=True)
class CameraAddress:
    """`url` is fit for twins, logs and command lines."""

    url: str
    username: Secret | None = None
    password: Secret | None = None


def looks_like_url(text: str) -> bool:
    """Whether `text` is meant as a URL, whatever its scheme."""
    return "://" in text


def parse_camera_url(text: str) -> CameraAddress:
    """Split the user info off. Raises UserError, whose message holds no secret."""
    match = _URL.fullmatch(text.strip())
    shown = redact_url(text.strip())
    if match is None:
        raise UserError(f"{shown} is no URL:", hint="a camera's is rtsp://HOST/PATH or rtsps://HOST/PATH.")
    if match["scheme"].lower() not in SCHEMES:
        raise UserError(f"{shown} is not RTSP:", hint="a camera's URL begins with rtsp:// or rtsps://.")
    if "@" in match["rest"]:
        # Where user info ends can't be told any more: a part of a password must not be taken for a host, nor be shown.
        raise UserError(
            "the camera's URL has an @ after its host:",
            hint="write / ? # and @ in a user name, a password or a path as %2F %3F %23 %40.",
        )
    user_info, at, host = match["authority"].rpartition("@")
    found = _HOST.fullmatch(host)
    if found is None or int(found["port"] or 1) not in range(1, 65536):
        raise UserError(f"{shown} has no valid host and port:", hint="write rtsp://HOST[:PORT]/PATH.")
    if not text.strip().isprintable() or " " in text.strip():
        raise UserError(f"{shown} has a space or control character in it:", hint="write a space as %20.")
    bare = f"{match['scheme'].lower()}://{host}{match['rest']}"
    if has_credentials(bare):
        raise UserError(
            f"{shown} has a password or token in its path or query:",
            hint="SafetyGear takes user name and password only before the host, rtsp://USER:PASSWORD@HOST/PATH.",
        )
    if not at:
        return CameraAddress(bare)
    user, colon, password = user_info.partition(":")
    return CameraAddress(
        bare,
        Secret(unquote(user)) if user else None,
        Secret(unquote(password)) if colon and password else None,
    )
