"""Which of the frames that are wished for is taken, and under which reason it counts. Pure.

The reason for which least was taken in a day goes first; where the budget keeps its room for other reasons, the frame's
next reason is tried. A camera that has just given a picture pauses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.learning.budget import Budget, Taken
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.example_making import Chosen, id_of
from safetygear_inference.learning.observed import Observed, Wish
from safetygear_inference.learning.pace import Pace

NEAR_DUPLICATE: Final = "near-duplicate"
PAUSE, BUSY = "pause", "busy"
CAMERAS_KEPT: Final = 256
FRESH_S: Final = 10.0
"""An older frame is not what somebody sees who asks for it."""


@dataclass(frozen=True)
class Choice:
    """A frame to take; the budget has counted it."""

    chosen: Chosen
    taken: Taken


class Chooser:
    """Keeps the newest frame of each camera, not its pixels."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.refused: Counter[str] = Counter()
        """Frames since the start that were worth it and not taken, by reason."""
        self._before: dict[str, tuple[SeenFrame, Observed]] = {}

    def choose(
        self,
        frame: SeenFrame,
        observed: Observed,
        wishes: Sequence[Wish],
        budget: Budget,
        config: LearningConfig,
        *,
        steady_s: float,
        busy: bool,
    ) -> Choice | None:
        """At most one of this frame and the one before. `steady_s`: the budget's time."""
        before = self._before.pop(frame.camera, None)
        self._before[frame.camera] = frame, observed
        while len(self._before) > CAMERAS_KEPT:
            longest_ago = next(iter(self._before))
            del self._before[longest_ago]
            self.pace.forget(longest_ago)
        if before is None:
            wishes = [wish for wish in wishes if not wish.earlier]
        if not wishes:
            return None
        why = self._not_now(frame.camera, observed.now_s, busy=busy)
        if why is None:
            order = budget.rarest({wish.reason for wish in wishes})
            ranked = sorted(wishes, key=lambda wish: (order.index(wish.reason), -wish.score))
            for first in ranked:
                why = budget.refusal(
                    frame.camera,
                    first.reason,
                    steady_s,
                    per_hour=config.per_hour,
                    per_day=config.per_day,
                    reasons=config.reasons,
                )
                if why is None:
                    of, seen = before if first.earlier and before is not None else (frame, observed)
                    return _choice(of, seen, first, ranked, budget, steady_s)
        assert why is not None
        self.refused[why] += 1
        return None

    def newest(self, camera: str, now_s: float) -> tuple[SeenFrame, Observed] | None:
        """The camera's newest frame; None where it is older than `FRESH_S`, or there is none. `now_s`: monotonic."""
        frame = self._before.get(camera)
        return frame if frame is not None and now_s - frame[1].now_s <= FRESH_S else None

    def _not_now(self, camera: str, now_s: float, *, busy: bool) -> str | None:
        if not self.pace.may_look(camera, now_s):
            return PAUSE
        return BUSY if busy else None


def _choice(
    frame: SeenFrame, observed: Observed, first: Wish, wishes: Sequence[Wish], budget: Budget, steady_s: float
) -> Choice:
    same_frame = [wish.reason for wish in wishes if wish.earlier == first.earlier]
    reasons = tuple(dict.fromkeys((first.reason, *same_frame)))
    chosen = Chosen(frame, observed, reasons, first.score, first.focus_norm)
    return Choice(chosen, budget.take(id_of(frame), frame.camera, first.reason, steady_s))
