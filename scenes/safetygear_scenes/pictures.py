"""What pictures are, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""(height, width, 3) RGB, linear light."""
Coverage = NDArray[np.float32]
"""(height, width), 0..1 of each pixel."""
Pixels = NDArray[np.uint8]
"""(height, width, 3) RGB as a camera sends it."""
