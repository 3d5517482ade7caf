"""The rendered stories: their truth, what a faultless detector sees, and which events must come."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from safetygear.clock import epoch_s
from safetygear_workbench.cli.main import main
from safetygear_workbench.simulation.options import DEMO_CLIP
from support.judged_clip import perfect_boxes
from support.recordings import Row, body, record, write_lines

CLIPS = Path(__file__).parents[2] / "scenes" / "clips"
CROWD = "crowd"
"""Twenty people at once, for eight seconds."""
TOUR = "site-tour"
"""Forty seconds: the demo's, at 720p."""
KNOWN = [f"--label={label}" for label in ("helmet", "vest", "head", "no-vest")]
"""The model has them, whether a story shows them or not."""
MIDNIGHT_S = 1_795_564_800.0
"""2026-11-25T00:00:00Z, a Wednesday. A story with a shift begins so that the shift ends on a full minute."""
SHIFT_ENDS_S = MIDNIGHT_S + 10 * 3600
EARLY_S, LATE_S = 0.5, 2.5
"""An event may open so long before its violation can be judged (a frame, rounding), and after it has ended: it had
lasted long enough."""


@cache
def truth(name: str) -> dict[str, Any]:
    """A story's truth file."""
    loaded: dict[str, Any] = json.loads(clip(name).with_suffix(".truth.json").read_text(encoding="utf-8"))
    return loaded


def names() -> list[str]:
    """All stories of scenes/clips, without the crowd, which begins with everybody there."""
    found = (path.name.removesuffix("-360p.truth.json") for path in CLIPS.glob("*.truth.json"))
    return sorted(name for name in found if name not in (CROWD, TOUR))


def clip(name: str) -> Path:
    return DEMO_CLIP if name == TOUR else CLIPS / f"{name}-360p.mp4"


def start_s(story: Mapping[str, Any]) -> float:
    """UTC epoch seconds of its first frame, in recordings."""
    ends = [zone["until_s"] for zone in story["zones"].values() if zone["until_s"] is not None]
    return SHIFT_ENDS_S - ends[0] if ends else SHIFT_ENDS_S


def zones(story: Mapping[str, Any]) -> dict[str, Any]:
    """Its zones as desired properties of one camera."""
    found = {}
    for name, zone in story["zones"].items():
        entry = {
            "kind": "rule",
            "polygon": zone["polygon"],
            "requires": zone["requires"],
            "minimumDurationS": zone["minimum_duration_s"],
        }
        if zone["until_s"] is not None:
            entry["shifts"] = {"timeZone": "UTC", "week": {"wednesday": ["00:00-10:00"]}}
        found[name] = entry
    return found


def rows(story: dict[str, Any], frame: dict[str, Any]) -> list[Row]:
    """What a detector without faults would see: labels and boxes in px, without ids."""
    boxes, _ = perfect_boxes(story, frame)
    width, height = story["width"], story["height"]
    scaled = boxes.xyxy_norm * [width, height, width, height]
    return [(label, tuple(map(float, box))) for label, box in zip(boxes.label, scaled, strict=True)]  # type: ignore[misc]  # four


def replayed(story: dict[str, Any], fps: int, folder: Path) -> list[dict[str, Any]]:
    """The episodes that `safetygear replay` makes of the story's truth, as boxes and labels without ids."""
    size_px, began_s = (story["width"], story["height"]), start_s(story)
    frames = story["frames"][:: story["fps"] // fps]
    recording = write_lines(
        folder / f"{story['story']}.jsonl",
        (
            record(body("cam", number, began_s + frame["t"], rows(story, frame), size_px=size_px))
            for number, frame in enumerate(frames, 1)
        ),
    )
    twin = folder / f"{story['story']}.json"
    twin.write_text(json.dumps({"zones": {"cam": zones(story)}}))
    out = io.StringIO()
    with redirect_stdout(out):
        assert main(["replay", str(recording), "--config", str(twin), "--json", *KNOWN]) == 0
    episodes: list[dict[str, Any]] = json.loads(out.getvalue())["episodes"]
    return episodes


@dataclass
class SceneScore:
    """Of any number of stories. `again`: further episodes of one violation; they count as false, too."""

    right: int = 0
    false: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def take(self, name: str, story: Mapping[str, Any], episodes: Sequence[Mapping[str, Any]], began_s: float) -> None:
        """`began_s`: UTC epoch seconds of the first frame. Violations too short to be due may be told or not."""
        self.seconds += story["duration_s"]
        taken: set[int] = set()
        for episode in sorted(episodes, key=lambda one: one["openedAt"]):
            at_s = epoch_s(episode["openedAt"]) - began_s
            fitting = [n for n, event in enumerate(story["events"]) if _fits(event, episode, at_s)]
            # Episodes name no person: where two break one rule at once, each has an episode of its own.
            number = next((n for n in fitting if n not in taken), fitting[0] if fitting else None)
            told = f"{name}: {episode['rule']} in {episode['zone']} at {at_s:.1f} s ({episode['reason']})"
            if number is None:
                self.false.append(told)
            elif number in taken:
                self.again.append(told)
            else:
                taken.add(number)
                if story["events"][number]["due"]:
                    self.right += 1
                    self.delays_s.append(at_s - story["events"][number]["assessable_start_s"])
        for number, event in enumerate(story["events"]):
            if event["due"] and number not in taken:
                self.missed.append(f"{name}: {event['person']} {event['rule']} from {event['assessable_start_s']} s")

    @property
    def precision(self) -> float:
        told = self.right + len(self.false) + len(self.again)
        return self.right / told if told else 1.0

    @property
    def recall(self) -> float:
        due = self.right + len(self.missed)
        return self.right / due if due else 1.0

    def as_json(self) -> dict[str, Any]:
        ordered = sorted(self.delays_s)
        return {
            "due": self.right + len(self.missed),
            "right": self.right,
            "precision": round(self.precision, 3),
            "recall": round(self.recall, 3),
            "false": self.false,
            "again": self.again,
            "missed": self.missed,
            "open_delay_s": {
                f"p{percent}": round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 2) for percent in (50, 95)
            }
            if ordered
            else {},
            "camera_minutes": round(self.seconds / 60, 2),
        }


def _fits(event: Mapping[str, Any], episode: Mapping[str, Any], at_s: float) -> bool:
    same = (event["rule"], event["zone"]) == (episode["rule"], episode["zone"])
    return bool(same and event["assessable_start_s"] - EARLY_S <= at_s <= event["end_s"] + LATE_S)
