"""The loss for pictures that label only some classes.

The chance of a class at an anchor is sigmoid(objectness) * sigmoid(class), and the loss is the cross entropy on that
product, with the box's overlap as the target of the class it answers for. Where a class is not labelled, its term is
left out. So objectness needs no negatives of its own, and nobody unlabelled is taught as background.
Where `Learning.score_focus` is not 0 each term is weighed as in quality focal loss (arXiv:2006.04388).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from numpy.typing import NDArray
from torch import Tensor

from safetygear_training.anchors import grid
from safetygear_training.assignment import assign
from safetygear_training.config import Learning
from safetygear_training.labels import Boxes

BOX_WEIGHT = 4.0


@dataclass(frozen=True)
class LossParts:
    """Means over the anchors that answer for a box, and their number."""

    box: float
    score: float
    anchors: int


def decode(raw: Tensor, height: int, width: int) -> Tensor:
    """(..., A, >=4) offsets in strides -> (..., A, 4) boxes in input pixels."""
    at = grid(height, width)
    cells, strides = torch.from_numpy(at.cells), torch.from_numpy(at.strides)
    centre = (raw[..., :2] + cells) * strides
    size = raw[..., 2:4].clamp(max=6.0).exp() * strides
    return torch.cat((centre - size / 2, centre + size / 2), -1)


def overlaps(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """(n, 4) pairs -> IoU and generalised IoU, (n,) each."""
    shared = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(min=0)
    hull = torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])
    inside = shared.prod(1)
    union = (first[:, 2:] - first[:, :2]).prod(1) + (second[:, 2:] - second[:, :2]).prod(1) - inside
    iou = inside / (union + 1e-9)
    return iou, iou - (hull.prod(1) - union) / (hull.prod(1) + 1e-9)


def detection_loss(
    raw: Tensor, truths: Sequence[Boxes], masks: NDArray[np.bool_], size: tuple[int, int], learning: Learning
) -> tuple[Tensor, LossParts]:
    """raw (B, A, 5 + classes), masks (B, A, classes), size height and width -> the loss of a batch."""
    predicted = decode(raw, *size)
    log_chance = F.logsigmoid(raw[..., 4:5]) + F.logsigmoid(raw[..., 5:])
    chance = log_chance.exp()
    boxes, chances = predicted.detach().numpy(), chance.detach().numpy()

    pictures, anchors, targets = [], [], []
    for index, truth in enumerate(truths):
        anchor, box = assign(truth, boxes[index], chances[index], grid(*size), learning.centre_radius)
        pictures.append(np.full(len(anchor), index))
        anchors.append(anchor)
        targets.append(truth[box])
    picture, anchor = torch.from_numpy(np.concatenate(pictures)), torch.from_numpy(np.concatenate(anchors))
    target = torch.from_numpy(np.concatenate(targets)).float()
    count = max(len(picture), 1)

    wanted = torch.zeros_like(chance)
    box_loss = raw.sum() * 0
    if len(picture):
        iou, generalised = overlaps(predicted[picture, anchor], target[:, :4])
        box_loss = (1 - generalised).sum() / count
        wanted[picture, anchor, target[:, 4].long()] = iou.detach().clamp(0, 1)
    entropy = -(wanted * log_chance + (1 - wanted) * torch.log1p(-chance.clamp(max=1 - 1e-6)))
    if learning.score_focus:
        entropy = entropy * (wanted - chance).abs() ** learning.score_focus
    score_loss = (entropy * torch.from_numpy(masks)).sum() / count
    parts = LossParts(float(box_loss.detach()), float(score_loss.detach()), len(picture))
    return BOX_WEIGHT * box_loss + score_loss, parts
