"""The frame ring: what is written is what is read, or a named error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from safetygear.errors import FrameError
from safetygear.frames.layout import plane_shapes
from safetygear.frames.ring import FrameRingReader, FrameRingWriter, SlotWritten, slot_bytes_for, sweep_dead_rings
from safetygear.messages.frames import FrameReference, PixelFormat
from support.campaigns import share

RNG = np.random.default_rng(5)


def picture(width: int, height: int, pixel_format: PixelFormat, padding: int = 0) -> list[NDArray[np.uint8]]:
    """Random planes whose rows are `padding` bytes longer than used, as decoders give them."""
    planes = []
    for rows, used in plane_shapes(width, height, pixel_format):
        planes.append(RNG.integers(0, 256, (rows, used + padding), np.uint8)[:, :used])
    return planes


def reference(
    writer: FrameRingWriter, written: SlotWritten, width: int, height: int, **other: object
) -> FrameReference:
    fields: dict[str, object] = {
        "camera": "gate",
        "frame": 1,
        "ring": writer.name,
        "epoch": writer.epoch,
        "slot": written.slot,
        "sequence": written.sequence,
        "width": width,
        "height": height,
        "stride": written.stride,
        "pixel_format": "i420",
        "captured_at": "2026-11-24T08:00:00.000Z",
        "clock": "arrival",
        "decoded_at": "2026-11-24T08:00:00.000Z",
    }
    return FrameReference(**{**fields, **other})  # type: ignore[arg-type]  # fields are a table here


@pytest.mark.parametrize("pixel_format", ["i420", "nv12"])
@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1), (640, 362)])
@pytest.mark.parametrize("padding", [0, 32])
def test_planes_come_back_as_written(
    tmp_path: Path, pixel_format: PixelFormat, size: tuple[int, int], padding: int
) -> None:
    width, height = size
    writer = FrameRingWriter(tmp_path, "gate", slots=3, slot_bytes=slot_bytes_for(width, height))
    reader = FrameRingReader(tmp_path)
    for _ in range(7):  # round the ring twice
        planes = picture(width, height, pixel_format, padding)
        written = writer.write(planes, width=width, height=height, pixel_format=pixel_format)
        view = reader.view(reference(writer, written, width, height, pixel_format=pixel_format))
        assert view.width == width and view.height == height and view.pixel_format == pixel_format
        for got, expected in zip(view.planes, planes, strict=True):
            np.testing.assert_array_equal(got, expected)
        view.check()


def test_views_are_in_place_and_read_only(tmp_path: Path) -> None:
    writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    written = writer.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420")
    view = FrameRingReader(tmp_path).view(reference(writer, written, 8, 8))
    assert not view.planes[0].flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        view.planes[0][0, 0] = 1


def test_a_slot_used_again_is_overwritten_not_a_wrong_picture(tmp_path: Path) -> None:
    writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    reader = FrameRingReader(tmp_path)
    first = reference(writer, writer.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420"), 8, 8)
    view = reader.view(first)
    view.check()
    for _ in range(2):
        writer.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420")
    with pytest.raises(FrameError) as torn:
        view.check()
    assert torn.value.code == "overwritten"
    with pytest.raises(FrameError) as late:
        reader.view(first)
    assert late.value.code == "overwritten"


def test_a_ring_made_anew_is_found_and_the_old_references_do_not_match(tmp_path: Path) -> None:
    reader = FrameRingReader(tmp_path)
    old = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    stale = reference(old, old.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420"), 8, 8)
    view = reader.view(stale)
    new = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(16, 16))
    planes = picture(16, 16, "i420")
    fresh = reference(new, new.write(planes, width=16, height=16, pixel_format="i420"), 16, 16)
    with pytest.raises(FrameError) as mismatch:
        reader.view(stale)
    assert mismatch.value.code == "epoch-mismatch"
    np.testing.assert_array_equal(reader.view(fresh).planes[0], planes[0])
    view.check()  # what was handed out before stays readable and whole
    old.close()  # must not take the new ring's file away
    np.testing.assert_array_equal(reader.view(fresh).planes[0], planes[0])
    new.close()
    with pytest.raises(FrameError) as gone:
        reader.view(fresh)
    assert gone.value.code == "ring-missing"


def test_a_ring_in_a_new_tmpfs_is_found_though_its_inode_has_the_same_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fstat, stat, device = os.fstat, os.stat, [40]

    def numbered(status: os.stat_result) -> os.stat_result:
        return os.stat_result((status.st_mode, 2, device[0], *status[3:]))

    monkeypatch.setattr(os, "fstat", lambda fd: numbered(fstat(fd)))
    monkeypatch.setattr(Path, "stat", lambda path, **options: numbered(stat(path, **options)))
    reader = FrameRingReader(tmp_path)
    for _ in range(2):
        writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(4, 4))
        written = writer.write(picture(4, 4, "i420"), width=4, height=4, pixel_format="i420")
        reader.view(reference(writer, written, 4, 4)).check()
        device[0] += 1  # mounted anew


def test_a_reader_lets_go_of_rings_that_are_gone(tmp_path: Path) -> None:
    reader = FrameRingReader(tmp_path)
    writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    written = writer.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420")
    reader.view(reference(writer, written, 8, 8))
    writer.close()
    assert _mapped(tmp_path)
    reader.forget_missing()
    assert not _mapped(tmp_path)


def _mapped(folder: Path) -> bool:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    return str(folder) in maps.read_text()


@given(
    st.fixed_dictionaries(
        {
            "slot": st.integers(-3, 5),
            "width": st.integers(-1, 4000),
            "height": st.integers(-1, 4000),
            "stride": st.integers(-2, 5000),
            "pixel_format": st.sampled_from(["i420", "nv12"]),
        }
    )
)
def test_no_reference_reads_outside_its_slot(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("frames")
    writer = FrameRingWriter(folder, "gate", slots=2, slot_bytes=slot_bytes_for(32, 32))
    written = writer.write(picture(32, 32, "i420"), width=32, height=32, pixel_format="i420")
    try:
        view = FrameRingReader(folder).view(msgspec.structs.replace(reference(writer, written, 32, 32), **fields))
    except FrameError as exc:
        assert exc.code in {"reference-invalid", "overwritten"}
    else:
        assert sum(plane.size for plane in view.planes) <= writer.slot_bytes
        assert (view.width, view.height) == (fields["width"], fields["height"])
    finally:
        writer.close()


@pytest.mark.parametrize("name", ["../gate", "a/b", ".hidden", "", "x" * 129, "gäte"])
def test_ring_names_are_names_not_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a ring name"):
        FrameRingWriter(tmp_path, name, slots=2, slot_bytes=100)
    good = reference(FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=100), SlotWritten(0, 2, 8), 8, 8)
    with pytest.raises(FrameError) as refused:
        FrameRingReader(tmp_path).view(msgspec.structs.replace(good, ring=name))
    assert refused.value.code == "reference-invalid"


def test_a_link_is_no_ring(tmp_path: Path) -> None:
    writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    (tmp_path / "other").symlink_to(tmp_path / "gate")
    written = writer.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420")
    with pytest.raises(FrameError) as refused:
        FrameRingReader(tmp_path).view(reference(writer, written, 8, 8, ring="other"))
    assert refused.value.code == "ring-missing"


@pytest.mark.parametrize("content", [b"", b"x" * 4096, b"SGRING\x00\x01" + b"\xff" * 5000])
def test_another_file_is_no_ring(tmp_path: Path, content: bytes) -> None:
    writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    written = writer.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420")
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(FrameError) as refused:
        FrameRingReader(tmp_path).view(reference(writer, written, 8, 8, ring="other"))
    assert refused.value.code == "reference-invalid"


@pytest.mark.parametrize("more_bytes", [-1, 1, 8])
def test_a_ring_of_another_length_than_its_header_says_is_no_ring(tmp_path: Path, more_bytes: int) -> None:
    writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    written = writer.write(picture(8, 8, "i420"), width=8, height=8, pixel_format="i420")
    os.truncate(tmp_path / "gate", (tmp_path / "gate").stat().st_size + more_bytes)
    with pytest.raises(FrameError, match="contradicts its size") as refused:
        FrameRingReader(tmp_path).view(reference(writer, written, 8, 8))
    assert refused.value.code == "reference-invalid"


@pytest.mark.parametrize(
    ("planes", "size"),
    [
        ([np.zeros((8, 8), np.uint8)], (8, 8)),
        ([np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((3, 4), np.uint8)], (8, 8)),
        ([np.zeros((8, 8), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)], (8, 8)),
        ([np.zeros((99, 99), np.uint8)] * 3, (99, 99)),
    ],
)
def test_planes_that_do_not_fit_are_refused(
    tmp_path: Path, planes: list[NDArray[np.uint8]], size: tuple[int, int]
) -> None:
    writer = FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=slot_bytes_for(8, 8))
    with pytest.raises(ValueError, match=r"needs planes|does not fit"):
        writer.write(planes, width=size[0], height=size[1], pixel_format="i420")


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="SAFETYGEAR_FRAMES_DIR") as missing:
        FrameRingWriter(tmp_path / "frames", "gate", slots=2, slot_bytes=100)
    assert missing.value.code == "ring-folder-missing"


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self/mem").exists(), reason="root writes everywhere")
def test_a_folder_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FrameError, match="Permission denied") as refused:
        FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=100)
    assert refused.value.code == "ring-not-writable"


def test_no_space_is_an_error_at_the_start_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FrameError, match="no room for a ring of 2 MiB") as refused:
        FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=1_000_000)
    assert refused.value.code == "ring-no-space"
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_not_for_other_users(tmp_path: Path) -> None:
    FrameRingWriter(tmp_path, "gate", slots=2, slot_bytes=100)
    assert (tmp_path / "gate").stat().st_mode & 0o007 == 0


_WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from safetygear.frames.ring import FrameRingWriter, slot_bytes_for
import msgspec
writer = FrameRingWriter(Path(sys.argv[1]), "gate", slots=3, slot_bytes=slot_bytes_for(320, 240))
value = 0
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    value = (value + 1) % 251
    planes = [np.full(shape, value, np.uint8) for shape in ((240, 320), (120, 160), (120, 160))]
    written = writer.write(planes, width=320, height=240, pixel_format="i420")
    print(writer.epoch, written.slot, written.sequence, written.stride, value, flush=True)
"""


@pytest.mark.scenario
def test_a_reader_never_accepts_a_torn_frame(tmp_path: Path) -> None:
    """A writer as fast as it can, in a process of its own, against a reader that is often too late."""
    command = [sys.executable, "-c", _WRITER, str(tmp_path), str(share(20))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    reader = FrameRingReader(tmp_path)
    accepted = overwritten = 0
    try:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            epoch, slot, sequence, stride, value = map(int, line.split())
            frame = FrameReference(
                camera="gate",
                frame=count,
                ring="gate",
                epoch=epoch,
                slot=slot,
                sequence=sequence,
                width=320,
                height=240,
                stride=stride,
                pixel_format="i420",
                captured_at="",
                clock="arrival",
                decoded_at="",
            )
            try:
                view = reader.view(frame)
                copies = [plane.copy() for plane in view.planes]
                if count % 7 == 0:
                    time.sleep(0.0005)  # let the writer lap us: a real race, not a wait for anything
                    copies = [plane.copy() for plane in view.planes]
                view.check()
            except FrameError as exc:
                assert exc.code == "overwritten"
                overwritten += 1
                continue
            assert all((copy == value).all() for copy in copies)
            accepted += 1
    finally:
        process.kill()
        process.wait()
    print(f"{accepted} frames accepted, none of them torn; {overwritten} overwritten meanwhile")
    assert accepted > 50
    assert overwritten > 0


@pytest.mark.scenario
def test_a_killed_writers_ring_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    code = _WRITER.replace("until = time.monotonic()", "print('made', flush=True); until = time.monotonic()")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), "30"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        mine = FrameRingWriter(tmp_path, "mine", slots=2, slot_bytes=100)
        (tmp_path / "readers").mkdir()
        (tmp_path / "note").write_text("not a ring")
        assert sweep_dead_rings(tmp_path) == []
    finally:
        process.kill()
        process.wait()
    assert sweep_dead_rings(tmp_path) == ["gate"]
    mine.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note", "readers"]


def test_sweeping_a_missing_folder_finds_nothing(tmp_path: Path) -> None:
    assert sweep_dead_rings(tmp_path / "frames") == []
