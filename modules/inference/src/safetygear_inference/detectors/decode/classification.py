"""Classification: one probability per label for the whole picture.

Source: Azure-Samples/customvision-export-samples, samples/python/onnx/classification/predict.py and
samples/python/tensorflow_lite/classification{,_s1}/predict.py. An ONNX export gives the best label (`classLabel`) and
a map of names to probabilities (`loss`); [S1] and TensorFlow Lite give one row of probabilities. Where an ONNX file
has no metadata, its script feeds RGB in 0..1: another range than the detection exports have. Keras's and torchvision's
classifiers give one row too, and how they are fed must be said.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.detectors.format import NetworkInput, Outputs, refuse_nan
from safetygear_inference.detectors.network_input import PIXEL_FORMAT, PIXEL_RANGE, read_network_input
from safetygear_inference.detectors.settings import FormatName, ModelSettings
from safetygear_inference.detectors.signature import Signature

NAME: Final[FormatName] = "classification"
BEST, BY_LABEL = "classLabel", "loss"
ROW = "model_output"
VALUES_OF_A_BOX = (6, 7)
"""In rows of networks that have chosen their boxes."""
ROUNDING = 1e-3
"""How far beyond 0..1 a probability of a half float network may lie."""


def evidence(
    signature: Signature, labels: tuple[str, ...], settings: ModelSettings, domain_type: str | None
) -> str | None:
    """Why the model is a classifier; None where it is none. `domain_type`: that of cvexport.manifest."""
    if settings.format is not None:
        return f"the settings file says {NAME}" if settings.format == NAME else None
    if (domain_type or "").lower().startswith("classification"):
        return f"cvexport.manifest says DomainType {domain_type}"
    if signature.output(BEST) is not None and signature.output(BY_LABEL) is not None:
        return f"outputs {BEST} and {BY_LABEL}"
    if len(signature.outputs) == 1 and signature.outputs[0].name == ROW and len(signature.outputs[0].shape) == 2:
        return f"output {signature.outputs[0]}"
    # No detector has one row alone: Keras's and torchvision's classifiers do.
    if len(signature.inputs) == len(signature.outputs) == 1 and len(signature.inputs[0].shape) == 4:
        (output,) = signature.outputs
        rows, values = output.shape if len(output.shape) == 2 else (0, 0)
        # Of an open number of rows each could be a box.
        one = rows == 1 or (isinstance(rows, str) and values not in VALUES_OF_A_BOX)
        if one and values == len(labels):
            return f"output {output} has a value for each of {len(labels)} labels"
    return None


def network_input(
    signature: Signature, settings: ModelSettings, runtime: Literal["onnx", "tflite"], domain_type: str | None = None
) -> NetworkInput:
    """Raises ModelError saying what was seen."""
    if domain_type is None and not any(tensor.name.startswith((BEST, BY_LABEL, ROW)) for tensor in signature.outputs):
        return _of_others(signature, settings)
    if runtime == "onnx":
        return read_network_input(signature, settings, channels="rgb", pixel_range="0-1", fits=("stretch", "center"))
    if settings.channels is None:
        raise ModelError(
            "the order of a TensorFlow Lite classifier's channels is ambiguous: say `channels` in the settings file, "
            "bgr for the domain General (compact), rgb for General (compact) [S1]",
            code="model-ambiguous",
        )
    return read_network_input(signature, settings, channels="bgr", pixel_range="0-255", fits=("stretch",))


def _of_others(signature: Signature, settings: ModelSettings) -> NetworkInput:
    """Of a classifier that Custom Vision has not exported: neither order nor range can be told from the file."""
    missing = [
        name
        for name, said in (
            ("`channels`", settings.channels or signature.metadata.get(PIXEL_FORMAT)),
            ("`pixelRange`", settings.pixel_range or signature.metadata.get(PIXEL_RANGE)),
        )
        if said is None
    ]
    if missing:
        raise ModelError(
            f"it is a classifier, and how it is fed is ambiguous: say {' and '.join(missing)} in the settings file. "
            "Keras and torchvision are rgb; the range is 0-255 where a layer of the network scales (EfficientNet, "
            "Rescaling), -1-1 for MobileNet's preprocess_input, 0-1 where pictures were divided by 255, imagenet for "
            "torchvision",
            code="model-ambiguous",
        )
    return read_network_input(signature, settings, channels="rgb", pixel_range="0-255", fits=("stretch", "center"))


def decode(outputs: Outputs, labels: tuple[str, ...]) -> NDArray[np.float32]:
    """Probabilities (labels,) in the order of the labels.

    Of the outputs, `loss` is asked where it maps names to numbers, else the only output, (1, labels) or (labels,).
    Raises ModelError.
    """
    output = outputs.get(BY_LABEL)
    if output is not None and output.dtype.names is not None:
        by_label = {str(label): float(value) for label, value in output}
        if set(by_label) != set(labels):
            raise _refused(f"{', '.join(sorted(by_label))} as labels", labels)
        values = np.array([by_label[label] for label in labels], np.float32)
    else:
        rows = [output for name, output in outputs.items() if name != BEST]
        if len(rows) != 1:
            raise ModelError(f"a classifier has one output of probabilities, not {len(rows)}", code="model-failed")
        values = rows[0].reshape(-1).astype(np.float32)
        if values.size != len(labels):
            raise _refused(f"{values.size} probabilities", labels)
    refuse_nan(values)
    if values.min() < -ROUNDING or values.max() > 1 + ROUNDING:
        raise ModelError(
            f"the classifier gave {values.min():.3g} to {values.max():.3g}, which are no probabilities: export it with "
            "its softmax or sigmoid",
            code="model-refused",
        )
    return np.clip(values, 0, 1)


def _refused(gave: str, labels: tuple[str, ...]) -> ModelError:
    return ModelError(
        f"the classifier gives {gave}, but there are {len(labels)} labels ({', '.join(labels)}): "
        "its labels file is another model's",
        code="model-labels",
    )
