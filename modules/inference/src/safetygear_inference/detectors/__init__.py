"""Detectors: from a model's files to boxes in a picture, or to what the picture is.

`package` finds the files, `opening` opens and tries them, `fingerprint` says which format they are, `preprocess` fills
the network's input, `runtimes` run it, `decode` has one module per format, `nms` keeps one box per thing.
"""

from safetygear_inference.detectors.classifier import Classification, Classifier, ClassifierModel
from safetygear_inference.detectors.model import Detector, Model
from safetygear_inference.detectors.opening import open_model, open_model_or_classifier

__all__ = [
    "Classification",
    "Classifier",
    "ClassifierModel",
    "Detector",
    "Model",
    "open_model",
    "open_model_or_classifier",
]
