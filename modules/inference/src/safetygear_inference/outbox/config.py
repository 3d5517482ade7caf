"""How much the outbox may hold, and for how long it keeps what was sent."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MEBIBYTE = 1024 * 1024


class OutboxConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Room for events on the data volume."""

    capacity_bytes: Annotated[
        int,
        Meta(
            ge=MEBIBYTE,
            le=4096 * MEBIBYTE,
            description="Events kept on disk, waiting and sent together; an event takes about 1.2 KB. When it is full, "
            "copies of sent events go first, then updates of the lowest severity, opens and closes last.",
        ),
    ] = 64 * MEBIBYTE
    keep_sent_days: Annotated[
        float,
        Meta(
            ge=0,
            le=365,
            description="How long a sent event is kept for the direct method resendEvents. The template's route lets "
            "edgeHub carry an event for 30 days: a loss there may show as late as that.",
        ),
    ] = 30.0
