"""An int8 network of a float one: `safetygear model quantize`. The only file that imports onnxruntime.quantization.

Activations U8, weights S8 per channel, as quantise and dequantise pairs around the operators that gain by it: what ONNX
Runtime's CPU kernels run as whole numbers. Ranges are the 99.99th percentile over the pictures: a single bright pixel
must not stretch them. docs/training-log.md has what that and the float head are worth for the default detector.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError, UserError
from safetygear.geometry import iou
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.network_input import the_image_input
from safetygear_inference.detectors.package import ModelFiles, read_model_files
from safetygear_inference.detectors.preprocess import Preprocessor
from safetygear_inference.detectors.runtimes.onnx import OnnxSession
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_workbench.detecting import read_picture

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
OPERATORS: Final = [
    "Conv", "Gemm", "MatMul", "Add", "Concat", "MaxPool", "AveragePool", "Resize", "Relu", "LeakyRelu", "Clip",
]  # fmt: skip
WITH_WEIGHTS: Final = ("Conv", "Gemm", "MatMul")
PERCENTILE: Final = 99.99
AT_ONCE: Final = 5
"""Pictures whose activations are in memory together."""
SAME_IOU: Final = 0.5
"""Two boxes of a label that overlap so are of one thing."""

Step = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """`float_head`: the last operators with weights, and what follows them, stay float."""

    float_head: bool = True
    seven_bits: bool = True
    most_pictures: int = 200


@dataclass(frozen=True)
class Agreement:
    """The int8 network's boxes against the float one's on the same pictures, each by the model's own thresholds."""

    pictures: int
    float_boxes: int
    int8_boxes: int
    same: int
    """Boxes of one label in one place, in both."""
    mean_iou: float | None
    mean_probability_difference: float | None
    """Both of the boxes that are the same; None where there are none."""


@dataclass(frozen=True)
class Quantized:
    """What was made."""

    path: Path
    format: str
    bytes_before: int
    bytes_after: int
    agreement: Agreement

    def as_document(self) -> dict[str, Any]:
        """{path, format, bytesBefore, bytesAfter, agreement: {pictures, floatBoxes, int8Boxes, same, …}}."""
        seen = self.agreement
        return {
            "path": str(self.path),
            "format": self.format,
            "bytesBefore": self.bytes_before,
            "bytesAfter": self.bytes_after,
            "agreement": {
                "pictures": seen.pictures,
                "floatBoxes": seen.float_boxes,
                "int8Boxes": seen.int8_boxes,
                "same": seen.same,
                "meanIou": seen.mean_iou,
                "meanProbabilityDifference": seen.mean_probability_difference,
            },
        }

    def lines(self) -> list[str]:
        """For a person."""
        seen = self.agreement
        said = [
            f"{self.path}: {self.format}, {self.bytes_after / 2**20:.1f} MiB (float: {self.bytes_before / 2**20:.1f})",
            f"on {seen.pictures} pictures: {seen.float_boxes} boxes in float, {seen.int8_boxes} in int8, "
            f"{seen.same} the same",
        ]
        if seen.mean_iou is not None and seen.mean_probability_difference is not None:
            said.append(
                f"of those the mean overlap is {seen.mean_iou:.3f}, and probabilities differ by "
                f"{seen.mean_probability_difference:.3f} in the mean"
            )
        return [*said, "this is agreement, not accuracy: `safetygear evaluate` measures both against labelled pictures"]


def quantize(source: Path, out: Path, folder: Path, wishes: Wishes, step: Step) -> Quantized:
    """Make `out` of the model at `source`, by the pictures in `folder`. `step` is told what is being done.

    Raises ModelError where the model can't be used, UserError where pictures or tools are missing.
    """
    files = read_model_files(source)
    if files.runtime != "onnx":
        raise UserError(f"{source.name} is a {files.runtime} file:", hint="only ONNX networks are quantised here")
    before = open_model(source)
    if before.format.input.dtype == "float16":
        raise UserError(f"{source.name} is a half float network:", hint="quantise the float export of the same model")
    pictures = _pictures(folder, wishes.most_pictures)
    step("calibrating")
    network = _quantized(files, _fed(before, files, pictures), before, wishes)
    _write(out, network, files, before)
    step("comparing")
    after = open_model(out)
    if after.format.name != before.format.name:
        raise ModelError(f"the int8 network is taken for {after.format.name}, not {before.format.name}")
    agreement = _agreement(before, after, pictures)
    return Quantized(out, after.format.name, len(files.network), len(network), agreement)


def _pictures(folder: Path, most: int) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"--calibrate is {str(folder)!r}:", hint="give a folder with pictures")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if len(found) < 2:
        raise UserError(f"{folder} holds {len(found)} pictures:", hint="give 50 or more like those the cameras take")
    chosen = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[index] for index in chosen]


def _fed(model: Model, files: ModelFiles, pictures: Sequence[Path]) -> list[NDArray[Any]]:
    """Each picture as the network gets it."""
    taken = model.format.input
    if taken.size is None:
        # Ranges hardly depend on the size, and the file names one: all are fed in that.
        dims = the_image_input(OnnxSession(files.network).signature).shape
        height, width = (size if isinstance(size, int) else 416 for size in dims[2:4])
        taken = replace(taken, size=(width, height), fit="stretch")
    preprocess = Preprocessor(taken)
    tensors = [preprocess(read_picture(path))[0].copy() for path in pictures]
    # The last ones would not fill a chunk.
    return tensors[: len(tensors) // AT_ONCE * AT_ONCE] or tensors


def _quantized(files: ModelFiles, tensors: Sequence[NDArray[Any]], model: Model, wishes: Wishes) -> bytes:
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as exc:
        raise UserError(
            f"quantising needs the package {exc.name}:", hint="pip install 'safetygear-workbench[quantize]'"
        ) from exc

    class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]  # it has no types
        def __init__(self) -> None:
            self._coming = iter(range(len(tensors)))

        def __len__(self) -> int:
            return len(tensors)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._coming = iter(range(start_index, end_index))

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            index = next(self._coming, None)
            return None if index is None else {model.format.input.name: tensors[index], **model.format.more_inputs}

    # The library tells its progress on stdout, which is for results.
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
        plain, prepared, target = (Path(scratch, name) for name in ("plain.onnx", "prepared.onnx", "int8.onnx"))
        plain.write_bytes(files.network)
        try:
            quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
            graph = onnx.load(prepared)
            quantization.quantize_static(
                str(prepared),
                str(target),
                Calibration(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=OPERATORS,
                per_channel=True,
                reduce_range=wishes.seven_bits,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=_head(graph) if wishes.float_head else [],
                calibrate_method=quantization.CalibrationMethod.Percentile,
                extra_options={
                    "CalibPercentile": PERCENTILE,
                    "CalibStridedMinMax": min(AT_ONCE, len(tensors)),
                    "CalibTensorRangeSymmetric": False,
                    "ActivationSymmetric": False,
                    "WeightSymmetric": True,
                },
            )
            made = onnx.load(target)
        except Exception as exc:
            reason = " ".join(str(exc).split())[:300] or type(exc).__name__
            raise ModelError(f"the network can't be quantised: {reason}", code="model-quantize") from exc
        onnx.helper.set_model_props(made, {**_metadata(graph), "precision": "int8"})
        return bytes(made.SerializeToString())


def _head(graph: Any) -> list[str]:
    """Names of the nodes from the outputs back to the last ones with weights: boxes and scores of one tensor would
    share one scale, and a score of 0.6 is nothing beside a box of 600 px."""
    by_output = {name: node for node in graph.graph.node for name in node.output}
    head: set[str] = set()
    open_names = [output.name for output in graph.graph.output]
    while open_names:
        node = by_output.get(open_names.pop())
        if node is None or node.name in head:
            continue
        head.add(node.name)
        if node.op_type not in WITH_WEIGHTS:
            open_names += list(node.input)
    return sorted(head)


def _metadata(graph: Any) -> dict[str, str]:
    """What the exporter wrote, without the library's own marks."""
    return {entry.key: entry.value for entry in graph.metadata_props if not entry.key.startswith("onnx.")}


def _write(out: Path, network: bytes, files: ModelFiles, before: Model) -> None:
    """The network, and what opens it as the float one: its labels as the network has them, and its settings."""
    settings = files.settings
    labels = settings.labels or files.labels or files.neighbour_labels
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(network)
        if labels is not None:
            out.with_suffix(".labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
        said = msgspec.structs.replace(
            settings, labels=None, version=None, format=settings.format or _format(before), golden=[], int8=None
        )
        out.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(_given(said)), indent=2))
    except OSError as exc:
        raise UserError(f"{out}: can't be written ({exc.strerror}).") from exc


def _format(before: Model) -> Any:
    """Named in the settings: the int8 file's shapes may be inferred otherwise, and it is known here."""
    return before.format.name


def _given(settings: Any) -> dict[str, Any]:
    """Only the fields that say something."""
    document = msgspec.to_builtins(settings)
    return {name: value for name, value in document.items() if value not in (None, {}, [])}


def _agreement(before: Model, after: Model, pictures: Sequence[Path]) -> Agreement:
    one, other = before.detector(), after.detector()
    overlaps: list[float] = []
    differences: list[float] = []
    counts = np.zeros(2, int)
    for path in pictures:
        picture: Picture = read_picture(path)
        expected, found = one.detect(picture), other.detect(picture)
        counts += len(expected), len(found)
        for left, right, overlap in pairs(expected, found):
            overlaps.append(overlap)
            differences.append(abs(float(expected.probability[left] - found.probability[right])))
    return Agreement(
        pictures=len(pictures),
        float_boxes=int(counts[0]),
        int8_boxes=int(counts[1]),
        same=len(overlaps),
        mean_iou=round(float(np.mean(overlaps)), 4) if overlaps else None,
        mean_probability_difference=round(float(np.mean(differences)), 4) if differences else None,
    )


def pairs(expected: DetectedBoxes, found: DetectedBoxes) -> list[tuple[int, int, float]]:
    """Boxes of one label that are of one thing, the most probable first; each counts once."""
    if not len(expected) or not len(found):
        return []
    overlap = iou(expected.xyxy_norm, found.xyxy_norm)
    overlap[expected.class_id[:, None] != found.class_id[None, :]] = 0
    pairs: list[tuple[int, int, float]] = []
    for left in range(len(expected)):
        right = int(overlap[left].argmax())
        if overlap[left, right] >= SAME_IOU:
            pairs.append((left, right, float(overlap[left, right])))
            overlap[:, right] = 0
    return pairs
