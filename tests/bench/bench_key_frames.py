"""What a camera's main stream costs beside its sub-stream, as JSON.

`PYTHONPATH=tests python tests/bench/bench_key_frames.py [--clip MAIN.mp4] [--seconds S]`

A real RTSP server plays the clip from a process of its own; a camera's thread, in this one, reads it for so long: key
frames only, into a ring as capture does, and then every picture, as if the main stream were the one that is analysed.
Percent of a core is this process's processor time; memory is what it gains, without the ring. Without `--clip`: 1080p
at 25 fps, a key frame every 2 s, noisy as a sensor. No assertions: this tells figures.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np

from safetygear_capture.camera_ring import CameraRing
from safetygear_capture.main_streams import KEY_FRAMES_FPS
from safetygear_capture.rtsp import RtspSource
from safetygear_capture.sampler import TOLERANCE, Sampler
from safetygear_capture.source import FrameMoment, SourceRequest
from support.camera import start_camera

WIDTH, HEIGHT, FPS, KEY_FRAME_EVERY = 1920, 1080, 25, 50
ANALYSED_FPS = 5.0


def noisy_clip(path: Path) -> Path:
    """Four seconds of a moving picture with noise, at about 4 Mbit/s; key frames where asked for alone."""
    ramp = (np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) // 8 % 200 + 20).astype(np.int16)
    draw = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = KEY_FRAME_EVERY, 0
        stream.options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "scenecut=0"}
        for number in range(2 * KEY_FRAME_EVERY):
            noise = draw.integers(-4, 5, (HEIGHT, WIDTH), np.int16)
            grey = (np.roll(ramp, 3 * number, 1) + noise).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode())
    return path


def serve(clip: Path, wire: Connection) -> None:
    """In a process of its own, until it is told to end."""
    with start_camera({"main": clip}) as camera:
        wire.send(camera.url("main"))
        wire.recv()


def anonymous_mb() -> float:
    """This process's memory without files and shared memory."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def measure(url: str, folder: Path, seconds: float, *, key_frames: bool) -> dict[str, Any]:
    before_mb = anonymous_mb()
    apart_s = (1 - TOLERANCE) / KEY_FRAMES_FPS if key_frames else None
    source = RtspSource(SourceRequest(url, None, None, "tcp", True, 10.0, 5.0, apart_s))
    ring = CameraRing(folder, "bench", ANALYSED_FPS, "main" if key_frames else "analysed")
    sampler = Sampler(KEY_FRAMES_FPS if key_frames else ANALYSED_FPS, 0.0)
    decoded = handed_over = packets = 0
    began_s, cpu_s = time.monotonic(), time.process_time()
    while time.monotonic() - began_s < seconds:
        packets += 1
        for frame in source.read():
            decoded += 1
            now_s = time.monotonic()
            if sampler.due(now_s):
                moment = FrameMoment(decoded, frame.width, frame.height, time.time(), "arrival", time.time(), now_s)
                ring.hand_over(frame.load(), moment)
                handed_over += 1
    took_s, used_s = time.monotonic() - began_s, time.process_time() - cpu_s
    gained_mb = anonymous_mb() - before_mb
    mbit_per_s = source.bytes_read * 8 / took_s / 1e6
    source.close()
    ring.close()
    return {
        "percent_of_a_core": round(100 * used_s / took_s, 2),
        "packets_per_s": round(packets / took_s, 1),
        "decoded_per_s": round(decoded / took_s, 2),
        "handed_over_per_s": round(handed_over / took_s, 2),
        "mbit_per_s": round(mbit_per_s, 2),
        "memory_mb": round(gained_mb, 1),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--clip", type=Path)
    options.add_argument("--seconds", type=float, default=20.0)
    asked = options.parse_args()
    spawn: Callable[..., Any] = multiprocessing.get_context("spawn").Process
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = asked.clip or noisy_clip(folder / "main.mp4")
        ours, theirs = multiprocessing.Pipe()
        server = spawn(target=serve, args=(clip, theirs), daemon=True)
        server.start()
        url = ours.recv()
        frames = folder / "frames"
        frames.mkdir()
        found = {
            "clip": clip.name,
            "key_frames": measure(url, frames, asked.seconds, key_frames=True),
            "every_picture": measure(url, frames, asked.seconds, key_frames=False),
        }
        ours.send("end")
        server.join(10)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
