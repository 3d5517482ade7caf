"""Wrong files, each with the whole text that says what it is and what to give instead. docs/models.md has the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from safetygear.errors import ModelError
from safetygear_inference.detectors import open_model
from support import export_models as exports
from support.onnx_models import classifier, colour_meter, fixed_output, model_bytes

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
Make = Callable[[Path], Path]


def named(name: str, data: bytes = b"\x08\x01") -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def with_labels(data: bytes, labels: str = "person\nhelmet\nvest") -> Make:
    def make(folder: Path) -> Path:
        (folder / "model.onnx").write_bytes(data)
        (folder / "model.labels.txt").write_text(labels)
        return folder / "model.onnx"

    return make


def external() -> bytes:
    model = onnx.load_model_from_string(colour_meter())
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "model.onnx.data"
    return model.SerializeToString()


def custom_operator() -> bytes:
    node = helper.make_node("DeformableConv", ["images"], ["boxes"], domain="mmcv")
    floats = TensorProto.FLOAT
    return model_bytes([node], [("images", floats, [1, 3, 64, 64])], [("boxes", floats, [1, 9, 4])], {})


def batch_of_eight() -> bytes:
    boxes = np.zeros((1, 2, 4), np.float32)
    return fixed_output(boxes, input_name="images", input_dims=[8, 3, 64, 64], output_name="boxes")


ONE = [exports.Box((200, 150, 400, 650), 0, 0.9)]
WITHOUT_METADATA = exports.Export(exports.yolov5(ONE).outputs)

WRONG: list[tuple[Make, str]] = [
    (
        named("model.pb"),
        "model.pb is a TensorFlow frozen graph, which is not run here: export the Custom Vision iteration for ONNX",
    ),
    (named("saved_model.pb"), "saved_model.pb is a TensorFlow SavedModel: convert it with `python -m tf2onnx.convert"),
    (named("ppe.mlmodel"), "ppe.mlmodel is a CoreML model, which runs on Apple's devices only: export for ONNX"),
    (named("ppe.xml"), "ppe.xml is OpenVINO's own format: give the ONNX file it was made from"),
    (named("best.pt"), "best.pt is a PyTorch checkpoint, which may run any code when it is loaded: export it for ONNX"),
    (
        named("best.engine"),
        "best.engine is a TensorRT engine, which fits one GPU and one version only: give the ONNX file it was built",
    ),
    (named("ppe.h5"), "ppe.h5 is a Keras model: convert it with `python -m tf2onnx.convert --keras"),
    (named("model.jpg"), "model.jpg is not a model: give a .onnx or .tflite, an export .zip, or a folder with them"),
    (with_labels(b"<html>"), "the ONNX file can't be read: it is not protobuf"),
    (
        with_labels(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"),
        "the ONNX file is only Git LFS's pointer to it: fetch it with `git lfs pull`",
    ),
    (with_labels(external()), "the ONNX file keeps weights in a file beside it (external data): save it as one file"),
    (
        with_labels(custom_operator()),
        "the network needs an operator that is not part of ONNX: ",
    ),
    (
        with_labels(exports.ultralytics(ONE, task="segment").model()),
        "metadata entry task = segment: this is an instance segmentation model of Ultralytics",
    ),
    (with_labels(classifier(("person", "helmet", "vest"))), "model.onnx is a classifier (outputs classLabel and loss)"),
    (with_labels(batch_of_eight()), "takes 8 pictures at once: export with batch size 1"),
    (
        with_labels(exports.ultralytics(ONE).model(), "person\nhelmet"),
        "are for 3 classes, but there are 2 labels: labels.txt is not",
    ),
    (with_labels(WITHOUT_METADATA.model()), "the format is ambiguous (perhaps yolov5: output "),
]


@pytest.mark.parametrize(("make", "says"), WRONG, ids=[says.split(":")[0] for _, says in WRONG])
def test_a_wrong_file_is_named_with_what_to_give_instead(tmp_path: Path, make: Make, says: str) -> None:
    with pytest.raises(ModelError) as raised:
        open_model(make(tmp_path))
    assert says in str(raised.value)


def test_the_page_on_models_has_these_texts() -> None:
    page = DOCS.read_text(encoding="utf-8")
    missing = [says for _, says in WRONG if says.replace("|", "\\|") not in page]
    assert missing == []
