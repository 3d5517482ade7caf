"""Secrets by reference: `env:SAFETYGEAR_SECRET_<NAME>` or `file:<name>`.

Whoever may write a twin could otherwise name any file or variable as the password for a camera of his own. So only
variables with the prefix count, and only regular files that lie directly in one folder: no `..`, no links.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from safetygear.errors import TwinError
from safetygear.redact import MASK, Redactor

ENVIRONMENT_PREFIX = "SAFETYGEAR_SECRET_"
MAX_SECRET_BYTES = 4096
_VARIABLE = rf"env:(?P<variable>{ENVIRONMENT_PREFIX}[A-Z0-9_]{{1,64}})"
_FILE = r"file:(?P<file>[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63})"
_REFERENCE = re.compile(f"{_VARIABLE}|{_FILE}")


class Secret:
    """A value that shows itself only on request."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


def check_reference(reference: str) -> None:
    """Raise TwinError (`secret-reference-invalid`) unless `reference` has one of the two forms.

    The message does not repeat the value: it may be a password that somebody put there by mistake.
    """
    if _REFERENCE.fullmatch(reference) is None:
        raise TwinError(
            f"not a secret reference; write env:{ENVIRONMENT_PREFIX}NAME or file:NAME "
            "(a file in the device's secrets folder)",
            code="secret-reference-invalid",
        )


class SecretResolver:
    """Reads secrets and tells the redactor about each."""

    def __init__(self, environ: Mapping[str, str], folder: Path, redactor: Redactor) -> None:
        self._environ = environ
        self._folder = folder
        self._redactor = redactor

    def resolve(self, reference: str) -> Secret:
        """The secret's value, without a final line break.

        Raises TwinError: secret-reference-invalid, secret-missing, secret-unreadable.
        """
        check_reference(reference)
        match = _REFERENCE.fullmatch(reference)
        assert match is not None
        value = self._from_environment(match["variable"]) if match["variable"] else self._from_file(match["file"])
        value = value.rstrip("\r\n")
        if not value:
            raise TwinError(f"{reference} is empty", code="secret-missing")
        self._redactor.add(value)
        return Secret(value)

    def _from_environment(self, name: str) -> str:
        try:
            return self._environ[name]
        except KeyError as exc:
            raise TwinError(f"the environment variable {name} is not set", code="secret-missing") from exc

    def _from_file(self, name: str) -> str:
        path = self._folder / name
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as exc:
            raise TwinError(f"there is no file {name} in the secrets folder", code="secret-missing") from exc
        except OSError as exc:
            raise _unreadable(name, exc) from exc
        # Not os.fdopen: it raises for a folder, before its kind can be looked at.
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SECRET_BYTES:
                raise TwinError(
                    f"the secrets folder's {name} is no regular file of at most {MAX_SECRET_BYTES} bytes",
                    code="secret-unreadable",
                )
            data = os.read(fd, MAX_SECRET_BYTES)
        except OSError as exc:
            raise _unreadable(name, exc) from exc
        finally:
            os.close(fd)
        try:
            return data.decode()
        except UnicodeDecodeError as exc:
            raise TwinError(f"the secrets folder's file {name} is not UTF-8", code="secret-unreadable") from exc


def _unreadable(name: str, exc: OSError) -> TwinError:
    return TwinError(f"the secrets folder's file {name} can't be read: {exc.strerror}", code="secret-unreadable")
