"""The API in the running module: off unless asked for, with a key or on loopback, and with the model in use."""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from safetygear.clock import SystemClock
from safetygear.environment import Variables
from safetygear.errors import UserError
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.prediction.answers import iteration_id
from safetygear_inference.prediction.beside_cameras import PredictionBesideCameras
from safetygear_inference.prediction.model_source import LiveModel
from safetygear_inference.prediction.settings import PredictionSettings, read_settings
from safetygear_inference.prediction.url_rules import UrlPolicy
from safetygear_inference.problems import Problems
from support.model_packages import fixed_boxes, package, red_picture
from support.prediction import KEY, Answer, Api

ENVIRON = {"SAFETYGEAR_SECRET_PREDICTION": KEY}
BOXES = ((0.1, 0.1, 0.3, 0.4), (0.5, 0.5, 0.9, 0.9))


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[AnalysisPool]:
    made = AnalysisPool(1, tmp_path)
    yield made
    made.close()


@pytest.fixture
async def beside(pool: AnalysisPool) -> AsyncIterator[PredictionBesideCameras]:
    made = PredictionBesideCameras(LiveModel(pool), Problems(), SystemClock())
    yield made
    await made.stop()


def model(folder: Path, name: str, *scores: float) -> Model:
    return open_model(package(folder / f"{name}.zip", fixed_boxes(BOXES, (0, 1), scores)))


async def serve(beside: PredictionBesideCameras, folder: Path, **environ: str) -> dict[str, Any]:
    """With these variables; the problems that the module has then."""
    settings = read_settings(Variables(environ), listen="off")
    await beside.serve(settings, SecretResolver(ENVIRON, folder, Redactor()))
    return beside._problems.as_document()


async def ask(beside: PredictionBesideCameras) -> Answer:
    assert beside.port is not None and beside._predictor is not None and beside._service is not None
    return await Api(beside.port, beside._predictor, beside._service).post("/image", red_picture())


def test_it_is_off_unless_asked_for() -> None:
    assert read_settings(Variables({}), listen="off") == PredictionSettings()


def test_what_can_be_set_is_read() -> None:
    environ = {
        "SAFETYGEAR_PREDICTION_LISTEN": "127.0.0.1:8081",
        "SAFETYGEAR_PREDICTION_KEY": "file:prediction-key",
        "SAFETYGEAR_PREDICTION_URLS": "public",
    }
    settings = read_settings(Variables(environ), listen="off")
    assert (str(settings.listen), settings.key, settings.urls) == (
        "127.0.0.1:8081", "file:prediction-key", UrlPolicy()
    )  # fmt: skip
    with pytest.raises(UserError, match="SAFETYGEAR_PREDICTION_URLS is 'on a': use off, public"):
        read_settings(Variables({"SAFETYGEAR_PREDICTION_URLS": "on a"}), listen="off")


async def test_off_it_takes_no_port_and_no_thread(beside: PredictionBesideCameras, tmp_path: Path) -> None:
    assert await serve(beside, tmp_path) == {}
    assert (beside.port, beside._predictor, beside.outcomes) == (None, None, {})


@pytest.mark.parametrize(
    ("environ", "code", "says"),
    [
        (
            {"SAFETYGEAR_PREDICTION_LISTEN": "0.0.0.0:0"},
            "prediction-key-missing",
            "set SAFETYGEAR_PREDICTION_KEY to a secret reference",
        ),
        (
            {"SAFETYGEAR_PREDICTION_LISTEN": "127.0.0.1:0", "SAFETYGEAR_PREDICTION_KEY": "file:none"},
            "secret-missing",
            "SAFETYGEAR_PREDICTION_KEY: there is no file none",
        ),
        (
            {"SAFETYGEAR_PREDICTION_LISTEN": "127.0.0.1:0", "SAFETYGEAR_PREDICTION_KEY": "the key itself"},
            "secret-reference-invalid",
            "not a secret reference",
        ),
    ],
)
async def test_what_it_lacks_is_a_named_problem_and_nothing_listens(
    beside: PredictionBesideCameras, tmp_path: Path, environ: dict[str, str], code: str, says: str
) -> None:
    problem = (await serve(beside, tmp_path, **environ))["prediction"]
    assert problem["code"] == code
    assert says in problem["message"]
    assert "the key itself" not in problem["message"]
    assert beside.port is None


async def test_an_address_that_is_taken_is_a_named_problem(beside: PredictionBesideCameras, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        problem = (await serve(beside, tmp_path, SAFETYGEAR_PREDICTION_LISTEN=listen))["prediction"]
    assert problem["code"] == "prediction-address"
    assert listen in problem["message"]


async def test_it_answers_with_the_model_in_use_through_its_changes(
    beside: PredictionBesideCameras, pool: AnalysisPool, tmp_path: Path
) -> None:
    reference = "env:SAFETYGEAR_SECRET_PREDICTION"
    assert not await serve(
        beside, tmp_path, SAFETYGEAR_PREDICTION_LISTEN="127.0.0.1:0", SAFETYGEAR_PREDICTION_KEY=reference
    )
    answer = await ask(beside)
    assert (answer.status, answer.content["code"]) == (503, "ErrorPredictionModelNotFound")

    old, new = model(tmp_path, "old", 0.9, 0.8), model(tmp_path, "new", 0.7, 0.6)
    await pool.use(old, thresholds={}, default_threshold=None)
    assert seen(await ask(beside)) == (iteration_id(old.identity.sha256), [0.9, 0.8])
    await pool.use(old, thresholds={"green": 0.85}, default_threshold=None)
    assert seen(await ask(beside)) == (iteration_id(old.identity.sha256), [0.9]), "the thresholds in force"

    pool.switch_to(await pool.prepare(new, thresholds={}, default_threshold=None), on_probation=True)
    assert seen(await ask(beside)) == (iteration_id(new.identity.sha256), [0.7, 0.6])
    pool.give_back()
    assert seen(await ask(beside)) == (iteration_id(old.identity.sha256), [0.9]), "rolled back"
    assert beside.outcomes == {"unavailable": 1, "answered": 4}


async def test_it_keeps_no_model_that_is_in_use_no_longer(
    beside: PredictionBesideCameras, pool: AnalysisPool, tmp_path: Path
) -> None:
    environ = {"SAFETYGEAR_PREDICTION_KEY": "env:SAFETYGEAR_SECRET_PREDICTION"}
    await serve(beside, tmp_path, SAFETYGEAR_PREDICTION_LISTEN="127.0.0.1:0", **environ)
    beside.tick()
    used = model(tmp_path, "old", 0.9, 0.8)
    await pool.use(used, thresholds={}, default_threshold=None)
    await ask(beside)
    held, used = weakref.ref(used), model(tmp_path, "new", 0.7, 0.6)
    beside.tick()
    gc.collect()
    assert held() is not None
    await pool.use(used, thresholds={}, default_threshold=None)
    beside.tick()
    gc.collect()
    assert held() is None, "though nobody has asked since"
    assert seen(await ask(beside)) == (iteration_id(used.identity.sha256), [0.7, 0.6])


def seen(answer: Answer) -> tuple[str, list[float]]:
    assert answer.status == 200
    return answer.content["iteration"], [one["probability"] for one in answer.content["predictions"]]
