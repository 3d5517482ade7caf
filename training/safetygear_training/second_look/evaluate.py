"""How right the exported network is, by set and size of the head: `python -m safetygear_training.second_look.evaluate`.

As a table: balanced accuracy where it has to be yes or no; then, by its own thresholds, how much is answered and how
much of that is wrong, both kinds asked as often.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from safetygear_training.pictures import DataError
from safetygear_training.second_look.calibration import even, shares
from safetygear_training.second_look.collection import Sets, measuring_sets, read
from safetygear_training.second_look.config import read_config
from safetygear_training.second_look.crops import GEARS, NO, YES
from safetygear_training.second_look.scores import HEAD_PX, Network, balanced, logits_of
from safetygear_training.toml_tables import ConfigError

log = logging.getLogger("safetygear_training")


def onnx_network(path: Path) -> Network:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["answers"], {"crops": pixels})[0]


def rows(network: Network, sets: Sets, thresholds: dict[str, dict[str, float]]) -> list[str]:
    """The table's lines, in Markdown."""
    sizes = " | ".join(f"{head_px:.0f} px" if head_px < max(HEAD_PX) else "as it is" for head_px in HEAD_PX)
    lines = [f"| set | gear | no / yes | {sizes} |", "| --- | --- | ---: |" + " --- |" * len(HEAD_PX)]
    for name, crops in sets.items():
        for gear, gear_name in enumerate(GEARS):
            own = [crop for crop in crops if crop.gear == gear]
            answers = np.array([crop.answer for crop in own])
            if not len(own):
                continue
            limits = tuple(thresholds[gear_name].values())
            cells = []
            for head_px in HEAD_PX:
                chances = logits_of(network, own, head_px)
                value = balanced(chances, answers)
                told = shares(chances, answers, even(own), limits)
                accuracy = "-" if value is None else f"{value:.3f}"
                cells.append(f"{accuracy}; {told['answered']:.2f}, {told['wrongOfAnswered']:.3f}")
            counts = f"{(answers == NO).sum()} / {(answers == YES).sum()}"
            lines.append(f"| {name} | {gear_name} | {counts} | {' | '.join(cells)} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.second_look.evaluate", description="Table of figures.")
    parser.add_argument("config", type=Path, help="the run's TOML file: what was held back")
    parser.add_argument("model", type=Path, help="the ONNX file; its JSON lies beside it")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--choose", action="store_true", help="without the sets that are for measuring only")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        config = read_config(given.config)
        _, sets = read(config, given.data)
        if not given.choose:
            sets |= measuring_sets(config, given.data, ["cppe_val"])
    except (ConfigError, DataError) as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    thresholds = json.loads(given.model.with_suffix(".json").read_text())["thresholds"]
    log.info("%s", "\n".join(rows(onnx_network(given.model), sets, thresholds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
