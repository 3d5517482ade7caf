"""What a process prints, kept within a limit, as the manifest's log rotation does on a device."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 10 * 1024 * 1024


class LogFile:
    """Appends to `path`; above `most_bytes` the file becomes `<path>.1` and a new one begins."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._most_bytes = most_bytes
        self._file = path.open("ab")
        self._size_bytes = path.stat().st_size
        self.last_line = ""
        """The latest line that is not empty."""
        self.broken = ""
        """Why nothing is kept any more (a full disk), or nothing."""

    def write(self, chunk: bytes) -> None:
        """Keep `chunk`. A disk that is full loses log lines, never the process that prints them."""
        lines = [line for line in chunk.decode("utf-8", "replace").splitlines() if line.strip()]
        if lines:
            self.last_line = lines[-1].strip()
        try:
            if self._size_bytes > self._most_bytes:
                self._file.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._file = self._path.open("ab")
                self._size_bytes = 0
            self._file.write(chunk)
            self._file.flush()
            self._size_bytes += len(chunk)
            self.broken = ""
        except (OSError, ValueError) as exc:
            self.broken = str(exc)

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as exc:
            self.broken = str(exc)
