"""The picture, or the address of one, in a request's body."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Final, TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from safetygear_inference.prediction.answers import LARGEST_IMAGE_BYTES, RequestError, too_large

T = TypeVar("T")

BODY_BYTES: Final = LARGEST_IMAGE_BYTES + 64 * 1024
"""Of a body no more is read: the largest picture, and what a form adds to it."""
ADDRESS_BYTES: Final = 16 * 1024
RECEIVED_WITHIN_S: Final = 20
"""For a whole picture to come in: a connection that stands still holds no place for ever."""
FORM: Final = "multipart/form-data"
FIELD: Final = "imageData"
"""The form's part that is the picture; the service's name, and its container's."""
MOST_PARTS: Final = 16
BARE: Final = (
    "application/octet-stream",
    "binary/octet-stream",
    "application/x-www-form-urlencoded",  # what curl --data-binary says of any file
)
"""Content types of a body that is the picture itself; image/* likewise."""


async def picture_in(request: web.Request) -> bytes:
    """The picture in a request, in time. Raises RequestError."""
    return await _in_time(_picture(request))


async def address_in(request: web.Request) -> str:
    """The address in a request's JSON, {"Url": …}; the container also takes a small u. Raises RequestError."""
    body = await _in_time(request.clone(client_max_size=ADDRESS_BYTES).read())
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise RequestError(400, "BadRequest", 'the body is no JSON: send {"Url": "https://…"}') from exc
    given = (document.get("Url") or document.get("url")) if isinstance(document, dict) else None
    if not isinstance(given, str) or not given:
        raise RequestError(400, "BadRequestRequiredParamIsNull", 'the body has no address: send {"Url": "https://…"}')
    return given


async def _in_time(reading: Coroutine[object, object, T]) -> T:
    try:
        async with asyncio.timeout(RECEIVED_WITHIN_S):
            return await reading
    except TimeoutError as exc:
        raise RequestError(408, "BadRequestImageStream", f"the body took longer than {RECEIVED_WITHIN_S} s") from exc
    except web.HTTPRequestEntityTooLarge as exc:
        raise RequestError(413, "BadRequestImageSizeBytes", "the body is larger than any that is read") from exc
    except (web.RequestPayloadError, HttpProcessingError) as exc:
        raise RequestError(400, "BadRequestImageStream", "the request's body can't be read") from exc


async def _picture(request: web.Request) -> bytes:
    if (request.content_length or 0) > BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(BODY_BYTES)
    if request.content_type == FORM:
        return await _form(request)
    if request.content_type not in BARE and not request.content_type.startswith("image/"):
        raise RequestError(
            415,
            "UnsupportedMediaType",
            f"send the picture as application/octet-stream, or as {FIELD} of a {FORM}",
        )
    return await request.read()


async def _form(request: web.Request) -> bytes:
    """Read part by part: the client names no file, and aiohttp would take the picture for text."""
    try:
        part = await _part(await request.multipart())
        picture = bytearray()
        while chunk := await part.read_chunk():
            picture += chunk
            if len(picture) > LARGEST_IMAGE_BYTES:
                raise too_large()
    except (ValueError, AssertionError, RuntimeError) as exc:
        raise RequestError(400, "BadRequestImageStream", "the form can't be read") from exc
    return bytes(picture)


async def _part(form: MultipartReader) -> BodyPartReader:
    for _ in range(MOST_PARTS):
        part = await form.next()
        if part is None:
            break
        if isinstance(part, BodyPartReader) and part.name == FIELD:
            return part
    raise RequestError(400, "BadRequestRequiredParamIsNull", f"the form has no {FIELD}")
