"""Keeping secrets out of everything people and other machines read: logs, reported properties, events, pages.

Two nets: `Redactor` knows the secrets that were resolved and removes them wherever they show; the URL functions know
what credentials look like and need no list.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from urllib.parse import quote, quote_plus

MASK = "***"

# Shorter secrets would blank ordinary words; their places (URLs, key=value) are still masked by form.
SHORTEST_KNOWN_SECRET = 3

_URL = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]+""")
# SAS tokens and connection strings (Azure), and what cameras take in queries and paths
# (`/user=admin_password=…_channel=1` is a real RTSP path form).
_KEY_VALUE = re.compile(
    r"""(?ix)
    (?<![A-Za-z])
    (sig|se|sr|skn|sharedaccesskey|sharedaccesssignature|accountkey|password|passwd|pass|pwd|psw|secret|token
     |access_token|apikey|api_key|auth)
    (=|%3d)
    ( (?:SharedAccessSignature\ )? [^\s&;,"'<>]* )
    """
)
_SAS_TOKEN = re.compile(r"SharedAccessSignature\s+[^\s\"'<>]+")
_AUTHORIZATION = re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)(\"?)(basic|bearer|digest)\s+[^\r\n\"]+")
# Names that mark a credential in a URL; `se`, `sr`, `skn` alone do not.
_CREDENTIAL_KEYS = re.compile(
    r"(?i)(?<![A-Za-z])(sig|sharedaccesskey|sharedaccesssignature|accountkey|password|passwd|pass|pwd|psw|secret|token"
    r"|access_token|apikey|api_key|auth)(=|%3d)"
)
_PORT = re.compile(r"\d{0,5}")


class Redactor:
    """Replaces every secret it was told of by `***`, in each form in which it may show, and credentials by their form.

    `add` and `redact` may be called from any thread.
    """

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Remember a secret. One shorter than three characters is not remembered (it would blank ordinary text)."""
        if len(secret) < SHORTEST_KNOWN_SECRET:
            return
        own = _forms_of(secret)
        # Every camera's thread adds its own, all at the start: one must not undo another's.
        with self._adding:
            if own <= self._forms:
                return
            forms = self._forms | own
            # The longest first: a form may contain another.
            alternatives = sorted(forms, key=len, reverse=True)
            self._forms, self._pattern = forms, re.compile("|".join(map(re.escape, alternatives)), re.IGNORECASE)

    def redact(self, text: str) -> str:
        """`text` without secrets; text without any is returned as it is."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        text = _URL.sub(lambda match: redact_url(match[0]), text)
        text = _AUTHORIZATION.sub(rf"\1\2\3 {MASK}", text)
        return _mask_pairs(text)


def redact_url(url: str) -> str:
    """`url` with user info and the values of secret parameters masked; the rest stays readable.

    A password may hold any character, unescaped too (`rtsp://u:p@ss/w@cam/1`): all up to the last @ goes.
    """
    scheme, mark, rest = url.partition("://")
    if mark and _has_user_info(rest):
        rest = f"{MASK}@{rest.rpartition('@')[2]}"
    return _mask_pairs(f"{scheme}{mark}{rest}")


def has_credentials(url: str) -> bool:
    """Whether `url` carries user info, a SAS token, or a password-like parameter in query or path."""
    _, mark, rest = url.partition("://")
    return (bool(mark) and _has_user_info(rest)) or bool(_CREDENTIAL_KEYS.search(url) or _SAS_TOKEN.search(url))


def _has_user_info(rest: str) -> bool:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return True
    # `u:p/ss@cam`: what should be a port is none, so the @ further on belongs to user info with a slash in it.
    host, colon, port = authority.rpartition(":")
    return "@" in rest and bool(colon) and not host.startswith("[") and not _PORT.fullmatch(port)


def _mask_pairs(text: str) -> str:
    text = _SAS_TOKEN.sub(f"SharedAccessSignature {MASK}", text)
    return _KEY_VALUE.sub(lambda match: f"{match[1]}{match[2]}{MASK}" if match[3] else match[0], text)


def _forms_of(secret: str) -> frozenset[str]:
    escaped = json.dumps(secret)[1:-1]
    readable = json.dumps(secret, ensure_ascii=False)[1:-1]
    encoded = base64.b64encode(secret.encode(errors="surrogatepass")).decode()
    forms = {secret, escaped, readable, repr(secret)[1:-1], encoded}
    forms |= {quote(secret, safe="", errors="replace"), quote(secret, errors="replace")}
    forms |= {quote_plus(secret, errors="replace")}
    return frozenset(form for form in forms if len(form) >= SHORTEST_KNOWN_SECRET)
