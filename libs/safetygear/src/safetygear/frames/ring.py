"""The frame ring: decoded planes in shared memory, one writer, any number of readers, no locks between them.

The file lies in a tmpfs that both containers mount. A reader that is too slow finds another sequence in the slot and
drops the frame; it never gets a picture mixed from two (`FrameView.check` after use).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import FrameError
from safetygear.frames.layout import (
    EPOCH_BITS,
    HEADER,
    HEADER_BYTES,
    MAGIC,
    RING_NAME,
    SLOT_HEAD_BYTES,
    VERSION,
    fence,
    plane_shapes,
    plane_strides,
    row_stride,
    slot_bytes_for,
    slot_pitch_bytes,
)
from safetygear.messages.frames import FrameReference, PixelFormat

__all__ = ["FrameRingReader", "FrameRingWriter", "FrameView", "SlotWritten", "slot_bytes_for", "sweep_dead_rings"]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM}


@dataclass(frozen=True)
class SlotWritten:
    """Where a frame was put: the part of a FrameReference that the ring knows."""

    slot: int
    sequence: int
    """Even; the slot's sequence while this frame lies in it."""
    stride: int
    """Bytes per row of the Y plane."""


class FrameRingWriter:
    """Makes `<folder>/<name>` and writes frames into its slots in turn. Not thread-safe: one writer thread.

    A ring of the same name is replaced (other inode, other epoch); its readers see `epoch-mismatch` for old references.
    Raises FrameError with code ring-folder-missing, ring-not-writable or ring-no-space.
    """

    def __init__(self, folder: Path, name: str, *, slots: int, slot_bytes: int) -> None:
        if not RING_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a ring name")
        if slots < 2 or slot_bytes < 1:
            raise ValueError(f"a ring needs two slots and some bytes, not {slots} of {slot_bytes}")
        self.name = name
        self.slots = slots
        self.slot_bytes = slot_bytes
        self.epoch = secrets.randbits(EPOCH_BITS)
        self._path = folder / name
        self._pitch = slot_pitch_bytes(slot_bytes)
        size = HEADER_BYTES + slots * self._pitch
        # Made under a name no reader accepts, and renamed when whole.
        making = folder / f".{name}.{secrets.token_hex(8)}"
        try:
            self._fd = _make_file(making, size)
        except OSError as exc:
            raise _as_frame_error(exc, folder, size) from exc
        try:
            memory = mmap.mmap(self._fd, size)
            HEADER.pack_into(memory, 0, MAGIC, VERSION, slots, self._pitch, slot_bytes, self.epoch)
            self._bytes = np.frombuffer(memory, np.uint8)
            # One aligned 8-byte store per sequence change; struct would promise no such thing.
            self._words = memoryview(memory).cast("Q")
            making.rename(self._path)
        except OSError as exc:
            os.close(self._fd)
            making.unlink(missing_ok=True)
            raise _as_frame_error(exc, folder, size) from exc
        status = os.fstat(self._fd)
        self._identity = status.st_dev, status.st_ino
        self._next_slot = 0
        self._closed = False

    def write(
        self, planes: Sequence[NDArray[np.uint8]], *, width: int, height: int, pixel_format: PixelFormat
    ) -> SlotWritten:
        """Copy one picture into the next slot: the only copy of the decoded planes.

        `planes` are uint8; i420: Y (h, w), U and V (ceil h/2, ceil w/2); nv12: Y (h, w), UV (ceil h/2, 2 ceil w/2).
        Rows may be strided and longer than needed. Raises ValueError where they don't fit the size or the slot.
        """
        if self._closed:
            raise ValueError("the ring is closed")
        shapes = plane_shapes(width, height, pixel_format)
        if slot_bytes_for(width, height) > self.slot_bytes:
            raise ValueError(f"{width}x{height} does not fit a slot of {self.slot_bytes} bytes")
        if len(planes) != len(shapes) or any(
            plane.dtype != np.uint8 or plane.ndim != 2 or plane.shape[0] < rows or plane.shape[1] < used
            for plane, (rows, used) in zip(planes, shapes, strict=False)
        ):
            raise ValueError(f"{pixel_format} {width}x{height} needs planes of {shapes}")
        slot = self._next_slot
        self._next_slot = (slot + 1) % self.slots
        start = HEADER_BYTES + slot * self._pitch
        word = start // 8
        stride = row_stride(width)
        sequence = self._words[word]
        self._words[word] = sequence + 1
        fence()
        offset = start + SLOT_HEAD_BYTES
        for plane, (rows, used), pitch in zip(planes, shapes, plane_strides(stride, pixel_format), strict=True):
            target = self._bytes[offset : offset + rows * pitch].reshape(rows, pitch)
            np.copyto(target[:, :used], plane[:rows, :used])
            offset += rows * pitch
        fence()
        self._words[word] = sequence + 2
        return SlotWritten(slot, sequence + 2, stride)

    def close(self) -> None:
        """Remove the file, unless a newer ring has taken its name. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            if _identity(self._path) == self._identity:
                self._path.unlink()
        os.close(self._fd)
        self._words.release()
        # The mapping goes with its last view.
        self._bytes = np.zeros(0, np.uint8)


@dataclass(frozen=True)
class FrameView:
    """One frame where it lies. Use the planes, then call `check`: only after it has returned was the use sound."""

    planes: tuple[NDArray[np.uint8], ...]
    """Read-only uint8 views on the slot. i420: Y (h, w), U and V (ceil h/2, ceil w/2); nv12: Y, and UV of
    (ceil h/2, 2 ceil w/2)."""
    width: int
    height: int
    pixel_format: PixelFormat
    _words: memoryview = field(repr=False)
    _word: int = field(repr=False)
    _sequence: int = field(repr=False)

    def check(self) -> None:
        """Raise FrameError("overwritten") where the writer has touched the slot since the frame was written."""
        fence()
        if self._words[self._word] != self._sequence:
            raise FrameError("the slot was used again while the frame was read", code="overwritten")


class _MappedRing:
    """A ring file, mapped for reading."""

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if status.st_size < HEADER_BYTES:
                raise _invalid(path.name, "it is too short")
            memory = mmap.mmap(fd, status.st_size, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        magic, version, slots, pitch, slot_bytes, epoch = HEADER.unpack_from(memory, 0)
        if magic != MAGIC or version != VERSION:
            raise _invalid(path.name, "it is no frame ring of this version")
        if pitch != slot_pitch_bytes(slot_bytes) or HEADER_BYTES + slots * pitch != status.st_size:
            raise _invalid(path.name, "its header contradicts its size")
        self.identity = status.st_dev, status.st_ino
        self.slots: int = slots
        self.pitch: int = pitch
        self.slot_bytes: int = slot_bytes
        self.epoch: int = epoch
        self.bytes = np.frombuffer(memory, np.uint8)
        self.words = memoryview(memory).cast("Q")


class FrameRingReader:
    """Finds frames by reference. Maps each ring once, again when its writer has made a new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rings: dict[str, _MappedRing] = {}

    def view(self, reference: FrameReference) -> FrameView:
        """The frame's planes in place, without a copy.

        Raises FrameError: ring-missing (no such ring), epoch-mismatch (written before the writer's restart),
        overwritten (the slot holds another frame), reference-invalid (sizes or ring can't be as the message says).
        """
        ring = self._ring(reference.ring)
        if ring.epoch != reference.epoch:
            raise FrameError(f"ring {reference.ring} was made anew since", code="epoch-mismatch")
        width, height, stride = reference.width, reference.height, reference.stride
        if not 0 <= reference.slot < ring.slots:
            raise _invalid(reference.ring, f"it has no slot {reference.slot}")
        if width < 1 or height < 1 or stride % 2 or stride < row_stride(width):
            raise _invalid(reference.ring, f"{width}x{height} with rows of {stride} bytes is no picture")
        shapes = plane_shapes(width, height, reference.pixel_format)
        pitches = plane_strides(stride, reference.pixel_format)
        if sum(rows * pitch for (rows, _), pitch in zip(shapes, pitches, strict=True)) > ring.slot_bytes:
            raise _invalid(reference.ring, f"{width}x{height} does not fit its slots")
        start = HEADER_BYTES + reference.slot * ring.pitch
        if ring.words[start // 8] != reference.sequence:
            raise FrameError(f"slot {reference.slot} of {reference.ring} holds another frame", code="overwritten")
        fence()
        planes = []
        offset = start + SLOT_HEAD_BYTES
        for (rows, used), pitch in zip(shapes, pitches, strict=True):
            planes.append(ring.bytes[offset : offset + rows * pitch].reshape(rows, pitch)[:, :used])
            offset += rows * pitch
        return FrameView(
            tuple(planes), width, height, reference.pixel_format, ring.words, start // 8, reference.sequence
        )

    def forget_missing(self) -> None:
        """Let go of rings whose file is gone: while mapped they keep their memory."""
        for name, ring in list(self._rings.items()):
            if _identity(self._folder / name) != ring.identity:
                self._rings.pop(name, None)

    def close(self) -> None:
        """Let go of every ring. Views handed out stay readable."""
        self._rings.clear()

    def _ring(self, name: str) -> _MappedRing:
        if not RING_NAME.fullmatch(name):
            raise FrameError("the reference's ring name is not allowed", code="reference-invalid")
        path = self._folder / name
        identity = _identity(path)
        known = self._rings.get(name)
        # It can't have been given to another file: our mapping keeps it.
        if known is not None and known.identity == identity:
            return known
        self.forget_missing()
        if identity is None:
            raise FrameError(f"there is no ring {name}", code="ring-missing")
        try:
            ring = _MappedRing(path)
        except OSError as exc:
            raise FrameError(f"ring {name} can't be opened: {exc.strerror}", code="ring-missing") from exc
        self._rings[name] = ring
        return ring


def sweep_dead_rings(folder: Path) -> list[str]:
    """Remove rings, whole or half made, whose writer is no longer alive; their names.

    For the writer's start: a process that was killed leaves its rings' memory behind. A living writer holds a lock on
    its file, also across containers, because they share the kernel.
    """
    removed = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if os.pread(fd, len(MAGIC), 0) != MAGIC and not path.name.startswith("."):
                continue
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed.append(path.name)
        except OSError:
            continue  # a folder, in use, or gone meanwhile
        finally:
            os.close(fd)
    return removed


def _make_file(path: Path, size: int) -> int:
    # Pictures of people: readable by the owner, and by the group that both modules share.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        # Held while the writer lives, so that a sweep can tell a dead writer's ring.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)  # no space is an error here, not a SIGBUS in the first write
        else:
            os.ftruncate(fd, size)  # macOS
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode: every new tmpfs numbers its files from the start again."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _invalid(name: str, why: str) -> FrameError:
    return FrameError(f"the reference to ring {name} can't be right: {why}", code="reference-invalid")


def _as_frame_error(exc: OSError, folder: Path, size: int) -> FrameError:
    if exc.errno in _NO_SPACE:
        need_mib = -(-size // 2**20)
        return FrameError(
            f"{folder} has no room for a ring of {need_mib} MiB: give the tmpfs there more",
            code="ring-no-space",
        )
    if not folder.is_dir():
        return FrameError(
            f"{folder} is not there: mount the shared frames folder, or set SAFETYGEAR_FRAMES_DIR",
            code="ring-folder-missing",
        )
    return FrameError(
        f"{folder} can't be written ({exc.strerror}): it must belong to this process's user", code="ring-not-writable"
    )
