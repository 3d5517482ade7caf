"""Data files to truth: COCO and Custom Vision's regions; what can't be used is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import UserError
from safetygear_workbench.evaluate.coco_file import read_coco
from safetygear_workbench.evaluate.custom_vision_file import read_regions
from safetygear_workbench.evaluate.reading import open_truth

COCO: dict[str, Any] = {
    "info": {"year": 2026},
    "categories": [{"id": 7, "name": "person", "supercategory": "x"}, {"id": 3, "name": "helmet"}],
    "images": [
        {"id": 20, "file_name": "in/b.jpg", "width": 640, "height": 480, "licence": 1},
        {"id": 10, "file_name": "a.jpg", "labelled": ["helmet"]},
    ],
    "annotations": [
        {"id": 1, "image_id": 20, "category_id": 3, "bbox": [1, 2, 30.5, 40], "area": 1220, "iscrowd": 0},
        {"id": 2, "image_id": 20, "category_id": 7, "bbox": [5, 6, 7, 8], "iscrowd": 1},
        {"id": 3, "image_id": 10, "category_id": 3, "bbox": [9, 9, 9, 9]},
    ],
}
ID = "8cd4b7a1-0000-4000-8000-000000000001"
REGIONS: list[dict[str, Any]] = [
    {
        "id": ID,
        "created": "2026-11-25T08:00:00.000Z",
        "width": 200,
        "height": 100,
        "originalImageUri": "",
        "tags": [{"tagId": "t1", "tagName": "helmet", "created": "2026-11-25T08:00:00.000Z"}],
        "regions": [
            {"regionId": "r", "tagName": "helmet", "tagId": "t1", "left": 0.1, "top": 0.2, "width": 0.25, "height": 0.5}
        ],
    },
    {"id": "x", "fileName": "named.png", "regions": []},
]


def changed(document: Any, *path: str | int, to: Any) -> Any:
    """A copy in which the field at `path` is `to`; ... takes it out."""
    copy = json.loads(json.dumps(document))
    place = copy
    for part in path[:-1]:
        place = place[part]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return copy


def test_coco_is_read_in_its_order() -> None:
    truth = read_coco(COCO, "data.json")
    assert truth.labels == ("person", "helmet")
    first, second = truth.pictures
    assert (first.name, first.size_px, first.unit) == ("in/b.jpg", (640, 480), "px")
    assert first.class_id.tolist() == [1, 0]
    assert first.crowd.tolist() == [False, True]
    assert first.xywh.tolist() == [[1, 2, 30.5, 40], [5, 6, 7, 8]]
    assert first.labelled == {0, 1}
    assert second.size_px is None
    assert second.labelled == {1}


def test_custom_vision_s_images_are_read_alone_and_with_tags() -> None:
    truth = read_regions(REGIONS, [f"sub/{ID}.JPG", "named.png"], "data.json")
    assert truth.labels == ("helmet",)
    assert [picture.name for picture in truth.pictures] == [f"sub/{ID}.JPG", "named.png"]
    np.testing.assert_allclose(truth.pictures[0].xywh_px((200, 100)), [[20, 20, 50, 50]])
    assert truth.pictures[1].class_id.tolist() == []

    region = {"tagId": "t2", "left": 0, "top": 0, "width": 1, "height": 1}
    document = {
        "images": [{"name": "c.jpg", "regions": [region], "labelled": ["vest"]}],
        "tags": [
            {"id": "t1", "name": "helmet", "type": "Regular"},
            {"id": "t2", "name": "vest"},
            {"id": "t3", "name": "none", "type": "Negative"},
        ],
    }
    truth = read_regions(document, [], "data.json")
    assert truth.labels == ("helmet", "vest")
    assert truth.pictures[0].class_id.tolist() == [1]
    assert truth.pictures[0].labelled == {1}


@pytest.mark.parametrize("project", ["helmet", "hardhat", "site"])
def test_the_project_s_name_that_roboflow_puts_first_is_no_class(project: str) -> None:
    document = COCO | {
        "categories": [
            {"id": 0, "name": project, "supercategory": "none"},
            {"id": 3, "name": "helmet", "supercategory": project},
            {"id": 7, "name": "person", "supercategory": project},
        ]
    }
    assert read_coco(document, "data.json").labels == ("helmet", "person")
    drawn = changed(document, "annotations", 0, "category_id", to=0)
    if project != "helmet":
        assert read_coco(drawn, "data.json").labels == (project, "helmet", "person")


def test_a_class_without_a_box_is_a_class() -> None:
    document = COCO | {
        "categories": [
            {"id": 7, "name": "person", "supercategory": "person"},
            {"id": 3, "name": "helmet", "supercategory": "gear"},
            {"id": 4, "name": "vest", "supercategory": "vest"},
            {"id": 5, "name": "gear"},
            {"id": 6, "name": "head", "supercategory": None},
        ],
        "images": [image | {"labelled": ["gear"]} for image in COCO["images"]],
    }
    assert read_coco(document, "data.json").labels == ("person", "helmet", "vest", "gear", "head")


BAD_COCO: list[tuple[Any, str]] = [
    (changed(COCO, "annotations", 1, "bbox", to=[1, 2, 3]), r"annotations\[1\].bbox.*"),
    (
        changed(COCO, "annotations", 1, "bbox", to=[1, 2, 0, 5]),
        r"annotations\[1\].bbox is \[1.0, 2.0, 0.0, 5.0\]. Write",
    ),
    (changed(COCO, "annotations", 0, "bbox", to=[1, 2, "3", 5]), r"annotations\[0\].bbox"),
    (changed(COCO, "annotations", 0, "image_id", to=5), r"annotations\[0\].image_id is 5, and no image"),
    (changed(COCO, "annotations", 0, "category_id", to=1), r"annotations\[0\].category_id is 1, and no category"),
    (changed(COCO, "annotations", 0, "iscrowd", to=2), r"annotations\[0\].iscrowd"),
    (changed(COCO, "annotations", to=...), "annotations"),
    (changed(COCO, "categories", to=[]), "categories is empty"),
    (changed(COCO, "categories", 0, "id", to=3), r"categories\[1\] is 'helmet' with id 3"),
    (changed(COCO, "categories", 0, "name", to="helmet"), r"categories\[1\] is 'helmet'"),
    (changed(COCO, "images", 1, "id", to=20), "two images have one id|image_id is 10"),
    (changed(COCO, "images", 0, "width", to=0), r"images\[0\].width"),
    (
        changed(COCO, "images", 1, "labelled", to=["vest"]),
        r"images\[1\].labelled names 'vest'; the categories are: person",
    ),
    (changed(COCO, "images", 1, "file_name", to="../a.jpg"), r"images\[1\].file_name is '../a.jpg'. Write"),
    (changed(COCO, "images", 1, "file_name", to="/etc/a.jpg"), r"images\[1\].file_name"),
    (changed(COCO, "images", 1, "file_name", to=r"..\a.jpg"), r"images\[1\].file_name"),
    (changed(COCO, "images", 1, "file_name", to="C:/a.jpg"), r"images\[1\].file_name"),
    (changed(COCO, "images", 1, "file_name", to=""), r"images\[1\].file_name"),
]


@pytest.mark.parametrize(("document", "why"), BAD_COCO, ids=range(len(BAD_COCO)))
def test_coco_that_can_t_be_used_is_named(document: Any, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_coco(document, "data.json")


BAD_REGIONS: list[tuple[Any, str]] = [
    (changed(REGIONS, 0, "regions", 0, "left", to=12), r"\[0\].regions\[0\].left.*tagName, left, top"),
    (changed(REGIONS, 0, "regions", 0, "width", to=0), r"images\[0\].regions\[0\] has no width"),
    (changed(changed(REGIONS, 0, "regions", 0, "tagName", to=...), 0, "regions", 0, "tagId", to="t9"), "no tagName"),
    (changed(REGIONS, 1, "fileName", to=...), r"images\[1\]: no picture in the folder is named x"),
    (changed(changed(REGIONS, 1, "fileName", to=...), 1, "id", to=...), r"images\[1\] has neither fileName nor id"),
    (changed(REGIONS, 1, "fileName", to="../named.png"), r"images\[1\].fileName"),
    (changed(REGIONS, 1, "labelled", to=["vest"]), r"images\[1\].labelled names 'vest'; the tags are: helmet"),
    (changed(REGIONS, 0, "regions", to=[]), "no image has a region"),
]


@pytest.mark.parametrize(("document", "why"), BAD_REGIONS, ids=range(len(BAD_REGIONS)))
def test_regions_that_can_t_be_used_are_named(document: Any, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_regions(document, [f"{ID}.jpg", "named.png"], "data.json")


def test_the_file_says_by_itself_which_shape_it_has(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    (tmp_path / "in").mkdir()
    for name in ("in/b.jpg", "a.jpg", f"{ID}.jpg", "named.png"):
        (tmp_path / name).touch()
    data.write_text(json.dumps(COCO), encoding="utf-8-sig")
    assert open_truth(data, tmp_path).shape == "COCO"
    for document in (REGIONS, {"images": REGIONS}):
        data.write_text(json.dumps(document))
        assert open_truth(data, tmp_path).shape == "Custom Vision"


BAD_FILES: list[tuple[str, str]] = [
    ("{", "is not JSON: .*line 1"),
    ("[1]", "neither COCO detection JSON"),
    ('{"images": []}', "neither COCO detection JSON"),
    ("3", "neither COCO detection JSON"),
    (json.dumps(COCO | {"images": [], "annotations": []}), "images is empty"),
    (json.dumps(COCO), "'in/b.jpg', and 1 more: no such picture in .* --images"),
    (json.dumps(changed(COCO, "images", 0, "file_name", to="a.jpg")), "no such picture|named twice"),
]


@pytest.mark.parametrize(("text", "why"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_files_that_can_t_be_used_are_named(tmp_path: Path, text: str, why: str) -> None:
    data = tmp_path / "data.json"
    data.write_text(text)
    with pytest.raises(UserError, match=why):
        open_truth(data, tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        open_truth(tmp_path / "data.json", tmp_path / "gone")
    with pytest.raises(UserError, match=r"data.json can't be read"):
        open_truth(tmp_path / "data.json", tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "images",
                    "annotations",
                    "categories",
                    "id",
                    "name",
                    "file_name",
                    "fileName",
                    "bbox",
                    "regions",
                    "tagName",
                    "tags",
                    "labelled",
                    "left",
                    "top",
                    "width",
                    "height",
                    "image_id",
                    "category_id",
                    "iscrowd",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_whatever_the_json_is_it_is_read_or_refused(document: Any) -> None:
    for read in (lambda: read_coco(document, "x"), lambda: read_regions(document, ["a.jpg"], "x")):
        try:
            truth = read()
        except UserError:
            continue
        assert truth.labels


@given(st.sampled_from(["images", "annotations", "categories"]), st.integers(0, 1), st.text(max_size=8), JSON)
def test_whatever_one_field_of_a_good_file_is_it_is_read_or_refused(
    part: str, place: int, key: str, value: Any
) -> None:
    keys = sorted(COCO[part][place])
    copy = json.loads(json.dumps(COCO))
    copy[part][place][keys[len(key) % len(keys)]] = value
    try:
        read_coco(copy, "x")
    except UserError as exc:
        assert str(exc).startswith("x: ")
