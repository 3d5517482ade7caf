"""The error hierarchy. Foreign exceptions are mapped to one of these where they enter, `from exc`.

SafetyGearError
├── UserError         what a person gave us is wrong: one line, no traceback, exit code 2
├── TwinError         a desired property can't be used (reported per field, never fatal)
├── HubError          the edge hub or the SDK failed; `retryable` says whether to try again
├── FrameError        a frame reference can't be read (a counted drop, never a wrong picture)
├── CameraError       a camera can't be opened or stopped delivering
└── ModelError        a detector is refused or failed
"""

from __future__ import annotations

from typing import ClassVar


class SafetyGearError(Exception):
    """Carries a stable machine-readable `code` and a message for people.

    `str(error)` is safe to log: whoever raises puts no secret into it.
    """

    default_code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code


class UserError(SafetyGearError):
    """Bad input from a person: `message` says what is wrong, `hint` what would be right."""

    default_code = "bad-input"

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(f"{message} {hint}".strip(), code=code)
        self.hint = hint


class TwinError(SafetyGearError):
    """A desired property has a value that can't be used."""

    default_code = "twin-invalid"


class HubError(SafetyGearError):
    """The hub connection failed. `retryable`: the same call may succeed later without a restart."""

    default_code = "hub-failed"

    def __init__(self, message: str, *, code: str | None = None, retryable: bool = True) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable


class FrameError(SafetyGearError):
    """A frame reference can't be turned into a picture; `code` is the drop reason that is counted."""

    default_code = "frame-unreadable"


class CameraError(SafetyGearError):
    """A camera failed; `code` is the reason in the reported properties."""

    default_code = "camera-failed"


class ModelError(SafetyGearError):
    """A detector was refused or failed; the message says which setting or file would be right."""

    default_code = "model-refused"
