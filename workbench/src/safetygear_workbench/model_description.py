"""What `safetygear model inspect` says of a model: as one JSON object, and as lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from safetygear_inference.detectors import ClassifierModel, Model
from safetygear_inference.detectors.decode import classification
from safetygear_inference.detectors.format import NetworkInput
from safetygear_inference.detectors.settings import FormatName
from safetygear_inference.judging.labels import PERSON, canonical

WORDS: Final = (PERSON, "helmet", "head", "no-helmet", "vest", "no-vest")
"""What worn gear and missing gear are told by."""


def describe(model: Model | ClassifierModel) -> dict[str, Any]:
    """{name, version, sha256, format, why, labels, input, labelsForRules, defaultThreshold, thresholds, nmsIou}; sizes
    in px. Of a classifier without the last four: it has no boxes.
    """
    if isinstance(model, ClassifierModel):
        return _known(model, classification.NAME, model.why, model.input)
    return {
        **_known(model, model.format.name, model.format.why, model.format.input),
        "labelsForRules": {label: canonical(label) for label in model.labels},
        "defaultThreshold": model.own_default_threshold,
        "thresholds": dict(model.own_thresholds),
        "nmsIou": model.format.nms_iou,
    }


def lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What `describe` has found, as (name, text)."""
    taken = found["input"]
    size = f"{taken['width']}x{taken['height']}" if taken["width"] else "any size"
    said = [
        ("model", f"{found['name']}, version {found['version']}"),
        ("format", found["format"]),
        ("why", found["why"]),
        ("labels", ", ".join(found["labels"])),
        (
            "input",
            f"{taken['name']}: {size}, {taken['channels'].upper()}, values {taken['range'][0]:g} to "
            f"{taken['range'][1]:g}, {taken['type']}, {taken['layout'].upper()}, {taken['fit']}",
        ),
    ]
    if "labelsForRules" in found:
        said.insert(4, ("rules see", _seen_by_rules(found["labelsForRules"])))
    if "thresholds" in found:
        own = "".join(f", {label} {value:g}" for label, value in found["thresholds"].items())
        said.append(("thresholds", f"{found['defaultThreshold']:g}{own}"))
    return [*said, ("sha256", found["sha256"])]


def _seen_by_rules(names: Mapping[str, str]) -> str:
    """`names`: by label, what the rules call it."""
    seen = [f"{label} as {name}" if label != name else name for label, name in names.items() if name in WORDS]
    others = [label for label, name in names.items() if name not in WORDS]
    said = ", ".join(seen) or "nothing"
    if others:
        said += f"; by their own names only: {', '.join(others)}"
    if PERSON not in names.values():
        said += "; no person, so that nobody is judged"
    return said + ("; labelMapping gives a label another name" if others else "")


def _known(model: Model | ClassifierModel, name: FormatName, why: str, taken: NetworkInput) -> dict[str, Any]:
    return {
        "name": model.identity.name,
        "version": model.identity.version,
        "sha256": model.identity.sha256,
        "format": name,
        "why": why,
        "labels": list(model.labels),
        "input": _input(taken),
    }


def _input(taken: NetworkInput) -> dict[str, Any]:
    width, height = taken.size if taken.size is not None else (None, None)
    ends = [
        [(end - mean) / std for mean, std in zip(taken.mean, taken.std, strict=True)]
        for end in (taken.offset, taken.offset + 255 * taken.scale)
    ]
    return {
        "name": taken.name,
        "type": taken.dtype,
        "layout": taken.layout,
        "width": width,
        "height": height,
        "channels": taken.channels,
        "range": [round(min(ends[0]), 4), round(max(ends[1]), 4)],
        "fit": taken.fit,
    }
