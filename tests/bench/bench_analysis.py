"""What the analysis of one frame costs, stage by stage: `python tests/bench/bench_analysis.py [ROUNDS]`, JSON out.

Milliseconds of CPU time of one thread (median), for I420 frames as they lie in the ring, with the default model and two
people in the picture. Stages are measured in turn within each round, so that a slow moment hits all of them.
`network_ms` is the run through our session; `bare_ms` the same network run by ONNX Runtime alone on a tensor that is
ready. No assertions: this tells figures, tests tell right from wrong.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime as ort

from safetygear_inference.detectors import open_model
from safetygear_inference.detectors.runtimes.onnx import runtime_version
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import Picture
from safetygear_inference.visibility import measure

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "tests" / "clips" / "site_scene.mp4"
SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}
FRAME, WARM_UP = 100, 10


def frames() -> dict[str, Picture]:
    """A frame of the site scene in each size; `frame.planes` have padded rows, as in a ring."""
    pictures = {}
    with av.open(str(CLIP)) as container:
        decoded = next(itertools.islice(container.decode(video=0), FRAME, None))
    for name, (width, height) in SIZES.items():
        planes = decoded.reformat(width, height, format="yuv420p").planes
        views = [np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in planes]
        pictures[name] = Picture(tuple(views), width, height, "i420")
    return pictures


def measured(stages: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median CPU milliseconds per stage."""
    took: dict[str, list[float]] = {name: [] for name in stages}
    for number in range(WARM_UP + rounds):
        for name, stage in stages.items():
            before_s = time.thread_time()
            stage()
            if number >= WARM_UP:
                took[name].append((time.thread_time() - before_s) * 1000)
    return {name: round(statistics.median(values), 3) for name, values in took.items()}


def bare_session(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main(rounds: int) -> dict[str, Any]:
    path = find_model(DEFAULT_MODEL, (ROOT / "modules" / "inference" / "models",))
    model = open_model(path)
    bare = bare_session(path.read_bytes())
    name = model.format.input.name
    result: dict[str, Any] = {"model": model.identity.name, "onnxruntime": runtime_version(), "rounds": rounds}
    for size, picture in frames().items():
        detector = model.detector()
        tensor, letterbox = detector.prepare(picture)
        outputs = detector.run(tensor)
        stages = measured(
            {
                "preprocess_ms": lambda d=detector, p=picture: d.prepare(p),  # type: ignore[misc]  # bound per loop
                "network_ms": lambda d=detector, t=tensor: d.run(t),  # type: ignore[misc]
                "decode_ms": lambda d=detector, o=outputs, b=letterbox: d.decode(o, b),  # type: ignore[misc]
                "detect_ms": lambda d=detector, p=picture: d.detect(p),  # type: ignore[misc]
                "bare_ms": lambda t=tensor: bare.run(None, {name: t}),  # type: ignore[misc]
                "visibility_ms": lambda p=picture: measure(p.luma()),  # type: ignore[misc]
            },
            rounds,
        )
        stages["overhead"] = round(stages["detect_ms"] / stages["bare_ms"] - 1, 3)
        result[size] = {**stages, "boxes": len(detector.detect(picture))}
    return result


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200), indent=2))
