"""A classifier in a detector's package: what it says of each person comes to the rules as a box."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from safetygear.errors import ModelError
from safetygear.geometry import as_xyxy
from safetygear_inference.compliance.wearing import observe
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.person_classifying import MOST_PEOPLE, regions
from safetygear_inference.judging.labels import canonical
from safetygear_inference.judging.observation import LabelledBoxes, TrackedPerson
from safetygear_inference.picture import DetectedBoxes, Picture
from support import export_models as exports
from support.export_models import PICTURE, Box
from support.onnx_models import classifier
from support.pictures import plain

# Two people: 500 px tall, the first with a red head and chest (RGB's first channel: "helmet"), the other's are
# blue ("bare").
LEFT, RIGHT = Box((200, 150, 400, 650), 0, 0.9), Box((600, 150, 800, 650), 0, 0.8)
HEADS = {"model.onnx": classifier(("helmet", "none", "bare")), "labels.txt": b"helmet\nnone\nbare"}
SETTINGS = b'{"labelMapping": {"bare": "head", "none": "Negative"}, "region": "head"}'


def package(folder: Path, heads: Mapping[str, bytes], people: list[Box] | None = None, *, zipped: bool = True) -> Path:
    detector = exports.ultralytics(people or [LEFT, RIGHT], names="{0: 'person', 1: 'boots', 2: 'vest'}").model()
    files = {"model.onnx": detector, **{f"classifier/{name}": data for name, data in heads.items()}}
    if zipped:
        path = folder / "two.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    path = folder / "two"
    (path / "classifier").mkdir(parents=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def opened(folder: Path, settings: bytes = SETTINGS, **options: bool) -> Model:
    return open_model(package(folder, {**HEADS, "safetygear.json": settings}, **options))


def scene(top: int = 100, bottom: int = 250) -> Picture:
    """The colours are between two lines of the picture; heads lie above 250, chests below."""
    bgr = np.full((PICTURE[1], PICTURE[0], 3), 40, np.uint8)
    bgr[top:bottom, 200:400] = (0, 0, 230)
    bgr[top:bottom, 600:800] = (230, 0, 0)
    return Picture.from_bgr(bgr)


def seen(model: Model, found: DetectedBoxes) -> list[tuple[str, int]]:
    """Label and the middle of each box, in px from the left."""
    middles = (found.xyxy_norm[:, 0] + found.xyxy_norm[:, 2]) / 2 * PICTURE[0]
    return [(model.labels[label], round(float(x))) for label, x in zip(found.class_id, middles, strict=True)]


@pytest.mark.parametrize("zipped", [True, False])
def test_each_head_becomes_a_box(tmp_path: Path, zipped: bool) -> None:
    model = opened(tmp_path, zipped=zipped)
    assert model.labels == ("person", "boots", "vest", "helmet", "head"), "what is nothing has no label"
    found = model.detector().detect(scene())
    assert sorted(seen(model, found)) == [("head", 700), ("helmet", 300), ("person", 300), ("person", 700)]
    assert found.probability.tolist() == sorted(found.probability.tolist(), reverse=True)
    helmet = found.xyxy_norm[found.class_id == model.labels.index("helmet")][0]
    assert (helmet[3] - helmet[1]) * PICTURE[1] == pytest.approx(69, abs=0.5), "as high as a head, not as the crop"


def test_what_is_none_of_them_makes_no_box(tmp_path: Path) -> None:
    green = np.full((PICTURE[1], PICTURE[0], 3), (0, 230, 0), np.uint8)
    model = opened(tmp_path)
    assert [label for label, _ in seen(model, model.detector().detect(Picture.from_bgr(green)))] == ["person"] * 2


def test_only_people_are_looked_at(tmp_path: Path) -> None:
    things = [LEFT, Box((600, 150, 800, 650), 2, 0.8)]
    model = open_model(package(tmp_path, {**HEADS, "safetygear.json": SETTINGS}, things))
    assert sorted(seen(model, model.detector().detect(scene()))) == [("helmet", 300), ("person", 300), ("vest", 700)]


TORSOS = b'{"labelMapping": {"helmet": "vest", "bare": "no-vest", "none": "negative"}, "region": "torso"}'


@pytest.mark.parametrize(
    ("settings", "gear", "where"), [(SETTINGS, "helmet", (100, 250)), (TORSOS, "vest", (220, 400))]
)
def test_the_rules_take_them_as_worn_and_missing(
    tmp_path: Path, settings: bytes, gear: str, where: tuple[int, int]
) -> None:
    model = opened(tmp_path, settings)
    found = model.detector().detect(scene(*where))
    labels = tuple(canonical(model.labels[label]) for label in found.class_id)
    boxes = LabelledBoxes(found.xyxy_norm, labels, found.probability)
    people = [
        TrackedPerson(str(index), box, 0.9, index)
        for index, (box, label) in enumerate(zip(found.xyxy_norm, labels, strict=True))
        if label == "person"
    ]
    people.sort(key=lambda person: float(person.xyxy_norm[0]))
    evidence = observe(people, boxes, frame_size_px=PICTURE, dark=False, gear=[gear])
    assert [evidence[person.track][gear].state for person in people] == ["worn", "missing"]


def test_thresholds_are_by_label(tmp_path: Path) -> None:
    model = opened(tmp_path)
    assert (model.own_threshold("helmet"), model.own_threshold("person")) == (0.5, 0.25)
    labels = [label for label, _ in seen(model, model.detector(thresholds={"helmet": 0.99}).detect(scene()))]
    assert sorted(labels) == ["head", "person", "person"]


def test_a_change_of_either_network_is_another_model(tmp_path: Path) -> None:
    one = opened(tmp_path).identity
    other = open_model(
        package(tmp_path, {**HEADS, "model.onnx": classifier(("helmet", "none", "bare"), dtype="float16")})
    )
    assert one.sha256 != other.identity.sha256
    assert one.version == one.sha256[:12]


@pytest.mark.parametrize(
    ("heads", "names", "why"),
    [
        (HEADS | {"model.onnx": exports.custom_vision_s1([LEFT]).model()}, "person", "a classifier belongs there"),
        (HEADS, "worker", "the detector has no label person; it has: worker"),
        (HEADS | {"labels.txt": b"a\nb"}, "person", "as labels, but there are 2"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, heads: dict[str, bytes], names: str, why: str) -> None:
    path = tmp_path / "two"
    (path / "classifier").mkdir(parents=True)
    export = exports.ultralytics([LEFT], names=f"{{0: '{names}', 1: 'boots', 2: 'vest'}}")
    (path / "model.onnx").write_bytes(export.model())
    for name, data in heads.items():
        (path / "classifier" / name).write_bytes(data)
    with pytest.raises(ModelError, match=why):
        open_model(path)


def test_a_classifier_alone_in_a_folder_of_that_name_is_no_second_network(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in HEADS.items():
            archive.writestr(f"classifier/{name}", data)
    with pytest.raises(ModelError, match="is a classifier"):
        open_model(path)


def test_a_crowd_costs_no_more_than_so_many(tmp_path: Path) -> None:
    crowd = [Box((30 * n, 300, 30 * n + 28, 380), 0, 0.9) for n in range(40)]
    model = open_model(package(tmp_path, {**HEADS, "safetygear.json": SETTINGS}, crowd))
    picture = plain(*PICTURE, (0, 0, 230), "bgr")
    found = [label for label, _ in seen(model, model.detector().detect(picture))]
    assert found.count("person") == 40
    assert found.count("helmet") == MOST_PEOPLE


def test_a_head_too_small_to_see_is_not_judged(tmp_path: Path) -> None:
    model = open_model(package(tmp_path, {**HEADS, "safetygear.json": SETTINGS}, [Box((300, 300, 324, 360), 0, 0.9)]))
    assert [label for label, _ in seen(model, model.detector().detect(scene()))] == ["person"]


def test_where_it_looks() -> None:
    person = as_xyxy([(200, 150, 400, 650)])
    assert regions(person, "person").crop.tolist() == [[200, 150, 400, 650]]
    assert regions(person, "head").box.tolist() == [pytest.approx([265.5, 150, 334.5, 219], abs=0.01)]
    assert regions(person, "head").crop.tolist() == [pytest.approx([245, 129.5, 355, 239.5], abs=0.01)]
    assert regions(person, "torso").crop.tolist() == [pytest.approx([200, 225, 400, 385], abs=0.01)]
