"""The verdict from the states of what a rule requires."""

from __future__ import annotations

import pytest

from safetygear_inference.compliance.status import status
from safetygear_inference.judging.observation import GearState

BOTH = ("helmet", "vest")


@pytest.mark.parametrize(
    ("helmet", "vest", "required", "verdict"),
    [
        ("worn", "worn", BOTH, ("compliant", "all-worn")),
        ("missing", "worn", BOTH, ("violation", "missing-helmet")),
        ("carried", "worn", BOTH, ("violation", "carried-helmet")),
        ("worn", "missing", BOTH, ("violation", "missing-vest")),
        ("worn", "carried", BOTH, ("violation", "carried-vest")),
        ("missing", "missing", BOTH, ("violation", "missing-helmet")),
        ("missing", "missing", ("vest", "helmet"), ("violation", "missing-vest")),
        ("unknown", "missing", BOTH, ("violation", "missing-vest")),
        ("missing", "unknown", BOTH, ("violation", "missing-helmet")),
        ("unknown", "worn", BOTH, ("indeterminate", "too-small")),
        ("worn", "unknown", BOTH, ("indeterminate", "occluded")),
        ("unknown", "unknown", BOTH, ("indeterminate", "too-small")),
        # What is not required is nobody's business.
        ("missing", "worn", ("vest",), ("compliant", "all-worn")),
        ("unknown", "worn", ("vest",), ("compliant", "all-worn")),
        ("missing", "missing", (), ("compliant", "nothing-required")),
        ("worn", "worn", ("helmet", "boots"), ("indeterminate", "not-seen")),
    ],
)
def test_verdicts(helmet: GearState, vest: GearState, required: tuple[str, ...], verdict: tuple[str, str]) -> None:
    reasons = {"helmet": "too-small", "vest": "occluded"}
    assert status({"helmet": helmet, "vest": vest}, required, reasons) == verdict


def test_any_gear_by_its_label() -> None:
    assert status({"boots": "missing"}, ("boots",)) == ("violation", "missing-boots")
    assert status({"boots": "unknown"}, ("boots",)) == ("indeterminate", "not-seen")
