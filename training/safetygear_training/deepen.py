"""A detector with more bottlenecks that answers nearly as the given one does: the start of a deeper network's training.

A bottleneck with a shortcut adds to what it is given. A new one's last batch norm begins close to 0, so that it adds
next to nothing; not at 0, where a ReLU lets nothing through in either direction and would never learn.
"""

from __future__ import annotations

import torch

from safetygear_training.network import Detector

FIRST_SCALE = 0.01


@torch.no_grad()
def deepened(detector: Detector, more_bottlenecks: int, seed: int) -> Detector:
    """`more_bottlenecks` in each stage with shortcuts, not fewer than the detector has. Returns a new detector."""
    if more_bottlenecks == detector.more_bottlenecks:
        return detector
    classes = detector.head.cls_preds[0].out_channels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        deep = Detector(classes, detector.channels, detector.silu, more_bottlenecks)
    added, _ = deep.load_state_dict(detector.state_dict(), strict=False)
    for name in added:
        if name.endswith("conv2.pconv.bn.weight"):
            deep.get_parameter(name).fill_(FIRST_SCALE)
    return deep
