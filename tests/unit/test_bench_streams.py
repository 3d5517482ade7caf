"""What trials with many cameras say: by hand-made messages and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safetygear_workbench.bench import streams
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.latency_figures import Travelled, totals
from safetygear_workbench.bench.stream_figures import cpu_fit, distinct, dropped, floor_share, memory_slope
from safetygear_workbench.bench.streams import proven
from safetygear_workbench.bench.tables import TRIALS, cost_notes, creep_notes, trial_creep_notes, trial_row


def trial(cameras: int, percent: float, *, works: bool = True) -> dict[str, Any]:
    return {
        "cameras": cameras,
        "seconds": 60.0,
        "works": works,
        "fps_min": 5.0 if works else 4.2,
        "dropped": {} if works else {"superseded": 12, "stale": 3},
        "cpu_percent": {"solution": percent, "stand_in": 3.0, "camera_server": 1.0},
        "latency": {"p95_ms": 61.4, "creep": None},
        "rss": memory_slope([(2.0 * number, 300_000_000) for number in range(60)]),
    }


def test_a_frame_counts_once_however_often_its_message_came() -> None:
    def about(camera: str, number: int) -> dict[str, Any]:
        return {"body": {"camera": camera, "frameNumber": number, "capturedAt": f"t{number}"}}

    assert len(distinct([about("a", 1), about("a", 1), about("a", 2), about("b", 1)])) == 3


def test_drops_are_summed_over_cameras_and_health_messages() -> None:
    def health(*by_camera: dict[str, int]) -> dict[str, Any]:
        return {"body": {"schema": "safetygear.health/1", "cameras": [{"dropped": one} for one in by_camera]}}

    records = [
        health({"stale": 2, "above-rate": 900}, {"superseded": 1}),
        {"body": {"schema": "safetygear.event/1"}},
        health({"stale": 3}),
    ]
    assert dropped(records) == {"stale": 5, "superseded": 1}


def test_one_camera_more_costs_the_same_and_what_failed_does_not_count() -> None:
    line = cpu_fit([trial(4, 48), trial(1, 19), trial(2, 28), trial(8, 60, works=False)])
    assert line is not None
    assert line["percent_per_camera"] == pytest.approx(9.71, abs=0.01)
    assert line["percent_without_cameras"] == pytest.approx(9.0, abs=0.01)
    assert list(line["residuals"]) == ["1", "2", "4"]
    assert sum(line["residuals"].values()) == pytest.approx(0, abs=0.02)
    assert cpu_fit([trial(4, 48), trial(8, 60, works=False)]) is None


def test_what_the_floor_allows_uses_all_cores_whole() -> None:
    assert floor_share(14, 10.0, 2) == {"percent_per_camera": 10.0, "cameras_allowed": 20.0, "share_reached": 0.7}


def test_memory_that_grows_is_told_from_memory_that_does_not() -> None:
    level = memory_slope([(2.0 * number, 300_000_000) for number in range(60)])
    assert (level["mb"], level["creep"]["distinguishable_from_0"]) == (300.0, False)
    grows = memory_slope([(2.0 * number, 300_000_000 + 100_000 * number) for number in range(60)])
    assert grows["creep"]["per_minute"] == pytest.approx(3.0)
    assert memory_slope([]) == {"mb": None, "creep": None}


def test_the_tables_say_it_in_words() -> None:
    trials = [trial(1, 19), trial(2, 28), trial(4, 48), trial(5, 80, works=False)]
    case = {"stream": "sub", "model": "m", "cpu_fit": cpu_fit(trials), "floor": floor_share(4, 25.0, 2), "streams": 4}
    rows = [dict(zip(TRIALS, trial_row(case, one), strict=True)) for one in trials]
    assert rows[0]["off the line"] == "+0.3"
    assert rows[3]["off the line"] == "-"
    assert rows[3]["dropped"] == "12 superseded, 3 stale"
    assert (rows[0]["for s"], rows[0]["p95 ms"], rows[0]["MB"]) == ("60", "61", "300")
    assert trial_row(case, {"cameras": 9, "seconds": 60, "works": False, "why": "no detections"})[-1] == "-"
    latency, memory = trial_creep_notes(case | {"cameras": trials})
    assert latency.startswith("sub, m, 4 cameras: too few values")
    assert memory.endswith("not to be told from 0")
    cost, floor = cost_notes(case)
    assert "9.71 % of a core per further camera" in cost
    assert "4 are 0.50 of them" in floor
    entry = {**case, "cameras": 4, "creep": None, "rss": {"mb": 1, "creep": None}}
    assert all("too few values" in note for note in creep_notes(entry))


@pytest.mark.parametrize(
    ("found", "works_to", "proves", "asked"),
    [
        (12, 12, 12, [12, 13]),
        (12, 10, 10, [12, 11, 10]),
        (12, 14, 14, [12, 13, 14, 15]),
        (12, 99, 16, [12, 13, 14, 15, 16]),
        (1, 0, 0, [1]),
        (0, 0, 0, []),
    ],
    ids=["found", "too many", "too few", "all that there are", "not even one", "none"],
)
async def test_what_a_short_search_has_found_is_proven(
    found: int, works_to: int, proves: int, asked: list[int]
) -> None:
    tried: list[int] = []

    async def works(number: int) -> bool:
        tried.append(number)
        return number <= works_to

    assert await proven(found, works, most=16) == proves
    assert tried == asked


def test_a_slow_message_shows_in_the_total_and_none_says_nothing() -> None:
    ways = [Travelled("a", 0.2 * at, 0.2 * at + (0.5 if at == 7 else 0.1), None, {}) for at in range(20)]
    assert totals(ways)["p50_ms"] == pytest.approx(100)
    assert totals(ways)["p99_ms"] > 400
    assert totals([])["creep"] is None


async def test_a_search_is_short_and_its_proof_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[tuple[int, float]] = []

    async def tried(case: Case, *, seconds: float) -> dict[str, Any]:
        ran.append((case.cameras, seconds))
        return trial(case.cameras, 10.0 * case.cameras, works=case.cameras <= (12 if seconds < 600 else 10))

    async def floor(case: Case, seconds: float) -> dict[str, Any]:
        return {"cameras": case.cameras, "seconds": seconds}

    monkeypatch.setattr(streams, "trial", tried)
    monkeypatch.setattr(streams, "_floor", floor)
    case = Case("sub", tmp_path, "m", tmp_path, tmp_path, tmp_path)
    found = await streams.measure(
        case, seconds=600, search_seconds=40, first=8, also=[1, 2, 10, 14], say=lambda _: None
    )
    search, proof, cost = [(8, 40), (12, 40), (18, 40), (15, 40), (13, 40)], [(12, 600), (11, 600), (10, 600)], [1, 2]
    assert ran == [*search, *proof, *((number, 40) for number in cost)]
    assert (found["streams"], found["failed_at"], found["seconds"]) == (10, 11, 600)
    assert [one["cameras"] for one in found["cameras"] if one["works"]] == [1, 2, 8, 10]
    assert found["floor"] == {"cameras": 10, "seconds": 40}


async def test_where_no_number_works_no_floor_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def tried(case: Case, *, seconds: float) -> dict[str, Any]:
        return {"cameras": case.cameras, "seconds": seconds, "works": False, "why": "no detections came"}

    monkeypatch.setattr(streams, "trial", tried)
    case = Case("sub", tmp_path, "m", tmp_path, tmp_path, tmp_path)
    found = await streams.measure(case, seconds=60, first=4, say=lambda _: None)
    assert (found["streams"], found["failed_at"], found["floor"], found["cpu_fit"]) == (0, 1, None, None)
