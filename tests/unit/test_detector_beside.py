"""Files that an exporter puts beside a network: weights of their own, Hugging Face's configs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

from safetygear.errors import ModelError
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.hugging_face_files import class_names, preprocessing
from safetygear_inference.detectors.package import read_model_files
from safetygear_inference.detectors.runtimes.external_data import with_external_data
from safetygear_inference.detectors.runtimes.onnx_file import weight_shapes
from support import export_models as exports
from support.export_models import LABELS, PICTURE, Box
from support.onnx_models import colour_meter, convolutional_compact
from support.pictures import plain

PEOPLE = [Box((200, 150, 400, 650), 0, 0.9), Box((250, 150, 350, 250), 1, 0.7)]
DATA = "ppe.onnx.data"


def apart(model: bytes, location: str = DATA, pad: int = 0, **changes: str) -> tuple[bytes, bytes]:
    """The model with each weight in a second file, and that file, as torch.onnx.export writes them."""
    proto, data = onnx.load_model_from_string(model), b"\0" * pad
    for tensor in proto.graph.initializer:
        content = numpy_helper.to_array(tensor).tobytes()
        for name in ("raw_data", "float_data", "int64_data"):
            tensor.ClearField(name)
        tensor.data_location = TensorProto.EXTERNAL
        said = {"location": location, "offset": str(len(data)), "length": str(len(content)), **changes}
        for key, value in said.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        data += content
    return proto.SerializeToString(), data


def boxes(model: Model) -> list[tuple[int, float]]:
    found = model.detector(default_threshold=0.0).detect(plain(320, 320, (200, 100, 50)))
    return list(zip(found.class_id.tolist(), found.probability.round(4).tolist(), strict=True))


@pytest.mark.parametrize("form", ["file", "folder", "zip"])
def test_weights_in_a_file_beside_are_taken_in(tmp_path: Path, form: str) -> None:
    whole = colour_meter()
    model, data = apart(whole, pad=64)
    folder = tmp_path / "ppe"
    folder.mkdir()
    files = {"ppe.onnx": model, DATA: data, "labels.txt": b"a\nb\nc"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "ppe.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"inner/{name}", content)
    path = {"file": folder / "ppe.onnx", "folder": folder, "zip": tmp_path / "ppe.zip"}[form]
    (tmp_path / "whole.onnx").write_bytes(whole)
    (tmp_path / "labels.txt").write_text("a\nb\nc")
    assert boxes(open_model(path)) == boxes(open_model(tmp_path / "whole.onnx"))
    network = read_model_files(path).network
    assert onnx.load_model_from_string(network).graph.initializer[0].data_location == TensorProto.DEFAULT


@pytest.mark.parametrize(
    ("location", "changes", "why"),
    [
        ("other.data", {}, "keeps weights in a file beside it .*or put that file beside it under the name that it had"),
        ("../ppe.onnx.data", {}, "keeps weights in a file beside it"),
        ("/etc/passwd", {}, "keeps weights in a file beside it"),
        (DATA, {"length": "99999"}, r"ppe.onnx.data beside the ONNX file is cut short: .*not the one of this model"),
        (DATA, {"offset": "99999"}, "cut short"),
        (DATA, {"offset": "-4"}, "gives '-4' as a weight's place"),
        (DATA, {"length": "9" * 30}, "gives '9+' as a weight's place"),
    ],
)
def test_weights_that_can_not_be_had(tmp_path: Path, location: str, changes: dict[str, str], why: str) -> None:
    model, data = apart(colour_meter(), location, **changes)
    (tmp_path / "ppe").mkdir()
    for path in (tmp_path / "ppe" / DATA, tmp_path / DATA):
        path.write_bytes(data)
    (tmp_path / "ppe" / "ppe.onnx").write_bytes(model)
    (tmp_path / "ppe" / "labels.txt").write_text("a\nb\nc")
    with pytest.raises(ModelError, match=why):
        open_model(tmp_path / "ppe")


@given(st.binary(max_size=200))
def test_what_is_no_onnx_file_stays_as_it_is(data: bytes) -> None:
    assert with_external_data(data, lambda name: pytest.fail(f"asks for {name}")) == data


def test_shapes_of_weights_are_read_by_name() -> None:
    assert weight_shapes(convolutional_compact(2)) == {"weight": (35, 3, 1, 1), "bias": (35,)}


# --- Hugging Face ---

CONFIG = {"model_type": "rt_detr", "id2label": {str(number): label for number, label in enumerate(LABELS)}}
RT_DETR = {"do_rescale": True, "rescale_factor": 0.00392156862745098, "do_normalize": False, "image_mean": [0.485] * 3}
DETR = {
    "do_rescale": True,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "size": {"shortest_edge": 800, "longest_edge": 1333},
}
OPEN = ("batch_size", "num_channels", "height", "width")


def hugging_face(folder: Path, config: Any, preprocessor: Any, dims: Any = (1, 3, 320, 320), **names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    export = exports.hugging_face(PEOPLE, no_object=False)
    model = exports.Export(export.outputs, input_name="pixel_values", input_dims=dims).model()
    (folder / "model.onnx").write_bytes(model)
    above = folder if folder.name != "onnx" else folder.parent
    for name, content in (("config.json", config), (names.get("as", "preprocessor_config.json"), preprocessor)):
        if content is not None:
            (above / name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("form", ["folder", "file", "onnx/", "processor_config.json"])
def test_names_and_values_of_hugging_face_lie_beside(tmp_path: Path, form: str) -> None:
    preprocessor: Any = {"image_processor": RT_DETR} if form == "processor_config.json" else RT_DETR
    name = form if form.endswith(".json") else "preprocessor_config.json"
    folder = hugging_face(tmp_path / ("onnx" if form == "onnx/" else "model"), CONFIG, preprocessor, **{"as": name})
    model = open_model(folder if form in ("folder", "processor_config.json") else folder / "model.onnx")
    assert model.labels == LABELS
    assert (model.format.input.scale, model.format.input.mean) == (1 / 255, (0.0, 0.0, 0.0))
    found = model.detector(default_threshold=0.3).detect(plain(*PICTURE, (60, 60, 60)))
    assert [model.labels[label] for label in found.class_id] == ["person", "helmet"]


def test_an_open_size_is_the_preprocessors(tmp_path: Path) -> None:
    sized = {**RT_DETR, "size": {"height": 192, "width": 320}}
    assert open_model(hugging_face(tmp_path / "open", CONFIG, sized, OPEN)).format.input.size == (320, 192)
    assert open_model(hugging_face(tmp_path / "fixed", CONFIG, sized)).format.input.size == (320, 320)
    with pytest.raises(ModelError, match="say `inputSize`"):
        open_model(hugging_face(tmp_path / "edges", CONFIG, {**RT_DETR, "size": DETR["size"]}, OPEN))


def test_the_settings_go_before_what_lies_beside(tmp_path: Path) -> None:
    folder = hugging_face(tmp_path / "model", CONFIG, RT_DETR)
    (folder / "safetygear.json").write_text('{"pixelRange": "imagenet", "labels": ["a", "b", "c"]}')
    model = open_model(folder)
    assert (model.labels, model.format.input.mean) == (("a", "b", "c"), (0.485, 0.456, 0.406))


@pytest.mark.parametrize(
    ("said", "pixel_range"),
    [
        (RT_DETR, "0-1"),
        (DETR, "imagenet"),
        ({"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, "-1-1"),
        ({"do_rescale": False, "do_normalize": False}, "0-255"),
        ({"size": 800}, None),
        ({}, None),
    ],
)
def test_the_range_of_values_by_the_preprocessor(said: dict[str, Any], pixel_range: str | None) -> None:
    assert preprocessing(json.dumps(said).encode(), "p.json").pixel_range == pixel_range


@pytest.mark.parametrize(
    "said",
    [
        {"do_normalize": True, "image_mean": [0.1] * 3, "image_std": [0.5] * 3},
        {"do_normalize": True},
        {"do_normalize": False, "do_rescale": True, "rescale_factor": 1 / 127.5},
        {**DETR, "do_rescale": False},
        {**DETR, "image_mean": [0.485, 0.456]},
    ],
)
def test_values_that_are_not_fed_here(said: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"^p\.json: do_rescale .* is not known here"):
        preprocessing(json.dumps(said).encode(), "p.json")


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        (CONFIG, LABELS),
        ({"id2label": {"1": "b", "0": "a"}}, ("a", "b")),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, None),
        ({"id2label": {"0": "N/A", "1": "person", "2": "N/A"}}, ("N/A 0", "person", "N/A 2")),
        ({"version": 3}, None),
        ([1, 2], None),
    ],
)
def test_class_names_of_a_config(said: Any, labels: tuple[str, ...] | None) -> None:
    assert class_names(json.dumps(said).encode(), "config.json") == labels


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"id2label": {"0": "a", "2": "b"}}, "does not number its classes 0 to 1"),
        ({"id2label": {"a": "b"}}, "id2label can't be read"),
        ({"id2label": ["a"]}, "id2label can't be read"),
        ({"id2label": {"0": "a", "1": "a"}}, "names 'a' twice"),
    ],
)
def test_class_names_that_can_not_be(said: Any, why: str) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        class_names(json.dumps(said).encode(), "config.json")
    assert caught.value.code == "model-labels"


@given(st.binary(max_size=60))
def test_any_file_beside_is_read_or_refused(data: bytes) -> None:
    assert class_names(data, "config.json") is None
    try:
        preprocessing(data, "p.json")
    except ModelError as exc:
        assert str(exc).startswith("p.json")
