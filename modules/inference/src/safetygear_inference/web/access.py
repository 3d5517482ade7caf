"""Who may see the page. Pure: time passed in; no I/O.

The page shows people, so it answers only to names that are its own (a foreign site's name that was made to point here
gets nothing), and where a token is set only to those who have it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from safetygear.listen import Listen
from safetygear.secret_references import Secret

SESSION_S = 12 * 3600.0
SESSION_RENEWED_AFTER_S = 3600.0
FAILURES_ALLOWED = 5
FAILURES_ALLOWED_IN_ALL = 30
FAILURES_OVER_S = 60.0
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")
_ANY_ADDRESS = ("0.0.0.0", "::")


def host_name(host: str) -> str | None:
    """The name or address in a Host header, lower case and without its port; None: it is none."""
    match = _HOST.fullmatch(host.strip())
    return (match["v6"] or match["name"]).lower().rstrip(".") if match is not None else None


class HostList:
    """The names under which the page may be called: loopback's, the listen address, and those configured."""

    def __init__(self, listen: Listen, configured: Sequence[str]) -> None:
        names = {"localhost"} | {name for entry in configured if (name := host_name(entry)) is not None}
        if listen.host not in _ANY_ADDRESS:
            names.add(listen.host.lower())
        self._names = frozenset(names)

    def allows(self, host: str | None) -> bool:
        """`host`: the request's Host header."""
        name = host_name(host) if host is not None else None
        return name is not None and (name in self._names or _is_loopback(name))


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something comes from a page of this very host.

    A browser tells it by Sec-Fetch-Site, or by Origin where the connection is not secure. Neither: no browser form.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        return False
    origin, host = headers.get("Origin"), headers.get("Host", "")
    if origin is None:
        return site is not None
    return origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


def foreign_fetch(headers: Mapping[str, str]) -> bool:
    """Whether another site's page loads this as a picture, script or fetch. A link that somebody follows is none."""
    site, mode = headers.get("Sec-Fetch-Site"), headers.get("Sec-Fetch-Mode")
    return site in ("cross-site", "same-site") and mode != "navigate"


class TokenGate:
    """Checks the token, and cookies that it made itself after it had seen the token.

    A cookie is `expiry.nonce.mac` with a key derived from the token: it survives a restart of the module, and another
    token ends it.
    """

    def __init__(self, token: Secret) -> None:
        self._token = token.reveal().encode()
        self._key = hmac.digest(self._token, b"safetygear live page session", "sha256")
        # Browsers share cookies between ports: two modules with tokens of their own need two names.
        self.cookie_name = "safetygear-" + hmac.digest(self._key, b"cookie name", "sha256").hex()[:12]

    def accepts(self, token: str) -> bool:
        """Whether that is the token. Takes the same time for any wrong one."""
        given = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        return hmac.compare_digest(given, hashlib.sha256(self._token).digest())

    def cookie(self, now_s: float) -> str:
        """A cookie's value that is good for `SESSION_S`. `now_s` is the wall clock, as cookies outlive the process."""
        body = f"{int(now_s + SESSION_S)}.{secrets.token_urlsafe(12)}"
        return f"{body}.{self._mac(body)}"

    def cookie_left_s(self, value: str, now_s: float) -> float:
        """For how long the cookie is still good; 0: it is not."""
        body, _, mac = value.rpartition(".")
        if not hmac.compare_digest(self._mac(body).encode(), mac.encode(errors="surrogatepass")):
            return 0.0
        left_s = int(body.partition(".")[0]) - now_s
        return left_s if 0 < left_s <= SESSION_S + 1 else 0.0

    def _mac(self, body: str) -> str:
        mac = hmac.digest(self._key, body.encode(errors="surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


class FailedAttempts:
    """Wrong tokens of the last minute. Beyond the limit even a right one is refused: no guessing goes on behind it."""

    def __init__(self) -> None:
        self._failures: deque[tuple[float, str]] = deque(maxlen=FAILURES_ALLOWED_IN_ALL)

    def wait_s(self, remote: str, now_s: float) -> float:
        """Seconds until `remote` may try again; 0: now. `now_s` is monotonic."""
        while self._failures and self._failures[0][0] <= now_s - FAILURES_OVER_S:
            self._failures.popleft()
        own = [time_s for time_s, who in self._failures if who == remote]
        oldest_s = None
        if len(own) >= FAILURES_ALLOWED:
            oldest_s = own[-FAILURES_ALLOWED]
        elif len(self._failures) >= FAILURES_ALLOWED_IN_ALL:
            oldest_s = self._failures[0][0]
        return 0.0 if oldest_s is None else oldest_s + FAILURES_OVER_S - now_s

    def failed(self, remote: str, now_s: float) -> None:
        """`remote` gave a wrong token."""
        self._failures.append((now_s, remote))


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an `Authorization: Bearer` header."""
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def form_field(body: bytes, name: str) -> str:
    """A field of a form as browsers send it (`application/x-www-form-urlencoded`); empty where there is none."""
    try:
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=8)
    except ValueError:
        return ""
    return fields.get(name, [""])[0]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
