"""Boxes that come in parts of the picture where their format has px: Ultralytics' own for TensorFlow Lite. Pure.

Source: ultralytics, nn/modules/head.py (`export` and format tflite: boxes divided by the size) and nn/autobackend.py;
ultralytics/yolov5, models/tf.py. Other converters keep px, and the file does not say which: a run does, because a box
for each cell lies all over the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from safetygear_inference.detectors.format import MOST_PARTS, Candidates, Decode, Format, Outputs, Size
from safetygear_inference.detectors.signature import RUNTIME, Signature


def told_by_a_run(format_: Format, signature: Signature, axis: int) -> Format:
    """`format_`, which looks at a run first where the file is a TensorFlow Lite network. `axis` of the first output has
    the four numbers of a box before all others."""
    if signature.metadata.get(RUNTIME) != "tflite":
        return format_

    def settle(outputs: Outputs, network: Size) -> Format:
        output = next(iter(outputs.values()))
        if np.take(output, range(4), axis=axis).max(initial=0) > MOST_PARTS:
            return format_
        why = f"{format_.why}; boxes in parts of the picture by a trial run"
        return replace(format_, why=why, decode=InParts(format_.decode, axis))

    return replace(format_, settle=settle)


@dataclass(frozen=True)
class InParts:
    """Makes px of the boxes before they are decoded."""

    decode: Decode
    axis: int

    def __call__(self, outputs: Outputs, network: Size, thresholds: NDArray[np.float32]) -> Candidates:
        """`axis` of the first output: centre and size, or corners, in 0..1, then the rest."""
        first = next(iter(outputs))
        output = outputs[first].astype(np.float32)
        scale = np.ones(output.shape[self.axis], np.float32)
        scale[:4] = network * 2
        shape = [1] * output.ndim
        shape[self.axis] = len(scale)
        return self.decode({**outputs, first: output * scale.reshape(shape)}, network, thresholds)
