"""Packages for tests: small networks whose result is known, in zips as `safetygear model pack` makes them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import encode_jpeg
from support.onnx_models import colour_meter, model_bytes

LABELS = ("red", "green", "blue")


def network(version: str = "1", *, on_bright: str = "works", rows: int = 0) -> bytes:
    """A colour meter: three boxes whose probabilities are the mean of each channel.

    `on_bright`: what it does on a picture brighter than the grey of the trial run: `works`, `fails` or `nan`.
    `rows`: multiplies that many rows of a large matrix first, so that it takes its time (600: some 30 ms).
    """
    if on_bright == "works" and not rows:
        return colour_meter(version=version)
    nodes = [
        helper.make_node("Cast", ["image_tensor"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMax", ["means"], ["brightest"], keepdims=0),
        helper.make_node("Greater", ["brightest", "limit"], ["is_bright"]),
        helper.make_node("Cast", ["is_bright"], ["bright"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["means", "scale"], ["scaled"]),
    ]
    constants: dict[str, Any] = {
        "limit": np.float32(160),
        "scale": np.float32(1 / 255),
        "boxes": np.array([[[0.0, 0.0, 0.25, 0.5], [0.25, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 1.0]]], np.float32),
        "classes": np.array([[0, 1, 2]], np.int64),
    }
    last = "scaled"
    if on_bright == "nan":
        constants["half"] = np.float32(0.5)
        nodes += [
            helper.make_node("Sub", ["half", "bright"], ["sign"]),
            helper.make_node("Sqrt", ["sign"], ["root"]),
            helper.make_node("Mul", [last, "root"], ["rooted"]),
        ]
        last = "rooted"
    if on_bright == "fails":
        constants |= {"many": np.float32(1000), "ones": np.ones(1, np.float32)}
        nodes += [
            helper.make_node("Mul", ["bright", "many"], ["index_as_float"]),
            helper.make_node("Cast", ["index_as_float"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["ones", "index"], ["one"]),
            helper.make_node("Mul", [last, "one"], ["gathered"]),
        ]
        last = "gathered"
    if rows:
        constants |= {"matrix": np.full((rows, rows), 1e-6, np.float32), "nothing": np.float32(0)}
        nodes += [helper.make_node("Add", ["matrix", "bright"], ["power0"])]
        nodes += [helper.make_node("MatMul", [f"power{n}", "matrix"], [f"power{n + 1}"]) for n in range(8)]
        nodes += [
            helper.make_node("ReduceMean", ["power8"], ["work"], keepdims=0),
            helper.make_node("Mul", ["work", "nothing"], ["no_work"]),
            helper.make_node("Add", [last, "no_work"], ["worked"]),
        ]
        last = "worked"
    nodes += [
        helper.make_node("Identity", [last], ["detected_scores"]),
        helper.make_node("Identity", ["boxes"], ["detected_boxes"]),
        helper.make_node("Identity", ["classes"], ["detected_classes"]),
    ]
    return model_bytes(
        nodes,
        [("image_tensor", TensorProto.FLOAT, [1, 3, 320, 320])],
        [
            ("detected_scores", TensorProto.FLOAT, [1, None]),
            ("detected_classes", TensorProto.INT64, [1, None]),
            ("detected_boxes", TensorProto.FLOAT, [1, None, 4]),
        ],
        constants,
        {"version": version},
    )


def fixed_boxes(boxes: Sequence[Sequence[float]], classes: Sequence[int], scores: Sequence[float]) -> bytes:
    """Gives these boxes (xyxy in 0..1) whatever the picture shows; suppression is the network's own."""
    nodes = [
        helper.make_node("ReduceMean", ["image_tensor"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "scores"], ["detected_scores"]),
        helper.make_node("Identity", ["boxes"], ["detected_boxes"]),
        helper.make_node("Identity", ["classes"], ["detected_classes"]),
    ]
    return model_bytes(
        nodes,
        [("image_tensor", TensorProto.FLOAT, [1, 3, 320, 320])],
        [
            ("detected_scores", TensorProto.FLOAT, [1, None]),
            ("detected_classes", TensorProto.INT64, [1, None]),
            ("detected_boxes", TensorProto.FLOAT, [1, None, 4]),
        ],
        {
            "zero": np.float32(0),
            "scores": np.array([scores], np.float32),
            "boxes": np.array([boxes], np.float32),
            "classes": np.array([classes], np.int64),
        },
    )


def golden(**changes: Any) -> dict[str, Any]:
    """What a colour meter sees in a picture that is all red."""
    box = {"label": "red", "probability": 1.0, "left": 0, "top": 0, "width": 0.25, "height": 0.5}
    return {"picture": "golden.jpg", "boxes": [box | changes]}


def red_picture() -> bytes:
    return encode_jpeg(Picture.from_bgr(np.full((64, 64, 3), (0, 0, 255), np.uint8)).planes[0], 95)


def package(path: Path, model: bytes, *, settings: Mapping[str, Any] | None = None, **files: bytes) -> Path:
    """A zip at `path`."""
    content = {"model.onnx": model, "labels.txt": "\n".join(LABELS).encode(), **files}
    if settings is not None:
        content["safetygear.json"] = json.dumps(settings).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wanting(path: Path, **changes: Any) -> ModelConfig:
    """The twin's section that asks for the file at `path`, which lies on this machine; without waiting for frames."""
    quick = {"shadow_s": 0.0, "watch_s": 0.0}
    return ModelConfig(uri=path.as_uri(), sha256=digest(path), **{**quick, **changes})
