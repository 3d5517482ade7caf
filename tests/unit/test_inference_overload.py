"""A device that has no time for its cameras says so; a moment's rush is no problem."""

from __future__ import annotations

import pytest

from safetygear.messages.health import CameraHealth, LatencyPercentiles
from safetygear_inference.overload import name_overload, shed_share
from safetygear_inference.problems import Problems


def camera(analysed: int, shed: int = 0, *, gated: int = 0) -> CameraHealth:
    return CameraHealth(
        camera="gate", state="streaming", reason="ok", seconds_watched=60, seconds_blind=0, seconds_frozen=0,
        seconds_dark=0, seconds_blurred=0, frames_in=1500, analysed=analysed, gated=gated,
        dropped={"above-rate": 1200} | ({"shed": shed} if shed else {}), latency_ms=LatencyPercentiles(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cameras", "share"),
    [
        ([], 0.0),
        ([camera(0)], 0.0),
        ([camera(300)], 0.0),
        ([camera(150, 150)], 0.5),
        ([camera(300), camera(100, 200)], 1 / 3),
        ([camera(10, 10, gated=180)], 0.05),
    ],
)
def test_the_share_is_of_all_frames_that_were_to_be_looked_at(cameras: list[CameraHealth], share: float) -> None:
    assert shed_share(cameras) == pytest.approx(share)


def test_the_problem_begins_and_ends_with_a_gap_between() -> None:
    problems, told = Problems(), []
    for shed in (0, 10, 20, 8, 10, 5, 0):
        name_overload([camera(290, shed)], problems)
        told.append("capacity" in problems.as_document())
    assert told == [False, False, True, True, True, False, False]
    name_overload([camera(100, 100)], problems)
    before = problems.as_document()
    assert before["capacity"]["code"] == "overload"
    name_overload([camera(50, 150)], problems)
    assert problems.as_document() == before, "another share is no news"
