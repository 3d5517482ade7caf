"""Names of tracks: short, unique within a camera, never given twice, also not after a restart."""

from __future__ import annotations

import re

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"[0-9a-z]{1,24}")
SALTS = 36**4


def start_token(wall_s: float, salt: int) -> str:
    """A token for one start of the process: its time in milliseconds and `salt` (random, 0 to SALTS - 1), base 36.

    The salt is for devices without a battery clock, whose every start may be at the same time.
    """
    return base36(max(0, int(wall_s * 1000))) + base36(salt % SALTS).rjust(4, "0")


class TrackIds:
    """Ids of one camera: `<token>-<number>`. `token` must differ from that of every earlier start."""

    def __init__(self, token: str) -> None:
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"a token has 1 to 24 of 0-9 a-z, not {token!r}")
        self._token = token
        self._given = 0

    def next(self) -> str:
        """An id that was not given before."""
        self._given += 1
        return f"{self._token}-{base36(self._given)}"


def base36(number: int) -> str:
    """A whole number >= 0 in digits 0-9 a-z."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
