"""The model behind the API: one thread, and few that wait for it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal

from safetygear.errors import FrameError
from safetygear_inference.detectors import ClassifierModel, Model
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import decode_picture
from safetygear_inference.prediction.answers import (
    LARGEST_IMAGE_BYTES,
    TAGS,
    RequestError,
    classifications,
    detections,
)

Task = Literal["detect", "classify"]
WAITING: Final = 8
"""Requests that may be under way; one more is told to come again."""


class Predictor:
    """Answers pictures with predictions. A detector detects, a classifier classifies."""

    def __init__(self, model: Model | ClassifierModel) -> None:
        self.labels = model.labels
        self.task: Task = "detect" if isinstance(model, Model) else "classify"
        self.iteration = str(uuid.uuid5(TAGS, model.identity.sha256))
        """Which weights answer."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prediction")
        self._under_way = 0
        self._predict = _predicting(model)

    async def predict(self, image: bytes, task: Task | None) -> list[dict[str, Any]]:
        """`task`: what the request asks for; None: whatever the model does. Raises RequestError, ModelError."""
        if task not in (None, self.task):
            does = "detects objects" if self.task == "detect" else "classifies"
            raise RequestError(400, "BadRequestInvalidProjectType", f"this model {does}: ask for {self.task}")
        if len(image) > LARGEST_IMAGE_BYTES:
            raise RequestError(400, "BadRequestImageSizeBytes", "the picture is larger than 4 MB")
        if self._under_way >= WAITING:
            raise RequestError(429, "TooManyRequests", "too many pictures wait already", retry_after_s=1)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, image)
        finally:
            self._under_way -= 1

    def _answer(self, image: bytes) -> list[dict[str, Any]]:
        try:
            picture: Picture = decode_picture(image)
        except FrameError as exc:
            raise RequestError(400, "BadRequestImageFormat", str(exc)) from exc
        return self._predict(picture)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _predicting(model: Model | ClassifierModel) -> Callable[[Picture], list[dict[str, Any]]]:
    if isinstance(model, Model):
        detector = model.detector()
        return lambda picture: detections(detector.detect(picture), model.labels)
    classifier = model.classifier()
    return lambda picture: classifications(classifier.classify(picture), model.labels)
