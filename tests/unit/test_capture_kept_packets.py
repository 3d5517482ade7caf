"""What is kept between two key frames is whole, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_capture import kept_packets
from safetygear_capture.kept_packets import KeptPackets


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_it_begins_with_the_last_key_frame_and_leaves_out_none_after_it(stream: list[tuple[bool, int]]) -> None:
    kept: KeptPackets[int] = KeptPackets()
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(kept_packets, "MOST_BYTES", 40)
        limits.setattr(kept_packets, "MOST_PACKETS", 12)
        for number, (keyframe, size_bytes) in enumerate(stream):
            kept.take(number, size_bytes, keyframe=keyframe)
            whole = kept.all()
            assert len(kept) == len(whole) <= 12
            assert sum(stream[each][1] for each in whole) <= 40
            if whole:
                assert stream[whole[0]][0]
                assert list(whole) == list(range(whole[0], number + 1))
                assert not any(stream[each][0] for each in whole[1:])


def test_where_there_were_too_many_none_is_left_until_the_next_key_frame() -> None:
    kept: KeptPackets[str] = KeptPackets()
    kept.take("key", kept_packets.MOST_BYTES, keyframe=True)
    assert kept.all() == ("key",)
    kept.take("more", 1, keyframe=False)
    kept.take("and more", 1, keyframe=False)
    assert kept.all() == ()
    kept.take("key again", 1, keyframe=True)
    assert kept.all() == ("key again",)
