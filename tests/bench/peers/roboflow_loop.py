"""Roboflow's video pipeline (`streamvision`, which its `inference` runs cameras with) on RTSP cameras, at a given rate.

`.venv-peers/roboflow/bin/python tests/bench/peers/roboflow_loop.py MODEL FPS WARM_UP_S SECONDS URL…` prints one JSON
line, as the workbench's floor.py. The pipeline receives, decodes and hands over the frames that are due; the network is
run by ONNX Runtime in the pipeline's "custom logic", with nothing after it. Roboflow's own model classes
(`inference-models`) are not used: they would cost more, and bring some forty packages (transformers, diffusers, …).
`SAFETYGEAR_PEER_THREADS=1` gives ONNX Runtime and OpenCV one thread each; without it they run as they come.

A program of its own in an environment of its own, to be measured; no module, no image and no other file imports it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")

import cv2
import numpy as np
import onnxruntime as ort
from streamvision.stream.pipeline import InferencePipeline

NUMBER_OF_THREADS = int(os.environ.get("SAFETYGEAR_PEER_THREADS", "0"))
"""0: as they come."""


class Looker:
    """`analysed` counts by camera what went through the network."""

    def __init__(self, model: str) -> None:
        options = ort.SessionOptions()
        if NUMBER_OF_THREADS:
            options.intra_op_num_threads = options.inter_op_num_threads = NUMBER_OF_THREADS
            cv2.setNumThreads(NUMBER_OF_THREADS)
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0]
        self.analysed: Counter[int] = Counter()

    def __call__(self, frames: Sequence[Any]) -> list[dict[str, Any]]:
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Any) -> dict[str, Any]:
        height, width = self._input.shape[2:]
        tensor = cv2.resize(frame.image, (width, height)).transpose(2, 0, 1)[None]
        self._session.run(None, {self._input.name: np.ascontiguousarray(tensor, np.float32) / 255})
        self.analysed[frame.source_id or 0] += 1
        return {}


def main(arguments: Sequence[str]) -> int:
    """What is measured is printed; the exit code."""
    model, fps, warm_up_s, seconds, urls = arguments[0], *map(float, arguments[1:4]), list(arguments[4:])
    looker = Looker(model)
    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=urls, on_video_frame=looker, on_prediction=lambda *_: None, max_fps=fps
    )
    threading.Thread(target=lambda: pipeline.start(use_main_thread=True), daemon=True).start()
    while len(looker.analysed) < len(urls):
        time.sleep(0.1)
    time.sleep(warm_up_s)
    cpu_s, began_s, before = time.process_time(), time.monotonic(), Counter(looker.analysed)
    time.sleep(seconds)
    result = {
        "cpuS": time.process_time() - cpu_s,
        "seconds": time.monotonic() - began_s,
        "analysed": [looker.analysed[source] - before[source] for source in range(len(urls))],
    }
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    os._exit(0)  # its threads would hold up an orderly exit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
