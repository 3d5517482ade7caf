"""What holds for every test."""

from __future__ import annotations

import hypothesis
import pytest

from support.campaigns import SEED, SOAK

# Tests find the same each time, and never fail because the machine is busy. A soak looks for what is new.
hypothesis.settings.register_profile("safetygear", deadline=None, derandomize=True)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("soak" if SOAK else "safetygear")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if SOAK and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(SEED)


def pytest_report_header() -> str:
    return f"campaigns: {'whole' if SOAK else 'a tenth'}, seed {SEED} (SAFETYGEAR_SEED)"
