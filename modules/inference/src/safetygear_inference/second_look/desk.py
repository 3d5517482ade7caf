"""Keeps the second look's network and every camera's budget. Belongs to the event loop."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from safetygear.errors import ModelError
from safetygear_inference.judging.observation import LookWish
from safetygear_inference.problems import Problems
from safetygear_inference.second_look.budget import LookBudget
from safetygear_inference.second_look.config import SecondLookConfig
from safetygear_inference.second_look.looking import Looked, SecondLook
from safetygear_inference.second_look.network import FILE, SecondLookNetwork

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
        self._network = self._open(models_dir / FILE)

    def wanted(self, camera: str, now_s: float) -> SecondLook | None:
        """Whom to look at in the camera's next frame; None: nobody. What it names counts as looked at."""
        if self._network is None or not self.config.enabled:
            return None
        gears = self._network.gears
        wishes = [wish for wish in self._wishes(camera) if wish.gear in gears]
        if not wishes:
            return None
        if camera not in self._budgets:
            self._budgets[camera] = LookBudget(now_s)
        granted = self._budgets[camera].choose(wishes, self.config, now_s)
        return SecondLook(self._network, granted) if granted else None

    def looked(self, looked: Looked) -> None:
        """What came of a look."""
        self.outcomes.update(looked.outcomes)
        if looked.failure is not None:
            self._problems.raised(PART, looked.failure.code, str(looked.failure))
        elif looked.looks:
            self._problems.solved(PART)

    def forget(self, camera: str) -> None:
        """The camera was taken out of the configuration."""
        self._budgets.pop(camera, None)

    def _open(self, path: Path) -> SecondLookNetwork | None:
        if not path.is_file():
            log.info("there is no %s: nobody is looked at twice", path)
            return None
        try:
            return SecondLookNetwork(path)
        except ModelError as exc:
            self._problems.raised(PART, exc.code, str(exc))
            return None
