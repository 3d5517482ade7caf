"""A detector with more channels that answers as the given one does: the start of a larger network's training.

Every added channel is a copy of an old one; what reads the two splits the old weight between them (Net2Net,
arXiv:1511.05641). The split is drawn at random for each weight, so that copies soon learn different things.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from safetygear_training.network import Convolution, Detector

Labels = dict[str, Tensor]
SMALLEST_SHARE = 0.25
PROBE_PX = 64


@torch.no_grad()
def widened(detector: Detector, channels: int, seed: int) -> Detector:
    """`channels` after the stem, not fewer than the detector has, whose classes stay. Returns a new detector."""
    if channels == detector.channels:
        return detector
    classes = detector.head.cls_preds[0].out_channels
    wide = Detector(classes, channels, detector.silu, detector.more_bottlenecks)
    random = torch.Generator().manual_seed(seed)
    old, new = dict(detector.named_modules()), dict(wide.named_modules())
    copied: dict[str, Tensor] = {}
    for name, module in _convolutions(new):
        narrow = old[name]
        if module.out_channels == narrow.out_channels:
            copied[name] = torch.arange(module.out_channels)
        else:
            copied[name] = torch.arange(module.out_channels) % narrow.out_channels
    names = {name: torch.rand(m.out_channels, generator=random, dtype=torch.float64) for name, m in _convolutions(old)}
    seen_by_old = _inputs(detector, names)
    seen_by_new = _inputs(wide, {name: names[name][copied[name]] for name, _ in _convolutions(new)})
    for name, module in _convolutions(new):
        narrow, outputs = old[name], copied[name]
        if module.groups > 1:  # depthwise: each channel reads its own copy whole
            module.weight.copy_(narrow.weight[outputs])
        else:
            sources = _sources(seen_by_old[name], seen_by_new[name])
            module.weight.copy_(narrow.weight[outputs][:, sources] * _shares(sources, module.out_channels, random))
        if module.bias is not None:
            module.bias.copy_(narrow.bias[outputs])
        norm = name.removesuffix("conv") + "bn"
        if norm in new:
            for part in ("weight", "bias", "running_mean", "running_var"):
                getattr(new[norm], part).copy_(getattr(old[norm], part)[outputs])
    return wide


def _convolutions(modules: dict[str, nn.Module]) -> list[tuple[str, nn.Conv2d]]:
    return [(name, module) for name, module in modules.items() if isinstance(module, nn.Conv2d)]


def _inputs(detector: Detector, names: Labels) -> Labels:
    """What each convolution reads, when every convolution gives each of its channels that number as a name.

    So joins, sums, pools and enlargements are followed by running them.
    """
    seen: Labels = {}
    probe = copy.deepcopy(detector).double().eval()

    def follow(name: str) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
        def hook(_: nn.Module, given: tuple[Tensor], made: Tensor) -> Tensor:
            seen[name] = given[0][0, :, 0, 0]
            return names[name][None, :, None, None].expand_as(made).contiguous()

        return hook

    for name, module in probe.named_modules():
        if isinstance(module, Convolution):
            module.register_forward_hook(follow(f"{name}.conv"))
        elif isinstance(module, nn.Conv2d) and "preds" in name:
            module.register_forward_hook(follow(name))
    probe(torch.arange(3.0, dtype=torch.float64)[None, :, None, None].expand(1, 3, PROBE_PX, PROBE_PX))
    return seen


def _sources(old: Tensor, new: Tensor) -> Tensor:
    """For each new input the old one that it copies. A name may come several times, as pooled maps of one channel do:
    its places in the new order are dealt out evenly to those in the old one.
    """
    sources = torch.empty(len(new), dtype=torch.long)
    for name in old.unique():
        before, after = (old == name).nonzero()[:, 0], (new == name).nonzero()[:, 0]
        sources[after] = before[torch.arange(len(after)) * len(before) // len(after)]
    return sources


def _shares(sources: Tensor, outputs: int, random: torch.Generator) -> Tensor:
    """(outputs, inputs, 1, 1): each copy's part of the old weight; the copies of one input add up to 1."""
    parts = SMALLEST_SHARE + torch.rand(outputs, len(sources), generator=random)
    sums = torch.zeros(outputs, int(sources.max()) + 1).index_add_(1, sources, parts)
    return (parts / sums[:, sources])[:, :, None, None]
