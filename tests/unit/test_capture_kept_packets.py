"""What is kept between two key frames is whole, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_capture import kept_packets
from safetygear_capture.kept_packets import KeptPackets, P


def left(kept: KeptPackets[P]) -> list[P]:
    """All of them; they stay."""
    return [packet for packet, _ in kept._packets]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_it_begins_with_the_last_key_frame_and_leaves_out_none_after_it(stream: list[tuple[bool, int]]) -> None:
    kept: KeptPackets[int] = KeptPackets()
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr(kept_packets, "MOST_BYTES", 40)
        limits.setattr(kept_packets, "MOST_PACKETS", 12)
        for number, (keyframe, size_bytes) in enumerate(stream):
            kept.take(number, size_bytes, keyframe=keyframe)
            whole = left(kept)
            assert len(whole) <= 12
            assert sum(stream[each][1] for each in whole) <= 40
            if whole:
                assert stream[whole[0]][0]
                assert list(whole) == list(range(whole[0], number + 1))
                assert not any(stream[each][0] for each in whole[1:])


def test_where_there_were_too_many_none_is_left_until_the_next_key_frame() -> None:
    kept: KeptPackets[str] = KeptPackets()
    kept.take("key", kept_packets.MOST_BYTES, keyframe=True)
    assert left(kept) == ["key"]
    kept.take("more", 1, keyframe=False)
    kept.take("and more", 1, keyframe=False)
    assert left(kept) == []
    kept.take("key again", 1, keyframe=True)
    assert left(kept) == ["key again"]
    assert kept.outcomes == {"too-many": 1}


def test_there_is_a_bound_for_bytes_and_one_for_their_number() -> None:
    """docs/twin.md and docs/capacity.md say them."""
    assert (kept_packets.MOST_BYTES, kept_packets.MOST_PACKETS) == (4 * 1024 * 1024, 750)
    kept: KeptPackets[int] = KeptPackets()
    for number in range(kept_packets.MOST_PACKETS + 1):
        assert len(kept) == number
        kept.take(number, 1, keyframe=not number)
    assert (len(kept), kept.outcomes) == (0, {"too-many": 1})


def test_they_are_taken_one_by_one_and_what_comes_meanwhile_is_behind_them() -> None:
    kept: KeptPackets[str] = KeptPackets()
    kept.wanted()
    assert not kept.outcomes, "before the first key frame nothing was missed"
    kept.take("key", kept_packets.MOST_BYTES, keyframe=True)
    kept.wanted()
    assert kept.next() == "key"
    kept.take("late", 1, keyframe=False)
    assert (kept.next(), len(kept)) == (None, 0), "nothing is left that it could follow"
    kept.wanted()
    kept.take("key", 1, keyframe=True)
    kept.take("second", kept_packets.MOST_BYTES - 1, keyframe=False)
    assert kept.next() == "key"
    kept.take("third", 1, keyframe=False)
    assert (kept.next(), kept.next(), kept.next()) == ("second", "third", None)
    assert kept.outcomes == {"decoded": 1, "waited": 1}
