"""A straight line between two delivered weights, the second trained on from the first.

What further training forgets about other sites often comes back half way, and what it learned mostly stays.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from safetygear_training.network import Detector
from safetygear_training.weights import WeightsError, delivered, read_delivered

log = logging.getLogger("safetygear_training")


def blend(first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of the second, the rest of the first; whole numbers (counters) are the second's."""
    return {
        name: torch.lerp(first[name], value, share) if value.is_floating_point() else value.clone()
        for name, value in second.items()
    }


def shapes(detector: Detector) -> dict[str, torch.Size]:
    """Of every weight: two networks can be blended where these are the same."""
    return {name: value.shape for name, value in detector.state_dict().items()}


def share(text: str) -> float:
    """Raises ArgumentTypeError for what lies beyond the line."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.blend", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--share", type=share, default=0.5, help="of the second, 0 to 1")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        first, second = read_delivered(given.first), read_delivered(given.second)
        if shapes(first) != shapes(second):
            raise WeightsError(f"{given.second}: another network than {given.first} (channels or depth)")
    except WeightsError as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    state = delivered(blend(first.state_dict(), second.state_dict(), given.share))
    torch.save(state, given.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
