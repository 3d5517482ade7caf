"""What the module counts for /metrics."""

from __future__ import annotations

from typing import Any

from prometheus_client import generate_latest

from safetygear.messages.frames import CameraStatus
from safetygear.telemetry import ModuleMetrics
from safetygear_capture.metrics import CaptureMetrics


def status(camera: str, decoded: int, state: Any = "streaming", reason: str = "ok") -> CameraStatus:
    return CameraStatus(
        camera=camera, state=state, reason=reason, since="t", stall_budget_s=10.0, frames_decoded=decoded,
        frames_sent=decoded // 5, dropped={"above-rate": decoded - decoded // 5}, decoded_fps=25.0,
    )  # fmt: skip


def values(module: ModuleMetrics, name: str) -> dict[str, float]:
    """Value by the label that is not one of the common ones, in the text that is served."""
    found = {}
    for line in generate_latest(module._registry).decode().splitlines():
        if line.startswith(f"safetygear_capture_{name}{{"):
            labels, _, value = line.rpartition(" ")
            kept = [
                part for part in labels[labels.index("{") + 1 : -1].split(",") if part.startswith(("cam", "st", "re"))
            ]
            found[",".join(sorted(part.split("=")[1].strip('"') for part in kept))] = float(value)
    return found


def tick(metrics: CaptureMetrics, *cameras: CameraStatus) -> None:
    starts = {camera.camera: 1 for camera in cameras}
    metrics.tick(cameras=cameras, sent={"frames": 3}, lost={"hub-away": 1}, starts=starts, hanging=0, problems={})


def test_counters_rise_with_the_counts_and_go_on_for_a_camera_that_was_put_in_again() -> None:
    module = ModuleMetrics("safetygear_capture_", {"IOTEDGE_MODULEID": "capture"})
    metrics = CaptureMetrics(module)
    for decoded in (10, 25, 25):
        tick(metrics, status("gate", decoded))
    assert values(module, "frames_decoded_total") == {"gate": 25}
    assert values(module, "frames_dropped_total") == {"above-rate,gate": 20}
    tick(metrics, status("gate", 5))
    assert values(module, "frames_decoded_total") == {"gate": 30}


def test_a_state_is_shown_once_and_goes_with_its_camera() -> None:
    module = ModuleMetrics("safetygear_capture_", {})
    metrics = CaptureMetrics(module)
    tick(metrics, status("gate", 1), status("yard", 1, "refused", "auth-failed"))
    assert values(module, "camera_state") == {"gate,ok,streaming": 1, "auth-failed,refused,yard": 1}
    tick(metrics, status("gate", 2, "stalled", "stall"))
    assert values(module, "camera_state") == {"gate,stall,stalled": 1}


def test_of_a_camera_that_was_taken_out_nothing_is_served_and_put_in_again_its_counters_go_on() -> None:
    module = ModuleMetrics("safetygear_capture_", {})
    metrics = CaptureMetrics(module)
    tick(metrics, status("gate", 20), status("yard", 10))
    tick(metrics, status("yard", 15))
    assert 'camera="gate"' not in generate_latest(module._registry).decode()
    assert values(module, "frames_decoded_total") == {"yard": 15}
    tick(metrics, status("gate", 30), status("yard", 15))
    assert values(module, "frames_decoded_total") == {"gate": 50, "yard": 15}, "30 more, though it had 20 before"
    assert values(module, "camera_threads_total") == {"gate": 2, "yard": 1}
    assert len(metrics._counted_of) == 2
