"""Where a model may be fetched from, and what its file is called. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

SUFFIXES: Final = (".zip", ".onnx", ".tflite")
MAX_REDIRECTS: Final = 3
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


def address_error(uri: str) -> str | None:
    """Why a model can't be fetched from `uri`; None where it can. It says nothing of credentials in it."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme == "https":
        if not parts.hostname:
            return "names no host: write https://HOST/PATH/NAME.zip"
    elif parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query:
            return "must be file:///PATH/NAME.zip, with an absolute path"
    else:
        return "must begin with https:// or file:///"
    if parts.fragment:
        return "has a fragment (#), which names no other file: leave it out"
    if file_name(uri) is None:
        suffixes = ", ".join(SUFFIXES)
        return f"must end in a file name of A-Z a-z 0-9 _ - . (at most 128 characters) with {suffixes}"
    return None


def file_name(uri: str) -> str | None:
    """The last part of the path; None where it can't be a model's file name."""
    name = unquote(urlsplit(uri).path.rpartition("/")[2])
    if _FILE_NAME.fullmatch(name) is None or not name.lower().endswith(SUFFIXES):
        return None
    return name


def file_path(uri: str) -> str:
    """The path in a `file:` address that has no `address_error`."""
    return unquote(urlsplit(uri).path)


def is_file(uri: str) -> bool:
    """Whether `uri` names a file of this machine."""
    return urlsplit(uri).scheme == "file"


def with_token(uri: str, token: str) -> str:
    """`uri` with a SAS token added to its query; the token is escaped already, and may begin with `?`."""
    mark = "&" if urlsplit(uri).query else "?"
    return f"{uri}{mark}{token.lstrip('?&')}"


def redirect_error(location: str) -> str | None:
    """Why a server's redirect to `location`, an absolute URL, is not followed; None where it is.

    Only https, as the twin's own address; a location may carry a token of its own (storage services sign them).
    """
    try:
        parts: SplitResult = urlsplit(location)
        _ = parts.port
    except ValueError:
        return "to what is no URL"
    if parts.scheme != "https" or not parts.hostname:
        return f"to {parts.scheme or 'no scheme'}: only https is followed"
    if "@" in parts.netloc:
        return "to an address with a user name in it"
    return None
