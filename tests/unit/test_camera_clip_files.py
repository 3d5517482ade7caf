"""Which files the camera server takes as a clip, and what it says of the others."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import pytest

from safetygear.errors import UserError
from safetygear_workbench.cameras.clip import load_clip
from support.clips import make_clip


def repack(source: Path, target: Path, *, skip_pictures: int = 0) -> Path:
    """The same coded pictures in another container, without the first `skip_pictures`."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(read.demux(video=0)):
            if packet.size and number >= skip_pictures:
                packet.stream = stream
                written.mux(packet)
    return target


def turn(clip: Path, degrees: int) -> Path:
    """Write the display matrix of a phone that was held upright into an mp4's track header."""
    data = bytearray(clip.read_bytes())
    # ISO 14496-12, 8.3.2, version 0: 4 bytes of version and flags, 20 of times and duration, 16 up to the matrix.
    at = data.index(b"tkhd") + 4 + 4 + 20 + 16
    one = 0x10000
    data[at : at + 36] = struct.pack(">9i", *{90: (0, one, 0, -one, 0, 0, 0, 0, 1 << 30)}[degrees])
    clip.write_bytes(data)
    return clip


@pytest.mark.parametrize("ending", ["mkv", "ts", "mov"])
def test_every_container_gives_the_same_pictures_at_the_same_times(tmp_path: Path, ending: str) -> None:
    mp4 = make_clip(tmp_path / "clip.mp4", frames=30, b_frames=2)
    expected, clip = load_clip(mp4), load_clip(repack(mp4, tmp_path / f"clip.{ending}"))
    assert len(clip.pictures) == 30
    assert clip.duration_s == pytest.approx(expected.duration_s, abs=0.002)
    assert clip.parameter_sets == expected.parameter_sets
    for picture, due in zip(clip.pictures, expected.pictures, strict=True):
        assert (picture.time_s, picture.late_s) == pytest.approx((due.time_s, due.late_s), abs=0.002)


def test_a_recording_that_begins_between_key_frames_is_taken_from_the_first_one_on(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mp4", frames=60, keyframe_every=25)
    clip = load_clip(repack(whole, tmp_path / "cut.ts", skip_pictures=5))
    assert len(clip.pictures) == 60 - 25
    assert clip.pictures[0].keyframe
    assert clip.pictures[0].time_s == 0


def test_a_clip_that_is_turned_when_shown_is_refused_and_told_how_to_be_turned(tmp_path: Path) -> None:
    clip = turn(make_clip(tmp_path / "phone.mp4", frames=5), 90)
    with pytest.raises(UserError, match="turned by -90 degrees") as refused:
        load_clip(clip)
    assert "phone.mp4 converted.mp4" in str(refused.value.hint)


def test_a_bare_stream_without_times_is_refused(tmp_path: Path) -> None:
    bare = repack(make_clip(tmp_path / "clip.mp4", frames=5), tmp_path / "clip.h264")
    with pytest.raises(UserError, match="does not say when its pictures are shown") as refused:
        load_clip(bare)
    assert "-c copy" in str(refused.value.hint)


def test_another_codec_is_named_as_people_know_it(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.webm"), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(UserError, match=r"clip\.webm is vp9; cameras send"):
        load_clip(tmp_path / "clip.webm")


def test_a_single_picture_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fewer than two pictures"):
        load_clip(make_clip(tmp_path / "one.mp4", frames=1))
