"""Delivered weights (.pth) to an int8 ONNX file beside the float one; `python -m safetygear_training.quantise --help`.

Activations U8, weights S8 per channel, QDQ. Ranges are the 99.99th percentile over pictures of the training's sources,
after equalisation; they are drawn from all of a source, two of minh_train's 60 held-back ones among the hundred.
What stays float: the stem (its 6x6 convolution of three channels is slower in int8), the first stage after it (few
channels, many pixels: int8 gains no time there and loses most), the branches that shape boxes, and the last
convolutions, whose outputs are box offsets and logits. docs/training-log.md has what each of them does.

Weights have seven bits unless `--eight-bits`: processors without VNNI add two products in 16 bits, and full weights
would be clipped there, so that one file gave different boxes on different machines.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from safetygear_training.equalise import equalise
from safetygear_training.export import METADATA, export_detector
from safetygear_training.pictures import DataError, Pixels, letterbox, read_source
from safetygear_training.weights import WeightsError, fold_batch_norm, read_delivered

log = logging.getLogger("safetygear_training")

PERCENTILE = 99.99
QUANTISED = ["Conv", "Add", "Concat", "MaxPool", "Resize", "Relu"]
FLOAT_PARTS = ("/dark2/", "/reg_convs.")
CALIBRATION = {"rf100cs_train": 50, "minh_train": 30, "hhw_train": 20}
EQUALISATION = {"rf100cs_train": 40}
AT_ONCE = 5
"""Pictures whose activations are in memory together; divides the number of calibration pictures."""


class Calibration(CalibrationDataReader):
    """Letterboxed pictures, in chunks that ONNX Runtime asks for."""

    def __init__(self, pictures: Sequence[Pixels], size: tuple[int, int]) -> None:
        self._pictures, self._size = pictures, size
        self._coming = iter(range(0))

    def __len__(self) -> int:
        return len(self._pictures)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._coming = iter(range(start_index, end_index))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        index = next(self._coming, None)
        return None if index is None else {"images": blob(self._pictures[index], self._size)}


def blob(pixels: Pixels, size: tuple[int, int]) -> NDArray[np.float32]:
    """(1, 3, H, W) float, BGR 0 to 255."""
    return np.ascontiguousarray(letterbox(pixels, *size)[0].transpose(2, 0, 1)[None], np.float32)


def drawn(data: Path, counts: dict[str, int], seed: int) -> list[Pixels]:
    """That many pictures of each source. Raises DataError."""
    random = np.random.default_rng(seed)
    pixels: list[Pixels] = []
    for source, count in counts.items():
        pictures = read_source(data, source)
        pixels += [pictures[index].pixels for index in random.choice(len(pictures), count, replace=False)]
    return pixels


def float_nodes(model: onnx.ModelProto) -> list[str]:
    """What stays float: back from the outputs to the last convolutions, the stem with its ReLU, FLOAT_PARTS."""
    by_output = {name: node for node in model.graph.node for name in node.output}
    tail: set[str] = set()
    open_names = [output.name for output in model.graph.output]
    while open_names:
        node = by_output.get(open_names.pop())
        if node is None or node.name in tail:
            continue
        tail.add(node.name)
        if node.op_type != "Conv":
            open_names += list(node.input)
    stem = next(node for node in model.graph.node if node.op_type == "Conv")
    relu = next(node for node in model.graph.node if stem.output[0] in node.input)
    parts = {node.name for node in model.graph.node if any(part in node.name for part in FLOAT_PARTS)}
    return sorted(tail | parts | {stem.name, relu.name})


def quantise(
    weights: Path,
    target: Path,
    size: tuple[int, int],
    equalised_by: Sequence[Pixels],
    calibrated_by: Sequence[Pixels],
    seven_bits: bool = True,
) -> None:
    """Raises WeightsError."""
    detector = fold_batch_norm(read_delivered(weights).eval())
    equalise(detector, (torch.from_numpy(blob(pixels, size)).div(255) for pixels in equalised_by))
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared = Path(folder, "float.onnx"), Path(folder, "prepared.onnx")
        export_detector(detector, plain, size)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            Calibration(calibrated_by, size),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            per_channel=True,
            reduce_range=seven_bits,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=float_nodes(onnx.load(prepared)),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={
                "CalibPercentile": PERCENTILE,
                "CalibStridedMinMax": AT_ONCE,
                "CalibTensorRangeSymmetric": False,
                "ActivationSymmetric": False,
                "WeightSymmetric": True,
            },
        )
    model = onnx.load(target)
    onnx.helper.set_model_props(model, METADATA | {"precision": "int8"})
    onnx.checker.check_model(model)
    onnx.save(model, target)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.quantise", description="Weights to int8 ONNX.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with <source>.json and the pictures")
    parser.add_argument("--size", type=int, nargs=2, default=(384, 640), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--eight-bits", action="store_true", help="whole weights: for processors with VNNI only")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    torch.set_num_threads(1)
    try:
        equalised_by, calibrated_by = drawn(given.data, EQUALISATION, 1), drawn(given.data, CALIBRATION, 0)
        quantise(given.weights, given.target, tuple(given.size), equalised_by, calibrated_by, not given.eight_bits)
    except (DataError, WeightsError) as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
