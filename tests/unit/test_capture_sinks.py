"""Where pixels go: a ring that follows the picture's size, or a JPEG that fits a message."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from safetygear.errors import CameraError
from safetygear.frames.ring import FrameRingReader
from safetygear_capture.camera_ring import LEAST_SLOTS, TRY_AGAIN_S, CameraRing
from safetygear_capture.ffmpeg_memory import limit_pieces
from safetygear_capture.jpeg_encoder import MAX_JPEG_BYTES
from safetygear_capture.jpeg_sink import JpegSink
from safetygear_capture.source import FrameMoment, Planes


def i420(width: int, height: int, level: int = 100) -> Planes:
    luma = np.full((height, width), level, np.uint8)
    chroma = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    return Planes((luma, chroma, chroma), "i420")


def noisy(width: int, height: int) -> Planes:
    random = np.random.default_rng(1)
    sizes = ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    return Planes(tuple(random.integers(0, 255, size, dtype=np.uint8) for size in sizes), "i420")


def moment(width: int, height: int, *, number: int = 1, now_s: float = 0.0) -> FrameMoment:
    return FrameMoment(number, width, height, 1_764_000_000.0, "rtcp", 1_764_000_000.1, now_s)


def test_a_frame_lies_where_its_reference_says(tmp_path: Path) -> None:
    ring = CameraRing(tmp_path, "gate", 5.0)
    reference, jpeg = ring.hand_over(i420(64, 48, 77), moment(64, 48, number=9))
    assert (reference.camera, reference.frame, reference.ring, reference.clock, jpeg) == (
        "gate",
        9,
        "gate",
        "rtcp",
        None,
    )
    assert (reference.captured_at, reference.decoded_at) == ("2025-11-24T16:00:00.000Z", "2025-11-24T16:00:00.100Z")
    view = FrameRingReader(tmp_path).view(reference)
    assert view.planes[0].shape == (48, 64)
    assert (view.planes[0] == 77).all()
    view.check()


def test_another_size_gets_another_ring_and_old_references_no_wrong_picture(tmp_path: Path) -> None:
    ring = CameraRing(tmp_path, "gate", 5.0)
    old, _ = ring.hand_over(i420(64, 48), moment(64, 48))
    new, _ = ring.hand_over(i420(128, 96), moment(128, 96))
    assert new.epoch != old.epoch
    reader = FrameRingReader(tmp_path)
    assert reader.view(new).planes[0].shape == (96, 128)
    with pytest.raises(Exception, match="made anew"):
        reader.view(old)


def test_a_frame_stays_for_most_of_a_second(tmp_path: Path) -> None:
    for fps, slots in ((1.0, LEAST_SLOTS), (5.0, LEAST_SLOTS), (25.0, 20)):
        ring = CameraRing(tmp_path, f"fps-{fps:g}", fps)
        first, _ = ring.hand_over(i420(16, 8), moment(16, 8))
        reader = FrameRingReader(tmp_path)
        for _ in range(slots - 1):
            ring.hand_over(i420(16, 8), moment(16, 8))
        reader.view(first)
        ring.hand_over(i420(16, 8), moment(16, 8))
        with pytest.raises(Exception, match="another frame"):
            reader.view(first)


def test_a_ring_that_somebody_has_removed_is_made_again(tmp_path: Path) -> None:
    ring = CameraRing(tmp_path, "gate", 5.0)
    ring.hand_over(i420(16, 8), moment(16, 8))
    (tmp_path / "gate").unlink()
    reference, _ = ring.hand_over(i420(16, 8), moment(16, 8))
    FrameRingReader(tmp_path).view(reference)
    ring.close()
    assert not (tmp_path / "gate").exists()


def test_a_missing_folder_is_a_code_and_is_looked_for_again_only_now_and_then(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    ring = CameraRing(folder, "gate", 5.0)

    def code(now_s: float) -> str:
        try:
            ring.hand_over(i420(16, 8), moment(16, 8, now_s=now_s))
        except CameraError as exc:
            return exc.code
        return "ok"

    assert code(0.0) == "ring-folder-missing"
    folder.mkdir()
    assert [code(now_s) for now_s in (1.0, TRY_AGAIN_S - 0.1, TRY_AGAIN_S)] == ["ring-folder-missing"] * 2 + ["ok"]


def test_a_full_folder_is_a_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(fd: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_space)
    with pytest.raises(CameraError, match="MiB") as caught:
        CameraRing(tmp_path, "gate", 5.0).hand_over(i420(64, 48), moment(64, 48))
    assert caught.value.code == "ring-no-space"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pixel_format", ["i420", "nv12"])
def test_a_jpeg_shows_the_picture(pixel_format: str) -> None:
    planes = i420(64, 48, 200)
    if pixel_format == "nv12":
        luma, u, v = planes.arrays
        planes = Planes((luma, np.stack([u, v], axis=2).reshape(24, 64)), "nv12")
    reference, jpeg = JpegSink("gate").hand_over(planes, moment(64, 48))
    assert (reference.ring, reference.pixel_format, reference.width) == ("none", "i420", 64)
    with av.open(io.BytesIO(jpeg)) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="gray")
    assert decoded.shape == (48, 64)
    # Video's luma 200 of 16..235 is 214 of JPEG's 0..255.
    assert abs(float(decoded.mean()) - 214) < 4


def test_a_jpeg_that_would_be_too_large_is_made_coarser() -> None:
    _, jpeg = JpegSink("gate").hand_over(noisy(640, 360), moment(640, 360))
    assert jpeg[:2] == b"\xff\xd8"
    assert 0 < len(jpeg) <= MAX_JPEG_BYTES


def test_a_picture_that_fits_at_no_quality_is_a_code() -> None:
    with pytest.raises(CameraError) as caught:
        JpegSink("gate").hand_over(noisy(1920, 1080), moment(1920, 1080))
    assert caught.value.code == "jpeg-too-large"


def test_the_limit_of_ffmpegs_memory_leaves_room_for_a_jpeg_of_4k() -> None:
    assert limit_pieces()
    _, jpeg = JpegSink("gate").hand_over(i420(3840, 2160, 77), moment(3840, 2160))
    assert 0 < len(jpeg) <= MAX_JPEG_BYTES


def test_what_is_beyond_that_limit_is_too_large() -> None:
    with pytest.raises(CameraError) as caught:
        JpegSink("gate").hand_over(i420(7680, 4320, 77), moment(7680, 4320))
    assert caught.value.code == "jpeg-too-large"
