"""Arguments of the direct methods: what is wrong is named by its field, and nothing else is raised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.hub.methods import MethodArgumentError
from safetygear_inference.event_methods import acknowledge, resend_events

EVENT = "ep-0123456789abcdef01234567"
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def test_what_is_right_is_taken() -> None:
    asked = resend_events({"from": 3, "to": 3})
    assert (asked.first, asked.last, asked.outbox_epoch) == (3, 3, None)
    said = acknowledge({"eventId": EVENT, "verdict": "unsure", "note": "too far away"})
    assert (said.event_id, said.verdict, said.note) == (EVENT, "unsure", "too far away")
    assert acknowledge({"eventId": EVENT, "verdict": "true"}).note == ""


@pytest.mark.parametrize(
    ("method", "payload", "field"),
    [
        (resend_events, None, ""),
        (resend_events, [1, 2], ""),
        (resend_events, {}, "from"),
        (resend_events, {"from": 1}, "to"),
        (resend_events, {"from": 0, "to": 1}, "from"),
        (resend_events, {"from": True, "to": 1}, "from"),
        (resend_events, {"from": 2, "to": 1}, "to"),
        (resend_events, {"from": 1, "to": 2.5}, "to"),
        (resend_events, {"from": 1, "to": 2, "outboxEpoch": ""}, "outboxEpoch"),
        (resend_events, {"from": 1, "to": 2, "epoch": "e"}, "epoch"),
        (acknowledge, {"eventId": "7", "verdict": "true"}, "eventId"),
        (acknowledge, {"eventId": EVENT, "verdict": True}, "verdict"),
        (acknowledge, {"eventId": EVENT, "verdict": "yes"}, "verdict"),
        (acknowledge, {"eventId": EVENT, "verdict": "true", "note": "x" * 201}, "note"),
        (acknowledge, {"eventId": EVENT, "verdict": "true", "note": None}, "note"),
    ],
)
def test_what_is_wrong_is_named(method: Any, payload: Any, field: str) -> None:
    with pytest.raises(MethodArgumentError) as caught:
        method(payload)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)


@given(anything, st.sampled_from([resend_events, acknowledge]), st.dictionaries(
    st.sampled_from(["from", "to", "outboxEpoch", "eventId", "verdict", "note"]), anything
))  # fmt: skip
def test_no_payload_makes_it_raise_anything_else(payload: Any, method: Any, fields: dict[str, Any]) -> None:
    for given_ in (payload, fields):
        try:
            method(given_)
        except MethodArgumentError as exc:
            assert "\n" not in str(exc).replace(exc.field, "")
