"""Ultralytics on RTSP cameras, as its guide for several streams has it: a thread and a model for each.

`.venv-peers/ultralytics/bin/python tests/bench/peers/ultralytics_loop.py MODEL FPS WARM_UP_S SECONDS URL…` prints one
JSON line, as the workbench's floor.py. `SAFETYGEAR_PEER_THREADS=1` gives ONNX Runtime, torch and OpenCV one thread
each; without it they run as they come.

Ultralytics is under the AGPL-3.0: it runs here as a program of its own, in an environment of its own, to be measured.
No module, no image and no other file of this repository imports it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
import types
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
os.environ.update(
    YOLO_CONFIG_DIR=tempfile.mkdtemp(prefix="peer-"),
    YOLO_AUTOINSTALL="false",
    YOLO_OFFLINE="true",
    YOLO_VERBOSE="false",
)

import cv2
import onnxruntime
import torch
from ultralytics import YOLO

CAMERA_FPS = 25
NUMBER_OF_THREADS = int(os.environ.get("SAFETYGEAR_PEER_THREADS", "0"))
"""0: as they come."""


def make_do_without_torchvision() -> None:
    """Where its build does not fit torch's (torch for CPUs beside torchvision for CUDA, as package indexes may have
    it): Ultralytics imports it only for suppression, and has one of its own, which it says is the same."""
    try:
        import torchvision  # noqa: F401  # whether it can be imported is the question
    except (ImportError, RuntimeError, OSError):
        from ultralytics.utils.nms import TorchNMS

        stand_in = types.ModuleType("torchvision")
        stand_in.ops = types.SimpleNamespace(nms=TorchNMS.nms)
        sys.modules["torchvision"] = stand_in


def limit_threads() -> None:
    """ONNX Runtime's have no setting in Ultralytics: every session that it makes gets these options."""
    torch.set_num_threads(NUMBER_OF_THREADS)
    cv2.setNumThreads(NUMBER_OF_THREADS)
    real = onnxruntime.InferenceSession

    def session(model: Any, options: Any = None, **more: Any) -> Any:
        options = options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = NUMBER_OF_THREADS
        return real(model, options, **more)

    onnxruntime.InferenceSession = session


class Camera(threading.Thread):
    """`analysed` counts the results."""

    def __init__(self, model: str, url: str, fps: float) -> None:
        super().__init__(daemon=True)
        self.analysed = 0
        self._model = YOLO(model, task="detect")
        self._url = url
        self._stride = max(1, round(CAMERA_FPS / fps))

    def run(self) -> None:
        results = self._model.predict(
            self._url, stream=True, vid_stride=self._stride, conf=0.35, device="cpu", verbose=False
        )
        for _ in results:
            self.analysed += 1


def main(arguments: Sequence[str]) -> int:
    """What is measured is printed; the exit code."""
    model, fps, warm_up_s, seconds = arguments[0], *map(float, arguments[1:4])
    make_do_without_torchvision()
    if NUMBER_OF_THREADS:
        limit_threads()
    cameras = [Camera(model, url, fps) for url in arguments[4:]]
    for camera in cameras:
        camera.start()
    while not all(camera.analysed for camera in cameras):
        if not all(camera.is_alive() for camera in cameras):
            return 1  # what it died of stands on stderr
        time.sleep(0.1)
    time.sleep(warm_up_s)
    cpu_s, began_s, before = time.process_time(), time.monotonic(), [camera.analysed for camera in cameras]
    time.sleep(seconds)
    result = {
        "cpuS": time.process_time() - cpu_s,
        "seconds": time.monotonic() - began_s,
        "analysed": [camera.analysed - count for camera, count in zip(cameras, before, strict=True)],
    }
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)  # its threads and FFmpeg's would hold up an orderly exit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
