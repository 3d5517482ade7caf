"""Delivered weights (.pth) to float ONNX, with what a reader needs to know in its metadata.

Input `images` (1, 3, H, W) float, BGR 0 to 255, letterbox at the top left, padded with 114. Output `output`
(1, A, 10): dx, dy, log w, log h in strides of 8, 16 and 32, then objectness and classes as chances; the score of a
class is their product.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch

from safetygear_training.labels import CLASSES
from safetygear_training.network import Detector, Exported
from safetygear_training.weights import PIXEL_RANGE, WeightsError, fold_batch_norm, read_delivered

log = logging.getLogger("safetygear_training")

OPSET = 17
METADATA = {
    "names": ",".join(CLASSES),
    "format": "yolox",
    "input": "BGR 0-255, letterbox top-left, pad 114",
    "strides": "8,16,32",
    "decoded": "no",
}


def export(weights: Path, target: Path, size: tuple[int, int], silu: bool = False) -> None:
    """Raises WeightsError."""
    export_detector(fold_batch_norm(read_delivered(weights, silu).eval()), target, size)


def export_detector(detector: Detector, target: Path, size: tuple[int, int]) -> None:
    """The detector has its batch norm folded; its stem is changed to take pixels from 0 to 255."""
    with torch.no_grad():
        detector.backbone.backbone.stem.conv.conv.weight.div_(PIXEL_RANGE)
        torch.onnx.export(
            Exported(detector).eval(),
            (torch.zeros(1, 3, *size),),
            str(target),
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output"],
            dynamo=False,
        )
    model = onnx.load(target)
    onnx.helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.export", description="Weights to float ONNX.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 640), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--silu", action="store_true", help="trained with network.silu")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        export(given.weights, given.target, tuple(given.size), given.silu)
    except WeightsError as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
