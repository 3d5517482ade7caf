"""One-thread time of several ONNX detectors, run in turn so that all see the same machine.

`python -m safetygear_training.latency A.onnx B.onnx …`: the first is what the others are compared with. Only the
ratio of medians means anything on a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

log = logging.getLogger("safetygear_training")

WARM_UP = 5
NS_PER_MS = 1e6

Runner = Callable[[], object]


def onnx_runner(path: Path) -> Runner:
    """Runs the network once on noise of its own input size, on one thread without spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    first = session.get_inputs()[0]
    pixels: NDArray[np.float32] = np.random.default_rng(0).uniform(0, 255, first.shape).astype(np.float32)
    return lambda: session.run(None, {first.name: pixels})


def openvino_runner(path: Path) -> Runner:
    """The same with OpenVINO, where it is installed. Raises ImportError."""
    import openvino

    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"})
    shape = model.inputs[0].shape
    pixels: NDArray[np.float32] = np.random.default_rng(0).uniform(0, 255, list(shape)).astype(np.float32)
    request = model.create_infer_request()
    return lambda: request.infer([pixels])


def interleaved(runners: Mapping[str, Runner], rounds: int) -> dict[str, list[float]]:
    """CPU time of this process in ms, per runner and round: what others take of the core does not count."""
    for run in runners.values():
        for _ in range(WARM_UP):
            run()
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            began = time.process_time_ns()
            run()
            times[name].append((time.process_time_ns() - began) / NS_PER_MS)
    return times


def summary(times: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Per runner: lower quartile and median in ms, and the median over rounds of its time by the first runner's."""
    first = np.array(next(iter(times.values())))
    return {
        name: {
            "p25_ms": round(float(np.percentile(values, 25)), 2),
            "median_ms": round(float(np.median(values)), 2),
            "ratio": round(float(np.median(np.array(values) / first)), 3),
        }
        for name, values in times.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.latency", description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--openvino", action="store_true", help="each with OpenVINO as well")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if missing := [path for path in given.models if not path.is_file()]:
        log.error("%s: there is no such file", missing[0])
        return 2
    runners = {path.name: onnx_runner(path) for path in given.models}
    if given.openvino:
        runners |= {f"{path.name} (OpenVINO)": openvino_runner(path) for path in given.models}
    figures = summary(interleaved(runners, given.rounds))
    for name, row in figures.items():
        log.info("%-50s p25 %6.2f ms  median %6.2f ms  ratio %.3f", name, *row.values())
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
