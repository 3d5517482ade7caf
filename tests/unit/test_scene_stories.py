"""The rules on the rendered stories: with perfect detections each violation that is due is told once, and no other."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from safetygear_workbench.cli.main import main
from support import scenes

LABELS = [f"--label={label}" for label in ("helmet", "vest", "head", "no-vest")]


@pytest.mark.parametrize("name", scenes.names())
def test_perfect_detections_give_the_storys_events(name: str, tmp_path: Path) -> None:
    story = scenes.truth(name)
    frames = [(frame["t"], scenes.rows(story, frame), 0.9) for frame in story["frames"][::2]]
    recording = scenes.write_recording(tmp_path / "detections.jsonl", story, frames)
    twin = tmp_path / "twin.json"
    twin.write_text(json.dumps({"zones": {"cam": scenes.zones(story)}}))
    out = io.StringIO()
    with redirect_stdout(out):
        assert main(["replay", str(recording), "--config", str(twin), "--json", *LABELS]) == 0
    score = scenes.SceneScore()
    score.take(name, story, json.loads(out.getvalue())["episodes"], scenes.start_s(story))
    assert (score.missed, score.false, score.again) == ([], [], [])
    assert all(delay_s <= 4.0 for delay_s in score.delays_s)


def test_the_stories_that_are_promised_are_there() -> None:
    promised = {
        "compliant", "bare-head", "no-vest", "helmet-put-on", "crossing", "behind-container", "zone-edge", "shift-end",
        "caps-and-hoods",
    }  # fmt: skip
    assert promised <= set(scenes.names())
    assert {scenes.truth(name)["use"] for name in scenes.names()} == {"evaluation"}
