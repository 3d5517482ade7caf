"""The floor under every solution: one process that receives the same streams, decodes every picture, resizes those that
are due, runs the same network on them, and does nothing else.

`python -m safetygear_workbench.bench.floor MODEL FPS WARM_UP_S SECONDS URL…` prints one JSON line. Each camera has a
thread and a session of one thread, as the solution's workers have.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import av
from av.video.frame import VideoFrame

from safetygear_inference.detectors import Detector, open_model
from safetygear_inference.picture import Picture
from safetygear_workbench.bench.planes import planes_of


class Camera(threading.Thread):
    """Counts what it decoded and what went through the network."""

    def __init__(self, url: str, detector: Detector, fps: float) -> None:
        super().__init__(daemon=True)
        self.decoded = self.analysed = 0
        self._url = url
        self._detector = detector
        self._interval_s = 1 / fps

    def run(self) -> None:
        options = {"rtsp_transport": "tcp", "fpsprobesize": "0"}
        with av.open(self._url, options=options, timeout=(10.0, 10.0)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            due_s = time.monotonic()
            for frame in container.decode(video=0):
                self.decoded += 1
                # The tolerance of capture's sampler: every fifth of 25 fps, not every sixth.
                if time.monotonic() >= due_s - 0.1 * self._interval_s:
                    due_s = max(due_s + self._interval_s, time.monotonic())
                    self._analyse(frame)

    def _analyse(self, frame: VideoFrame) -> None:
        picture = Picture(planes_of(frame), frame.width, frame.height, "i420")
        tensor, _ = self._detector.prepare(picture)
        self._detector.run(tensor)
        self.analysed += 1


def main(arguments: Sequence[str]) -> int:
    """What is measured is printed; the exit code."""
    model, fps, warm_up_s, seconds = Path(arguments[0]), *map(float, arguments[1:4])
    opened = open_model(
        model, runtime="openvino" if os.environ.get("SAFETYGEAR_RUNTIME") == "openvino" else "onnxruntime"
    )
    cameras = [Camera(url, opened.detector(), fps) for url in arguments[4:]]
    for camera in cameras:
        camera.start()
    time.sleep(warm_up_s)
    cpu_s, began_s = time.process_time(), time.monotonic()
    decoded, analysed = ([getattr(camera, name) for camera in cameras] for name in ("decoded", "analysed"))
    time.sleep(seconds)
    result = {
        "cpuS": time.process_time() - cpu_s,
        "seconds": time.monotonic() - began_s,
        "decoded": [camera.decoded - before for camera, before in zip(cameras, decoded, strict=True)],
        "analysed": [camera.analysed - before for camera, before in zip(cameras, analysed, strict=True)],
    }
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    # Threads inside FFmpeg would end an orderly exit with an abort.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
