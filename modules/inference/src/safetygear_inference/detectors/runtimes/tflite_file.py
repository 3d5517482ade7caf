"""What a TensorFlow Lite file says beside its network: the zip of files behind it, and how its input is scaled. Pure.

Source: tensorflow/tflite-support, metadata_schema.fbs (`NormalizationOptions`, in px of 0..255) and its documentation
of associated files; tensorflow/tensorflow, schema.fbs; ultralytics, engine/exporter.py (a dict as the zip's first
file).
"""

from __future__ import annotations

import ast
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

METADATA: Final = b"TFLITE_METADATA"
MODEL_BUFFERS, MODEL_METADATA = 4, 6
METADATA_NAME, METADATA_BUFFER, BUFFER_DATA = 0, 1, 0
SUBGRAPHS, INPUTS, PROCESS_UNITS, OPTIONS_TYPE, OPTIONS, MEAN, DEVIATION = 3, 2, 4, 0, 1, 0, 1
NORMALIZATION: Final = 1
"""The union's number of NormalizationOptions."""
MOST_FILES: Final = 100
SMALL_BYTES: Final = 256 * 2**10
OF_ULTRALYTICS: Final = ("metadata.json", "temp_meta.txt", "meta.txt")
IMAGENET_PX: Final = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
STEPS: Final = 3.0
"""By how many of 256 steps the ends of a range may be off."""

NOMINAL: Final = {"Normalized_0_1": (0.0, 1.0), "Normalized_1_1": (-1.0, 1.0), "NominalRange_0_255": (0.0, 255.0)}
"""Names of ranges, as ONNX files have them in Image.NominalPixelRange, and what 0 and 255 become in them."""


@dataclass(frozen=True)
class Appended:
    """The zip behind the network."""

    texts: dict[str, bytes] = field(default_factory=dict)
    """Small text files by name, such as labels.txt."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What Ultralytics writes."""


def appended(network: bytes) -> Appended:
    """Nothing where there is no zip, or where it can't be read: then the labels are asked for."""
    try:
        with zipfile.ZipFile(io.BytesIO(network)) as archive:
            entries = archive.infolist()[:MOST_FILES]
            read = {
                entry.filename: archive.read(entry)
                for entry in entries
                if entry.file_size <= SMALL_BYTES and entry.filename.lower().endswith((".txt", ".json"))
            }
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, ValueError):
        return Appended()
    except RuntimeError:  # encrypted
        return Appended()
    metadata: dict[str, str] = {}
    for name in OF_ULTRALYTICS:
        if name in read:
            metadata = _entries(read.pop(name))
            break
    return Appended({name: data for name, data in read.items() if name.lower().endswith(".txt")}, metadata)


def _entries(data: bytes) -> dict[str, str]:
    text = data.decode(errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return {}
    return {str(key): str(said) for key, said in value.items()} if isinstance(value, dict) else {}


def range_of_floats(network: bytes) -> str | None:
    """The name of the range of an input of float numbers, where the file's own metadata say it."""
    said = _normalization(network)
    if said is None:
        return None
    mean, deviation = said
    if len(mean) == 3 and all(
        _near(*pair, 1.0) for pair in zip((*mean, *deviation), sum(IMAGENET_PX, ()), strict=True)
    ):
        return "imagenet"
    if len(set(mean)) != 1 or len(set(deviation)) != 1 or deviation[0] <= 0:
        return None
    return _nominal(*((end - mean[0]) / deviation[0] for end in (0, 255)))


def range_of_steps(scale: float, zero: int, least: int, most: int) -> str | None:
    """The name of the range of a quantised input: `scale` and `zero` turn its steps `least`..`most` into numbers."""
    return _nominal(*((step - zero) * scale for step in (least, most)))


def _nominal(first: float, last: float) -> str | None:
    for name, (low, high) in NOMINAL.items():
        tolerance = (high - low) * STEPS / 255
        if _near(first, low, tolerance) and _near(last, high, tolerance):
            return name
    return None


def _near(value: float, wanted: float, tolerance: float) -> bool:
    return abs(value - wanted) <= tolerance


def _normalization(network: bytes) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation in px; None where the file has none, or where it is damaged."""
    try:
        model = _Table.root(network)
        buffers = list(model.tables(MODEL_BUFFERS))
        for entry in model.tables(MODEL_METADATA):
            if entry.bytes(METADATA_NAME) != METADATA:
                continue
            root = _Table.root(buffers[entry.number(METADATA_BUFFER)].bytes(BUFFER_DATA))
            for unit in (
                unit
                for graph in root.tables(SUBGRAPHS)
                for tensor in graph.tables(INPUTS)
                for unit in tensor.tables(PROCESS_UNITS)
            ):
                options = unit.table(OPTIONS)
                if unit.byte(OPTIONS_TYPE) == NORMALIZATION and options is not None:
                    mean, deviation = options.floats(MEAN), options.floats(DEVIATION)
                    if mean and deviation:
                        return mean, deviation
    except (struct.error, IndexError, ValueError):
        return None
    return None


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer: its fields by number. Raises struct.error where one points out of the file."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, *struct.unpack_from("<I", data, 0))

    def _place(self, number: int) -> int | None:
        (back,) = struct.unpack_from("<i", self.data, self.at)
        table = self.at - back
        if table < 0:
            raise ValueError("a table before the file's start")
        (size,) = struct.unpack_from("<H", self.data, table)
        if 4 + 2 * number + 2 > size:
            return None
        (offset,) = struct.unpack_from("<H", self.data, table + 4 + 2 * number)
        return self.at + offset if offset else None

    def _pointed(self, place: int) -> int:
        (offset,) = struct.unpack_from("<I", self.data, place)
        return place + int(offset)

    def _vector(self, number: int) -> tuple[int, int]:
        """Where its elements begin, and how many there are."""
        place = self._place(number)
        if place is None:
            return 0, 0
        start = self._pointed(place)
        (count,) = struct.unpack_from("<I", self.data, start)
        if start + 4 + count > len(self.data):
            raise ValueError("a vector beyond the file's end")
        return start + 4, int(count)

    def number(self, number: int) -> int:
        place = self._place(number)
        return 0 if place is None else int(struct.unpack_from("<I", self.data, place)[0])

    def byte(self, number: int) -> int:
        place = self._place(number)
        return 0 if place is None else self.data[place]

    def bytes(self, number: int) -> bytes:
        start, count = self._vector(number)
        return self.data[start : start + count]

    def floats(self, number: int) -> tuple[float, ...]:
        start, count = self._vector(number)
        return struct.unpack_from(f"<{count}f", self.data, start)

    def table(self, number: int) -> _Table | None:
        place = self._place(number)
        return None if place is None else _Table(self.data, self._pointed(place))

    def tables(self, number: int) -> Iterator[_Table]:
        start, count = self._vector(number)
        for index in range(count):
            yield _Table(self.data, self._pointed(start + 4 * index))


def named(names: Sequence[str]) -> list[str]:
    """Each name without what signatures put around it: `serving_default_data:0` is `data`. Where that would make two
    of one name, they keep what follows the colon."""
    bare = [name.removeprefix("serving_default_") for name in names]
    short = [name.split(":")[0] for name in bare]
    return short if len(set(short)) == len(short) else bare
