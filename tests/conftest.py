"""What holds for every test."""

from __future__ import annotations

import hypothesis

# Tests find the same each time, and never fail because the machine is busy.
hypothesis.settings.register_profile("safetygear", deadline=None, derandomize=True)
hypothesis.settings.load_profile("safetygear")
