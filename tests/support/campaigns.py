"""How long the long campaigns are: a tenth in an ordinary run, whole with `make soak`, where chance has a seed."""

from __future__ import annotations

import os
import random

SOAK = bool(os.environ.get("SAFETYGEAR_SOAK"))
SEED = int(os.environ.get("SAFETYGEAR_SEED") or random.SystemRandom().randrange(2**32))


def share(whole: int) -> int:
    """Of `whole` rounds (or seconds), how many this run makes."""
    return whole if SOAK else max(1, whole // 10)
