"""What is read of an ONNX file before a runtime sees it, held against the onnx package."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from safetygear.errors import ModelError
from safetygear_inference.detectors.runtimes.onnx import OnnxSession
from safetygear_inference.detectors.runtimes.onnx_file import refuse_external_data, with_free_size
from support.onnx_models import colour_meter, convolutional_compact, custom_vision_compact, model_bytes

WHOLE = convolutional_compact(2)


def external(tensor: onnx.TensorProto) -> None:
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def in_initializer(model: onnx.ModelProto) -> None:
    external(model.graph.initializer[0])


def in_constant(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.FLOAT, [1], [0.0]))
    external(node.attribute[0].t)
    model.graph.node.append(node)


def in_branch(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [], [helper.make_tensor("c", TensorProto.FLOAT, [1], [0.0])])
    external(branch.initializer[0])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch))


def in_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.FLOAT, [1], [0.0]))
    external(node.attribute[0].t)
    model.functions.append(helper.make_function("local", "f", [], ["c"], [node], model.opset_import))


def in_sparse(model: onnx.ModelProto) -> None:
    values = helper.make_tensor("c", TensorProto.FLOAT, [1], [0.0])
    external(values)
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))


@pytest.mark.parametrize("where", [in_initializer, in_constant, in_branch, in_function, in_sparse])
def test_weights_in_another_file_are_refused(where: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load_model_from_string(WHOLE)
    refuse_external_data(model.SerializeToString())
    where(model)
    with pytest.raises(ModelError, match="external data") as raised:
        OnnxSession(model.SerializeToString())
    assert raised.value.code == "model-external-data"


def test_the_size_is_freed_and_nothing_else_changes() -> None:
    freed = onnx.load_model_from_string(with_free_size(WHOLE, "data"))
    expected = onnx.load_model_from_string(WHOLE)
    dims = expected.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_param, dims[3].dim_param = "height", "width"
    assert freed == expected


def test_only_the_named_input_is_freed() -> None:
    model = onnx.load_model_from_string(WHOLE)
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 3, 416, 416]))
    freed = onnx.load_model_from_string(with_free_size(model.SerializeToString(), "mask"))
    sizes = {value.name: value.type.tensor_type.shape.dim[2].WhichOneof("value") for value in freed.graph.input}
    assert sizes == {"data": "dim_value", "mask": "dim_param"}


def test_half_floats_come_out_as_floats() -> None:
    session = OnnxSession(custom_vision_compact(np.full((1, 35, 13, 13), 0.5, np.float32), dtype="float16"))
    outputs = session.run({"data": np.zeros((1, 3, 416, 416), np.float16)})
    assert outputs["model_outputs0"].dtype == np.float32


def test_a_freed_network_takes_any_size() -> None:
    session = OnnxSession(with_free_size(WHOLE, "data"))
    assert session.signature.inputs[0].shape == (1, 3, "height", "width")
    outputs = session.run({"data": np.zeros((1, 3, 384, 704), np.float32)})
    assert outputs["model_outputs0"].shape == (1, 35, 12, 22)


@given(st.integers(0, len(WHOLE) - 1))
@example(1)
def test_a_file_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ModelError, match=r"can't be read|can't load"):
        OnnxSession(WHOLE[:length])


@given(st.binary(max_size=300))
@example(b"\x3a\x02\x0a\x00")
@example(b"<html>404 Not Found</html>")
@example(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3637206\n")
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for read in (refuse_external_data, lambda given_: with_free_size(given_, "data")):
        try:
            read(data)
        except ModelError as exc:
            assert exc.code in ("model-unreadable", "model-external-data")


def test_graphs_nested_too_deep_are_refused() -> None:
    graph = b""
    for _ in range(200):
        attribute = b"\x32" + size(graph) + graph
        node = b"\x2a" + size(attribute) + attribute
        graph = b"\x0a" + size(node) + node
    with pytest.raises(ModelError, match="nested too deep"):
        refuse_external_data(b"\x3a" + size(graph) + graph)


def size(content: bytes) -> bytes:
    value, out = len(content), b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def test_an_operator_of_someone_else_is_refused_by_name() -> None:
    node = helper.make_node("Sharpen", ["x"], ["y"], domain="com.example")
    model = onnx.load_model_from_string(
        model_bytes([node], [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])], {})
    )
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(ModelError, match=r"com\.example:Sharpen.*custom operators are not loaded") as raised:
        OnnxSession(model.SerializeToString())
    assert raised.value.code == "model-custom-op"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ir_version": 99}, r"the ONNX file has IR version 99, and \d+ is the newest that can be read: write it with"),
        ({"opset": 99}, r"the network needs opset 99 of ai\.onnx, and \d+ is the newest .*`opset_version=\d+` or less"),
    ],
)
def test_a_file_that_is_newer_than_the_runtime_says_what_to_do(change: dict[str, int], why: str) -> None:
    model = onnx.load_model_from_string(colour_meter())
    model.ir_version = change.get("ir_version", model.ir_version)
    model.opset_import[0].version = change.get("opset", model.opset_import[0].version)
    with pytest.raises(ModelError, match=why) as caught:
        OnnxSession(model.SerializeToString())
    assert "/onnxruntime" not in str(caught.value)


def test_onnx_runtime_prints_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    broken = WHOLE.replace(b"model_outputs0", b"model_\xff\xfe\xfdputs0")
    with pytest.raises(ModelError, match="utf-8"):
        OnnxSession(broken)
    with pytest.raises(ModelError):
        OnnxSession(WHOLE.replace(b"AveragePool", b"AveragePoll"))
    assert capfd.readouterr() == ("", "")


def test_a_run_that_fails_is_an_error_with_its_reason() -> None:
    session = OnnxSession(WHOLE)
    with pytest.raises(ModelError, match="Got invalid dimensions") as raised:
        session.run({"data": np.zeros((1, 3, 64, 64), np.float32)})
    assert raised.value.code == "model-failed"
    with pytest.raises(ModelError, match="Unexpected input data type"):
        session.run({"data": np.zeros((1, 3, 416, 416), np.float64)})
