"""Cross-layer equalisation before int8: exact in float, because ReLU lets a positive factor through.

A channel that one convolution makes small and the next makes large again wastes the 256 levels its tensor has. Before
a depthwise convolution every channel gets the same range, since depthwise weights have a scale per channel anyway;
before a 1x1 convolution half of the imbalance (its square root) is moved (Nagel et al., arXiv:1906.04721).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from safetygear_training.network import Bottleneck, Detector, Separable

RANGE_QUANTILE = 0.9999
LEAST_FACTOR = 1e-2


@dataclass(frozen=True)
class Link:
    """A convolution, what alone reads its channels, and how much of the imbalance is moved (1 all, .5 its root)."""

    producer: nn.Conv2d
    consumers: tuple[nn.Conv2d, ...]
    moved: float


def links(detector: Detector) -> list[Link]:
    """Every place where a convolution's channels are read by nothing else than the next convolutions."""
    found: list[Link] = []
    for module in detector.modules():
        if isinstance(module, Separable):
            found.append(Link(module.dconv.conv, (module.pconv.conv,), 0.5))
        if isinstance(module, Bottleneck):
            found.append(Link(module.conv1.conv, (module.conv2.dconv.conv,), 1.0))
    darknet, head = detector.backbone.backbone, detector.head
    found.append(Link(darknet.stem.conv.conv, (_separable(darknet.dark2[0]).dconv.conv,), 1.0))
    for stem, *branches in zip(head.stems, head.cls_convs, head.reg_convs, strict=True):
        first = tuple(_separable(branch[0]).dconv.conv for branch in branches)
        found.append(Link(stem.conv, first, 1.0))
        found += [
            Link(_separable(branch[0]).pconv.conv, (_separable(branch[1]).dconv.conv,), 1.0) for branch in branches
        ]
    return found


def _separable(module: nn.Module) -> Separable:
    assert isinstance(module, Separable)
    return module


@torch.no_grad()
def equalise(detector: Detector, batches: Iterable[Tensor]) -> None:
    """In place. `detector` has its batch norm folded; batches (B, 3, H, W) as it takes them show it real ranges."""
    chain = links(detector)
    ranges: dict[nn.Conv2d, Tensor] = {}

    def watch(conv: nn.Conv2d) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def seen(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            values = output.clamp(min=0).transpose(0, 1).flatten(1)
            rank = max(1, int(values.shape[1] * (1 - RANGE_QUANTILE)))
            upper = values.topk(rank, 1).values[:, -1]
            ranges[conv] = torch.maximum(ranges[conv], upper) if conv in ranges else upper

        return seen

    hooks = [link.producer.register_forward_hook(watch(link.producer)) for link in chain]
    for batch in batches:
        detector(batch)
    for hook in hooks:
        hook.remove()
    for link in chain:
        upper = ranges[link.producer]
        factor = (upper / upper.max()).clamp(min=LEAST_FACTOR).pow(link.moved)
        link.producer.weight.div_(factor[:, None, None, None])
        assert link.producer.bias is not None
        link.producer.bias.div_(factor)
        for reader in link.consumers:
            reader.weight.mul_(factor[:, None, None, None] if reader.groups > 1 else factor[None, :, None, None])
