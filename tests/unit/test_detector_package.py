"""From a path to a model's files: what exporters write, and what only an attacker or an accident makes."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safetygear.errors import ModelError
from safetygear_inference.detectors.package import SMALL_BYTES, read_model_files
from safetygear_inference.detectors.zip_reading import MAX_ENTRIES

MANIFEST = {
    "DomainType": "ObjectDetection",
    "Platform": "ONNX",
    "Flavor": None,
    "ExporterVersion": "2.0",
    "ExportedDate": "2026-10-01T08:00:00Z",
    "IterationId": "5d4e3f10-8a6b-4f4e-9f0e-2a1b0c9d8e7f",
    "ModelFileName": "model.onnx",
    "LabelFileName": "labels.txt",
    "MetadataPropsFileName": "metadata_properties.json",
    "SchemaVersion": "1.0",
}
EXPORT = {
    "model.onnx": b"the network",
    "labels.txt": b"helmet\r\nvest",
    "cvexport.manifest": json.dumps(MANIFEST).encode(),
    "metadata_properties.json": b"{}",
}


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def manifest(**changes: object) -> bytes:
    return json.dumps(MANIFEST | changes).encode()


@pytest.mark.parametrize(
    "files",
    [
        EXPORT,
        {f"export/{name}": content for name, content in EXPORT.items()},
        {f"app/{name}": content for name, content in EXPORT.items()} | {"Dockerfile": b"FROM x", "app/predict.py": b""},
        EXPORT | {"__MACOSX/._model.onnx": b"resource fork"},
        EXPORT | {"cvexport.manifest": b"\xef\xbb\xbf" + EXPORT["cvexport.manifest"]},
        {f"export/{name}": content for name, content in EXPORT.items()} | {"export/._model.onnx": b"resource fork"},
        {f"export\\{name}": content for name, content in EXPORT.items()} | {"export\\": b""},
        {name.replace("labels", "Labels"): content for name, content in EXPORT.items()},
    ],
    ids=[
        "as exported",
        "in a folder",
        "docker",
        "repacked on a Mac",
        "byte order mark",
        "from a Mac's disk",
        "older .NET",
        "Windows' letters",
    ],
)
def test_an_export_zip(tmp_path: Path, files: dict[str, bytes]) -> None:
    found = read_model_files(zipped(tmp_path / "ppe-v3.zip", files))
    assert (found.name, found.network, found.labels) == ("ppe-v3", b"the network", ("helmet", "vest"))
    assert found.manifest is not None
    assert found.manifest.iteration_id == MANIFEST["IterationId"]


def test_a_folder(tmp_path: Path) -> None:
    for name, content in EXPORT.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "safetygear.json").write_text('{"version": "7", "defaultThreshold": 0.4}')
    found = read_model_files(tmp_path)
    assert (found.name, found.network, found.labels) == (tmp_path.name, b"the network", ("helmet", "vest"))
    assert (found.settings.version, found.settings.default_threshold) == ("7", 0.4)


def test_names_in_the_manifest_count(tmp_path: Path) -> None:
    files = {
        "ppe.onnx": b"this",
        "old.onnx": b"not this",
        "names.txt": b"helmet\n",
        "labels.txt": b"not\nthese\n",
        "cvexport.manifest": manifest(ModelFileName="ppe.onnx", LabelFileName="names.txt"),
    }
    found = read_model_files(zipped(tmp_path / "x.zip", files))
    assert (found.network, found.labels) == (b"this", ("helmet",))


def test_a_single_file_and_what_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ppe.v2.onnx"
    path.write_bytes(b"the network")
    (tmp_path / "labels.txt").write_bytes(b"somebody\nelse\n")
    found = read_model_files(path)
    assert (found.name, found.labels, found.neighbour_labels) == ("ppe.v2", None, ("somebody", "else"))
    (tmp_path / "ppe.v2.labels.txt").write_bytes(b"helmet\n")
    (tmp_path / "ppe.v2.json").write_text('{"format": "yolox"}')
    found = read_model_files(path)
    assert (found.labels, found.settings.format) == (("helmet",), "yolox")


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-40])
    return path


def flipped(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[45] ^= 0xFF  # within the first member
    path.write_bytes(data)
    return path


def encrypted(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 1)
    path.write_bytes(data)
    return path


def lying_about_sizes(path: Path) -> Path:
    # The directory says 10 bytes for what unpacks to far more.
    zipped(path, {"labels.txt": b"\0" * (SMALL_BYTES * 8), "model.onnx": b"x"})
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    path.write_bytes(data)
    return path


def claiming_a_gigabyte(path: Path) -> Path:
    # Stored entries of a size that the directory only claims.
    zipped(path, {"a.onnx": b"x" * 2**14, "b.onnx": b"x" * 2**14}, zipfile.ZIP_STORED)
    data, size = bytearray(path.read_bytes()), 600 * 2**20
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<II", data, at + 20, size, size)
        at = data.find(b"PK\x01\x02", at + 1)
    path.write_bytes(data)
    return path


def linking(path: Path, name: str) -> Path:
    """`name` is a symbolic link, as `zip --symlinks` writes one."""
    zipped(path, {other: content for other, content in EXPORT.items() if other != name})
    link = zipfile.ZipInfo(name)
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    return path


Make = Callable[[Path], Path]


@pytest.mark.parametrize(
    ("make", "code", "why"),
    [
        (lambda p: cut(zipped(p, EXPORT)), "model-zip", "not a zip, or cut short"),
        (lambda p: flipped(zipped(p, EXPORT, zipfile.ZIP_STORED)), "model-zip", "is damaged"),
        (lambda p: encrypted(zipped(p, EXPORT)), "model-zip", "is encrypted"),
        (lambda p: zipped(p, EXPORT, zipfile.ZIP_LZMA), "model-zip", "compressed with method 14"),
        (lambda p: zipped(p, EXPORT | {"../../etc/cron.d/x": b""}), "model-zip", "points out of it"),
        (lambda p: zipped(p, EXPORT | {"/etc/cron.d/x": b""}), "model-zip", "points out of it"),
        (lambda p: zipped(p, EXPORT | {"a\\..\\..\\x": b""}), "model-zip", "points out of it"),
        (lambda p: zipped(p, EXPORT | {"C:/x": b""}), "model-zip", "points out of it"),
        (lambda p: zipped(p, EXPORT | {"labels.txt": b"\0" * (SMALL_BYTES + 1)}), "model-too-large", "than 256 KiB"),
        (
            lambda p: zipped(p, EXPORT | {"model.onnx": b"\0" * 2**21}),
            "model-zip-bomb",
            "model.onnx would unpack to 2 MiB",
        ),
        (
            lambda p: zipped(p, {f"{n}.onnx": b"ab" * 2**19 for n in range(2)}, zipfile.ZIP_STORED),
            "model-refused",
            "2 .o",
        ),
        (lambda p: linking(p, "labels.txt"), "model-zip", "labels.txt is a symbolic link: zip the file itself"),
        (lambda p: linking(p, "model.onnx"), "model-zip", "model.onnx is a symbolic link: zip the file itself"),
        (
            lambda p: zipped(p, {"site/export.zip": b"PK", "readme.txt": b""}),
            "model-refused",
            "holds no network, but site/export.zip: unpack it, and give that zip itself",
        ),
        (claiming_a_gigabyte, "model-zip-bomb", "it would unpack to"),
        (lying_about_sizes, "model-zip", "is damaged"),
        (lambda p: zipped(p, {str(n): b"" for n in range(MAX_ENTRIES + 1)}), "model-zip", "2001 entries"),
        (lambda p: zipped(p, {}), "model-refused", "holds no .onnx or .tflite file: export the project for ONNX"),
        (
            lambda p: zipped(p, {"model.pb": b"", "cvexport.manifest": manifest(Platform="TensorFlow")}),
            "model-refused",
            "export.zip: model.pb is a TensorFlow frozen graph.*export the Custom Vision iteration for ONNX",
        ),
        (
            lambda p: zipped(p, {"model.xyz": b"", "cvexport.manifest": manifest(Platform="VAIDK")}),
            "model-refused",
            r"an export for VAIDK\): export the project for ONNX",
        ),
        (lambda p: zipped(p, {"a.onnx": b"", "b.onnx": b""}), "model-refused", r"2 .onnx files \(a.onnx, b.onnx\)"),
        (lambda p: zipped(p, EXPORT | {"cvexport.manifest": b"{"}), "model-refused", "cvexport.manifest can't be"),
        (lambda p: zipped(p, EXPORT | {"labels.txt": b"a\n\nb"}), "model-labels", "line 2"),
        (lambda p: zipped(p, EXPORT | {"safetygear.json": b'{"a": 1}'}), "model-settings", "safetygear.json: "),
        (lambda p: p, "model-missing", "can't be read: No such file"),
        (lambda p: p.with_suffix(".onnx"), "model-missing", "can't be read: No such file"),
        (lambda p: p.with_name("gone"), "model-missing", "there is no model"),
    ],
)
def test_what_can_not_be_used_is_named(tmp_path: Path, make: Make, code: str, why: str) -> None:
    with pytest.raises(ModelError, match=why) as raised:
        read_model_files(make(tmp_path / "export.zip"))
    assert raised.value.code == code
    assert list(tmp_path.parent.glob("x")) == []


@pytest.mark.parametrize("name", ["model.onnx", "export.zip"])
def test_a_fifo_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(ModelError, match="is neither a file nor a folder"):
        read_model_files(tmp_path / name)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "model.jpg"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"give a \.onnx or \.tflite, an export \.zip"):
        read_model_files(path)


def _good_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in EXPORT.items():
            archive.writestr(name, content)
    return buffer.getvalue()


GOOD = _good_zip()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(GOOD)))
def test_a_damaged_zip_is_whole_or_refused(tmp_path: Path, changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(GOOD)
    for position, value in changes:
        data[position] = value
    path = tmp_path / "x.zip"
    path.write_bytes(data if length % 2 else data[:length])
    try:
        found = read_model_files(path)
    except ModelError as exc:
        assert str(exc)
    else:
        assert found.network == b"the network"
