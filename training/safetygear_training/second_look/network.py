"""The network: five plain convolutions with ReLU, what is left averaged to 3x3, and one answer of three per gear."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from torch import Tensor, nn

from safetygear_training.second_look.crops import ANSWERS, GEARS
from safetygear_training.second_look.samples import SIDE

LAYERS = ((16, 2), (32, 2), (48, 1), (64, 2), (96, 1))
"""Channels and stride."""
POOLED = 3
MEAN, SPREAD = 114.0, 64.0
"""Pixels are brought near to 0 and 1 by them."""


class Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class SecondLook(nn.Module):
    """(n, 3, 48, 48) BGR 0 to 255 -> (n, gears, answers) logits."""

    def __init__(self) -> None:
        super().__init__()
        inputs, layers = 3, []
        for outputs, stride in LAYERS:
            layers.append(Layer(inputs, outputs, stride))
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.answer = nn.Linear(inputs * POOLED * POOLED, len(GEARS) * len(ANSWERS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers((x - MEAN) / SPREAD)
        x = F.avg_pool2d(x, SIDE // 8 // POOLED)
        return self.answer(x.flatten(1)).view(-1, len(GEARS), len(ANSWERS))
