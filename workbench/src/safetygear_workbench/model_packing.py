"""Makes a package of a model that the edge takes by address, and looks whether one does what its maker saw."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from safetygear.errors import FrameError, ModelError, UserError
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.golden import MAX_PICTURES, PICTURE_BYTES, Golden, boxes_of
from safetygear_inference.detectors.golden_run import golden_differences
from safetygear_inference.detectors.labels import parse_labels_txt
from safetygear_inference.detectors.package import CARD, LABELS, SETTINGS, SMALL_BYTES, ModelFiles, read_model_files
from safetygear_inference.detectors.settings import ModelSettings
from safetygear_inference.pixels import decode_picture

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""A zip knows no earlier date; the same for every entry, so that the same content has the same digest."""


@dataclass(frozen=True)
class Wishes:
    """What a package has beside the model's own files. None and empty: as they say."""

    labels: Path | None = None
    golden: Sequence[Path] = ()
    card: Path | None = None
    version: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verified:
    """What was found out about a package."""

    sha256: str | None
    """Of the file; None for a folder."""
    model: Model
    pictures: int
    differences: list[str]
    card: str | None


def pack(source: Path, out: Path, wishes: Wishes) -> Verified:
    """Write the package `out`, a zip that is the same for the same input on every machine.

    Raises UserError, ModelError with the reason; then `out` is as it was.
    """
    files = read_model_files(source)
    if files.person_classifier is not None:
        raise UserError(
            f"{source.name} has a folder `classifier`, which `pack` does not take along:",
            hint="zip the folder as it is; `verify` and the module take that zip",
        )
    content = _content(files, wishes)
    settings = _settings(files, wishes)
    # Those of a package that is packed again are looked at anew: by other names or thresholds they show something else.
    pictures = _pictures(wishes.golden) or {golden.expected.picture: golden.data for golden in files.golden}
    try:
        # Beside its place, under its name: the name becomes the model's.
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".pack-") as folder:
            scratch = Path(folder) / out.name
            _write(scratch, content | {SETTINGS: _as_json(settings)})
            if pictures:
                golden = _golden(open_model(scratch), pictures)
                settings = msgspec.structs.replace(settings, golden=golden)
                _write(scratch, content | {SETTINGS: _as_json(settings)} | pictures)
            verified = verify(scratch)
            if verified.differences:
                raise ModelError(f"it sees one picture in two ways: {verified.differences[0]}", code="golden-differs")
            scratch.replace(out)
    except OSError as exc:
        raise UserError(f"{out}: can't be written ({exc.strerror}).") from exc
    return verified


def verify(path: Path) -> Verified:
    """Open a model as the module does, and look at its golden pictures. Raises ModelError where it can't be used."""
    model = open_model(path)
    files = read_model_files(path)
    return Verified(
        sha256=_sha256(path) if path.is_file() else None,
        model=model,
        pictures=len(files.golden),
        differences=golden_differences(model, files.golden),
        card=files.card,
    )


def _content(files: ModelFiles, wishes: Wishes) -> dict[str, bytes]:
    content = {f"model.{files.runtime}": files.network}
    labels = files.labels or files.neighbour_labels
    if wishes.labels is not None:
        labels = parse_labels_txt(_read(wishes.labels, SMALL_BYTES), name=wishes.labels.name)
    if labels is not None:
        content[LABELS] = "".join(f"{label}\n" for label in labels).encode()
    card = _read(wishes.card, SMALL_BYTES) if wishes.card is not None else (files.card or "").encode()
    return content | ({CARD: card} if card else {})


def _settings(files: ModelFiles, wishes: Wishes) -> ModelSettings:
    iteration = files.manifest.iteration_id if files.manifest is not None else None
    own = files.settings
    mapping = {**own.label_mapping, **wishes.mapping}
    # Thresholds that the source has for a name go with it to its new one.
    thresholds = {wishes.mapping.get(label, label): value for label, value in own.thresholds.items()}
    return msgspec.structs.replace(
        own,
        version=wishes.version or own.version or iteration,
        labels=None if wishes.labels is not None else own.labels,
        label_mapping=mapping,
        thresholds={**thresholds, **wishes.thresholds},
        golden=[],
        int8=None,
    )


def _pictures(paths: Sequence[Path]) -> dict[str, bytes]:
    if len(paths) > MAX_PICTURES:
        raise UserError(f"--golden: {len(paths)} pictures are too many.", hint=f"Give at most {MAX_PICTURES}.")
    return {f"golden-{number}{path.suffix.lower()}": _read(path, PICTURE_BYTES) for number, path in enumerate(paths, 1)}


def _golden(model: Model, pictures: Mapping[str, bytes]) -> list[Golden]:
    detector, golden = model.detector(), []
    for name, data in pictures.items():
        try:
            found = detector.detect(decode_picture(data))
        except FrameError as exc:
            raise UserError(f"--golden: {name}: {exc}.") from exc
        if not len(found):
            raise UserError(
                f"--golden: the model sees nothing in {name}.", hint="Give a picture that shows what it knows."
            )
        golden.append(Golden(picture=name, boxes=boxes_of(found, model.labels)))
    return golden


def _as_json(settings: ModelSettings) -> bytes:
    """Only what is said: a field of a later version would be refused by an earlier one."""
    given = {name: value for name, value in msgspec.to_builtins(settings).items() if value not in (None, [], {})}
    return (json.dumps(given, indent=1, ensure_ascii=False) + "\n").encode()


def _write(path: Path, content: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(content):
            # Stored: what a compressor makes depends on its version, and weights hardly shrink.
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content[name])


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as exc:
        raise UserError(f"{path}: can't be read ({exc.strerror}).") from exc
    if len(data) > limit_bytes:
        raise UserError(f"{path}: is larger than {limit_bytes // 2**10} KiB.")
    return data


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(verified: Verified) -> dict[str, Any]:
    """For `--json`: {sha256, model: {name, version, sha256, format, labels}, golden: {pictures, differences}, card}."""
    model = verified.model
    return {
        "sha256": verified.sha256,
        "model": {
            "name": model.identity.name,
            "version": model.identity.version,
            "sha256": model.identity.sha256,
            "format": model.format.name,
            "labels": list(model.labels),
        },
        "golden": {"pictures": verified.pictures, "differences": verified.differences},
        "card": verified.card,
    }
