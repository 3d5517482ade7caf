"""Weights in and out: the files we deliver, YOLOX's layout, and batch norm folded away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from safetygear_training.network import Convolution, Detector

STEM = "backbone.backbone.stem.conv.conv.weight"
FIRST_STAGE = "backbone.backbone.dark2.1.m."
"""Before the numbers of its bottlenecks, of which depth .33 has one."""
INTERLEAVED = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Row and column of the four pictures a Focus stem is fed with, in its order of channels."""
PIXEL_RANGE = 255.0


class WeightsError(Exception):
    """A weights file does not fit; the message is one line for the user."""


def stem_from_focus(weight: Tensor) -> Tensor:
    """(outputs, 12, 3, 3) to the equal (outputs, 3, 6, 6) of stride 2."""
    wide = weight.new_zeros(weight.shape[0], 3, 6, 6)
    for place, (row, column) in enumerate(INTERLEAVED):
        wide[:, :, row::2, column::2] = weight[:, 3 * place : 3 * place + 3]
    return wide


def stem_to_focus(weight: Tensor) -> Tensor:
    """The inverse of `stem_from_focus`."""
    return torch.cat([weight[:, :, row::2, column::2] for row, column in INTERLEAVED], 1).contiguous()


def delivered(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A detector's state in the layout of YOLOX and of our files: Focus stem, pixels 0 to 255."""
    out = {name: value.detach().clone().contiguous() for name, value in state.items()}
    out[STEM] = stem_to_focus(out[STEM]) / PIXEL_RANGE
    return out


def read_delivered(path: Path, silu: bool = False) -> Detector:
    """The detector of a delivered file, as wide and deep as that is; no file says with which activation it was trained.

    Raises WeightsError where the file is none of ours.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        more = sum(name.startswith(FIRST_STAGE) and name.endswith(".conv1.conv.weight") for name in state) - 1
        detector = Detector(channels=len(state[STEM]), silu=silu, more_bottlenecks=more)
        state[STEM] = stem_from_focus(state[STEM]) * PIXEL_RANGE
        detector.load_state_dict(state)
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: no weights of this detector ({reason})") from error
    return detector


@torch.no_grad()
def fold_batch_norm(detector: Detector) -> Detector:
    """Batch norm into the convolutions, in place; the function stays the same."""
    for module in detector.modules():
        if isinstance(module, Convolution) and isinstance(module.bn, nn.BatchNorm2d):
            old, norm = module.conv, module.bn
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            new = nn.Conv2d(
                old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding, groups=old.groups
            )
            new.weight.copy_(old.weight * scale[:, None, None, None])
            new.bias.copy_(norm.bias - scale * norm.running_mean)
            module.conv, module.bn = new, nn.Identity()
    return detector
