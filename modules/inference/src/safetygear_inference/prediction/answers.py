"""Answers and errors in the service's own shapes. Pure.

Names and types as the Custom Vision Prediction API 3.1 documents them; errors are {code, message}.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Final, Literal

from safetygear_inference.detectors import Classification
from safetygear_inference.picture import DetectedBoxes

LARGEST_IMAGE_BYTES: Final = 4 * 1024 * 1024
"""The service's own limit."""
TAGS: Final = uuid.UUID("7a2c6a0e-5d6a-4f0e-9a52-0f5d3f1b7c11")
"""Name space of tag ids: a label has the same one in every model."""
Code = Literal[
    "BadRequest",
    "BadRequestInvalidIds",
    "BadRequestNotSupported",
    "BadRequestRequiredParamIsNull",
    "BadRequestImageDimensions",
    "BadRequestImageFormat",
    "BadRequestImageSizeBytes",
    "BadRequestImageStream",
    "BadRequestImageUrl",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "UnsupportedMediaType",
    "TooManyRequests",
    "ErrorPrediction",
    "ErrorPredictionModelNotFound",
    "ErrorPredictionServiceUnavailable",
    "ErrorUnknown",
]
"""The service's codes, and two of the gateway before it: Unauthorized and TooManyRequests."""


class RequestError(Exception):
    """A request that is refused, or can't be answered."""

    def __init__(self, status: int, code: Code, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": str(self)}


def too_large() -> RequestError:
    """A picture beyond the service's limit."""
    return RequestError(400, "BadRequestImageSizeBytes", "the picture is larger than 4 MB")


def tag_id(label: str) -> str:
    """The service gives each tag an id of its own; a file has none, so it follows from the label."""
    return str(uuid.uuid5(TAGS, label))


def iteration_id(sha256: str) -> str:
    """Which weights answered: an id that follows from their digest."""
    return str(uuid.uuid5(TAGS, sha256))


def checked_project(text: str) -> str:
    """Raises RequestError for what is no id."""
    try:
        return str(uuid.UUID(text))
    except ValueError as exc:
        raise RequestError(400, "BadRequestInvalidIds", "the project's id is no UUID") from exc


def detections(boxes: DetectedBoxes, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Predictions with boxes, in 0..1 of the picture, most probable first."""
    return [
        _tag(labels[number], probability)
        | {
            "boundingBox": {
                "left": round(left, 6),
                "top": round(top, 6),
                "width": round(right - left, 6),
                "height": round(bottom - top, 6),
            }
        }
        for (left, top, right, bottom), number, probability in zip(
            boxes.xyxy_norm.tolist(), boxes.class_id.tolist(), boxes.probability.tolist(), strict=True
        )
    ]


def classifications(found: Classification, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Predictions without boxes."""
    return [
        _tag(labels[number], probability)
        for number, probability in zip(found.class_id.tolist(), found.probability.tolist(), strict=True)
    ]


def answer(
    predictions: list[dict[str, Any]], *, request_id: str, project: str, iteration: str, created: str
) -> dict[str, Any]:
    """What a request is answered with."""
    return {
        "id": request_id,
        "project": project,
        "iteration": iteration,
        "created": created,
        "predictions": predictions,
    }


def _tag(label: str, probability: float) -> dict[str, Any]:
    return {"probability": round(probability, 6), "tagId": tag_id(label), "tagName": label, "tagType": "Regular"}
