"""Shared access signatures, as IoT Hub and edgeHub make and check them.

Source: Microsoft, "Control access to IoT Hub by using shared access signatures": `sr` the URL-encoded resource, `se`
the expiry in seconds since 1970, `sig` = base64(HMAC-SHA256(key, sr + "\\n" + se)), all URL-encoded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote, unquote

PREFIX = "SharedAccessSignature "


def sign(key_base64: str, data: bytes) -> str:
    """base64 of HMAC-SHA256 over `data`."""
    return base64.b64encode(hmac.new(base64.b64decode(key_base64), data, hashlib.sha256).digest()).decode()


def make_token(key_base64: str, resource: str, expiry_s: int, key_name: str | None = None) -> str:
    """A token for `resource` (such as `hub.example/devices/d/modules/m`) that expires at `expiry_s`."""
    sr = quote(resource, safe="")
    signature = quote(sign(key_base64, f"{sr}\n{expiry_s}".encode()), safe="")
    name = f"&skn={key_name}" if key_name else ""
    return f"{PREFIX}sr={sr}&sig={signature}&se={expiry_s}{name}"


def fields(token: str) -> dict[str, str]:
    """The token's parts, still URL-encoded where they were; empty for anything that is no token."""
    if not token.startswith(PREFIX):
        return {}
    return dict(pair.partition("=")[::2] for pair in token[len(PREFIX) :].split("&"))


def expiry_s(token: str) -> int:
    """When the token expires; 0 where that can't be read."""
    try:
        return int(fields(token).get("se", "0"))
    except ValueError:
        return 0


def refusal(token: str, key_base64: str, now_s: float) -> str | None:
    """Why the token is not to be accepted (signature, expiry), or None. The resource is the caller's to judge."""
    parts = fields(token)
    if not {"sr", "sig", "se"} <= parts.keys():
        return "not a shared access signature"
    expected = sign(key_base64, f"{parts['sr']}\n{parts['se']}".encode())
    if not hmac.compare_digest(unquote(parts["sig"]).encode(), expected.encode()):
        return "wrong signature"
    if expiry_s(token) <= now_s:
        return "expired"
    return None


def resource(token: str) -> list[str]:
    """The token's resource, decoded, split at `/`: [host, "devices", d, "modules", m] or [host]."""
    return [unquote(part) for part in unquote(fields(token).get("sr", "")).split("/")]
