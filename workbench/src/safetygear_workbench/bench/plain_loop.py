"""What people write first: a thread per camera with cv2.VideoCapture, JPEG to another part, ONNX Runtime as it comes.

`python -m safetygear_workbench.bench.plain_loop MODEL FPS WARM_UP_S SECONDS URL…` prints one JSON line, as floor.py.
Frames between the analysed ones are grabbed and dropped; the one that is due is decoded to BGR, encoded as JPEG and
decoded again (two modules with the picture in the message), resized, and run through one session with all its default
threads. Nothing is tracked, judged or sent.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")

import cv2
import numpy as np
import onnxruntime as ort

JPEG_QUALITY = 85


class Loop(threading.Thread):
    """One camera. `analysed` counts what went through the network."""

    def __init__(self, url: str, session: Any, fps: float) -> None:
        super().__init__(daemon=True)
        self.decoded = self.analysed = 0
        self._url = url
        self._session = session
        self._interval_s = 1 / fps

    def run(self) -> None:
        capture = cv2.VideoCapture(self._url, cv2.CAP_FFMPEG)
        due_s = time.monotonic()
        while capture.grab():
            self.decoded += 1
            if time.monotonic() >= due_s - 0.1 * self._interval_s:
                due_s = max(due_s + self._interval_s, time.monotonic())
                read, picture = capture.retrieve()
                if read:
                    self._analyse(picture)

    def _analyse(self, picture: Any) -> None:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        wanted = self._session.get_inputs()[0]
        if wanted.shape[1] == 3:
            height, width = wanted.shape[2:]
            tensor = cv2.resize(picture, (width, height)).transpose(2, 0, 1)[None]
        else:
            height, width = wanted.shape[1:3]
            tensor = cv2.resize(picture, (width, height))[None]
        dtype = np.uint8 if wanted.type == "tensor(uint8)" else np.float32
        self._session.run(None, {wanted.name: np.ascontiguousarray(tensor, dtype)})
        self.analysed += 1


def main(arguments: Sequence[str]) -> int:
    """What is measured is printed; the exit code."""
    model, fps, warm_up_s, seconds = Path(arguments[0]), *map(float, arguments[1:4])
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    loops = [Loop(url, session, fps) for url in arguments[4:]]
    for loop in loops:
        loop.start()
    time.sleep(warm_up_s)
    cpu_s, began_s = time.process_time(), time.monotonic()
    before = [(loop.decoded, loop.analysed) for loop in loops]
    time.sleep(seconds)
    result = {
        "cpuS": time.process_time() - cpu_s,
        "seconds": time.monotonic() - began_s,
        "decoded": [loop.decoded - decoded for loop, (decoded, _) in zip(loops, before, strict=True)],
        "analysed": [loop.analysed - analysed for loop, (_, analysed) in zip(loops, before, strict=True)],
    }
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    # Threads inside FFmpeg would hold up an orderly exit.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
