"""What a second look at a head or torso adds to what the boxes say of it. Pure.

Both are witnesses with a weight between -1 (it is missing) and 1 (it is worn). The look speaks first, for as much as
it is sure; the boxes have the rest. So a look that agrees makes evidence stronger, one that is sure turns it round, and
one that is half sure takes a box that contradicts it down to nothing: neither is dropped, and who can't be told stays
unknown until one of both gives way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from safetygear_inference.compliance.wearing import IN_DARK
from safetygear_inference.judging.observation import GearEvidence, Look

COUNTS: Final = 0.9
"""What a look counts that is wholly sure."""
NOT_TO_BE_SEEN: Final = frozenset({"too-small", "truncated", "occluded"})
"""Why a person's place can't be judged: a crop of it shows somebody else, or half of it."""
_SEEN: Final = {
    ("helmet", "yes"): "helmet-on-head", ("helmet", "no"): "bare-head",
    ("vest", "yes"): "vest-on-torso", ("vest", "no"): "no-vest",
}  # fmt: skip


def with_look(evidence: GearEvidence, look: Look, *, dark: bool, minimum_weight: float) -> GearEvidence:
    """One person's one gear in one frame, by its boxes and by the look at it."""
    if evidence.state == "unknown" and evidence.reason in NOT_TO_BE_SEEN:
        return evidence
    sure = COUNTS * max(0.0, 2 * look.probability - 1) * (IN_DARK if dark else 1.0)
    boxes = {"worn": 1.0, "unknown": 0.0}.get(evidence.state, -1.0) * evidence.weight
    both = boxes * (1 - sure) + (sure if look.answer == "yes" else -sure)
    if abs(both) < minimum_weight:
        return GearEvidence("unknown", 0.0, "low-confidence", evidence.box_index)
    if evidence.state == "carried" and both < 0:
        # The look is at the head, which is bare either way; where the helmet is the boxes say.
        return replace(evidence, weight=min(1.0, -both))
    state, answer = ("worn", "yes") if both > 0 else ("missing", "no")
    same = evidence.state == state
    reason = evidence.reason if same else _SEEN.get((look.gear, answer), f"{answer}-{look.gear}")
    return GearEvidence("worn" if both > 0 else "missing", min(1.0, abs(both)), reason, evidence.box_index)
