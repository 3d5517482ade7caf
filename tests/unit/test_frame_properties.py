"""The JPEG fallback's properties carry the whole reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.frames.jpeg import from_properties, to_properties
from safetygear.messages.codec import MessageError
from safetygear.messages.frames import FrameReference

whole = st.integers(0, 2**53)
references = st.builds(
    FrameReference,
    camera=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    frame=whole,
    ring=st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    epoch=whole,
    slot=whole,
    sequence=whole,
    width=whole,
    height=whole,
    stride=whole,
    pixel_format=st.sampled_from(["i420", "nv12"]),
    captured_at=st.just("2026-11-24T08:00:00.123Z"),
    clock=st.sampled_from(["rtcp", "arrival"]),
    decoded_at=st.just("2026-11-24T08:00:00.123Z"),
)


@given(references)
def test_round_trip(reference: FrameReference) -> None:
    properties = to_properties(reference)
    assert all(isinstance(value, str) for value in properties.values())
    assert from_properties({**properties, "shard": "default", "schema": "x"}) == reference


@pytest.mark.parametrize("broken", [{"width": "wide"}, {"camera": "a b"}, {"pixelFormat": "rgb"}, {"frame": "1.5"}])
def test_a_broken_property_is_named(broken: dict[str, str]) -> None:
    good = {
        **dict.fromkeys(["frame", "epoch", "slot", "sequence", "width", "height", "stride"], "2"),
        "camera": "gate",
        "ring": "gate",
        "pixelFormat": "i420",
        "capturedAt": "",
        "decodedAt": "",
        "clock": "rtcp",
    }
    assert from_properties(good).camera == "gate"
    with pytest.raises(MessageError, match=next(iter(broken))):
        from_properties({**good, **broken})
    with pytest.raises(MessageError, match="capturedAt"):
        from_properties({name: value for name, value in good.items() if name != "capturedAt"})
