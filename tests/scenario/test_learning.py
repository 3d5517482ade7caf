"""Pictures to learn from, taken by the whole running solution from the site scene: within budget, whole, covered, and
no more of them after the death of inference."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import av
import cv2
import msgspec
import numpy as np
import pytest

from safetygear.learning.example import EXAMPLES, Example
from safetygear.learning.folder import complete_examples, picture_path, read_example
from safetygear.messages.health import LearningHealth
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.learning.example_making import fingerprint_in
from safetygear_inference.learning.near_duplicates import distance_bits
from safetygear_inference.pixels import decode_jpeg, detail
from support.simulation import RunningSimulation, run, simulating
from support.site_scene import CLIP, FRAMES, truth

pytestmark = pytest.mark.scenario

PER_HOUR = 5
SETTINGS = {"enabled": True, "perHour": PER_HOUR, "cameraPauseS": 2, "reasons": ["uncertain", "judged-false"]}
LEAST_FACE_PX = 8
VISIBLE = 0.5
SAME_FRAME = 3.0
"""Mean difference in grey levels of a stored picture and its frame in the clip, small; between others it is larger."""


class Learning:
    def __init__(self, simulation: RunningSimulation) -> None:
        self.simulation = simulation
        self.folder = simulation.state / "volumes" / "safetygear-inference-data" / EXAMPLES

    def configure(self, **settings: Any) -> None:
        patch = json.dumps({"learning": settings})
        done = run("twin", "set", "inference", patch, "--state", str(self.simulation.state))
        assert done.returncode == 0, done.stderr

    def ids(self) -> list[str]:
        return complete_examples(self.folder) if self.folder.is_dir() else []

    def examples(self) -> list[Example]:
        return [read_example(self.folder, name) for name in self.ids()]

    def health(self) -> LearningHealth:
        status = self.call("getStatus", {})
        return msgspec.convert(status["learning"], LearningHealth)

    def call(self, method: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = run(
            "method", "call", "inference", method, json.dumps(payload), "--state", str(self.simulation.state), "--json"
        )
        content = json.loads(answer.stdout)
        assert content["status"] == 200, content
        found: dict[str, Any] = content["payload"]
        return found


def clip_frames() -> list[np.ndarray]:
    with av.open(str(CLIP)) as opened:
        return [frame.to_ndarray(format="bgr24") for frame in itertools.islice(opened.decode(video=0), FRAMES)]


def check_picture(learning: Learning, example: Example, frames: list[np.ndarray]) -> int:
    """Whole, as described, and without a face; how many faces there were."""
    jpeg = picture_path(learning.folder, example.id).read_bytes()
    assert hashlib.sha256(jpeg).hexdigest() == example.picture.sha256
    shown = decode_jpeg(jpeg).planes[0]
    clip = truth()
    assert shown.shape[:2] == (example.picture.height, example.picture.width) == (clip["height"], clip["width"])
    assert (example.picture.faces_blurred, example.frame.width) == (True, clip["width"])
    assert example.detections and example.model.sha256 and set(example.labels) >= {"person", "helmet"}
    differences = [float(np.abs(small(shown) - small(frame)).mean()) for frame in frames]
    number = int(np.argmin(differences))
    assert differences[number] < SAME_FRAME
    faces = 0
    for person in clip["frames"][number]["persons"]:
        if not person["head"] or person["visible_fraction"] < VISIBLE:
            continue
        left, top, right, bottom = person["head"]
        if person["helmet_state"] == "worn" and person["helmet"]:
            top = max(top, person["helmet"]["box"][3])
        part = slice(round(top), round(bottom)), slice(max(0, round(left)), round(right))
        face = shown[part]
        if min(face.shape[:2]) < LEAST_FACE_PX or detail(frames[number][part]) <= RECOGNISABLE_ABOVE:
            continue
        faces += 1
        assert detail(face) <= RECOGNISABLE_ABOVE, (example.id, person["id"])
    return faces


def small(bgr: np.ndarray) -> np.ndarray:
    return cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), (160, 90), interpolation=cv2.INTER_AREA).astype(float)


def test_examples_are_taken_within_budget_and_survive_the_death_of_inference(tmp_path: Path) -> None:
    with simulating(tmp_path / "run", "--camera", f"yard={CLIP}") as simulation:
        learning = Learning(simulation)
        simulation.until_detections()
        assert not learning.folder.parent.exists(), "off, it leaves the volume as it is"
        assert learning.call("getStatus", {})["learning"] is None
        learning.configure(**SETTINGS)
        # One picture is kept for the other reason.
        simulation.until(lambda: len(learning.ids()) >= PER_HOUR - 1, 150, "pictures")
        simulation.until(lambda: learning.health().refused.get("hour-reason", 0) > 0, 60, "a refusal")
        simulation.until(lambda: learning.health().awaiting_verdict > 0, 120, "a picture of an event")
        before = learning.ids()
        assert len(before) == PER_HOUR - 1

        simulation.kill("inference")
        simulation.until_says("inference was started again", 60)
        simulation.until_detections(20, 90)
        simulation.until(lambda: learning.health().refused.get("hour-reason", 0) > 0, 60, "a refusal after the restart")
        assert learning.ids() == before

        waiting = {
            json.loads(path.read_text())["episodes"][0]
            for path in learning.folder.with_name("candidates").glob("*.json")
        }
        event = next(
            one
            for one in (record["body"] for record in simulation.messages("events"))
            if one["id"] in waiting and one["state"] == "open"
        )
        learning.call("acknowledge", {"eventId": event["id"], "verdict": "false"})
        simulation.until(lambda: len(learning.ids()) == PER_HOUR, 30, "the picture of the event that was false")
        health = learning.health()
        assert health.taken == {"judged-false": 1}
        newest = [example for example in learning.examples() if example.event is not None]
        assert [(one.event, one.verdict, one.reasons) for one in newest] == [(event["id"], "false", ["judged-false"])]
        simulation.until(
            lambda: simulation.messages("health")[-1]["body"]["learning"]["examples"] == PER_HOUR,
            30,
            "the health of it",
        )
        assert simulation.stop() == 0

        examples, frames = learning.examples(), clip_frames()
        faces = sum(check_picture(learning, example, frames) for example in examples)
        assert faces > 0, "there was something to cover"
        prints = [fingerprint_in(example) for example in examples]
        for first, second in itertools.combinations(prints, 2):
            assert distance_bits(first, second) >= 16
