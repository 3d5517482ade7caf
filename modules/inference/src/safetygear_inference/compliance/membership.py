"""Who is in which zone, without flicker at its edge. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from safetygear_inference.compliance.zones import RuleZone


@dataclass
class _Stay:
    inside: bool
    changing_since_s: float | None = None
    """Since when the other answer has held without a break."""


class Membership:
    """Of one camera. In: at once where the anchor is beyond the margin, else when it was inside for `settle_s`.
    Out: when the anchor was outside and beyond the margin for `settle_s`.
    """

    def __init__(self) -> None:
        self._stays: dict[tuple[str, str], _Stay] = {}

    def update(
        self, zone: RuleZone, track: str, depth: float, now_s: float, *, edge_margin: float, settle_s: float
    ) -> bool:
        """Whether a person whose anchor is so deep in the zone's area (`Area.depths`) is in the zone now."""
        margin = zone.area.margin(edge_margin)
        stay = self._stays.setdefault((zone.id, track), _Stay(inside=False))
        if stay.inside:
            changes, at_once = depth < -margin, False
        else:
            changes, at_once = depth >= 0, depth >= margin
        if not changes:
            stay.changing_since_s = None
            return stay.inside
        since_s = stay.changing_since_s = now_s if stay.changing_since_s is None else stay.changing_since_s
        if at_once or now_s - since_s >= settle_s:
            stay.inside, stay.changing_since_s = not stay.inside, None
        return stay.inside

    def forget(self, track: str) -> None:
        """The track is over."""
        for key in [key for key in self._stays if key[1] == track]:
            del self._stays[key]
