"""When pictures leave the camera server: one after the other, also where they are shown in another order."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from safetygear_workbench.cameras.clip import load_clip
from safetygear_workbench.cameras.player import Rounds
from safetygear_workbench.cli.camera import DEMO_CLIP
from support.clips import make_clip, numbered_picture


def make_clip_with_b_frames(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.max_b_frames = 2
        stream.codec_context.time_base = Fraction(1, 10)
        stream.options = {"x264-params": "b-adapt=0:scenecut=0"}
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number, 160, 96), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_with_b_frames_pictures_leave_evenly_and_never_before_their_time(tmp_path: Path) -> None:
    pictures = load_clip(make_clip_with_b_frames(tmp_path / "b.mp4")).pictures
    shown_s = [picture.time_s for picture in pictures]
    assert shown_s != sorted(shown_s), "the clip has B-frames"
    sent_s = [picture.time_s + picture.late_s for picture in pictures]
    assert [after - before for before, after in pairwise(sent_s)] == pytest.approx([0.1] * 29, abs=0.001)
    assert min(picture.late_s for picture in pictures) == pytest.approx(0, abs=0.001)


def test_without_b_frames_nothing_is_late(tmp_path: Path) -> None:
    pictures = load_clip(make_clip(tmp_path / "plain.mp4", frames=10)).pictures
    assert [picture.late_s for picture in pictures] == pytest.approx([0.0] * 10, abs=1e-6)


def test_the_demo_clip_is_sent_as_cameras_send() -> None:
    clip = load_clip(DEMO_CLIP)
    assert len(clip.pictures) == 400
    assert max(picture.late_s for picture in clip.pictures) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("wall_s", "begins_s", "first_s"),
    [(0.0, 0.0, 0.0), (40 * 60e6, 0.0, 0.0), (40 * 7 + 12.34, 12.4, 12.4), (40 * 7 + 39.95, 40.0, 40.0)],
)
def test_a_live_stream_begins_where_the_clip_is_by_the_wall_clock(
    wall_s: float, begins_s: float, first_s: float
) -> None:
    rounds = Rounds(load_clip(DEMO_CLIP))
    assert rounds.join(wall_s) == pytest.approx(begins_s, abs=0.001)
    media_s, picture = rounds.next()
    assert media_s == pytest.approx(first_s, abs=0.001)
    assert picture.time_s == pytest.approx(first_s % 40, abs=0.001)
