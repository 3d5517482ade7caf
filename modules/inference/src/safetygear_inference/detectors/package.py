"""From a path to the files of a model: a .onnx or .tflite, a folder, or the zip that Custom Vision exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import msgspec

from safetygear.errors import ModelError
from safetygear_inference.detectors.foreign_files import first_foreign, foreign
from safetygear_inference.detectors.format import Size
from safetygear_inference.detectors.golden import PICTURE_BYTES, GoldenPicture
from safetygear_inference.detectors.hugging_face_files import CONFIG, PREPROCESSOR, class_names, preprocessing
from safetygear_inference.detectors.labels import parse_labels_json, parse_labels_txt
from safetygear_inference.detectors.runtimes.external_data import with_external_data
from safetygear_inference.detectors.runtimes.tflite_file import appended
from safetygear_inference.detectors.settings import ModelSettings, read_settings
from safetygear_inference.detectors.zip_reading import ZipFiles

SETTINGS, LABELS, LABELS_JSON, MANIFEST = "safetygear.json", "labels.txt", "labels.json", "cvexport.manifest"
CARD: Final = "card.md"
"""What the model was made from and for, for people."""
CLASSIFIER: Final = "classifier"
"""The folder in a package whose network looks at each person that the other one finds."""
RuntimeName = Literal["onnx", "tflite"]
RUNTIMES: Final[dict[str, RuntimeName]] = {".onnx": "onnx", ".tflite": "tflite"}
"""What runs a file, by its suffix. In a package with both, the first is taken."""
OPTIMUM: Final = "onnx"
"""The folder with networks in a repository whose other files lie above it."""
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
    network: bytes
    """The .onnx or .tflite file."""
    runtime: RuntimeName
    settings: ModelSettings
    settings_name: str
    """The settings file that is there, or would be looked at."""
    labels: tuple[str, ...] | None
    """From the labels file that belongs to the model."""
    neighbour_labels: tuple[str, ...] | None
    """From a labels.txt or labels.json in a single file's folder, or a config.json: of less weight than the file's own
    metadata."""
    manifest: ExportManifest | None
    golden: tuple[GoldenPicture, ...] = ()
    card: str | None = None
    declared_size: Size | None = None
    """From preprocessor_config.json: to be fed where the network leaves its size open."""
    person_classifier: ModelFiles | None = None
    """From the folder `classifier`: a network that looks at each person this one finds."""


def read_model_files(path: Path) -> ModelFiles:
    """Raises ModelError naming the file and the reason: model-missing, model-unreadable, model-zip, model-labels, …"""
    try:
        if path.is_dir():
            if (other := foreign(path.name)) is not None:
                raise ModelError(f"{path.name} {other}")
            names = [entry.name for entry in path.iterdir() if entry.is_file()]
            if (path / CLASSIFIER).is_dir():
                inner = [entry.name for entry in (path / CLASSIFIER).iterdir() if entry.is_file()]
                names += [f"{CLASSIFIER}/{name}" for name in inner]
            return _from_package(path, names, lambda name, limit: _read_file(path / name, limit))
        if path.exists() and not path.is_file():
            # A FIFO would be waited for, a device read for ever.
            raise ModelError(f"{path.name} is neither a file nor a folder", code="model-missing")
        if path.suffix.lower() == ".zip":
            with ZipFiles(path) as members:
                return _from_package(path, members.names, members.read)
        if path.suffix.lower() in RUNTIMES:
            return _from_single_file(path)
    except OSError as exc:
        raise ModelError(f"{path} can't be read: {exc.strerror or exc}", code="model-missing") from exc
    if not path.exists():
        raise ModelError(f"there is no model {path}", code="model-missing")
    other = foreign(path.name)
    if other is not None:
        raise ModelError(f"{path.name} {other}")
    raise ModelError(f"{path.name} is not a model: give a .onnx or .tflite, an export .zip, or a folder with them")


Read = Callable[[str, int], bytes]


def _from_package(path: Path, names: list[str], read: Read) -> ModelFiles:
    # What macOS keeps beside a file has its name and none of its content.
    names = [name for name in names if not PurePosixPath(name).name.startswith("._")]
    second = [name for name in names if CLASSIFIER in PurePosixPath(name).parent.parts]
    first = [name for name in names if name not in second]
    if not second or not any(name.lower().endswith(tuple(RUNTIMES)) for name in first):
        return _one_model(path, names, read)
    classifier = _one_model(path, second, read)
    found = _one_model(path, first, read)
    named = replace(classifier, settings_name=f"{CLASSIFIER}/{SETTINGS} in {path.name}")
    return replace(found, person_classifier=named)


def _one_model(path: Path, names: list[str], read: Read) -> ModelFiles:
    manifests = [name for name in names if PurePosixPath(name).name == MANIFEST]
    manifest = _manifest(read(manifests[0], SMALL_BYTES)) if len(manifests) == 1 else None
    model = _the_network(path, names, manifest)
    folder = PurePosixPath(model).parent
    beside = {PurePosixPath(name).name: name for name in names if PurePosixPath(name).parent == folder}
    named = (manifest.label_file_name if manifest is not None else None) or LABELS
    # Labels.txt too: Windows, where it comes from, tells no difference.
    in_any_case = {name.lower(): full for name, full in beside.items()}
    labels_name = beside.get(named) or in_any_case.get(named.lower()) or in_any_case.get(LABELS_JSON)
    labels = None if labels_name is None else _labels(PurePosixPath(labels_name).name, read(labels_name, SMALL_BYTES))
    settings = _settings(beside, read)

    def neighbour(name: str, limit_bytes: int) -> bytes | None:
        return read(beside[name], limit_bytes) if name in beside else None

    files = ModelFiles(
        name=path.name if path.is_dir() else path.stem,
        network=read(model, MODEL_BYTES),
        runtime=RUNTIMES[PurePosixPath(model).suffix.lower()],
        settings=settings,
        settings_name=f"{SETTINGS} in {path.name}",
        labels=labels,
        neighbour_labels=None,
        manifest=manifest,
        golden=_golden(settings, SETTINGS, beside, read),
        card=read(beside[CARD], SMALL_BYTES).decode(errors="replace") if CARD in beside else None,
    )
    return _with_neighbours(files, neighbour)


def _from_single_file(path: Path) -> ModelFiles:
    own_labels, settings = path.with_suffix(".labels.txt"), path.with_suffix(".json")
    neighbours = (path.with_name(LABELS), path.with_name(LABELS_JSON))
    neighbour = next((name for name in neighbours if name.is_file()), None)
    said = read_settings(_read_file(settings, SMALL_BYTES), settings.name) if settings.is_file() else ModelSettings()
    pictures = {one.picture: one.picture for one in said.golden if path.with_name(one.picture).is_file()}

    def beside(name: str, limit_bytes: int) -> bytes | None:
        for folder in (path.parent, path.parent.parent) if path.parent.name == OPTIMUM else (path.parent,):
            if (folder / name).is_file() and folder / name != settings:
                return _read_file(folder / name, limit_bytes)
        return None

    files = ModelFiles(
        name=path.stem,
        network=_read_file(path, MODEL_BYTES),
        runtime=RUNTIMES[path.suffix.lower()],
        settings=said,
        settings_name=f"{settings.name} beside it",
        labels=parse_labels_txt(_read_file(own_labels, SMALL_BYTES), name=own_labels.name)
        if own_labels.is_file()
        else None,
        neighbour_labels=None if neighbour is None else _labels(neighbour.name, _read_file(neighbour, SMALL_BYTES)),
        manifest=None,
        golden=_golden(said, settings.name, pictures, lambda name, limit: _read_file(path.with_name(name), limit)),
    )
    return _with_neighbours(files, beside)


def _with_neighbours(files: ModelFiles, beside: Callable[[str, int], bytes | None]) -> ModelFiles:
    """`files` with the weights, class names and values that its exporter put beside the network or behind it.

    `beside` gives a file in its folder. Raises ModelError.
    """
    if files.runtime == "onnx":
        network = with_external_data(files.network, lambda name: beside(name, MODEL_BYTES))
        files = replace(files, network=network)
    if files.labels is None and files.neighbour_labels is None:
        files = replace(files, neighbour_labels=_other_names(files, beside))
    for name in PREPROCESSOR:
        data = beside(name, SMALL_BYTES)
        if data is not None:
            said = preprocessing(data, name)
            settings = msgspec.structs.replace(
                files.settings, pixel_range=files.settings.pixel_range or said.pixel_range
            )
            return replace(files, settings=settings, declared_size=said.size)
    return files


def _other_names(files: ModelFiles, beside: Callable[[str, int], bytes | None]) -> tuple[str, ...] | None:
    """Class names of config.json, or in a zip behind a TensorFlow Lite network."""
    if files.runtime == "tflite":
        texts = appended(files.network).texts
        if len(texts) == 1:
            ((name, data),) = texts.items()
            return parse_labels_txt(data, name=f"{name} in the file")
    config = beside(CONFIG, SMALL_BYTES)
    return None if config is None else class_names(config, CONFIG)


def _the_network(path: Path, names: list[str], manifest: ExportManifest | None) -> str:
    for suffix in RUNTIMES:
        networks = sorted(name for name in names if name.lower().endswith(suffix))
        if manifest is not None and manifest.model_file_name:
            networks = [name for name in networks if PurePosixPath(name).name == manifest.model_file_name] or networks
        if len(networks) == 1:
            return networks[0]
        if networks:
            raise ModelError(
                f"{path.name} holds {len(networks)} {suffix} files ({', '.join(networks[:4])}): give the path of one"
            )
    other = first_foreign(names)
    if other is not None:
        raise ModelError(f"{path.name}: {PurePosixPath(other[0]).name} {other[1]}")
    inner = next((name for name in names if name.lower().endswith(".zip")), None)
    if inner is not None:
        raise ModelError(f"{path.name} holds no network, but {inner}: unpack it, and give that zip itself")
    platform = f" (it is an export for {manifest.platform})" if manifest is not None and manifest.platform else ""
    raise ModelError(f"{path.name} holds no .onnx or .tflite file{platform}: export the project for ONNX")


def _labels(name: str, data: bytes) -> tuple[str, ...]:
    return (parse_labels_json if name.lower().endswith(".json") else parse_labels_txt)(data, name=name)


def _settings(beside: Mapping[str, str], read: Read) -> ModelSettings:
    return read_settings(read(beside[SETTINGS], SMALL_BYTES), SETTINGS) if SETTINGS in beside else ModelSettings()


def _golden(
    settings: ModelSettings, settings_name: str, beside: Mapping[str, str], read: Read
) -> tuple[GoldenPicture, ...]:
    for expected in settings.golden:
        if expected.picture not in beside:
            raise ModelError(
                f"{settings_name}: golden: there is no file {expected.picture} beside it", code="model-golden"
            )
    return tuple(GoldenPicture(expected, read(beside[expected.picture], PICTURE_BYTES)) for expected in settings.golden)


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
