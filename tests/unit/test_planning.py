"""The capacity plan: sums that can be done by hand, and more of anything never costs less."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.cli.main import main
from safetygear_workbench.planning import constants as measured
from safetygear_workbench.planning.capacity import Site, plan

ONE = Site(cameras=1, policy="all", events_per_camera_day=0, evidence=False)


def test_every_frame_is_a_message_under_policy_all() -> None:
    needs = plan(ONE)
    assert needs.messages_per_day == 5 * 86_400 + 1_440
    assert needs.blocks_per_day == needs.messages_per_day, "each fits one block"
    assert needs.s1_units == 2, "433,440 a day are more than one unit has"
    assert needs.disk_mb == 0


@pytest.mark.parametrize(
    ("stream", "cameras", "percent"),
    [("sub", 8, 63), ("sub", 12, 85), ("sub", 18, 134), ("main", 4, 61), ("main", 6, 92), ("main", 9, 142)],
)
def test_the_plan_gives_what_was_measured(stream: Literal["main", "sub"], cameras: int, percent: float) -> None:
    """`bench streams` on measured.MACHINE, docs/benchmarks.md: one line does for all of them, within a tenth."""
    site = replace(ONE, cameras=cameras, stream=stream, key_frames=False)
    assert plan(site).cpu_percent == pytest.approx(percent, rel=0.1)


def test_a_health_message_of_many_cameras_is_billed_by_its_blocks() -> None:
    needs = plan(replace(ONE, cameras=20, policy="interval"))
    blocks_of_health = -(-(measured.HEALTH_BYTES + 20 * measured.HEALTH_CAMERA_BYTES) // 4096)
    assert blocks_of_health > 1
    assert needs.blocks_per_day == 20 * 86_400 + 1_440 * blocks_of_health


def test_a_slower_machine_takes_more_of_itself() -> None:
    usual, slow = plan(ONE), plan(replace(ONE, detector_ms=2 * measured.DETECTOR_MS))
    assert slow.cpu_percent == pytest.approx(2 * usual.cpu_percent)


@given(
    st.integers(1, 200), st.integers(1, 200), st.sampled_from(["main", "sub"]),
    st.sampled_from(["all", "interval", "changes"]), st.floats(0.1, 30),
)  # fmt: skip
def test_more_cameras_never_cost_less(cameras: int, more: int, stream: str, policy: str, fps: float) -> None:
    few = Site(cameras=cameras, analysed_fps=fps, stream=stream, policy=policy)  # type: ignore[arg-type]  # drawn names
    fewer, all_of_them = plan(few), plan(replace(few, cameras=cameras + more))
    for name, value in fewer.as_json().items():
        assert all_of_them.as_json()[name] >= value, name
    assert all_of_them.cpu_percent > fewer.cpu_percent


def test_key_frames_of_the_main_stream_cost_its_bandwidth_and_little_else() -> None:
    without, beside = (plan(replace(ONE, cameras=10, key_frames=wanted)) for wanted in (False, True))
    assert beside.lan_mbit_s - without.lan_mbit_s == 10 * measured.STREAM_BITS_PER_S["main"] / 1e6
    assert beside.cpu_percent - without.cpu_percent == pytest.approx(10 * measured.KEY_FRAMES_PERCENT)
    of_rings = 10 * measured.KEY_FRAMES_SLOTS * measured.SLOT_BYTES["main"] / 1e6
    assert beside.shared_memory_mb - without.shared_memory_mb == pytest.approx(of_rings)
    analysed = (plan(replace(ONE, stream="main", key_frames=wanted)) for wanted in (False, True))
    assert len({needs.lan_mbit_s for needs in analysed}) == 1, "where the main stream is analysed there is no other"


def test_the_command_prints_what_scripts_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--cameras", "10", "--fps", "5", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["cores"] >= 1
    assert printed["s1Units"] >= 1


@pytest.mark.parametrize("bad", [["--cameras", "0"], ["--cameras", "3", "--fps", "99"], []])
def test_bad_input_is_named(bad: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *bad]) == 2 or not bad
    assert "Traceback" not in capsys.readouterr().err
