"""Other people's programs run in environments of their own, or their row says that they don't."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from safetygear.errors import SafetyGearError
from safetygear_workbench.bench import peers
from safetygear_workbench.bench.bare_process import Bare, Program, run_bare
from safetygear_workbench.bench.case import Case
from safetygear_workbench.bench.peers import ENVIRONMENTS, NOT_INSTALLED, Contestant, contestants
from safetygear_workbench.bench.tables import PEERS, peer_notes, peer_row

ROOT = Path(__file__).parents[2]


def case(folder: Path) -> Case:
    return Case("main", folder / "clip.mp4", "v8n", folder / "v8n.onnx", folder / "manifest.json", folder / "state")


def test_what_is_not_installed_is_known_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    those = {one.name: one.is_installed for one in contestants()}
    assert those["floor"]
    assert those["plain cv2 loop"]
    assert not those["ultralytics"]
    python = tmp_path / ENVIRONMENTS / "ultralytics" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert {one.name for one in contestants() if one.is_installed} - {"floor", "plain cv2 loop"} == {
        "ultralytics",
        "ultralytics, one thread each",
    }
    row = dict(zip(PEERS, peer_row({"stream": "main", "model": "v8n"}, "x", {"why": NOT_INSTALLED}), strict=True))
    assert row["ms per frame"] == "not installed (make peers-env)"


def test_no_package_of_ours_imports_them() -> None:
    """They are AGPL, or not ours to depend on: only the scripts that run in their environments do."""
    sources = [path for folder in ("libs", "modules", "workbench") for path in (ROOT / folder).rglob("src/**/*.py")]
    assert len(sources) > 100
    for path in sources:
        lines = path.read_text(encoding="utf-8").splitlines()
        named = [line for line in lines if line.lstrip().startswith(("import ", "from "))]
        assert not [line for line in named if line.split()[1].split(".")[0] in ("ultralytics", "streamvision")], path


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('hello')", "printed no result: 'hello'"),
        ("pass", "printed no result"),
        ("import sys; sys.exit('no such camera')", "failed: no such camera"),
    ],
)
def test_a_program_that_fails_is_named_with_its_reason(code: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SafetyGearError, match=said):
        run_bare(Program((sys.executable, "-c", code)), case(tmp_path), [], 0.1)


def test_the_last_line_is_the_result_and_the_environment_is_given(tmp_path: Path) -> None:
    code = "import os; print('loading'); print('{\"cpuS\": 1, \"seconds\": %s, \"analysed\": [5]}' % os.environ['N'])"
    one = run_bare(Program((sys.executable, "-c", code), {"N": "2"}), case(tmp_path), [], 0.1)
    assert (one.cpu_s, one.seconds, one.analysed) == (1, 2, (5,))


def analyses(most: int, *, crashes: str | None = None) -> Callable[..., Awaitable[Bare]]:
    """A program that keeps its rate with so many cameras, and beyond falls behind on the last, or fails."""

    async def run(one: Contestant, case: Case, seconds: float) -> Bare:
        if case.cameras > most and crashes is not None:
            raise SafetyGearError("floor.py failed: no memory", code=crashes)
        frames = [50] * (case.cameras - 1) + [50 if case.cameras <= most else 48]
        return Bare(1.0, 10.0, tuple(frames))

    return run


@pytest.mark.parametrize(
    ("crashes", "more"), [(None, {}), ("bench-process", {"failed_with": "floor.py failed: no memory"})]
)
async def test_a_search_tells_falling_behind_from_failing(
    crashes: str | None, more: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_run", analyses(3, crashes=crashes))
    found = await peers._search(case(tmp_path), contestants()[0], seconds=10, first=2, say=lambda _: None)
    assert found == {"streams": 3, "failed_at": 4, **more}
    notes = list(peer_notes({"stream": "main", "model": "v8n", "contestants": {"floor": found}}))
    assert notes == [f"main, v8n, floor, 4 cameras: {text}" for text in more.values()]


async def test_cameras_that_do_not_start_are_not_the_programs_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "_run", analyses(3, crashes="camera-server"))
    with pytest.raises(SafetyGearError, match="no memory"):
        await peers._search(case(tmp_path), contestants()[0], seconds=10, first=2, say=lambda _: None)
