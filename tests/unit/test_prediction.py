"""The prediction API as the unmodified client talks to it, and what it says to requests that are wrong."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import av
import cv2
import pytest
from aiohttp.test_utils import TestServer
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials

from safetygear.clock import SystemClock
from safetygear_inference.detectors import open_model
from safetygear_inference.pixels import decode_picture
from safetygear_inference.prediction import service
from safetygear_inference.prediction.answers import LARGEST_IMAGE_BYTES
from safetygear_inference.prediction.predictor import WAITING, Predictor
from safetygear_inference.prediction.service import PredictionService

MODEL = Path(__file__).parents[2] / "modules" / "inference" / "models" / "ppe_yolox_nano_relu_384x640.onnx"
PROJECT = "3f1c7f0e-7a1b-4c55-9d63-0d8f4d2c9a11"
KEY = "not a real key"
PATH = f"/customvision/v3.1/prediction/{PROJECT}/detect/iterations/site/image"


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A JPEG of a frame of the demo clip, with people in it."""
    with av.open(str(files("safetygear_workbench") / "demo" / "site_scene_demo.mp4")) as container:
        frame = next(islice(container.decode(video=0), 120, None))
    return bytes(cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))[1])


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    predictor = Predictor(open_model(MODEL))
    server = TestServer(PredictionService(predictor, SystemClock(), key=KEY).application())
    server.predictor = predictor  # type: ignore[attr-defined]  # for the test that fills it
    await server.start_server()
    yield server
    await server.close()
    predictor.close()


def client(server: TestServer, key: str = KEY) -> CustomVisionPredictionClient:
    credentials = ApiKeyCredentials(in_headers={"Prediction-Key": key})
    return CustomVisionPredictionClient(f"http://127.0.0.1:{server.port}", credentials)


@pytest.mark.parametrize("method", ["detect_image", "detect_image_with_no_store"])
async def test_the_unmodified_client_gets_the_boxes_of_safetygear_detect(
    server: TestServer, picture: bytes, method: str
) -> None:
    result = await asyncio.to_thread(getattr(client(server), method), PROJECT, "site", picture)
    model = open_model(MODEL)
    boxes = model.detector().detect(decode_picture(picture))
    assert len(result.predictions) == len(boxes) > 0
    for prediction, box, number, probability in zip(
        result.predictions, boxes.xyxy_norm, boxes.class_id, boxes.probability, strict=True
    ):
        assert prediction.tag_name == model.labels[number]
        assert prediction.probability == pytest.approx(float(probability), abs=1e-5)
        left, top, right, bottom = (float(side) for side in box)
        given = prediction.bounding_box
        found = (given.left, given.top, given.left + given.width, given.top + given.height)
        assert found == pytest.approx((left, top, right, bottom), abs=1e-5)
    assert (result.project, result.created.tzinfo is not None) == (PROJECT, True)
    assert uuid.UUID(result.id)
    assert uuid.UUID(result.iteration)


async def test_what_the_client_may_not_have_is_its_own_error(server: TestServer, picture: bytes) -> None:
    with pytest.raises(CustomVisionErrorException) as caught:
        await asyncio.to_thread(client(server, "wrong").detect_image, PROJECT, "site", picture)
    assert caught.value.response.status_code == 401
    with pytest.raises(CustomVisionErrorException) as caught:
        await asyncio.to_thread(client(server).classify_image, PROJECT, "site", picture)
    assert caught.value.error.code == "BadRequestInvalidProjectType"
    with pytest.raises(CustomVisionErrorException) as caught:
        await asyncio.to_thread(client(server).detect_image_url, PROJECT, "site", "http://10.0.0.1/a.jpg")
    assert caught.value.error.code == "BadRequestImageUrl"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (PATH, b"", 400, "BadRequestImageFormat"),
        (PATH, b"no picture", 400, "BadRequestImageFormat"),
        (PATH, b"\xff\xd8" + bytes(LARGEST_IMAGE_BYTES), 400, "BadRequestImageSizeBytes"),
        (PATH, b"\xff\xd8" + bytes(LARGEST_IMAGE_BYTES + 100_000), 400, "BadRequestImageSizeBytes"),
        (PATH.replace(PROJECT, "mine"), b"x", 400, "BadRequestInvalidIds"),
        ("/customvision/v9/prediction", b"x", 404, "NotFound"),
    ],
)
async def test_a_wrong_request_is_refused_in_the_services_shape(
    server: TestServer, path: str, body: bytes, status: int, code: str
) -> None:
    answer, content = await post(server, path, body)
    assert (answer, content["code"], set(content)) == (status, code, {"code", "message"})


@pytest.mark.parametrize("path", ["/image", "/image/nostore", f"/{PROJECT}/image"])
async def test_the_exported_containers_paths_work(server: TestServer, picture: bytes, path: str) -> None:
    status, content = await post(server, path, picture)
    assert status == 200
    assert {one["tagName"] for one in content["predictions"]} >= {"person"}


async def test_too_many_at_once_are_told_to_come_again(server: TestServer, picture: bytes) -> None:
    server.predictor._under_way = WAITING  # type: ignore[attr-defined]  # as if so many were under way
    async with aiohttp.ClientSession() as session, session.post(
        server.make_url(PATH), data=picture, headers={"Prediction-Key": KEY}
    ) as answer:  # fmt: skip
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


async def post(server: TestServer, path: str, body: bytes) -> tuple[int, Any]:
    headers = {"Prediction-Key": KEY, "Content-Type": "application/octet-stream"}
    async with aiohttp.ClientSession() as session, session.post(
        server.make_url(path), data=body, headers=headers
    ) as answer:  # fmt: skip
        return answer.status, json.loads(await answer.text())


def form(head: bytes) -> bytes:
    """A form with one part that begins with `head`."""
    return b"--b\r\n" + head + b"\r\n\r\nx\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([b"Prediction-Key: \xff\xfe"], b"x", 401),
        ([b"Content-Type: multipart/form-data; boundary=b"], form(b"no colon"), 400),
        ([b"Content-Type: multipart/form-data; boundary=b"], form(b"\xff\xfe: x"), 400),
        ([b"Content-Encoding: gzip"], b"no gzip", 400),
    ],
)
async def test_broken_bytes_are_refused_and_never_a_fault_of_the_server(
    server: TestServer, headers: list[bytes], body: bytes, status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    key = [] if any(b"Prediction-Key" in header for header in headers) else [b"Prediction-Key: " + KEY.encode()]
    length = b"Content-Length: %d" % len(body)
    lines = [b"POST /image HTTP/1.1", b"Host: x", b"Connection: close", length, *key, *headers]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert set(json.loads(content)) == {"code", "message"}


async def test_a_picture_that_never_comes_is_given_up(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RECEIVED_WITHIN_S", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    key = KEY.encode()
    writer.write(b"POST /image HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nPrediction-Key: " + key + b"\r\n\r\nx")
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()
