"""When a camera is looked at again, and that nothing is kept of cameras that send no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from safetygear_inference.learning import choice
from safetygear_inference.learning.budget import Budget
from safetygear_inference.learning.choice import Chooser
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.pace import LONGEST_PAUSE_S, Pace


def test_who_shows_nothing_new_is_looked_at_ever_more_seldom() -> None:
    pace, now_s, pauses_s = Pace(), 0.0, []
    for _ in range(9):
        pace.nothing_new("gate", now_s)
        began_s = now_s
        while not pace.may_look("gate", now_s):
            now_s += 1.0
        pauses_s.append(now_s - began_s)
    assert pauses_s == [1, 2, 4, 8, 16, 32, 64, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert pace.may_look("yard", 0.0)


def test_nothing_is_kept_of_cameras_that_sent_nothing_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "CAMERAS_KEPT", 2)
    chooser, observed = Chooser(), cast("Any", SimpleNamespace(now_s=0.0))
    for camera in ("a", "b", "c"):
        frame = cast("Any", SimpleNamespace(camera=camera))
        chooser.choose(frame, observed, [], Budget(), LearningConfig(), steady_s=0.0, busy=False)
        chooser.pace.nothing_new(camera, 0.0)
    assert sorted(chooser.pace._next_s) == ["b", "c"]
    assert sorted(chooser.pace._pause_s) == ["b", "c"]
