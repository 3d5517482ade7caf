"""What is reported of the detector is what IoT Hub takes."""

from __future__ import annotations

from safetygear.messages.detections import ModelIdentity
from safetygear_inference.detectors.runtimes.choice import SIMPLEST_FIRST, Choice
from safetygear_inference.model_change.state import InUse, ModelState
from safetygear_workbench.edge_runtime.twins import TwinDocument


def test_a_choice_of_runtimes_is_reported() -> None:
    used, *others = SIMPLEST_FIRST
    choice = Choice(
        used=used,
        reason="the fastest",
        ms=dict.fromkeys(SIMPLEST_FIRST, 12.5),
        passed_over=dict.fromkeys(others, "not installed"),
    )
    in_use = InUse(ModelIdentity(name="site", version="3", sha256="a" * 64), "yolox", choice=choice)
    twin = TwinDocument()
    twin.patch_reported({"model": ModelState(in_use, phase="ok").as_document()})
    said = twin.reported["model"]["runtime"]
    assert {"variant": "onnxruntime int8", "ms": 12.5} in said["timed"]
    assert {"variant": "onnxruntime int8", "reason": "not installed"} in said["passedOver"]
