"""Which format a model has, and why. Never a guess: what is ambiguous or unknown is refused with what was seen. Pure.

Order: the settings file; names of tensors; shapes; what the file's own metadata says.
"""

from __future__ import annotations

from typing import Final, Literal

from safetygear.errors import ModelError
from safetygear_inference.detectors.decode import (
    azure_automl,
    custom_vision_compact,
    custom_vision_compact_s1,
    hugging_face,
    mmdeploy,
    paddle_detection,
    rf_detr,
    rt_detr,
    tf_object_detection,
    tflite_detection,
    torchvision,
    ultralytics,
    ultralytics_end2end,
    ultralytics_rt_detr,
    yolo_nas,
    yolov5,
    yolov7_end2end,
    yolox,
)
from safetygear_inference.detectors.format import Evidence, Format, FormatRule
from safetygear_inference.detectors.labels import checked_labels, parse_names
from safetygear_inference.detectors.near_misses import PADDLE_INPUTS, family, other_labels
from safetygear_inference.detectors.network_input import the_image_input
from safetygear_inference.detectors.settings import ModelSettings
from safetygear_inference.detectors.signature import Signature
from safetygear_inference.detectors.ultralytics_metadata import refuse_other_tasks

RULES: Final[tuple[FormatRule, ...]] = (
    custom_vision_compact_s1,
    custom_vision_compact,
    azure_automl,
    rt_detr,
    hugging_face,
    rf_detr,
    mmdeploy,
    paddle_detection,
    yolo_nas,
    torchvision,
    tf_object_detection,
    tflite_detection,
    ultralytics,
    ultralytics_end2end,
    ultralytics_rt_detr,
    yolov7_end2end,
    yolov5,
    yolox,
)
MORE_INPUTS: Final = (rt_detr.SIZES, hugging_face.MASK, *PADDLE_INPUTS)
"""Inputs beside the picture that a format knows what to feed."""
FORMAT_ENTRY, NAMES_ENTRY = "format", "names"
"""Metadata entries that training/ writes; Ultralytics writes `names` too."""


def fingerprint(signature: Signature, labels: tuple[str, ...], settings: ModelSettings, settings_name: str) -> Format:
    """`settings_name` says in a refusal which file would decide. Raises ModelError."""
    refuse_other_tasks(signature.metadata)
    if settings.format is not None:
        return _rule(settings.format).build(signature, labels, settings, f"the settings file says {settings.format}")
    the_image_input(signature, beside=MORE_INPUTS)
    found = [(rule, seen) for rule in RULES if (seen := rule.evidence(signature, labels)) is not None]
    by: Literal["names", "shape"]
    for by in ("names", "shape"):
        certain = [(rule, seen) for rule, seen in found if seen.by == by]
        if len(certain) > 1:
            raise _ambiguous(certain, settings_name)
        if certain:
            rule, seen = certain[0]
            return rule.build(signature, labels, settings, seen.why)
    said = signature.metadata.get(FORMAT_ENTRY)
    if said is not None and any(said == rule.NAME for rule in RULES):
        return _rule(said).build(signature, labels, settings, f"metadata entry {FORMAT_ENTRY} = {said}")
    if found:
        raise _ambiguous(found, settings_name)
    looks = "".join(f"{said}. " for said in (family(signature),) if said)
    if not looks:
        the_image_input(signature)
    if mismatch := other_labels(signature, labels):
        raise ModelError(mismatch, code="model-labels")
    raise ModelError(
        f"the format is not known. {looks}Seen: {signature}; {len(labels)} labels. Possible are "
        f"{', '.join(rule.NAME for rule in RULES)}; `format` in {settings_name} names one",
        code="model-unknown",
    )


def find_labels(
    signature: Signature,
    settings: ModelSettings,
    settings_name: str,
    *,
    own: tuple[str, ...] | None,
    neighbour: tuple[str, ...] | None,
) -> tuple[str, ...]:
    """Class names: settings file, the model's labels file, metadata, a labels.txt that lies near. Raises ModelError."""
    if settings.labels is not None:
        return checked_labels(settings.labels, settings_name)
    if own is not None:
        return own
    if NAMES_ENTRY in signature.metadata:
        return parse_names(signature.metadata[NAMES_ENTRY])
    if (written := rf_detr.names(signature)) is not None:
        return written
    if neighbour is not None:
        return neighbour
    raise ModelError(
        f"the model has no class names: put a labels.txt beside it, one name a line, or `labels` into {settings_name}",
        code="model-labels",
    )


def _rule(name: str) -> FormatRule:
    return next(rule for rule in RULES if name == rule.NAME)


def _ambiguous(found: list[tuple[FormatRule, Evidence]], settings_name: str) -> ModelError:
    seen = "; ".join(f"perhaps {rule.NAME}: {evidence.why}" for rule, evidence in found)
    return ModelError(f"the format is ambiguous ({seen}): say `format` in {settings_name}", code="model-ambiguous")
