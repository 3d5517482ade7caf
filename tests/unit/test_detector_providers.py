"""Networks run on the hardware that is asked for, or say on what else and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from safetygear.errors import ModelError, UserError
from safetygear.messages.detections import ModelIdentity
from safetygear_inference.detectors import open_model
from safetygear_inference.detectors.runtimes import onnx as onnx_runtime
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, Placement, Provider, to_try
from safetygear_inference.environment import read_environment
from safetygear_inference.model_change.state import InUse, ModelState
from support.onnx_models import colour_meter
from support.pictures import plain

CPU, CUDA, OPENVINO = "CPUExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider"


@pytest.mark.parametrize(
    ("requested", "available", "tried", "why"),
    [
        (["cpu"], [CPU], ["cpu"], None),
        ([], [CPU], ["cpu"], None),
        (["openvino"], [OPENVINO, CPU], ["openvino", "cpu"], None),
        (["tensorrt", "cuda"], [CUDA, CPU], ["cuda", "cpu"], "has no tensorrt; it has cuda, cpu"),
        (["tensorrt", "cuda"], [CPU], ["cpu"], "has no tensorrt and no cuda; it has cpu"),
        (["cpu", "openvino"], [OPENVINO, CPU], ["cpu", "openvino"], None),
    ],
)
def test_what_is_there_is_tried_in_order(
    requested: list[Provider], available: list[str], tried: list[str], why: str | None
) -> None:
    found, reason = to_try(requested, available)
    assert found == tried
    assert (reason is None) if why is None else (reason is not None and reason.endswith(why))


def model(folder: Path) -> Path:
    (folder / "meter.onnx").write_bytes(colour_meter())
    (folder / "labels.txt").write_text("a\nb\nc")
    return folder / "meter.onnx"


def test_the_cpu_needs_no_words(tmp_path: Path) -> None:
    assert open_model(model(tmp_path)).placement == Placement()


def test_what_this_build_lacks_is_passed_over_and_said(tmp_path: Path) -> None:
    opened = open_model(model(tmp_path), providers=("cuda",))
    if opened.placement.used == "cuda":
        pytest.skip("this build of ONNX Runtime has CUDA")
    assert opened.placement.requested == ("cuda",)
    assert opened.placement.used == "cpu"
    assert "this build of ONNX Runtime has no cuda; it has " in str(opened.placement.reason)
    assert len(opened.detector(default_threshold=0.0).detect(plain(320, 320, (9, 9, 9)))) == 3


class Hardware:
    """Stands in for ONNX Runtime's session: `works` names the providers that start, `claims` what it says it uses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, works: Sequence[str], claims: str | None = None) -> None:
        real, self.asked = onnx_runtime.ort.InferenceSession, []

        def session(network: bytes, options: Any, *, providers: list[Any], enable_fallback: bool) -> Any:
            name = providers[0][0]
            self.asked.append(name)
            if name not in works:
                raise RuntimeError("no such device: libdevice.so")
            opened = real(network, options, providers=[CPU], enable_fallback=enable_fallback)
            opened.get_providers = lambda: [claims or name, CPU]
            return opened

        monkeypatch.setattr(onnx_runtime.ort, "InferenceSession", session)
        monkeypatch.setattr(onnx_runtime.ort, "get_available_providers", lambda: [CUDA, OPENVINO, CPU])


def test_the_first_that_starts_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hardware = Hardware(monkeypatch, works=(OPENVINO, CPU))
    placement = open_model(model(tmp_path), providers=("cuda", "openvino")).placement
    assert hardware.asked == [CUDA, OPENVINO]
    assert placement.used == "openvino"
    assert placement.reason is not None
    assert placement.reason.startswith("cuda did not start: ")
    assert "no such device" in placement.reason


def test_hardware_that_works_needs_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Hardware(monkeypatch, works=(CUDA, CPU))
    assert open_model(model(tmp_path), providers=("cuda",)).placement == Placement(("cuda",), "cuda")


def test_a_provider_that_leaves_all_to_the_cpu_is_not_said_to_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Hardware(monkeypatch, works=(CUDA, CPU), claims=CPU)
    placement = open_model(model(tmp_path), providers=("cuda",)).placement
    assert placement == Placement(("cuda",), "cpu", "cuda took no part of the network")


def test_a_damaged_model_is_refused_for_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Hardware(monkeypatch, works=(CUDA, CPU))
    path = model(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"can't be read|can't load"):
        open_model(path, providers=("cuda",))


def test_the_environment_says_which() -> None:
    assert read_environment({}, cores=1).providers == CPU_ONLY
    assert read_environment({"SAFETYGEAR_PROVIDERS": "TensorRT, cuda"}, cores=1).providers == ("tensorrt", "cuda")
    for value in ("gpu", "cuda,gpu", ","):
        with pytest.raises(UserError, match="SAFETYGEAR_PROVIDERS"):
            read_environment({"SAFETYGEAR_PROVIDERS": value}, cores=1)


def test_the_reported_state_says_what_came_of_it() -> None:
    def document(placement: Placement) -> Any:
        identity = ModelIdentity(name="m", version="1", sha256="0" * 64)
        return ModelState(InUse(identity, "yolox", placement=placement), "ok").as_document().get("hardware")

    assert document(Placement()) is None
    assert document(Placement(("openvino",), "openvino")) == {"requested": ["openvino"], "used": "openvino"}
    assert document(Placement(("cuda",), "cpu", "cuda did not start")) == {
        "requested": ["cuda"],
        "used": "cpu",
        "reason": "cuda did not start",
    }
