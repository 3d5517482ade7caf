"""The site scene of tests/clips: half a minute at 1280x720 with five people, three of whom break a rule, and its truth.

It was the demo's until the demo got a longer story. What was measured or written down of it stays comparable here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CLIP = Path(__file__).parents[1] / "clips" / "site_scene.mp4"
FRAMES = 295
"""29.5 s at 10 fps."""


def truth() -> dict[str, Any]:
    """As it was rendered: `notes` in it say what each field means."""
    loaded: dict[str, Any] = json.loads(CLIP.with_suffix(".truth.json").read_text(encoding="utf-8"))
    return loaded
