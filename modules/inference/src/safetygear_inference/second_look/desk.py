"""Keeps the second look's network and every camera's budget. Belongs to the event loop."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from safetygear.clock import epoch_s
from safetygear.errors import ModelError
from safetygear.messages.frames import FrameReference
from safetygear_inference.judging.observation import LookWish
from safetygear_inference.model_store import SECOND_LOOK
from safetygear_inference.problems import Problems
from safetygear_inference.second_look.budget import LookBudget
from safetygear_inference.second_look.config import SecondLookConfig
from safetygear_inference.second_look.looking import KeyFrame, Looked, SecondLook
from safetygear_inference.second_look.network import SecondLookNetwork

SAME_ASPECT: Final = 0.02
"""Two pictures whose width per height differs by a greater part are not of one view."""
PART: Final = "second-look"
"""Of the module's problems."""

log = logging.getLogger(__name__)


class SecondLookDesk:
    """`config` is replaced when the twin changes. Without its file there is no second look: that is said in the log. A
    network that can't be read, or fails on a frame, is a named problem, and the detector alone is believed."""

    def __init__(self, models_dir: Path, wishes: Callable[[str], Sequence[LookWish]], problems: Problems) -> None:
        """`wishes` of a camera: at whom the judging of its newest frame wants a look."""
        self.config = SecondLookConfig()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """Since the start, by gear and `yes`, `no`, `unclear`, `not-found`, `failed`."""
        self._wishes = wishes
        self._problems = problems
        self._budgets: dict[str, LookBudget] = {}
        self._judged: dict[str, FrameReference] = {}
        """The newest frame of each camera that was judged: where people were is known of it."""
        self._network = self._open(models_dir / SECOND_LOOK)

    def wanted(self, frame: FrameReference, now_s: float, key_frame: FrameReference | None = None) -> SecondLook | None:
        """Whom to look at in a camera's next frame; None: nobody. What it names counts as looked at. `key_frame`: of
        the camera's main stream, taken within one analysed interval of the frame."""
        camera = frame.camera
        if self._network is None or not self.config.enabled:
            return None
        gears = self._network.gears
        wishes = [wish for wish in self._wishes(camera) if wish.gear in gears]
        if not wishes:
            return None
        if camera not in self._budgets:
            self._budgets[camera] = LookBudget(now_s)
        granted = self._budgets[camera].choose(wishes, self.config, now_s)
        if not granted:
            return None
        return SecondLook(self._network, granted, _usable(key_frame, frame, self._judged.get(camera)))

    def looked(self, frame: FrameReference, looked: Looked) -> None:
        """What came of a look at a frame that is judged now. One that is lost, or spared, comes to none."""
        self._judged[frame.camera] = frame
        self.outcomes.update(looked.outcomes)
        if looked.failure is not None:
            self._problems.raised(PART, looked.failure.code, str(looked.failure))
        elif looked.looks:
            self._problems.solved(PART)

    def forget(self, camera: str) -> None:
        """The camera was taken out of the configuration."""
        self._budgets.pop(camera, None)
        self._judged.pop(camera, None)

    def _open(self, path: Path) -> SecondLookNetwork | None:
        if not path.is_file():
            log.info("there is no %s: nobody is looked at twice", path)
            return None
        try:
            return SecondLookNetwork(path)
        except ModelError as exc:
            self._problems.raised(PART, exc.code, str(exc))
            return None


def _usable(key_frame: FrameReference | None, frame: FrameReference, before: FrameReference | None) -> KeyFrame | None:
    """None where it is no larger, of another view, or nothing tells where people were when it was taken."""
    if key_frame is None or before is None or key_frame.width <= frame.width:
        return None
    aspects = key_frame.width * frame.height, frame.width * key_frame.height
    if max(aspects) > (1 + SAME_ASPECT) * min(aspects):
        return None
    passed_s = epoch_s(frame.decoded_at) - epoch_s(before.decoded_at)
    if passed_s <= 0:
        return None
    same_clock = key_frame.clock == frame.clock
    later_s = (
        epoch_s(key_frame.captured_at) - epoch_s(frame.captured_at)
        if same_clock
        else epoch_s(key_frame.decoded_at) - epoch_s(frame.decoded_at)
    )
    moment = later_s / passed_s
    return KeyFrame(key_frame, moment) if abs(moment) <= 1 else None
