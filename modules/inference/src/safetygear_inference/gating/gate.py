"""Has anything moved since the last analysed frame? One camera's gate. Pure: sketches and seconds passed in.

A sketch is the mean luma of cells, `SKETCH_WIDTH` across. The difference of two is freed of what the whole picture has
in common (exposure, clouds) and averaged over 3 x 3 cells; the largest value that is left is compared with a threshold.
Averages over 12 x 12 pixels of a 640-pixel picture leave little of a sensor's noise, of an encoder's flicker and of
thin streaks of rain, and most of a person who is only 20 pixels tall. Where weather still moves more than that, the
threshold follows it, up to a limit, as long as nobody is found.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

Sketch = NDArray[np.uint8]
"""(rows, SKETCH_WIDTH) uint8: mean luma of cells of about the same width and height."""

SKETCH_WIDTH: Final = 160
"""Cells across: 4 pixels each of the 640 that a detector's input has."""
LEAST_CHANGE: Final = 4.5
"""Grey levels, mean over 3 x 3 cells. What H.264 and noise make of a still scene stays below 3 in the rendered stories,
also at night; their people, shrunk to 20 pixels, make 5.0 and more wherever they stand."""
MOST_CHANGE: Final = 16.0
"""However much the weather moves: the same person with 24 levels of contrast opens the gate."""
HEADROOM: Final = 1.5
"""The threshold over what weather does: over all but a tenth of the last `CHANGES_KEPT` changes without a person."""
CHANGES_KEPT: Final = 50
CHANGES_NEEDED: Final = 10
"""Fewer tell nothing of the weather."""
HOLD_S: Final = 2.0
"""The gate stays open for so long after the last movement: a detector does not find everybody in the first frame."""


class MotionGate:
    """For each frame `closes`, and where that says no, `analysed` or `busy` once it was analysed."""

    def __init__(self) -> None:
        self._reference: Sketch | None = None
        self._analysed_s = 0.0
        self.moved_s = -math.inf
        """When something has moved last, or a frame was analysed whatever has."""
        self._seen: tuple[Sketch, float | None] | None = None
        self._quiet_changes: deque[float] = deque(maxlen=CHANGES_KEPT)

    @property
    def threshold(self) -> float:
        """Grey levels from which on something has moved."""
        if len(self._quiet_changes) < CHANGES_NEEDED:
            return LEAST_CHANGE
        ordered = sorted(self._quiet_changes)
        usual = ordered[len(ordered) * 9 // 10]
        return min(MOST_CHANGE, max(LEAST_CHANGE, HEADROOM * usual))

    def closes(self, sketch: Sketch, now_s: float, floor_s: float) -> bool:
        """Whether the frame needs no analysis: nothing has moved, and one was analysed less than `floor_s` ago."""
        change = None
        if self._reference is not None and self._reference.shape == sketch.shape:
            change = largest_change(self._reference, sketch)
        if change is None or change > self.threshold:
            self.moved_s = now_s
        closed = change is not None and now_s - self.moved_s >= HOLD_S and now_s - self._analysed_s < floor_s
        self._seen = (sketch, change)
        if closed and change is not None:
            self._quiet_changes.append(change)
        return closed

    def analysed(self, now_s: float, *, nobody: bool) -> None:
        """The frame that was last asked about was analysed; `nobody`: no person is followed after it."""
        if self._seen is None:
            return
        (self._reference, change), self._seen = self._seen, None
        self._analysed_s = now_s
        if nobody and change is not None:
            self._quiet_changes.append(change)

    def busy(self, now_s: float) -> None:
        """A frame is analysed whatever has moved. What the gate compares with is old from now on."""
        self._reference = self._seen = None
        self.moved_s = now_s


def largest_change(before: Sketch, after: Sketch) -> float:
    """Grey levels: of the means over 3 x 3 cells, the one that differs most from the picture's common change."""
    difference = after.astype(np.int16) - before
    # Every third cell tells the median well enough, at a ninth of the cost.
    difference -= np.int16(np.median(difference[::3, ::3]))
    columns = difference[:, :-2] + difference[:, 1:-1] + difference[:, 2:]
    sums = columns[:-2] + columns[1:-1] + columns[2:]
    return float(max(sums.max(), -int(sums.min()))) / 9
