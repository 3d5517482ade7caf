"""A run's weights to ONNX, calibrated: `python -m safetygear_training.second_look.export --help`.

Input `crops` (n, 48, 48, 3) uint8 BGR. Output `answers` (n, 2, 3): for helmet and vest the chances of no, yes and
unclear. Batch norm is folded into the convolutions, the temperature into the last layer.
Beside it a JSON file: from which chance on an answer is given, and on how many held-back crops that rests.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from safetygear_training.pictures import DataError
from safetygear_training.second_look.calibration import Calibration, calibrate
from safetygear_training.second_look.collection import read
from safetygear_training.second_look.config import read_config
from safetygear_training.second_look.crops import ANSWERS, GEARS
from safetygear_training.second_look.network import MEAN, SPREAD, SecondLook
from safetygear_training.second_look.samples import SIDE
from safetygear_training.second_look.train import torch_network
from safetygear_training.toml_tables import ConfigError

log = logging.getLogger("safetygear_training")

OPSET = 17
VERSION = "1"


class Exported(nn.Module):
    """(n, SIDE, SIDE, 3) uint8 to chances."""

    def __init__(self, network: SecondLook, calibration: Calibration) -> None:
        super().__init__()
        self.network = fold(network)
        with torch.no_grad():
            scale = torch.tensor(calibration.temperature).repeat_interleave(len(ANSWERS))
            self.network.answer.weight.div_(scale[:, None])
            self.network.answer.bias.div_(scale)

    def forward(self, crops: Tensor) -> Tensor:
        return torch.softmax(self.network(crops.permute(0, 3, 1, 2).float()), dim=2)


@torch.no_grad()
def fold(network: SecondLook) -> SecondLook:
    """Batch norm into the convolutions, in place; the result is the same."""
    for layer in network.layers:
        norm, conv = layer.norm, layer.conv
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        folded = nn.Conv2d(conv.in_channels, conv.out_channels, 3, conv.stride, 1)
        folded.weight.copy_(conv.weight * scale[:, None, None, None])
        folded.bias.copy_(norm.bias - norm.running_mean * scale)
        layer.conv, layer.norm = folded, nn.Identity()
    return network.eval()


def export(network: SecondLook, calibration: Calibration, target: Path, trained_on: Sequence[str]) -> None:
    """Writes `target` and the JSON file beside it."""
    exported = Exported(network, calibration).eval()
    torch.onnx.export(
        exported,
        (torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8),),
        str(target),
        opset_version=OPSET,
        input_names=["crops"],
        output_names=["answers"],
        dynamic_axes={"crops": {0: "n"}, "answers": {0: "n"}},
        dynamo=False,
    )
    model = onnx.load(target)
    onnx.helper.set_model_props(model, {"format": "safetygear-second-look", "version": VERSION})
    onnx.checker.check_model(model)
    onnx.save(model, target)
    target.with_suffix(".json").write_text(json.dumps(described(calibration, trained_on), indent=2) + "\n")


def described(calibration: Calibration, trained_on: Sequence[str]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "gears": list(GEARS),
        "answers": list(ANSWERS),
        "input": {"side_px": SIDE, "order": "BGR", "mean": MEAN, "spread": SPREAD},
        "thresholds": {
            gear: {"no": no, "yes": yes} for gear, (no, yes) in zip(GEARS, calibration.thresholds, strict=True)
        },
        "calibration": calibration.figures,
        "trainedOn": list(trained_on),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.second_look.export", description="Weights to ONNX.")
    parser.add_argument("config", type=Path, help="the run's TOML file")
    parser.add_argument("weights", type=Path, help="step-NNNNN.pth of the run")
    parser.add_argument("target", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="what is held back of it calibrates")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    torch.set_num_threads(1)
    try:
        config = read_config(given.config)
        _, sets = read(config, given.data)
    except (ConfigError, DataError) as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    network = SecondLook()
    network.load_state_dict(torch.load(given.weights, weights_only=True))
    calibration = calibrate(torch_network(network.eval()), [crop for crops in sets.values() for crop in crops])
    log.info("%s", json.dumps(calibration.figures, indent=1))
    export(network, calibration, given.target, [source.name for source in config.sources])
    return 0


if __name__ == "__main__":
    sys.exit(main())
