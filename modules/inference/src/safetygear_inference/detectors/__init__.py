"""Detectors: from a model's files to boxes in a picture.

`package` finds the files, `fingerprint` says which format they are, `preprocess` fills the network's input,
`runtimes` run it, `decode` has one module per format, `nms` keeps one box per thing.
"""

from safetygear_inference.detectors.model import Detector, Model, open_model

__all__ = ["Detector", "Model", "open_model"]
