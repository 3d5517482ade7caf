"""The model behind the API: one thread, which rests where cameras need the processor, and few that wait for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from safetygear.errors import FrameError, ModelError
from safetygear_inference.detectors import Model
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import TOO_MANY_PIXELS, decode_picture
from safetygear_inference.prediction.answers import (
    LARGEST_IMAGE_BYTES,
    RequestError,
    classifications,
    detections,
    too_large,
)
from safetygear_inference.prediction.model_source import ModelSource, Served
from safetygear_inference.prediction.routes import Task
from safetygear_inference.thread_priority import give_way

WAITING: Final = 8
"""Requests that may be under way, from the first byte of the picture on; one more is told to come again."""
PREDICTED_WITHIN_S: Final = 30.0
"""Beyond that the client is told so; its place stays taken until the thread has ended."""
NO_MODEL_AGAIN_S: Final = 5
FORMATS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
"""First bytes of JPEG, PNG and BMP. The decoder knows a dozen formats more, that is, so many libraries that read what a
stranger sends; and of a GIF it reads all frames, of which 4 MB can hold hundreds of 64 megapixels."""


@dataclass(frozen=True)
class Predicted:
    """What was found, and by which weights."""

    predictions: list[dict[str, Any]]
    iteration: str


class Place:
    """One of the `WAITING`; given back once, by whoever has it last."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def leave(self) -> None:
        if self._give_back is not None:
            self._give_back()
            self._give_back = None


class Predictor:
    """Answers pictures with predictions. A detector detects, a classifier classifies.

    `share`: of the time in which the thread may be at work; it rests after each picture, and gives way. By the clock,
    not by processor time: where the processor is full a picture takes several times as long, and for all of it the
    thread keeps coming for the interpreter's lock, which the cameras' event loop waits for then.
    """

    def __init__(self, source: ModelSource, *, share: float = 1.0) -> None:
        self._source = source
        self._share = share
        self._rested_s = 0.0
        self._closing = threading.Event()
        low = give_way if share < 1 else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prediction", initializer=low)
        self._under_way = 0
        self._made: tuple[Served, Callable[[Picture], list[dict[str, Any]]]] | None = None

    def served(self, task: Task | None = None) -> Served:
        """The model in use. `task`: what the request asks for; None: whatever the model does. Raises RequestError."""
        served = self._source()
        if served is None:
            raise RequestError(
                503,
                "ErrorPredictionModelNotFound",
                "no model is in use yet",
                retry_after_s=NO_MODEL_AGAIN_S,
            )
        if task not in (None, served.task):
            does = "detects objects" if served.task == "detect" else "classifies"
            raise RequestError(400, "BadRequestNotSupported", f"this model {does}: ask for {served.task}")
        return served

    def place(self) -> Place:
        """A place among those under way, to be taken before the picture is read. Raises RequestError."""
        if self._under_way >= WAITING:
            raise RequestError(429, "TooManyRequests", "too many pictures wait already", retry_after_s=1)
        self._under_way += 1
        return Place(self._leave)

    def _leave(self) -> None:
        self._under_way -= 1

    async def predict(self, image: bytes, task: Task | None, place: Place) -> Predicted:
        """Takes over `place`. Raises RequestError, and what a model throws that is no ModelError."""
        try:
            served = self.served(task)
            if len(image) > LARGEST_IMAGE_BYTES:
                raise too_large()
            if not image.startswith(FORMATS):
                raise RequestError(400, "BadRequestImageFormat", "the picture must be a JPEG, PNG or BMP")
        except RequestError:
            place.leave()
            raise
        loop = asyncio.get_running_loop()
        work = self._thread.submit(self._in_turn, served, image)

        def done(_: Future[Predicted]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(place.leave)

        # A thread that hangs keeps its place: otherwise one picture more would wait for it behind each that gave up.
        work.add_done_callback(done)
        try:
            async with asyncio.timeout(PREDICTED_WITHIN_S):
                return await asyncio.wrap_future(work)
        except TimeoutError as exc:
            raise RequestError(
                503, "ErrorPredictionServiceUnavailable", f"the model took longer than {PREDICTED_WITHIN_S:g} s"
            ) from exc

    def _in_turn(self, served: Served, image: bytes) -> Predicted:
        """In the thread, once it has rested."""
        self._closing.wait(max(0.0, self._rested_s - time.monotonic()))
        began_s = time.monotonic()
        try:
            return self._answer(served, image)
        finally:
            ended_s = time.monotonic()
            self._rested_s = ended_s + rest_s(ended_s - began_s, self._share)

    def _answer(self, served: Served, image: bytes) -> Predicted:
        try:
            picture = decode_picture(image)
        except FrameError as exc:
            many = exc.code == TOO_MANY_PIXELS
            raise RequestError(400, "BadRequestImageDimensions" if many else "BadRequestImageFormat", str(exc)) from exc
        try:
            made = self._made
            if made is None or made[0] is not served:
                made = self._made = None  # the old one's memory first
                made = self._made = served, _predicting(served)
            return Predicted(made[1](picture), served.iteration)
        except ModelError as exc:
            raise RequestError(503, "ErrorPrediction", "the model failed on this picture") from exc

    def let_go(self) -> None:
        """Of a model that is in use no longer: nobody may ask for days, and its memory would stay taken."""
        if self._made is not None and self._made[0] is not self._source():
            self._made = None

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._closing.set()
        self._thread.shutdown(wait=False, cancel_futures=True)


def rest_s(worked_s: float, share: float) -> float:
    """For how long a thread rests that has worked so long and may be at work for that share of the time."""
    return worked_s * (1 / share - 1)


def _predicting(served: Served) -> Callable[[Picture], list[dict[str, Any]]]:
    model = served.model
    if isinstance(model, Model):
        detector = model.detector(thresholds=served.thresholds)
        return lambda picture: detections(detector.detect(picture), model.labels)
    classifier = model.classifier()
    return lambda picture: classifications(classifier.classify(picture), model.labels)
