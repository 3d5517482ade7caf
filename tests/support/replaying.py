"""`safetygear replay` on boxes in pixels, as a script would call it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from safetygear_workbench.cli.main import main
from support.recordings import Row, body, record, write_lines
from support.scoring import Score
from support.storyboards import START_S, Storyboard, clip_frames, clip_truths, stories

CAMERA = "cam"


def replayed(folder: Path, frames: Iterable[tuple[float, list[Row]]], twin: Mapping[str, Any]) -> dict[str, Any]:
    """What `replay --json` says of (t_s, boxes) under the desired properties `twin`."""
    recording = write_lines(
        folder / "detections.jsonl",
        (record(body(CAMERA, number, START_S + t_s, rows)) for number, (t_s, rows) in enumerate(frames, 1)),
    )
    config = folder / "twin.json"
    config.write_text(json.dumps(twin))
    out = io.StringIO()
    with redirect_stdout(out):
        assert main(["replay", str(recording), "--config", str(config), "--json"]) == 0
    content: dict[str, Any] = json.loads(out.getvalue())
    return content


def story_episodes(folder: Path, story: Storyboard, fps: float) -> list[dict[str, Any]]:
    """The episodes that replay makes of a story."""
    episodes: list[dict[str, Any]] = replayed(folder, story.frames(fps), story.twin)["episodes"]
    return episodes


def score_all(folder: Path, fps: float) -> Score:
    """Every story and the site scene, scored."""
    score = Score()
    for story in stories():
        score.take(story.name, story.truths, story_episodes(folder, story, fps))
    score.take("site scene", clip_truths(), replayed(folder, clip_frames(fps), {})["episodes"])
    return score
