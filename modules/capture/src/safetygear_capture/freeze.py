"""Is the picture still alive? A camera whose encoder hangs goes on sending the last picture. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS_STEP = 8
COLUMNS_STEP = 4
"""One luma sample of 32: 65,000 of a 1080p picture, compared in about 20 us."""


class FreezeDetector:
    """Compares samples of each analysed picture with the last one's, bit for bit.

    A live sensor's noise survives the encoder somewhere within seconds, even in a scene without movement; a repeated
    picture decodes to the same bits. `freeze_after_s` 0: never frozen.
    """

    def __init__(self, freeze_after_s: float) -> None:
        self._freeze_after_s = freeze_after_s
        self._samples: tuple[tuple[int, ...], bytes] | None = None
        self._changed_s = 0.0
        self._seen_s = 0.0
        self._frozen_total_s = 0.0

    def look(self, luma: NDArray[np.uint8], now_s: float) -> None:
        """`luma`: uint8 (h, w), the Y plane of a picture decoded at `now_s` (monotonic)."""
        # Bytes: comparing them ends with the first difference.
        samples = luma.shape, luma[::ROWS_STEP, ::COLUMNS_STEP].tobytes()
        if samples != self._samples:
            self._frozen_total_s += self._current_s()
            self._samples = samples
            self._changed_s = now_s
        self._seen_s = now_s

    @property
    def frozen(self) -> bool:
        """Whether nothing has changed for `freeze_after_s`."""
        return self._current_s() > 0

    @property
    def frozen_s(self) -> float:
        """Seconds in which the picture did not change, once found to be frozen; grows only."""
        return self._frozen_total_s + self._current_s()

    def _current_s(self) -> float:
        still_s = self._seen_s - self._changed_s
        return still_s if self._freeze_after_s > 0 and still_s >= self._freeze_after_s else 0.0
