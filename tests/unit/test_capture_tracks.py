"""Which of several video tracks is analysed."""

from __future__ import annotations

import pytest

from safetygear_capture.tracks import SILENT_AFTER_S, Tracks


@pytest.mark.parametrize(
    ("size_known", "has_decoder", "chosen"),
    [
        ([True], [True], 0),
        ([False], [False], 0),
        ([True, True], [True, True], 0),
        ([False, True], [True, True], 1),
        ([False, False], [False, True], 1),
        ([False, False], [True, True], 0),
        ([False, False], [False, False], 0),
        ([False, False, True], [True, False, True], 2),
    ],
)
def test_the_first_of_known_size_else_the_first_that_can_be_decoded(
    size_known: list[bool], has_decoder: list[bool], chosen: int
) -> None:
    assert Tracks(size_known, has_decoder, 0.0).chosen == chosen


@pytest.mark.parametrize(
    ("has_decoder", "packets", "taken", "chosen"),
    [
        # (track, seconds after PLAY)
        ([True], [(0, 0.0), (0, 100.0)], [True, True], 0),
        ([True, True], [(0, 0.1), (1, 0.1), (0, 9.0), (1, 9.0)], [True, False, True, False], 0),
        ([True, True], [(1, 0.1), (1, SILENT_AFTER_S - 0.1), (0, SILENT_AFTER_S)], [False, False, True], 0),
        ([True, True], [(1, 0.1), (1, SILENT_AFTER_S), (1, 2.1)], [False, True, True], 1),
        # The one that was silent begins after all.
        ([True, True], [(1, SILENT_AFTER_S), (0, 2.1), (1, 2.1)], [True, False, True], 1),
        # One that has sent something is kept, however long it says nothing.
        ([True, True], [(0, 0.1), (1, 99.0)], [True, False], 0),
        ([True, False, True], [(1, 9.0), (2, 9.0)], [False, True], 2),
    ],
)
def test_a_track_that_sends_nothing_gives_way_to_the_first_that_does(
    has_decoder: list[bool], packets: list[tuple[int, float]], taken: list[bool], chosen: int
) -> None:
    tracks = Tracks(has_decoder, has_decoder, 1000.0)
    assert [tracks.takes(track, 1000.0 + s) for track, s in packets] == taken
    assert tracks.chosen == chosen
