"""A prediction API in this process, the unmodified client, and pictures to send."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import av
import cv2
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials

from safetygear.clock import SystemClock
from safetygear.listen import Listen
from safetygear.secret_references import Secret
from safetygear_inference.http_listening import serve_http
from safetygear_inference.prediction.model_source import ModelSource
from safetygear_inference.prediction.predictor import Predictor
from safetygear_inference.prediction.service import TURNED_AWAY, Callers, PredictionService
from safetygear_inference.prediction.url_fetch import PictureFetcher
from support import site_scene

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"
MODEL = MODELS / "ppe_yolox_nano_relu_384x640.onnx"
PROJECT = "3f1c7f0e-7a1b-4c55-9d63-0d8f4d2c9a11"
KEY = "no key of anybody's"
PATH = f"/customvision/v3.1/prediction/{PROJECT}/detect/iterations/site/image"


def scene_jpeg() -> bytes:
    """A frame of the site scene, with people in it."""
    with av.open(str(site_scene.CLIP)) as container:
        frame = next(islice(container.decode(video=0), 120, None))
    return bytes(cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))[1])


@dataclass
class Answer:
    """What came back. `content`: the parsed JSON."""

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Api:
    """A server that runs."""

    port: int
    predictor: Predictor
    service: PredictionService

    def client(self, key: str = KEY) -> CustomVisionPredictionClient:
        return CustomVisionPredictionClient(
            f"http://127.0.0.1:{self.port}", ApiKeyCredentials(in_headers={"Prediction-Key": key})
        )

    async def asked(self, method: str, *arguments: Any, key: str = KEY) -> Any:
        """What the client's method gives."""
        return await asyncio.to_thread(getattr(self.client(key), method), PROJECT, "site", *arguments)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {"Prediction-Key": KEY, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with aiohttp.ClientSession() as session, session.request(
            method, f"http://127.0.0.1:{self.port}{path}", data=body, headers=sent
        ) as answer:  # fmt: skip
            text = await answer.text()
            content = json.loads(text) if answer.content_type == "application/json" else text
            return Answer(answer.status, content, dict(answer.headers))

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        return await self.send("POST", path, body, **headers)

    async def raw(self, lines: Sequence[bytes], body: bytes = b"") -> Answer:
        """An HTTP/1.1 request written by hand; its answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"\r\n".join([*lines, b"Host: 127.0.0.1", b"Connection: close"]) + b"\r\n\r\n" + body)
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        head, _, content = answer.partition(b"\r\n\r\n")
        return Answer(int(head.split()[1]), json.loads(content) if content.startswith(b"{") else content.decode())


@contextlib.asynccontextmanager
async def serving(
    model: ModelSource,
    *,
    key: str | None = KEY,
    fetcher: PictureFetcher | None = None,
    connections: int = 64,
    refused_after_s: float = 0.0,
) -> AsyncIterator[Api]:
    listen, predictor = Listen("127.0.0.1", 0), Predictor(model)
    callers = Callers(listen, None if key is None else Secret(key))
    service = PredictionService(predictor, callers, SystemClock(), fetcher=fetcher, refused_after_s=refused_after_s)
    server = await serve_http(
        service.application(),
        listen,
        connections=connections,
        log_name="test.http",
        turned_away=TURNED_AWAY,
        auto_decompress=False,
    )
    try:
        yield Api(server.port, predictor, service)
    finally:
        await server.stop()
        predictor.close()
