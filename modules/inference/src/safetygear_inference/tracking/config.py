"""Desired properties of tracking."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]


class TrackingConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a person is followed from frame to frame. Times are seconds, so they hold at any analysed rate."""

    high_probability: Annotated[
        Share, Meta(description="A person's box of at least this probability can begin a track.")
    ] = 0.4
    low_probability: Annotated[
        Share,
        Meta(
            description="A box below highProbability but of at least this only continues a track: people half hidden "
            "are detected with low probability."
        ),
    ] = 0.1
    instant_probability: Annotated[
        Share,
        Meta(
            description="A box of at least this probability begins a track at once; others need a second observation."
        ),
    ] = 0.75
    confirm_within_s: Annotated[
        float, Meta(ge=0.1, le=10, description="The second observation must come within this time of the last one.")
    ] = 1.1
    occlusion_s: Annotated[
        float, Meta(ge=0.2, le=30, description="A person who is not seen for longer than this has a new track after.")
    ] = 3.0
    exit_s: Annotated[
        float,
        Meta(ge=0.1, le=30, description="The same for a person who was last seen leaving over the picture's edge."),
    ] = 0.6
    max_tracks: Annotated[
        int,
        Meta(ge=1, le=1000, description="People followed at one time by one camera; more are counted, not followed."),
    ] = 200
