"""What each network costs in one thread, in each runtime that is installed: all of them in turn, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from safetygear.errors import ModelError, UserError
from safetygear_inference.detectors import open_model
from safetygear_inference.detectors.runtimes.choice import Runtime
from safetygear_inference.detectors.runtimes.openvino import openvino_version
from safetygear_inference.model_store import SECOND_LOOK
from safetygear_inference.picture import Picture
from safetygear_workbench.bench.interleaved import costs

SIZE = (1280, 720)


def measure(models: Mapping[str, Path], *, rounds: int) -> list[dict[str, Any]]:
    """Median milliseconds for preparing, running and decoding a grey 720p picture, in each runtime that is installed;
    `ratio` of the run to the first model's. Raises UserError where a model is refused."""
    picture = Picture.from_bgr(np.full((SIZE[1], SIZE[0], 3), 114, np.uint8))
    work: dict[str, Callable[[], Any]] = {}
    runtimes: list[Runtime] = ["onnxruntime"] if openvino_version() is None else ["onnxruntime", "openvino"]
    rows = {
        f"{name}, {runtime}": (path, runtime)
        for name, path in models.items()
        for runtime in (runtimes if path.suffix == ".onnx" else runtimes[:1])
    }
    for name, (path, runtime) in rows.items():
        try:
            detector = open_model(path, runtime=runtime).detector()
        except ModelError as exc:
            raise UserError(f"{name}: {exc}", code=exc.code) from exc
        tensor, letterbox = detector.prepare(picture)
        outputs = detector.run(tensor)
        work[f"{name} prepare"] = lambda d=detector: d.prepare(picture)  # type: ignore[misc]  # bound in the loop
        work[f"{name} run"] = lambda d=detector, t=tensor: d.run(t)  # type: ignore[misc]
        work[f"{name} decode"] = lambda d=detector, o=outputs, b=letterbox: d.decode(o, b)  # type: ignore[misc]
    took = costs(work, rounds=rounds)
    return [_entry(name, next(iter(rows)), took) for name in rows]


def _entry(name: str, first: str, took: Mapping[str, Any]) -> dict[str, Any]:
    parts = {part: took[f"{name} {part}"].p50_ms for part in ("prepare", "run", "decode")}
    return {
        "model": name,
        **{f"{part}_ms": ms for part, ms in parts.items()},
        "run_p95_ms": took[f"{name} run"].p95_ms,
        "ratio": round(parts["run"] / took[f"{first} run"].p50_ms, 3),
    }


def shipped(folder: Path) -> Sequence[Path]:
    """Every detector in the models folder."""
    return sorted(path for path in folder.glob("*.onnx") if path.name != SECOND_LOOK)
