"""Which violations the page lists, and that a picture that comes later than its event finds it."""

from __future__ import annotations

import msgspec

from safetygear.messages.detections import ModelIdentity
from safetygear.messages.event import EventMessage, EventState, Evidence
from safetygear_inference.live_episodes import LiveEpisodes

PICTURE = Evidence(uri="/evidence/x.jpg", sha256="0" * 64, blurred=True)


def message(state: EventState, at: str) -> EventMessage:
    return EventMessage(
        id="ep-1", event_sequence=0, outbox_epoch="", dedup_key=f"ep-1:{state}:{at}", rule="no-vest", severity="medium",
        state=state, camera="gate", zone="yard", track="t", opened_at="10:00", updated_at=at,
        closed_at=at if state == "closed" else None, reason="missing-vest", confidence=0.9,
        model=ModelIdentity(name="m", version="1", sha256="0"), config_hash="",
    )  # fmt: skip


def with_picture(event: EventMessage) -> EventMessage:
    return msgspec.structs.replace(event, evidence=PICTURE)


def test_a_message_that_comes_again_with_its_picture_takes_the_place_of_the_first() -> None:
    episodes = LiveEpisodes()
    opened, update, closed = message("open", "10:00"), message("update", "10:01"), message("closed", "10:02")
    episodes.take(opened)
    episodes.take(with_picture(opened))
    assert episodes.open() == [with_picture(opened)]
    episodes.take(update)
    episodes.take(with_picture(opened))
    assert episodes.open() == [update], "an older one undoes nothing"
    episodes.take(closed)
    episodes.take(with_picture(update))
    assert (episodes.open(), episodes.closed()) == ([], [closed])
    episodes.take(with_picture(closed))
    assert episodes.closed() == [with_picture(closed)]
