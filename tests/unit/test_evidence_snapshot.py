"""The method `snapshot`, and the part of a frame that a picture shows."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import FakeClock
from safetygear.geometry import as_xyxy
from safetygear.hub.methods import MethodError
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.crop import Part
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.evidence.picture_making import CautiousDetector
from safetygear_inference.evidence.snapshot import ANSWER_BYTES, FRESH_S, Snapshots
from safetygear_inference.pixels import decode_jpeg, detail, encode_jpeg
from safetygear_inference.side_analysis import SideAnalysis
from support.evidence import HEAD, NOW, Seeing, noise, seen_frame


class Nobody:
    def privacy(self, _camera: str) -> Any:
        return (((0.9, 0.0), (1.0, 0.0), (1.0, 1.0), (0.9, 1.0)),)


class Site:
    def __init__(self, folder: Path) -> None:
        self.clock, self.side, judges = FakeClock(), SideAnalysis(folder), Nobody()
        anybody: Any = judges
        self.snapshots = Snapshots(
            self.side, anybody, self.clock, detector=CautiousDetector(), cameras=lambda: {"gate", "yard"}
        )

    async def refused(self, payload: Any) -> tuple[int, str, str]:
        with pytest.raises(MethodError) as caught:
            await self.snapshots.answer(payload)
        return caught.value.status, caught.value.code, caught.value.field


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    yield made
    made.side.close()


def shown(answer: Any) -> np.ndarray:
    return decode_jpeg(base64.b64decode(answer["jpeg"])).planes[0]


@pytest.mark.parametrize("faces", ["blurred", "clear"])
async def test_it_shows_the_newest_frame_under_the_rule_of_faces(site: Site, faces: Any) -> None:
    site.snapshots.config = EvidenceConfig(faces=faces, quality=95)
    site.snapshots.seen(seen_frame(Seeing()))
    answer: Any = await site.snapshots.answer({"camera": "gate"})
    assert {name: value for name, value in answer.items() if name != "jpeg"} == {
        "camera": "gate", "capturedAt": NOW, "width": 320, "height": 240, "blurred": faces == "blurred",
    }  # fmt: skip
    picture = shown(answer)
    left, top, right, bottom = (round(value * side) for value, side in zip(HEAD, (320, 240) * 2, strict=True))
    assert (detail(picture[top:bottom, left:right]) > RECOGNISABLE_ABOVE) == (faces == "clear")
    assert picture[:, 300:].max() < 40, "the privacy zone"
    assert detail(picture[:100, :90]) > RECOGNISABLE_ABOVE


async def test_it_is_as_wide_as_asked_for_and_fits_into_an_answer(site: Site) -> None:
    draw = np.random.default_rng(1)
    large = draw.integers(0, 256, (1080, 1920, 3), np.uint8)
    site.snapshots.seen(seen_frame(Seeing(), jpeg=encode_jpeg(large, 90), size_px=(1920, 1080)))
    answer: Any = await site.snapshots.answer({"camera": "gate", "maxWidthPx": 1920})
    assert len(base64.b64decode(answer["jpeg"])) <= ANSWER_BYTES
    assert shown(answer).shape[:2] == (answer["height"], answer["width"])
    assert answer["width"] < 1920, "noise does not fit"
    answer = await site.snapshots.answer({"camera": "gate", "maxWidthPx": 200})
    assert (answer["width"], answer["height"]) == (200, 112)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (None, ""), ({}, "camera"), ({"camera": "a b"}, "camera"), ({"camera": 7}, "camera"),
        ({"camera": "gate", "maxWidthPx": 10}, "maxWidthPx"), ({"camera": "gate", "width": 10}, "width"),
    ],
)  # fmt: skip
async def test_a_wrong_argument_is_named(site: Site, payload: Any, field: str) -> None:
    assert await site.refused(payload) == (400, "bad-argument", field)


async def test_without_a_camera_or_a_frame_it_says_which_is_missing(site: Site) -> None:
    assert await site.refused({"camera": "gone"}) == (404, "unknown-camera", "camera")
    assert await site.refused({"camera": "yard"}) == (409, "no-frame", "camera")
    site.snapshots.seen(seen_frame(Seeing()))
    await site.clock.advance(FRESH_S + 1)
    assert await site.refused({"camera": "gate"}) == (409, "no-frame", "camera")
    site.snapshots.seen(seen_frame(Seeing(), jpeg=b"\xff\xd8 broken"))
    assert await site.refused({"camera": "gate"}) == (409, "no-frame", "camera")


_share = st.floats(-0.5, 1.5)


@given(_share, _share, _share, _share, st.floats(0, 2), st.tuples(st.integers(16, 700), st.integers(16, 500)))
def test_a_part_is_inside_the_frame_and_holds_the_box(
    left: float, top: float, right: float, bottom: float, margin: float, size_px: tuple[int, int]
) -> None:
    box = min(left, right), min(top, bottom), max(left, right), max(top, bottom)
    part = Part.around(box, margin=margin, frame_size_px=size_px)
    assert 0 <= part.left_px < part.right_px <= size_px[0] and 0 <= part.top_px < part.bottom_px <= size_px[1]
    assert part.left_px % 2 == part.top_px % 2 == 0
    assert min(part.width_px, part.height_px) >= 15
    seen = np.clip(box, 0, 1) * (size_px * 2)
    assert part.left_px <= seen[0] + 1 and seen[2] <= part.right_px + 1
    assert part.top_px <= seen[1] + 1 and seen[3] <= part.bottom_px + 1


def test_boxes_and_zones_of_the_frame_lie_where_they_lay() -> None:
    part = Part(100, 50, 300, 150, 400, 200)
    boxes = as_xyxy([[0.25, 0.25, 0.75, 0.75], [0.5, 0.5, 0.75, 0.75], [0.0, 0.0, 0.2, 0.2]])
    assert part.boxes(boxes).tolist() == [[0, 0, 1, 1], [0.5, 0.5, 1, 1], [0, 0, 0, 0]]
    assert len(part.inside(boxes)) == 2
    assert part.polygons([[(0.25, 0.25), (0.75, 0.25), (1.0, 1.0)]]) == [[(0, 0), (1, 0), (1.5, 1.5)]]
    whole = Part.whole((400, 200))
    assert np.allclose(whole.boxes(boxes), boxes)


def test_the_noise_is_detail() -> None:
    assert detail(noise()) > RECOGNISABLE_ABOVE
