"""The second look: types, limits, defaults, as they stand in the module twin."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class SecondLookConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A second network looks at heads and torsos of whom the votes are not sure. Its answers are evidence too."""

    enabled: Annotated[
        bool, Meta(description="False: the detector alone says what is worn. Nothing is looked at twice.")
    ] = True
    looks_per_second: Annotated[
        float,
        Meta(ge=0.1, le=200, description="Most looks per camera and second, over one second at a time."),
    ] = 20.0
    most_per_frame: Annotated[int, Meta(ge=1, le=64, description="Most looks at one picture.")] = 8
    recheck_s: Annotated[
        float,
        Meta(
            ge=0.2,
            le=600,
            description="Somebody of whom the vote is sure is looked at again after so long, where looks are left.",
        ),
    ] = 2.0
