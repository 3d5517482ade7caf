"""The little of an ONNX file's own structure that must be known before a runtime opens it. Pure.

Protobuf's wire format: a field is a varint of number * 8 + wire type, then a varint, 8 bytes, a length and so many
bytes, or 4 bytes. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from safetygear.errors import ModelError

Bytes = memoryview | bytes

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MODEL_GRAPH, MODEL_FUNCTIONS = 7, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_SPARSE_INITIALIZER = 1, 5, 11, 15
FUNCTION_NODE, NODE_ATTRIBUTE = 7, 5
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11
ATTRIBUTE_SPARSE, ATTRIBUTE_SPARSES = 22, 23
SPARSE_VALUES, SPARSE_INDICES = 1, 2
TENSOR_DIMS, TENSOR_NAME, TENSOR_RAW_DATA, TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION = 1, 8, 9, 13, 14
VALUE_NAME, VALUE_TYPE, TYPE_TENSOR, TENSOR_SHAPE, SHAPE_DIM, DIM_PARAM = 1, 2, 1, 2, 1, 2
LFS_POINTER: Final = b"version https://git-lfs.github.com/"
MAX_DEPTH: Final = 32
"""Graphs within graphs; a file that nests deeper was made to hurt."""

_CHILDREN: Final[dict[str, dict[int, str]]] = {
    "model": {MODEL_GRAPH: "graph", MODEL_FUNCTIONS: "function"},
    "function": {FUNCTION_NODE: "node"},
    "graph": {GRAPH_NODE: "node", GRAPH_INITIALIZER: "tensor", GRAPH_SPARSE_INITIALIZER: "sparse"},
    "node": {NODE_ATTRIBUTE: "attribute"},
    "attribute": {
        ATTRIBUTE_TENSOR: "tensor",
        ATTRIBUTE_TENSORS: "tensor",
        ATTRIBUTE_GRAPH: "graph",
        ATTRIBUTE_GRAPHS: "graph",
        ATTRIBUTE_SPARSE: "sparse",
        ATTRIBUTE_SPARSES: "sparse",
    },
    "sparse": {SPARSE_VALUES: "tensor", SPARSE_INDICES: "tensor"},
}


def refuse_external_data(model: bytes) -> None:
    """Raises ModelError where a weight lies in another file, or where the bytes are no ONNX file.

    Such a reference names any path; and a model that is one file is a model that can be hashed and moved.
    """
    if model.startswith(LFS_POINTER):
        raise ModelError(
            "the ONNX file is only Git LFS's pointer to it: fetch it with `git lfs pull`", code="model-unreadable"
        )
    if not any(number == MODEL_GRAPH for number, _, _ in fields(model)):
        raise _unreadable("it holds no graph")
    if _has_external_data("model", model, 0):
        raise ModelError(
            "the ONNX file keeps weights in a file beside it (external data): save it as one file "
            "(torch.onnx.export with external_data=False; else onnx.save_model with save_as_external_data=False), or "
            "put that file beside it under the name that it had",
            code="model-external-data",
        )


def weight_shapes(model: bytes) -> dict[str, tuple[int, ...]]:
    """The shapes of the graph's weights by name. Raises ModelError where the bytes are no ONNX file."""
    return dict(_name_and_shape(tensor) for tensor in initializers(model))


def initializers(model: bytes) -> Iterator[Bytes]:
    """The tensors that hold the graph's weights."""
    for number, wire_type, graph in fields(model):
        if number == MODEL_GRAPH and wire_type == LENGTH:
            for inside, kind, tensor in fields(graph):
                if inside == GRAPH_INITIALIZER and kind == LENGTH:
                    yield tensor


def with_free_size(model: bytes, input_name: str) -> bytes:
    """The model with height and width of its NCHW input `input_name` as symbols, so that any size may be fed."""

    def dimension(index: int, content: Bytes) -> bytes:
        symbol = {2: b"height", 3: b"width"}.get(index)
        return bytes(content) if symbol is None else encoded(DIM_PARAM, LENGTH, symbol)

    def shape(content: Bytes) -> bytes:
        return replaced(content, SHAPE_DIM, dimension)

    def value(_: int, content: Bytes) -> bytes:
        names = [bytes(part) for number, kind, part in fields(content) if number == VALUE_NAME and kind == LENGTH]
        if names != [input_name.encode()]:
            return bytes(content)
        return descend(content, (VALUE_TYPE, TYPE_TENSOR, TENSOR_SHAPE), shape)

    return descend(model, (MODEL_GRAPH,), lambda graph: replaced(graph, GRAPH_INPUT, value))


def _name_and_shape(tensor: Bytes) -> tuple[str, tuple[int, ...]]:
    name, shape = "", []
    for number, wire_type, part in fields(tensor):
        if number == TENSOR_NAME and wire_type == LENGTH:
            name = bytes(part).decode(errors="replace")
        elif number == TENSOR_DIMS:
            # Packed into one field or each in its own: both are allowed.
            place = 0
            while place < len(part):
                size, place = _read_varint(memoryview(part), place)
                shape.append(size)
    return name, tuple(shape)


def _has_external_data(kind: str, content: Bytes, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise _unreadable("its graphs are nested too deep")
    children = _CHILDREN.get(kind, {})
    for number, wire_type, part in fields(content):
        if kind == "tensor":
            if number == TENSOR_EXTERNAL_DATA or (number == TENSOR_DATA_LOCATION and bytes(part) == b"\x01"):
                return True
        elif wire_type == LENGTH and number in children and _has_external_data(children[number], part, depth + 1):
            return True
    return False


def descend(content: Bytes, path: tuple[int, ...], change: Callable[[Bytes], bytes]) -> bytes:
    """`content` with what lies at the end of `path`, by numbers of fields, changed by `change`."""
    if not path:
        return change(content)
    return replaced(content, path[0], lambda _, part: descend(part, path[1:], change))


def replaced(content: Bytes, number: int, change: Callable[[int, Bytes], bytes]) -> bytes:
    """`content` with each field `number` changed by `change(how many came before, its bytes)`."""
    out, seen = [], 0
    for found, wire_type, part in fields(content):
        if found == number and wire_type == LENGTH:
            part = memoryview(change(seen, part))
            seen += 1
        out.append(encoded(found, wire_type, part))
    return b"".join(out)


def fields(content: Bytes) -> Iterator[tuple[int, int, memoryview]]:
    """(number, wire type, bytes) of each field; a varint's bytes are those of the varint itself."""
    view, position = memoryview(content), 0
    while position < len(view):
        key, position = _read_varint(view, position)
        wire_type = key & 7
        if wire_type == VARINT:
            _, end = _read_varint(view, position)
        elif wire_type == LENGTH:
            size, position = _read_varint(view, position)
            end = position + size
        elif wire_type in (FIXED64, FIXED32):
            end = position + (8 if wire_type == FIXED64 else 4)
        else:
            raise _unreadable("it is not protobuf")
        if key >> 3 == 0 or end > len(view):
            raise _unreadable("it is cut short or not protobuf")
        yield key >> 3, wire_type, view[position:end]
        position = end


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(view):
            raise _unreadable("it is cut short")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _unreadable("it is not protobuf")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encoded(number: int, wire_type: int, content: Bytes) -> bytes:
    """One field as `fields` gave it."""
    size = _varint(len(content)) if wire_type == LENGTH else b""
    return _varint(number << 3 | wire_type) + size + bytes(content)


def _unreadable(why: str) -> ModelError:
    return ModelError(f"the ONNX file can't be read: {why}", code="model-unreadable")
