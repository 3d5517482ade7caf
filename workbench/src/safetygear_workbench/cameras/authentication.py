"""Basic and digest authentication of a camera. Source: RFC 7616 (digest, MD5 and SHA-256) and RFC 7617 (basic)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["basic", "digest", "digest-sha256"]
REALM = "SafetyGear camera"
_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]*))')


@dataclass(frozen=True)
class Credentials:
    """What a client has to know. `repr` hides the password."""

    user: str
    password: str
    scheme: Scheme = "digest"

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, password=***, scheme={self.scheme!r})"

    def challenge(self, nonce: str) -> str:
        """The WWW-Authenticate header's value."""
        if self.scheme == "basic":
            return f'Basic realm="{REALM}"'
        algorithm = ', algorithm="SHA-256"' if self.scheme == "digest-sha256" else ""
        return f'Digest realm="{REALM}", nonce="{nonce}"{algorithm}'

    def accepts(self, header: str, method: str, nonce: str) -> bool:
        """Whether an Authorization header is right for `method` and the nonce of this connection."""
        if self.scheme == "basic":
            expected = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return hmac.compare_digest(header.encode(), expected.encode())
        if not header.startswith("Digest "):
            return False
        given = {name: quoted or bare for name, quoted, bare in _FIELD.findall(header)}
        if (given.get("username"), given.get("realm"), given.get("nonce")) != (self.user, REALM, nonce):
            return False
        digest = _sha256 if self.scheme == "digest-sha256" else _md5
        secret = digest(f"{self.user}:{REALM}:{self.password}")
        target = digest(f"{method}:{given.get('uri', '')}")
        if given.get("qop"):
            middle = f"{nonce}:{given.get('nc', '')}:{given.get('cnonce', '')}:{given['qop']}"
        else:
            middle = nonce
        return hmac.compare_digest(given.get("response", "").encode(), digest(f"{secret}:{middle}:{target}").encode())


def _hex_digest(make: Callable[[bytes], hashlib._Hash]) -> Callable[[str], str]:
    return lambda text: make(text.encode()).hexdigest()


_md5 = _hex_digest(lambda data: hashlib.md5(data, usedforsecurity=False))
_sha256 = _hex_digest(hashlib.sha256)
