"""Runs a detector over the pictures of a data file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safetygear.errors import UserError
from safetygear_inference.detectors import Detector, Model
from safetygear_inference.picture import DetectedBoxes
from safetygear_workbench.detecting import read_picture
from safetygear_workbench.evaluate.classes import ClassMatch
from safetygear_workbench.evaluate.found import Judged, JudgedPicture
from safetygear_workbench.evaluate.truth import Truth, TruthPicture, XywhPx

FLOOR: Final = 0.01
"""Average precision asks for nearly all boxes, however improbable; below this there is mostly noise. The boxes above a
higher threshold are the same ones: suppression goes from the most probable box on, whatever lies below."""
ASPECT_TOLERANCE: Final = 0.02

Progress = Callable[[Iterator[JudgedPicture], int], Iterator[JudgedPicture]]


def judge(
    model: Model, truth: Truth, classes: ClassMatch, images: Path, threshold: float | None, progress: Progress
) -> Judged:
    """Find everything in all pictures, on as many threads as there are cores.

    `threshold` goes before the model's own. Raises UserError where a file is no picture, ModelError where the network
    fails.
    """
    of_data = list(dict.fromkeys(sorted(classes.data_class_of.values())))
    by_model = {label: _threshold(model, label, threshold) for label in model.labels}
    own = {of_data.index(data): by_model[model.labels[class_id]] for class_id, data in classes.data_class_of.items()}
    place = {data: number for number, data in enumerate(of_data)}
    column = np.full(len(model.labels), -1, np.int64)
    for class_id, data in classes.data_class_of.items():
        column[class_id] = place[data]

    detectors: SimpleQueue[Detector] = SimpleQueue()
    threads = min(len(truth.pictures), len(os.sched_getaffinity(0)))
    for _ in range(threads):
        low = {label: min(FLOOR, least) for label, least in by_model.items()}
        detectors.put(model.detector(thresholds=low))

    def one(picture: TruthPicture) -> JudgedPicture:
        detector = detectors.get()
        try:
            return _judge_picture(model, detector, picture, images / picture.name, column, place)
        finally:
            detectors.put(detector)

    with ThreadPoolExecutor(threads) as pool:
        try:
            pictures = tuple(progress(pool.map(one, truth.pictures), len(truth.pictures)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Judged(
        model=model.identity.name,
        labels=tuple(truth.labels[data] for data in of_data),
        thresholds=tuple(own[number] for number in range(len(of_data))),
        pictures=pictures,
    )


def _threshold(model: Model, label: str, given: float | None) -> float:
    return model.own_thresholds.get(label, model.own_default_threshold) if given is None else given


def _judge_picture(
    model: Model,
    detector: Detector,
    known: TruthPicture,
    path: Path,
    column: NDArray[np.int64],
    place: dict[int, int],
) -> JudgedPicture:
    picture = read_picture(path)
    size = known.size_px or (picture.width, picture.height)
    if abs(size[0] / size[1] / (picture.width / picture.height) - 1) > ASPECT_TOLERANCE:
        raise UserError(
            f"{path}: is {picture.width}x{picture.height}, and the data says {size[0]}x{size[1]}.",
            hint="Boxes need the picture they were drawn in, turned as its EXIF says.",
        )
    labelled = np.array(sorted(place[data] for data in known.labelled if data in place), np.int64)
    truth_class = np.array([place.get(data, -1) for data in known.class_id.tolist()], np.int64)
    asked = np.isin(truth_class, labelled)
    found = detector.detect(picture)
    found_class = column[found.class_id]
    counted = np.isin(found_class, labelled)
    network = model.format.input.letterbox((picture.width, picture.height))
    return JudgedPicture(
        name=known.name,
        size_px=size,
        truth_xywh_px=known.xywh_px(size)[asked],
        truth_class=truth_class[asked],
        crowd=known.crowd[asked],
        found_xywh_px=_xywh_px(found, size)[counted],
        found_class=found_class[counted],
        probability=found.probability[counted],
        network_px_per_px=network.scale_y * picture.height / size[1],
    )


def _xywh_px(found: DetectedBoxes, size_px: tuple[int, int]) -> XywhPx:
    """Boxes as COCO writes them, (n, 4) in px."""
    xyxy = found.xyxy_norm.astype(np.float64)
    xywh = np.concatenate((xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]), axis=1)
    return np.asarray(xywh * np.array(size_px * 2, np.float64))
