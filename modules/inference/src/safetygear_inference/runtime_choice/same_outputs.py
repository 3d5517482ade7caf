"""Whether two runtimes make the same of one network. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_DIFFERENCE: Final = 0.25
"""Mean absolute difference of an output, of its standard deviation. A float network that is computed in float32 differs
by 1e-5 of it, in bfloat16 by .03 to .06, an int8 one by .02 to .1, because each runtime rounds at other places; one
that is misread differs by 1 or more."""


def difference(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> str | None:
    """Why they are not the same, in one sentence; None where they are."""
    for name, expected in one.items():
        found = other.get(name)
        if found is None or found.shape != expected.shape:
            return f"{name} has another shape"
        if not np.issubdtype(expected.dtype, np.floating):
            continue
        if not np.isfinite(found).all():
            return f"{name} has values that are no numbers"
        spread = float(np.std(expected)) or 1.0
        off = float(np.mean(np.abs(found - expected))) / spread if expected.size else 0.0
        if off > MOST_DIFFERENCE:
            return f"{name} differs by {off:.0%} of its spread"
    return None
