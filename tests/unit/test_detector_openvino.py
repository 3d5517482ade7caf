"""Runtimes compute in the calling thread, which choosing counts on; OpenVINO gives ONNX Runtime's boxes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from safetygear.errors import ModelError
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.runtimes import openvino as room
from safetygear_inference.detectors.runtimes.choice import Runtime
from safetygear_inference.detectors.runtimes.openvino import openvino_version
from safetygear_inference.detectors.runtimes.providers import ON_CPU
from support.onnx_models import colour_meter
from support.pictures import plain

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"
needs_openvino = pytest.mark.skipif(openvino_version() is None, reason="the optional extra `openvino` is not installed")
RUNTIMES = ["onnxruntime", pytest.param("openvino", marks=needs_openvino)]


def meter(folder: Path, network: bytes | None = None) -> Path:
    (folder / "meter.onnx").write_bytes(colour_meter() if network is None else network)
    (folder / "labels.txt").write_text("a\nb\nc")
    return folder / "meter.onnx"


def boxes(model: Model) -> list[tuple[int, float]]:
    found = model.detector(default_threshold=0.0).detect(plain(320, 320, (200, 100, 50)))
    return sorted(zip(found.class_id.tolist(), found.probability.round(3).tolist(), strict=True))


@needs_openvino
def test_it_sees_what_onnx_runtime_sees(tmp_path: Path) -> None:
    path = meter(tmp_path)
    opened = open_model(path, runtime="openvino")
    assert dict(boxes(opened)) == pytest.approx(dict(boxes(open_model(path))), abs=0.01)
    assert opened.placement == ON_CPU
    assert opened.identity == open_model(path).identity


@needs_openvino
def test_detectors_do_not_share_a_session(tmp_path: Path) -> None:
    model = open_model(meter(tmp_path), runtime="openvino")
    first, second = model.detector(default_threshold=0.0), model.detector(default_threshold=0.0)
    one = first.run(first.prepare(plain(320, 320, (255, 255, 255)))[0])
    other = second.run(second.prepare(plain(320, 320, (0, 0, 0)))[0])
    assert one["detected_scores"].max() > 0.9
    assert other["detected_scores"].max() < 0.1, "what one gave is not overwritten by the other"
    assert one["detected_scores"].max() > 0.9


@needs_openvino
def test_a_failing_run_is_a_model_error(tmp_path: Path) -> None:
    detector = open_model(meter(tmp_path), runtime="openvino").detector()
    with pytest.raises(ModelError) as error:
        detector.run(np.zeros((1, 3, 8, 8), np.float32))
    assert error.value.code == "model-failed"
    assert "\n" not in str(error.value)


def test_without_the_extra_the_reason_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(room, "import_module", missing)
    with pytest.raises(ModelError, match=r"pip install 'safetygear-inference\[openvino\]'") as error:
        open_model(meter(tmp_path), runtime="openvino")
    assert error.value.code == "model-runtime"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_computes_in_the_calling_thread(runtime: Runtime) -> None:
    detector = open_model(MODELS / "ppe_yolox_nano_relu_384x640.onnx", runtime=runtime).detector()
    tensor, _ = detector.prepare(plain(640, 384, (9, 99, 199)))
    detector.run(tensor)
    own_s, all_s = time.thread_time(), time.process_time()
    for _ in range(5):
        detector.run(tensor)
    assert time.thread_time() - own_s >= 0.5 * (time.process_time() - all_s)
