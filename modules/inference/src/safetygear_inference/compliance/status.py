"""A person's verdict from the states of the gear that a rule requires. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from safetygear.messages.detections import Status
from safetygear_inference.judging.observation import Gear, GearState


def status(
    gear: Mapping[Gear, GearState], required: Sequence[Gear], reasons: Mapping[Gear, str] | None = None
) -> tuple[Status, str]:
    """The verdict and its reason; where several gears would give one, the first in `required` does.

    A violation goes before what is unknown: `missing-<gear>` or `carried-<gear>`. Indeterminate: why the gear's state
    is unknown (`reasons`, as the vote gives them). Compliant: `all-worn`, or `nothing-required`.
    """
    states = [(name, gear.get(name, "unknown")) for name in required]
    for name, state in states:
        if state in ("missing", "carried"):
            return "violation", f"{state}-{name}"
    for name, state in states:
        if state == "unknown":
            return "indeterminate", (reasons or {}).get(name, "not-seen")
    return "compliant", "all-worn" if states else "nothing-required"
