"""Requests that are wrong get an answer in the service's shape, and are never a fault of the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator

import cv2
import numpy as np
import pytest

from safetygear_inference import http_listening
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.prediction import picture_body
from safetygear_inference.prediction.answers import LARGEST_IMAGE_BYTES
from safetygear_inference.prediction.model_source import fixed
from safetygear_inference.prediction.picture_body import BODY_BYTES
from safetygear_inference.prediction.url_fetch import PictureFetcher
from safetygear_inference.prediction.url_rules import UrlPolicy
from support.hub import eventually
from support.prediction import KEY, MODEL, PATH, PROJECT, Api, serving

JPEG = b"\xff\xd8\xff"
FORM = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def detector() -> Model:
    return open_model(MODEL)


@pytest.fixture
async def api(detector: Model) -> AsyncIterator[Api]:
    async with serving(fixed(detector)) as running:
        yield running
        assert running.service.outcomes["failed"] == 0


def encoded(extension: str, width: int = 80, height: int = 60) -> bytes:
    return bytes(cv2.imencode(extension, np.full((height, width, 3), 90, np.uint8))[1])


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has nothing more."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (PATH, b"", 400, "BadRequestImageFormat"),
        (PATH, b"no picture", 400, "BadRequestImageFormat"),
        (PATH, JPEG + b"cut off", 400, "BadRequestImageFormat"),
        (PATH, encoded(".tiff"), 400, "BadRequestImageFormat"),
        (PATH, encoded(".gif"), 400, "BadRequestImageFormat"),
        (PATH, png_header(60_000, 60_000), 400, "BadRequestImageDimensions"),
        (PATH, png_header(2**31 - 1, 1), 400, "BadRequestImageFormat"),
        (PATH, JPEG + bytes(LARGEST_IMAGE_BYTES), 400, "BadRequestImageSizeBytes"),
        (PATH, JPEG + bytes(BODY_BYTES), 413, "BadRequestImageSizeBytes"),
        (PATH.replace(PROJECT, "mine"), b"x", 400, "BadRequestInvalidIds"),
        (PATH.replace("image", "url"), b"{}", 400, "BadRequestImageUrl"),
        ("/customvision/v9/prediction", b"x", 404, "NotFound"),
        ("/image/", b"x", 404, "NotFound"),
    ],
)
async def test_a_wrong_picture_or_path(api: Api, path: str, body: bytes, status: int, code: str) -> None:
    answer = await api.post(path, body, Content_Type="application/octet-stream")
    assert (answer.status, answer.content["code"], set(answer.content)) == (status, code, {"code", "message"})


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (3, 2)])
@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp"])
async def test_a_picture_of_any_shape_is_a_picture(api: Api, extension: str, size: tuple[int, int]) -> None:
    assert (await api.post(PATH, encoded(extension, *size), Content_Type="image/any")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("POST", "/image", {"Content_Type": "text/html"}, 415, "UnsupportedMediaType"),
        ("POST", "/image", {"Content_Type": "application/json"}, 415, "UnsupportedMediaType"),
        ("POST", "/image", {"Content_Encoding": "gzip"}, 415, "UnsupportedMediaType"),
        ("POST", "/image", {"Content_Encoding": "br"}, 415, "UnsupportedMediaType"),
        ("POST", "/image", {"Expect": "a miracle"}, 417, "BadRequest"),
        ("POST", "/nowhere", {"Expect": "a miracle"}, 417, "BadRequest"),
        ("POST", "/image", {"Expect": "100-continue", "Prediction_Key": "wrong"}, 401, "Unauthorized"),
        ("POST", "/image", {"Prediction_Key": ""}, 401, "Unauthorized"),
        ("POST", "/nowhere", {"Prediction_Key": "wrong"}, 401, "Unauthorized"),
        ("PUT", "/image", {}, 405, "BadRequest"),
        ("GET", PATH, {}, 405, "BadRequest"),
        ("POST", "/openapi.json", {}, 405, "BadRequest"),
        ("GET", "/nowhere", {}, 404, "NotFound"),
        ("OPTIONS", "/image", {}, 405, "BadRequest"),
    ],
)
async def test_a_wrong_request(
    api: Api, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await api.send(method, path, JPEG if method == "POST" else None, **headers)
    assert (answer.status, answer.content["code"], set(answer.content)) == (status, code, {"code", "message"})
    assert status != 405 or answer.headers["Allow"] in ("POST", "GET,HEAD")


def form(head: bytes, content: bytes = b"x") -> bytes:
    """A form with one part that begins with `head`."""
    return b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


NAMED = b'Content-Disposition: form-data; name="imageData"'


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ([b"Prediction-Key: \xff\xfe"], b"x", 401, "Unauthorized"),
        ([b"Content-Type: " + FORM.encode()], form(b"no colon"), 400, "BadRequestImageStream"),
        ([b"Content-Type: " + FORM.encode()], form(b"\xff\xfe: x"), 400, "BadRequestImageStream"),
        ([b"Content-Type: " + FORM.encode()], form(b"A: b"), 400, "BadRequestRequiredParamIsNull"),
        ([b"Content-Type: " + FORM.encode()], b"--b--\r\n", 400, "BadRequestRequiredParamIsNull"),
        ([b"Content-Type: " + FORM.encode()], b"no form", 400, "BadRequestImageStream"),
        ([b"Content-Type: " + FORM.encode()], form(NAMED), 400, "BadRequestImageFormat"),
        ([b"Content-Type: " + FORM.encode()], form(NAMED, JPEG + b"x"), 400, "BadRequestImageFormat"),
        (
            [b"Content-Type: " + FORM.encode()],
            form(NAMED, bytes(LARGEST_IMAGE_BYTES + 1)),
            400,
            "BadRequestImageSizeBytes",
        ),
        (
            [b"Content-Type: " + FORM.encode()],
            form(b"Content-Type: multipart/mixed; boundary=c", b"--c\r\n" + NAMED + b"\r\n\r\nx\r\n--c--\r\n"),
            400,
            "BadRequestRequiredParamIsNull",
        ),
        ([b"Content-Type: multipart/form-data"], form(NAMED), 400, "BadRequestImageStream"),
        ([b"Content-Type: multipart/form-data; boundary=" + b"b" * 71], form(NAMED), 400, "BadRequestImageStream"),
        ([b"Content-Type: multipart/form-data; boundary=\xc3\xa4"], form(NAMED), 400, "BadRequestImageStream"),
    ],
)
async def test_broken_bytes(api: Api, headers: list[bytes], body: bytes, status: int, code: str) -> None:
    key = [] if any(b"Prediction-Key" in header for header in headers) else [b"Prediction-Key: " + KEY.encode()]
    length = b"Content-Length: %d" % len(body)
    answer = await api.raw([b"POST /image HTTP/1.1", length, *key, *headers], body)
    assert (answer.status, answer.content["code"], set(answer.content)) == (status, code, {"code", "message"})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BadRequest"),
        (b"no JSON", "BadRequest"),
        (b"\xff\xfe", "BadRequest"),
        (b"[" * 10_000, "BadRequest"),
        (b"[]", "BadRequestRequiredParamIsNull"),
        (b"{}", "BadRequestRequiredParamIsNull"),
        (b'{"Url": 5}', "BadRequestRequiredParamIsNull"),
        (b'{"Url": null, "url": ""}', "BadRequestRequiredParamIsNull"),
        (b'{"url": "no URL"}', "BadRequestImageUrl"),
        (json.dumps({"Url": "https://a.example/" + "a" * 20_000}).encode(), "BadRequestImageSizeBytes"),
    ],
)
async def test_an_address_that_is_none(detector: Model, body: bytes, code: str) -> None:
    async with serving(fixed(detector), fetcher=PictureFetcher(UrlPolicy())) as api:
        answer = await api.post("/url", body)
        assert (answer.status, answer.content["code"]) == (413 if code.endswith("SizeBytes") else 400, code)


async def test_a_picture_that_never_comes_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_body, "RECEIVED_WITHIN_S", 0)
    key = b"Prediction-Key: " + KEY.encode()
    answer = await api.raw([b"POST /image HTTP/1.1", b"Content-Length: 1000", key], b"x")
    assert (answer.status, answer.content["code"]) == (408, "BadRequestImageStream")
    assert api.predictor._under_way == 0


async def test_one_that_goes_away_in_the_middle_gives_its_place_back(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    key = KEY.encode()
    writer.write(b"POST /image HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nPrediction-Key: " + key + b"\r\n\r\nx")
    await eventually(lambda: api.predictor._under_way == 1)
    writer.transport.abort()
    await eventually(lambda: api.predictor._under_way == 0)
    assert await reader.read() == b""
    assert api.service.outcomes == {"gone": 1}
    assert caplog.records == []


async def test_whoever_may_send_is_told_to_go_on(api: Api) -> None:
    picture = encoded(".jpg")
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    head = f"POST /image HTTP/1.1\r\nHost: x\r\nContent-Length: {len(picture)}\r\nPrediction-Key: {KEY}\r\n"
    writer.write(head.encode() + b"Expect: 100-continue\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    await reader.readline()
    writer.write(picture)
    assert (await reader.readline()).split()[1] == b"200"
    writer.close()


async def test_a_key_may_be_of_any_bytes() -> None:
    """As the environment gives those that are no UTF-8: the module, cameras and all, would not have come up."""
    async with serving(lambda: None, key="\udcff" * 16) as api:
        lines = [b"POST /image HTTP/1.1", b"Content-Length: 0", b"Prediction-Key: " + b"\xff" * 16]
        assert (await api.raw(lines)).status == 503, "the key is right, and there is no model"
        assert (await api.raw([*lines[:2], b"Prediction-Key: " + b"\xfe" * 16])).status == 401


async def test_too_many_connections_are_turned_away_in_the_same_shape(detector: Model) -> None:
    async with serving(fixed(detector), connections=2) as api:
        holders = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(2)]
        answer = await api.raw([b"GET / HTTP/1.1"])
        assert (answer.status, answer.content["code"]) == (503, "ErrorPredictionServiceUnavailable")
        for _, writer in holders:
            writer.close()


async def test_who_only_polls_now_and_then_holds_no_place(detector: Model) -> None:
    """Two callers keep their connections; a third one gets the place of who has been idle longest, and so on."""
    async with serving(fixed(detector), connections=2) as api:
        polling = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(2)]
        for reader, writer in (*polling, polling[0]):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split()[1]))
        assert (await api.raw([b"GET / HTTP/1.1"])).status == 200
        assert await asyncio.wait_for(polling[1][0].read(), 10) == b"", "ended: idle longest"
        polling[0][1].write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await polling[0][0].read(), "kept"
        for _, writer in polling:
            writer.close()


async def test_who_is_asking_keeps_his_place(detector: Model) -> None:
    async with serving(fixed(detector), connections=1) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"404" in await reader.readline()
        lines = (
            b"POST /image HTTP/1.1",
            b"Host: x",
            b"Prediction-Key: " + KEY.encode(),
            b"Content-Length: 9",
            b"Expect: 100-continue",
        )
        writer.write(b"\r\n".join((*lines, b"", b"")))
        await reader.readuntil(b"100 Continue")
        assert (await api.raw([b"GET / HTTP/1.1"])).status == 503
        writer.close()


@pytest.mark.parametrize("said", [b"", b"POST /image HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_that_comes_to_no_request_is_ended(
    detector: Model, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(http_listening, "FIRST_REQUEST_S", 0.2)
    async with serving(fixed(detector)) as api:
        talker_reader, talker = await asyncio.open_connection("127.0.0.1", api.port)
        talker.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await talker_reader.readline()).split()[1] == b"200"
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(said)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        talker.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await talker_reader.read()
        for one in (writer, talker):
            one.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such clock")
async def test_a_caller_who_reads_no_answer_is_ended(detector: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listening, "UNREAD_S", 0.2)
    async with serving(fixed(detector), connections=1) as api:
        caller = socket.socket()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(caller, ("127.0.0.1", api.port))
        await loop.sock_sendall(caller, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        async with asyncio.timeout(10):
            while (await api.raw([b"GET / HTTP/1.1"])).status != 200:  # noqa: ASYNC110  # the system's own clock ends it
                await asyncio.sleep(0.02)
        caller.close()


async def test_a_refusal_beside_cameras_takes_its_time(detector: Model) -> None:
    loop = asyncio.get_running_loop()
    async with serving(fixed(detector), refused_after_s=0.2) as api:
        began_s = loop.time()
        await asyncio.gather(*(api.post("/image", b"x") for _ in range(4)))
        assert loop.time() - began_s >= 0.2
