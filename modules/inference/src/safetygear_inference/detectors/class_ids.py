"""Which of a network's class numbers is the first label: some count a background before it. Pure.

A number too many or too few is not seen by anybody: each box is of the class beside the right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from safetygear.errors import ModelError
from safetygear_inference.detectors.labels import without_background
from safetygear_inference.detectors.settings import ModelSettings

FirstClass = Literal[0, 1]
BOX_HEAD: Final = "roi_heads.box_predictor.cls_score.weight"
CLASSES, BOXES = "classification_head", "regression_head"
SSD_HEAD, OTHER_HEAD, OTHER_BOXES = "module_list", "cls_logits", "bbox_reg"
SIDES: Final = 4


def torchvision_classes(weights: Mapping[str, tuple[int, ...]]) -> tuple[int, bool] | None:
    """How many classes a detector of torchvision has by its weights, and whether the background is one of them for
    certain; None where the weights are not such a detector's.

    Source: pytorch/vision, torchvision/models/detection: FastRCNNPredictor (a row a class), SSDHead, RetinaNetHead and
    FCOSHead (a channel for each anchor and class, and four for each anchor beside it).
    """
    for name, shape in weights.items():
        if name.endswith(BOX_HEAD) and len(shape) == 2:
            return shape[0], True
        if CLASSES not in name or not name.endswith(".weight") or len(shape) != 4:
            continue
        if SSD_HEAD not in name and OTHER_HEAD not in name:
            continue
        boxes = weights.get(name.replace(CLASSES, BOXES).replace(OTHER_HEAD, OTHER_BOXES), ())
        # Before the last layer of an SSDlite there are others of that name's form.
        if len(boxes) == 4 and boxes[1:] == shape[1:] and boxes[0] and SIDES * shape[0] % boxes[0] == 0:
            return SIDES * shape[0] // boxes[0], SSD_HEAD in name
    return None


def first_of(
    labels: tuple[str, ...],
    settings: ModelSettings,
    *,
    counted: int | None,
    where: str,
    background: bool = False,
    one_more: FirstClass | None = None,
    unknown: FirstClass | None = None,
    hint: str = "",
) -> tuple[tuple[str, ...], FirstClass]:
    """The labels without the background's, and the network's number of the first of them.

    `counted`: how many classes the network has, None where nobody knows; `where`: what was counted; `background`:
    whether one of them is the background for certain. `one_more` and `unknown`: what holds where neither labels nor
    settings tell and the network has a class more than there are labels, or nobody knows how many; None: it must be
    said, and `hint` tells what is right for whom. Raises ModelError.
    """
    named, first = without_background(labels)
    if not named:
        raise ModelError(f"the labels name no class but {labels[0]}", code="model-labels")
    said = 1 if first else settings.first_class
    if counted is not None:
        least = len(named) + (1 if background else said or 0)
        if not least <= counted <= len(named) + 1:
            raise ModelError(
                f"{where} are for {counted} classes, or {counted - 1} and no object, but there are {len(named)} labels"
                f"{f' beside {labels[0]}' if first else ''}: labels.txt is not the one of this model",
                code="model-labels",
            )
    if said is not None:
        return named, said
    found = unknown if counted is None else 0 if counted == len(named) else one_more
    if found is None:
        raise ModelError(
            f"which of the network's classes is {named[0]} is ambiguous: put __background__ before the labels where "
            "class 0 is no object, or say `firstClass` in the settings file, 1 where it is and 0 where it is not"
            f"{hint}",
            code="model-ambiguous",
        )
    return named, found
