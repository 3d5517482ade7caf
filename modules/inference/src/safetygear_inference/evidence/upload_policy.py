"""What to do after an upload that failed. Pure."""

from __future__ import annotations

from typing import Final, Literal

Next = Literal["again", "after-change", "give-up"]
"""`again`: it may pass by itself. `after-change`: somebody has to change something, and may do so where nobody tells:
tried now and then. `give-up`: this picture will never be taken."""

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 300.0
AFTER_CHANGE_S: Final = 300.0

_MAY_PASS: Final = frozenset({408, 425, 429})
_SOMEBODY_S_FAULT: Final = frozenset({401, 403, 404, 407})
"""A SAS that has ended or may not write, a container or an account that is not there, a proxy that wants a password."""


def after(status: int | None) -> Next:
    """`status`: HTTP's; None where there was no answer."""
    if status is None or status >= 500 or status < 400 or status in _MAY_PASS:
        return "again"
    return "after-change" if status in _SOMEBODY_S_FAULT else "give-up"
