"""The prediction API as the unmodified client talks to it, with a detector and with a classifier."""

from __future__ import annotations

import threading
import uuid
import zipfile
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast, get_args

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.cognitiveservices.vision.customvision.prediction.models import (
    CustomVisionErrorCodes,
    CustomVisionErrorException,
)

from safetygear.errors import ModelError
from safetygear_inference.detectors import ClassifierModel, Model, open_model, open_model_or_classifier
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.pixels import decode_picture
from safetygear_inference.prediction import predictor as predictor_module
from safetygear_inference.prediction.answers import Code
from safetygear_inference.prediction.model_source import Served, fixed
from safetygear_inference.prediction.predictor import WAITING, Predictor, rest_s
from safetygear_inference.prediction.url_fetch import PictureFetcher
from safetygear_inference.prediction.url_rules import UrlPolicy
from support.hub import eventually
from support.onnx_models import classifier
from support.prediction import MODEL, PATH, PROJECT, Api, scene_jpeg, serving

LABELS = ("bare", "helmet", "cap")


@pytest.fixture(scope="module")
def picture() -> bytes:
    return scene_jpeg()


@pytest.fixture(scope="module")
def detector() -> Model:
    return open_model(MODEL)


@pytest.fixture
async def api(detector: Model) -> AsyncIterator[Api]:
    async with serving(fixed(detector)) as running:
        yield running


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> ClassifierModel:
    """A classification export of Custom Vision."""
    path = tmp_path_factory.mktemp("export") / "heads.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.onnx", classifier(LABELS))
        archive.writestr("labels.txt", "\n".join(LABELS))
        archive.writestr("cvexport.manifest", '{"DomainType": "Classification", "Platform": "ONNX"}')
    model = open_model_or_classifier(path)
    assert isinstance(model, ClassifierModel)
    return model


def answering(picture: bytes) -> TestServer:
    """A web server that has the picture, to be fetched from."""

    async def jpeg(_: web.Request) -> web.Response:
        return web.Response(body=picture, content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/picture.jpg", jpeg)
    return TestServer(app)


def of_this_machine() -> PictureFetcher:
    """One that may fetch from loopback: the judging of addresses is left out, which no configuration can."""
    return PictureFetcher(UrlPolicy(), judge=lambda addresses, policy: None)


@pytest.mark.parametrize(
    "method", ["detect_image", "detect_image_with_no_store", "detect_image_url", "detect_image_url_with_no_store"]
)
async def test_the_unmodified_client_gets_the_boxes_of_safetygear_detect(
    detector: Model, picture: bytes, method: str
) -> None:
    async with answering(picture) as web_server, serving(fixed(detector), fetcher=of_this_machine()) as api:
        given = f"http://127.0.0.1:{web_server.port}/picture.jpg" if "url" in method else picture
        result = await api.asked(method, given)
    boxes = detector.detector().detect(decode_picture(picture))
    assert len(result.predictions) == len(boxes) > 0
    for prediction, box, number, probability in zip(
        result.predictions, boxes.xyxy_norm, boxes.class_id, boxes.probability, strict=True
    ):
        assert prediction.tag_name == detector.labels[number]
        assert prediction.probability == pytest.approx(float(probability), abs=1e-5)
        left, top, right, bottom = (float(side) for side in box)
        found = prediction.bounding_box
        assert (found.left, found.top, found.left + found.width, found.top + found.height) == pytest.approx(
            (left, top, right, bottom), abs=1e-5
        )
    assert (result.project, result.created.tzinfo is not None) == (PROJECT, True)
    assert uuid.UUID(result.id)
    assert uuid.UUID(result.iteration)


@pytest.mark.parametrize(
    "method",
    ["classify_image", "classify_image_with_no_store", "classify_image_url", "classify_image_url_with_no_store"],
)
async def test_the_unmodified_client_gets_what_a_classifier_says(
    heads: ClassifierModel, picture: bytes, method: str
) -> None:
    async with answering(picture) as web_server, serving(fixed(heads), fetcher=of_this_machine()) as api:
        given = f"http://127.0.0.1:{web_server.port}/picture.jpg" if "url" in method else picture
        result = await api.asked(method, given)
        with pytest.raises(CustomVisionErrorException) as caught:
            await api.asked("detect_image", picture)
    assert caught.value.error.code == "BadRequestNotSupported"
    found = heads.classifier().classify(decode_picture(picture))
    assert [prediction.tag_name for prediction in result.predictions] == [LABELS[i] for i in found.class_id]
    assert [prediction.probability for prediction in result.predictions] == pytest.approx(
        found.probability.tolist(), abs=1e-5
    )
    assert all(prediction.bounding_box is None and uuid.UUID(prediction.tag_id) for prediction in result.predictions)


async def test_what_the_client_may_not_have_is_its_own_error(api: Api, picture: bytes) -> None:
    with pytest.raises(CustomVisionErrorException) as caught:
        await api.asked("detect_image", picture, key="wrong")
    assert caught.value.response.status_code == 401
    with pytest.raises(CustomVisionErrorException) as caught:
        await api.asked("classify_image", picture)
    assert caught.value.error.code == "BadRequestNotSupported"
    with pytest.raises(CustomVisionErrorException) as caught:
        await api.asked("detect_image_url", "http://198.51.100.1/a.jpg")
    assert "fetches no pictures" in caught.value.error.message
    assert api.service.outcomes == {"unauthorized": 1, "refused": 2}


def test_its_codes_are_the_services_and_two_of_the_gateway_before_it() -> None:
    own = set(get_args(Code)) - {code.value for code in CustomVisionErrorCodes}
    assert own == {"Unauthorized", "TooManyRequests"}


@pytest.mark.parametrize(
    "path", ["/image", "/image/nostore", f"/{PROJECT}/image", f"/{PROJECT}/detect/iterations/any/image/nostore"]
)
@pytest.mark.parametrize("kind", ["bare", "curl -F", "after another", "curl -d", "image/png"])
async def test_the_exported_containers_paths_take_a_picture_as_it_does(
    api: Api, picture: bytes, path: str, kind: str
) -> None:
    headers: dict[str, str] = {}
    body: Any = picture
    if kind in ("curl -F", "after another"):
        body = aiohttp.FormData()
        if kind == "after another":
            body.add_field("note", "gate 2")
        body.add_field("imageData", picture, filename="picture.jpg", content_type="image/jpeg")
    else:
        content_type = {"bare": "application/octet-stream", "curl -d": "application/x-www-form-urlencoded"}
        headers["Content_Type"] = content_type.get(kind, kind)
    answer = await api.post(path, body, **headers)
    assert answer.status == 200
    assert {one["tagName"] for one in answer.content["predictions"]} >= {"person"}


async def test_too_many_at_once_are_told_to_come_again(api: Api, picture: bytes) -> None:
    places = [api.predictor.place() for _ in range(WAITING)]
    answer = await api.post(PATH, picture)
    assert (answer.status, answer.headers["Retry-After"], answer.content["code"]) == (429, "1", "TooManyRequests")
    for place in places:
        place.leave()
        place.leave()
    assert (await api.post(PATH, picture)).status == 200
    assert api.predictor._under_way == 0
    assert api.service.outcomes == {"busy": 1, "answered": 1}


class Eyes:
    """A detector that does what a test wants."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.go = threading.Event()
        self.go.set()

    def detect(self, picture: Picture) -> DetectedBoxes:
        assert self.go.wait(10)
        raise self.error or ModelError("nothing to see", code="model-failed")


def blind(eyes: Eyes) -> Served:
    model = Model.__new__(Model)
    for name, value in {"identity": SimpleNamespace(sha256="0"), "labels": ("person",)}.items():
        object.__setattr__(model, name, value)
    object.__setattr__(model, "detector", lambda **_: eyes)
    return Served(cast(Model, model))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelError("the third layer is /home/secret", code="model-failed"), 503, "ErrorPrediction"),
        (ZeroDivisionError("/home/secret"), 500, "ErrorUnknown"),
        (MemoryError("/home/secret"), 500, "ErrorUnknown"),
    ],
)
async def test_what_goes_wrong_inside_is_for_the_log_alone(
    picture: bytes, caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str
) -> None:
    served = blind(Eyes(error))
    async with serving(lambda: served) as api:
        answer = await api.post(PATH, picture)
        assert (answer.status, answer.content["code"]) == (status, code)
        assert "secret" not in answer.content["message"]
        assert "secret" in caplog.text
        assert api.service.outcomes == {"failed" if status == 500 else "unavailable": 1}
        assert api.predictor._under_way == 0


async def test_a_model_that_hangs_keeps_its_place_until_it_returns(
    picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor_module, "PREDICTED_WITHIN_S", 0.05)
    eyes = Eyes()
    eyes.go.clear()
    served = blind(eyes)
    async with serving(lambda: served) as api:
        answer = await api.post(PATH, picture)
        assert (answer.status, answer.content["code"]) == (503, "ErrorPredictionServiceUnavailable")
        assert api.predictor._under_way == 1
        eyes.go.set()
        await eventually(lambda: api.predictor._under_way == 0)


@pytest.mark.parametrize(("worked_s", "share", "rest"), [(0.03, 1.0, 0.0), (0.03, 0.25, 0.09), (2.0, 0.5, 2.0)])
def test_the_thread_rests_for_what_it_has_worked(worked_s: float, share: float, rest: float) -> None:
    assert rest_s(worked_s, share) == pytest.approx(rest)


def test_it_rests_before_the_next_picture_and_not_when_it_is_closed(detector: Model, picture: bytes) -> None:
    predictor = Predictor(fixed(detector), share=1e-6)
    rested: list[float | None] = []
    predictor._closing = cast(threading.Event, SimpleNamespace(wait=rested.append, set=lambda: rested.append(None)))
    for _ in range(2):
        predictor._in_turn(predictor.served(), picture)
    predictor.close()
    first, second, closed = rested
    assert first == 0.0
    assert second is not None and second > 1000, "milliseconds of work, a million times as long"
    assert closed is None


async def test_without_a_model_yet_it_says_when_to_come_again(picture: bytes) -> None:
    async with serving(lambda: None) as api:
        answer = await api.post(PATH, picture)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.content["code"] == "ErrorPredictionModelNotFound"
        assert (await api.send("GET", "/")).content == {"status": "no-model"}


async def test_without_a_key_programs_of_this_machine_are_answered_and_no_page(detector: Model, picture: bytes) -> None:
    async with serving(fixed(detector), key=None) as api:
        assert (await api.post("/image", picture)).status == 200
        for headers in (
            {"Origin": "https://elsewhere.example"},
            {"Origin": f"http://127.0.0.1:{api.port}"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Host": "rebound.example"},
        ):
            answer = await api.post("/image", picture, **headers)
            assert (answer.status, answer.content["code"]) == (403, "Forbidden"), headers
