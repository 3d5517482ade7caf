"""The parts of this module that can have a problem."""

from __future__ import annotations

from typing import Literal

import safetygear.problems

Part = Literal[
    "model",
    "analysis",
    "frames",
    "data",
    "twin",
    "page",
    "outbox",
    "rules",
    "evidence",
    "upload",
    "learning",
    "learning-upload",
    "prediction",
    "second-look",
    "capacity",
]
Problems = safetygear.problems.Problems[Part]
