"""What the training service's answers become: errors of ours with a code, whatever comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from safetygear.errors import SafetyGearError, UserError
from safetygear.secret_references import Secret
from safetygear_workbench.learn.custom_vision import CustomVision
from safetygear_workbench.learn.service_answers import failure, unreachable
from safetygear_workbench.learn.training_service import (
    NewPicture,
    Performance,
    Region,
    TagPerformance,
    TrainingServiceError,
)
from support.training_project import TrainingProject
from support.training_server import KEY, Fault, TrainingServer, serving, status

ENDPOINT = "https://site.cognitiveservices.azure.com"


@pytest.fixture
def server() -> Iterator[TrainingServer]:
    with serving(TrainingProject()) as server:
        yield server


@pytest.mark.parametrize(
    ("code", "text", "kind", "retryable"),
    [
        (400, '{"code": "BadRequestImageBatch", "message": "No."}', TrainingServiceError, False),
        (401, '{"error": {"code": "401", "message": "Access denied"}}', UserError, None),
        (403, "", UserError, None),
        (403, '{"code": "ForbiddenDRModeEnabled", "message": "x"}', TrainingServiceError, False),
        (404, '{"code": "NotFoundProject", "message": "x"}', UserError, None),
        (404, "<html>", UserError, None),
        (404, '{"code": "NotFoundIteration", "message": "x"}', TrainingServiceError, False),
        (429, '{"error": {"code": "429", "message": "Rate limit"}}', TrainingServiceError, True),
        (500, "[]", TrainingServiceError, True),
        (503, '{"error": null}', TrainingServiceError, True),
        (307, "", UserError, None),
    ],
)
def test_what_an_answer_means(code: int, text: str, kind: type, retryable: bool | None) -> None:
    error = failure(code, {}, text, "https://site.cognitiveservices.azure.com")
    assert type(error) is kind
    assert getattr(error, "retryable", None) == retryable
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        '{"error": {"code": "403", "message": "Access denied due to Virtual Network/Firewall rules."}}',
        '{"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 5.03:23:11."}',
        '{"error": {"code": "AuthenticationTypeDisabled", "message": "Key based authentication is disabled."}}',
        "",
    ],
)
def test_what_the_gateway_forbids_is_not_put_on_the_key(text: str) -> None:
    error = failure(403, {}, text, ENDPOINT)
    assert isinstance(error, UserError)
    assert error.code == "training-access-denied"
    assert "refuses the key" not in str(error)
    assert "Azure portal" in error.hint


def test_a_status_is_told_once() -> None:
    error = failure(429, {}, '{"error": {"code": "429", "message": "Rate limit is exceeded."}}', ENDPOINT)
    assert str(error) == "the training service answered 429: Rate limit is exceeded"


@pytest.mark.parametrize(
    ("text", "seconds"), [("17", 17), (None, None), ("", None), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
def test_how_long_the_service_asks_to_wait(text: str | None, seconds: float | None) -> None:
    error = failure(503, {} if text is None else {"Retry-After": text}, "", ENDPOINT)
    assert isinstance(error, TrainingServiceError)
    assert error.retry_after_s == seconds


def test_why_there_is_no_answer() -> None:
    class NameResolutionError(Exception):
        pass

    class SSLCertVerificationError(Exception):
        pass

    class ProxyError(Exception):
        pass

    secret = "https://site/?sig=abcd"
    for cause, said, code in (
        (OSError(secret, NameResolutionError()), "there is no such host", "training-service-unreachable"),
        (OSError(secret, SSLCertVerificationError()), "is not trusted", "training-service-certificate"),
        (ProxyError(secret), "the proxy does not", "training-service-unreachable"),
        (TimeoutError(secret), "does not answer in time", "training-service-unreachable"),
        (OSError(secret, ConnectionRefusedError()), "refuses connections", "training-service-unreachable"),
        (OSError(secret), "was cut", "training-service-unreachable"),
    ):
        error = unreachable(ENDPOINT, cause)
        assert said in str(error)
        assert (error.code, error.retryable) == (code, code.endswith("unreachable"))
        assert "abcd" not in str(error)


def test_what_the_service_says_shows_no_key(server: TrainingServer) -> None:
    server.faults = [("/tags", status(400, {"code": "BadRequest", "message": f"not with {KEY}"}))]
    service = CustomVision(server.endpoint, server.project.id, Secret(KEY))
    with pytest.raises(TrainingServiceError) as caught:
        service.tags()
    assert "not with ***" in str(caught.value)


CALLS: dict[str, Callable[[CustomVision], object]] = {
    "project": lambda service: service.project(),
    "tags": lambda service: service.tags(),
    "create_tag": lambda service: service.create_tag("helmet"),
    "upload": lambda service: service.upload([NewPicture("a.jpg", b"x")], {}),
    "regions": lambda service: service.regions(["a"]),
    "create_regions": lambda service: service.create_regions([("a", Region("t", 0, 0, 1, 1))]),
    "count_pictures": lambda service: service.count_pictures(("source", "safetygear")),
    "train": lambda service: service.train(budget_hours=None, force=False),
    "iterations": lambda service: service.iterations(),
    "iteration": lambda service: service.iteration("a"),
    "performance": lambda service: service.performance("a", threshold=0.5, overlap=0.3),
    "exports": lambda service: service.exports("a"),
    "export": lambda service: service.export("a", "ONNX"),
}
ODD = (
    "", "null", "5", '"x"', "<html>", "[[]]", "[null]", "[5]", "[" * 3000, "1e999", '{"images": 5}',
    '{"images": [{}]}', '{"created": "x"}', '[{"created": "x"}]', '{"perTagPerformance": [5]}',
    '{"trainedAt": "9999-99-99T"}', '[{"id": "a", "regions": [{}]}]', '{"error": {"code": [], "message": {}}}',
)  # fmt: skip
GOOD = {("count_pictures", "5")}


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_is_none_is_an_error_of_ours(server: TrainingServer, name: str) -> None:
    service = CustomVision(server.endpoint, server.project.id, Secret(KEY))
    for code in (200, 400, 500):
        for text in ODD:
            if (name, text) in GOOD and code == 200:
                continue
            server.faults = [("", says(code, text))]
            try:
                found = CALLS[name](service)
            except SafetyGearError as exc:
                assert "\n" not in str(exc), text
            else:
                # What is not there is not made up.
                assert name in ("performance", "create_regions"), (text, found)
                assert found in (1, Performance(TagPerformance("all", None, None, None), ())), text
    service.close()


def says(code: int, text: str) -> Fault:
    async def fault(request: Any, handler: Any) -> Any:
        return web.Response(status=code, text=text, content_type="application/json")

    return fault
