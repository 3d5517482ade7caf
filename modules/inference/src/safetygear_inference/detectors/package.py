"""From a path to the files of a model: a .onnx, a folder, or the zip that Custom Vision exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from safetygear.errors import ModelError
from safetygear_inference.detectors.labels import parse_labels_txt
from safetygear_inference.detectors.settings import ModelSettings, read_settings
from safetygear_inference.detectors.zip_reading import ZipFiles

SETTINGS, LABELS, MANIFEST = "safetygear.json", "labels.txt", "cvexport.manifest"
MODEL_BYTES: Final = 512 * 2**20
SMALL_BYTES: Final = 256 * 2**10


class ExportManifest(msgspec.Struct, frozen=True, rename="pascal"):
    """cvexport.manifest: what of it is used."""

    domain_type: str | None = None
    platform: str | None = None
    iteration_id: str | None = None
    model_file_name: str | None = None
    label_file_name: str | None = None


@dataclass(frozen=True)
class ModelFiles:
    """Everything that belongs to one model."""

    name: str
    onnx: bytes
    settings: ModelSettings
    settings_name: str
    """The settings file that is there, or would be looked at."""
    labels: tuple[str, ...] | None
    """From the labels file that belongs to the model."""
    neighbour_labels: tuple[str, ...] | None
    """From a labels.txt in the folder of a single .onnx: of less weight than the file's own metadata."""
    manifest: ExportManifest | None


def read_model_files(path: Path) -> ModelFiles:
    """Raises ModelError naming the file and the reason: model-missing, model-unreadable, model-zip, model-labels, …"""
    try:
        if path.is_dir():
            names = [entry.name for entry in path.iterdir() if entry.is_file()]
            return _from_package(path, names, lambda name, limit: _read_file(path / name, limit))
        if path.suffix.lower() == ".zip":
            with ZipFiles(path) as members:
                return _from_package(path, members.names, members.read)
        if path.suffix.lower() == ".onnx":
            return _from_single_file(path)
    except OSError as exc:
        raise ModelError(f"{path} can't be read: {exc.strerror or exc}", code="model-missing") from exc
    if not path.exists():
        raise ModelError(f"there is no model {path}", code="model-missing")
    raise ModelError(f"{path.name} is not a model: give a .onnx, an export .zip, or a folder with them")


Read = Callable[[str, int], bytes]


def _from_package(path: Path, names: list[str], read: Read) -> ModelFiles:
    manifests = [name for name in names if PurePosixPath(name).name == MANIFEST]
    manifest = _manifest(read(manifests[0], SMALL_BYTES)) if len(manifests) == 1 else None
    if manifest is not None and (manifest.domain_type or "").lower().startswith("classification"):
        raise ModelError(
            f"{path.name} is a classification project: an object detection project is needed", code="model-refused"
        )
    model = _the_onnx_file(path, names, manifest)
    folder = PurePosixPath(model).parent
    beside = {PurePosixPath(name).name: name for name in names if PurePosixPath(name).parent == folder}
    labels_name = beside.get((manifest and manifest.label_file_name) or LABELS)
    labels = None if labels_name is None else parse_labels_txt(read(labels_name, SMALL_BYTES))
    return ModelFiles(
        name=path.name if path.is_dir() else path.stem,
        onnx=read(model, MODEL_BYTES),
        settings=_settings(beside, read),
        settings_name=f"{SETTINGS} in {path.name}",
        labels=labels,
        neighbour_labels=None,
        manifest=manifest,
    )


def _from_single_file(path: Path) -> ModelFiles:
    own_labels, settings = path.with_suffix(".labels.txt"), path.with_suffix(".json")
    neighbour = path.with_name(LABELS)
    return ModelFiles(
        name=path.stem,
        onnx=_read_file(path, MODEL_BYTES),
        settings=read_settings(_read_file(settings, SMALL_BYTES), settings.name)
        if settings.is_file()
        else ModelSettings(),
        settings_name=f"{settings.name} beside it",
        labels=parse_labels_txt(_read_file(own_labels, SMALL_BYTES), name=own_labels.name)
        if own_labels.is_file()
        else None,
        neighbour_labels=parse_labels_txt(_read_file(neighbour, SMALL_BYTES)) if neighbour.is_file() else None,
        manifest=None,
    )


def _the_onnx_file(path: Path, names: list[str], manifest: ExportManifest | None) -> str:
    onnx = sorted(name for name in names if name.lower().endswith(".onnx"))
    if manifest is not None and manifest.model_file_name:
        named = [name for name in onnx if PurePosixPath(name).name == manifest.model_file_name]
        onnx = named or onnx
    if len(onnx) == 1:
        return onnx[0]
    if not onnx:
        platform = f" (it is an export for {manifest.platform})" if manifest is not None and manifest.platform else ""
        raise ModelError(f"{path.name} holds no .onnx file{platform}: export the project for ONNX")
    raise ModelError(f"{path.name} holds {len(onnx)} .onnx files ({', '.join(onnx[:4])}): give the path of one")


def _settings(beside: Mapping[str, str], read: Read) -> ModelSettings:
    return read_settings(read(beside[SETTINGS], SMALL_BYTES), SETTINGS) if SETTINGS in beside else ModelSettings()


def _manifest(data: bytes) -> ExportManifest:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=ExportManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ModelError(f"{MANIFEST} can't be read: {exc}") from exc


def _read_file(path: Path, limit_bytes: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise ModelError(f"{path.name} is larger than {limit_bytes // 2**10} KiB", code="model-too-large")
    return data
