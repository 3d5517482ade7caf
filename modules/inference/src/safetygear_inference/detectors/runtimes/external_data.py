"""Weights that an ONNX file keeps beside it, put into it: a model that is one file can be hashed and moved. Pure.

Torch's newer exporter writes `NAME.onnx` and `NAME.onnx.data` unless it is told otherwise. Only weights of the graph
itself are taken in, and only from a file in the same folder: what else a file refers to is refused as before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from safetygear.errors import ModelError
from safetygear_inference.detectors.runtimes.onnx_file import (
    GRAPH_INITIALIZER,
    LENGTH,
    MODEL_GRAPH,
    TENSOR_DATA_LOCATION,
    TENSOR_EXTERNAL_DATA,
    TENSOR_RAW_DATA,
    Bytes,
    descend,
    encoded,
    fields,
    initializers,
    replaced,
)

ENTRY_KEY, ENTRY_VALUE = 1, 2
LOCATION, OFFSET, SIZE = "location", "offset", "length"
MOST_DIGITS: Final = 15
ReadBeside = Callable[[str], bytes | None]
"""The content of the file of that name in the model's folder; None where there is none. Raises ModelError."""


def with_external_data(model: bytes, read: ReadBeside) -> bytes:
    """The model with the weights that lie in files beside it; where one can't be had, it stays a reference.

    Bytes that are no ONNX file come back as they are. Raises ModelError (`model-external-data`) where a file is shorter
    than the model says.
    """
    try:
        if not any(LOCATION in _external(tensor) for tensor in initializers(model)):
            return model
    except ModelError:
        # What it is instead is said when it is opened.
        return model
    files: dict[str, bytes | None] = {}

    def tensor(_: int, content: Bytes) -> bytes:
        said = _external(content)
        name = said.get(LOCATION)
        if name is None or not _plain(name):
            return bytes(content)
        if name not in files:
            files[name] = read(name)
        data = files[name]
        return bytes(content) if data is None else _taken_in(content, said, data)

    return descend(model, (MODEL_GRAPH,), lambda graph: replaced(graph, GRAPH_INITIALIZER, tensor))


def _taken_in(content: Bytes, said: dict[str, str], data: bytes) -> bytes:
    start = _number(said.get(OFFSET), 0)
    size = _number(said.get(SIZE), len(data) - start)
    if start + size > len(data) or size < 0:
        raise ModelError(
            f"{said[LOCATION]} beside the ONNX file is cut short: {len(data)} bytes, and a weight ends at "
            f"{start + size}. It is not the one of this model",
            code="model-external-data",
        )
    kept = [
        encoded(number, kind, part)
        for number, kind, part in fields(content)
        if number not in (TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION, TENSOR_RAW_DATA)
    ]
    return b"".join((*kept, encoded(TENSOR_RAW_DATA, LENGTH, memoryview(data)[start : start + size])))


def _external(tensor: Bytes) -> dict[str, str]:
    """What the tensor says of where its numbers are; empty where it has them."""
    said = {}
    for number, kind, entry in fields(tensor):
        if number == TENSOR_EXTERNAL_DATA and kind == LENGTH:
            parts = {inside: bytes(part).decode(errors="replace") for inside, _, part in fields(entry)}
            said[parts.get(ENTRY_KEY, "")] = parts.get(ENTRY_VALUE, "")
    return said


def _plain(name: str) -> bool:
    """Whether it is the name of a file in the same folder, and no path."""
    return bool(name) and name.isprintable() and not set(name) & set("/\\:") and name not in (".", "..")


def _number(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isascii() or not text.isdecimal() or len(text) > MOST_DIGITS:
        raise ModelError(
            f"the ONNX file gives {text!r} as a weight's place in the file beside it", code="model-unreadable"
        )
    return int(text)
