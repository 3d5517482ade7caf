"""No face of the site scene is left in a stored picture, bystanders included, and the helmets stay visible; of the demo
none is left in any evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear_inference.detectors import open_model
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from support import scenes, site_scene
from support.faces_left import FaceLeft, faces_left

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"


@pytest.fixture(scope="module")
def faces() -> list[FaceLeft]:
    model = open_model(find_model(DEFAULT_MODEL, (MODELS,)))
    return list(faces_left(site_scene.CLIP, site_scene.truth(), model, every=5))


def test_without_the_covering_people_could_be_recognised(faces: list[FaceLeft]) -> None:
    assert len(faces) > 100
    assert sum(face.before > RECOGNISABLE_ABOVE for face in faces) > 0.95 * len(faces), "else the measure tells nothing"


def test_no_face_is_left_in_a_stored_picture(faces: list[FaceLeft]) -> None:
    assert [face for face in faces if face.after > RECOGNISABLE_ABOVE] == []


def test_bystanders_are_covered_too(faces: list[FaceLeft]) -> None:
    evidence: dict[tuple[str, float], set[str]] = {}
    for face in faces:
        if face.of_whom != "whole":
            evidence.setdefault((face.of_whom, face.t_s), set()).add(face.person)
    assert any(len(people) > 1 for people in evidence.values()), "else no evidence showed a bystander"


def test_the_gear_stays_visible(faces: list[FaceLeft]) -> None:
    left = [face.helmet_left for face in faces if face.of_whom != "whole" and face.helmet_left is not None]
    assert len(left) > 30
    assert sum(share > 0.7 for share in left) > 0.85 * len(left)


MOST_HAIR = 11.0
"""Left of any head in a whole picture of the demo, where `RECOGNISABLE_ABOVE` is 8: hair that is taken for a helmet."""


def test_no_face_of_the_demo_is_left_in_evidence_and_no_more_than_hair_in_a_snapshot() -> None:
    model = open_model(find_model(DEFAULT_MODEL, (MODELS,)))
    found = list(faces_left(scenes.clip(scenes.TOUR), scenes.truth(scenes.TOUR), model, every=5))
    assert sum(face.before > RECOGNISABLE_ABOVE for face in found) > 0.9 * len(found) > 200
    left = [face for face in found if face.after > RECOGNISABLE_ABOVE]
    assert [face for face in left if face.of_whom != "whole"] == []
    assert len(left) <= 0.02 * len(found), left
    assert [face for face in left if face.after > MOST_HAIR] == []
