"""How evidence of gear is weighed and voted on: types, limits, defaults, as they stand in the module twin."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class WearingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """When a person can be judged at all, and how much one box counts."""

    min_person_height_px: Annotated[
        float,
        Meta(
            ge=8,
            le=2000,
            description="A person less tall in the analysed picture is not judged (unknown, too-small).",
        ),
    ] = 60.0
    full_probability: Annotated[
        float,
        Meta(
            ge=0.05,
            le=1,
            description="Probability from which a box of gear counts in full; less probable ones count in proportion.",
        ),
    ] = 0.6
    minimum_weight: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            description="Evidence that counts less than this (0..1) is no evidence (unknown, low-confidence).",
        ),
    ] = 0.2


class VoteConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How long evidence must stand before a person's state of gear changes. Seconds are of evidence that counts in
    full, less what speaks against it: weaker evidence takes longer, none is quicker."""

    missing_after_s: Annotated[
        float, Meta(ge=0.1, le=60, description="Net evidence that makes gear missing or carried.")
    ] = 1.0
    worn_after_s: Annotated[float, Meta(ge=0.1, le=60, description="Net evidence that makes gear worn.")] = 0.6
    unknown_after_s: Annotated[
        float,
        Meta(ge=0.2, le=600, description="Time without evidence after which a state is unknown again."),
    ] = 5.0
    decay_s: Annotated[
        float,
        Meta(ge=0.5, le=600, description="Time in which evidence that is not renewed falls to 37 %."),
    ] = 4.0
    max_step_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=10,
            description="One picture counts for the time since the last one of the person, and at most this long.",
        ),
    ] = 0.5
    max_tracks: Annotated[
        int,
        Meta(ge=8, le=10_000, description="Tracks whose votes are kept; beyond it the longest unseen one is dropped."),
    ] = 512
