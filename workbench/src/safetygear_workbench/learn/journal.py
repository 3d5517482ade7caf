"""What a place has taken already, beside the examples: a push that is killed and repeated sends nothing twice.

One file a place, `.pushed-<digest of the place>.jsonl`: a first line that names the place, then a line for each step of
a picture. A last line that was cut short counts for nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, Self

from safetygear.errors import UserError

SCHEMA: Final = "safetygear.pushed/1"
State = Literal["begun", "done"]
"""`begun`: it is being sent, or the answer was lost. `done`: the place has all of it."""


class Journal:
    """By the pictures' SHA-256: a copy of an example under another name is the same picture.

    Raises UserError: it can't be read or written, it is of another form, another push to the same place is running.
    """

    def __init__(self, folder: Path, place: str, *, read_only: bool = False) -> None:
        """`read_only`: nothing is noted, and no file is made."""
        self.path = folder / f".pushed-{hashlib.sha256(place.encode()).hexdigest()[:12]}.jsonl"
        self._states: dict[str, State] = {}
        self._file: BinaryIO | None = None
        try:
            if read_only:
                self._read(self.path.read_bytes() if self.path.exists() else b"", place)
                return
            self._file = self.path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.seek(0)
            content = self._file.read()
            if torn := content.rpartition(b"\n")[2]:
                self._file.truncate(len(content) - len(torn))
            if not self._read(content, place):
                self._append([{"schema": SCHEMA, "place": place}])
        except BlockingIOError as exc:
            self._close()
            raise UserError("another push of these examples to the same place is running.") from exc
        except OSError as exc:
            self._close()
            raise self._unusable(exc) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def state(self, sha256: str) -> State | None:
        """None: nothing was sent of it."""
        return self._states.get(sha256)

    def note(self, state: State, pictures: Iterable[str]) -> None:
        """On the disk when it returns. `pictures`: their SHA-256."""
        noted = [sha256 for sha256 in pictures if self._states.get(sha256) != state]
        if not noted:
            return
        self._append([{"sha256": sha256, "state": state} for sha256 in noted])
        self._states.update(dict.fromkeys(noted, state))

    def _read(self, content: bytes, place: str) -> bool:
        """Whether it says anything yet, be it nothing but its place."""
        whole = content.rpartition(b"\n")[0]
        lines = whole.split(b"\n") if whole else []
        if not lines:
            return False
        try:
            head, *entries = (json.loads(line) for line in lines)
            if (head["schema"], head["place"]) != (SCHEMA, place):
                raise KeyError("place")
            for entry in entries:
                self._states[entry["sha256"]] = "done" if entry["state"] == "done" else "begun"
        except (ValueError, KeyError, TypeError) as exc:
            raise UserError(
                f"{self.path} is no journal of what {place} has taken.",
                hint="Remove it; then what the place has already is found out by asking it.",
            ) from exc
        return True

    def _append(self, entries: list[dict[str, Any]]) -> None:
        assert self._file is not None
        try:
            self._file.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise self._unusable(exc) from exc

    def _close(self) -> None:
        # What could not be written was told by `note`; closing tries it once more.
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()

    def _unusable(self, exc: OSError) -> UserError:
        return UserError(
            f"{self.path} can't be used ({exc.strerror}).",
            hint="It notes what was sent: copy the examples to where there is room and it can be written.",
        )
