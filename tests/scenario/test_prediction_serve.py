"""The image's `serve` as a process: it answers, asks for its key, and stops in time."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials

from support.prediction import KEY, PROJECT, scene_jpeg
from support.prediction_process import ServeProcess

pytestmark = pytest.mark.scenario


def test_it_answers_asks_for_its_key_and_stops(tmp_path: Path) -> None:
    served = ServeProcess(tmp_path / "log")
    try:
        address = served.wait()
        assert requests.post(f"{address}/image", data=b"x", timeout=5).status_code == 401
        refused = requests.post(f"{address}/image", data=b"x", headers={"Prediction-Key": KEY}, timeout=5)
        assert (refused.status_code, refused.json()["code"]) == (400, "BadRequestImageFormat")
        client = CustomVisionPredictionClient(address, ApiKeyCredentials(in_headers={"Prediction-Key": KEY}))
        found = client.detect_image(PROJECT, "any", scene_jpeg())
        assert "person" in {prediction.tag_name for prediction in found.predictions}
        code, took_s = served.stop()
    finally:
        served.end()
    assert (code, took_s < 10) == (0, True)
    assert KEY not in served.log()
    assert "Traceback" not in served.log()


def test_the_key_may_be_a_secret_reference(tmp_path: Path) -> None:
    (tmp_path / "prediction-key").write_text(KEY + "\n")
    environ = {"SAFETYGEAR_PREDICTION_KEY": "file:prediction-key", "SAFETYGEAR_SECRETS_DIR": str(tmp_path)}
    served = ServeProcess(tmp_path / "log", environ, key=None)
    try:
        address = served.wait()
        assert requests.post(f"{address}/image", data=b"x", timeout=5).status_code == 401
        assert (
            requests.post(f"{address}/image", data=b"x", headers={"Prediction-Key": KEY}, timeout=5).status_code == 400
        )
    finally:
        served.end()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SAFETYGEAR_SERVE_MODEL": "none"}, "there is no model 'none'"),
        ({"SAFETYGEAR_PREDICTION_LISTEN": "off"}, "SAFETYGEAR_PREDICTION_LISTEN is off"),
        ({"SAFETYGEAR_PREDICTION_LISTEN": "198.51.100.1:80"}, "can't listen on 198.51.100.1:80"),
        ({"SAFETYGEAR_PREDICTION_KEY": "file:none"}, "PredictionKey and SAFETYGEAR_PREDICTION_KEY are both set"),
        ({"PredictionKey": "", "SAFETYGEAR_PREDICTION_KEY": "file:none"}, "there is no file none"),
        ({"SAFETYGEAR_PREDICTION_URLS": "http://a"}, "use off, public, or hosts"),
    ],
)
def test_what_it_lacks_is_one_clear_line(tmp_path: Path, environ: dict[str, str], says: str) -> None:
    served = ServeProcess(tmp_path / "log", environ)
    try:
        assert served.process.wait(30) == 2
    finally:
        served.end()
    assert says in served.log()
    assert "Traceback" not in served.log()


def test_without_a_key_it_listens_on_loopback_only(tmp_path: Path) -> None:
    served = ServeProcess(tmp_path / "log", {"SAFETYGEAR_PREDICTION_LISTEN": "0.0.0.0:0"}, key=None)
    try:
        assert served.wait().startswith("http://127.0.0.1:")
        assert "PredictionKey is not set: listening on 127.0.0.1 only" in served.log()
    finally:
        served.end()
