"""The HTTP side: the service's paths and those of its exported container."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import uuid
from collections.abc import Awaitable, Callable

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from safetygear.clock import Clock, rfc3339
from safetygear.errors import ModelError
from safetygear_inference.prediction.answers import LARGEST_IMAGE_BYTES, RequestError, answer, checked_project
from safetygear_inference.prediction.predictor import Predictor, Task

KEY_HEADER = "Prediction-Key"
FORM_BYTES = 64 * 1024
"""What a multipart form may add to the picture."""
RECEIVED_WITHIN_S = 20
"""For a whole picture to come in: a connection that stands still holds no place for ever."""
_PREFIXES = ("/customvision/v3.1/prediction", "/customvision/v3.1/Prediction", "/customvision/v3.0/Prediction")
_EMPTY_PROJECT = str(uuid.UUID(int=0))

log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PredictionService:
    """`key` None: no key is asked for; only for loopback."""

    def __init__(self, predictor: Predictor, clock: Clock, *, key: str | None) -> None:
        self._predictor = predictor
        self._clock = clock
        self._key = key

    def application(self) -> web.Application:
        """With every route; a request beyond the limit is cut off while it is read."""
        app = web.Application(client_max_size=LARGEST_IMAGE_BYTES + FORM_BYTES, middlewares=[self._guarded])
        for prefix in _PREFIXES:
            for task in ("detect", "classify"):
                path = f"{prefix}/{{project}}/{task}/iterations/{{iteration}}"
                for source in ("image", "url"):
                    for tail in ("", "/nostore"):
                        handler = self._image(task) if source == "image" else self._url
                        app.router.add_post(f"{path}/{source}{tail}", handler)
        for path in ("", "/{project}"):
            for tail in ("", "/nostore"):
                app.router.add_post(f"{path}/image{tail}", self._image(None))
                app.router.add_post(f"{path}/url{tail}", self._url)
        app.router.add_get("/", self._alive)
        return app

    def _image(self, task: Task | None) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            project = checked_project(request.match_info.get("project") or _EMPTY_PROJECT)
            predictions = await self._predictor.predict(await _received(request), task)
            content = answer(
                predictions,
                request_id=str(uuid.uuid4()),
                project=project,
                iteration=self._predictor.iteration,
                created=rfc3339(self._clock.now_s()),
            )
            return web.json_response(content)

        return handle

    async def _url(self, request: web.Request) -> web.StreamResponse:
        # A server that fetches whatever it is told to reaches what its caller can't.
        raise RequestError(400, "BadRequestImageUrl", "this server fetches no pictures: send the picture itself")

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok", "task": self._predictor.task, "labels": list(self._predictor.labels)})

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            if request.method == "POST":
                self._check_key(request)
            return await handler(request)
        except RequestError as exc:
            return _refused(exc)
        except web.HTTPRequestEntityTooLarge:
            return _refused(RequestError(400, "BadRequestImageSizeBytes", "the picture is larger than 4 MB"))
        except web.HTTPNotFound:
            return _refused(RequestError(404, "NotFound", "there is no such path"))
        except web.HTTPMethodNotAllowed as exc:
            return _refused(RequestError(405, "BadRequest", f"{exc.method} is not possible here"))
        except ModelError as exc:
            log.error("a picture could not be answered: %s", exc)  # noqa: TRY400  # one line is what the reader needs
            return _refused(RequestError(503, "ServiceUnavailable", "the model failed on this picture"))

    def _check_key(self, request: web.Request) -> None:
        if self._key is None:
            return
        given = request.headers.get(KEY_HEADER, "")
        # A header may hold any bytes: aiohttp gives those that are no UTF-8 as surrogates.
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._key.encode()):
            raise RequestError(401, "Unauthorized", f"the header {KEY_HEADER} is missing or wrong")


async def _received(request: web.Request) -> bytes:
    """The picture in a request, in time. Raises RequestError."""
    try:
        async with asyncio.timeout(RECEIVED_WITHIN_S):
            return await _picture(request)
    except TimeoutError as exc:
        raise RequestError(408, "BadRequestImageStream", f"the picture took longer than {RECEIVED_WITHIN_S} s") from exc
    except (web.RequestPayloadError, HttpProcessingError) as exc:
        raise RequestError(400, "BadRequestImageStream", "the request's body can't be read") from exc


async def _picture(request: web.Request) -> bytes:
    """The picture in a request: the body itself, or the first part of a form. Raises RequestError.

    The form is read part by part: the client names no file, and aiohttp would take the picture for text.
    """
    if request.content_type != "multipart/form-data":
        return await request.read()
    try:
        part = await (await request.multipart()).next()
        if not isinstance(part, BodyPartReader):
            raise RequestError(400, "BadRequestImageStream", "the form has no picture in it")
        picture = bytearray()
        while chunk := await part.read_chunk():
            picture += chunk
            if len(picture) > LARGEST_IMAGE_BYTES:
                raise RequestError(400, "BadRequestImageSizeBytes", "the picture is larger than 4 MB")
    except (ValueError, AssertionError, RuntimeError) as exc:
        raise RequestError(400, "BadRequestImageStream", "the form can't be read") from exc
    return bytes(picture)


def _refused(error: RequestError) -> web.Response:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return web.Response(
        status=error.status, text=json.dumps(error.as_json()), content_type="application/json", headers=headers
    )
