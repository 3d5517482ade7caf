"""Whatever frames come, in whatever time: ids are unique, nobody shares one, and each track ends once."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from safetygear.geometry import Boxes, as_xyxy
from safetygear_inference.tracking import PersonTracker, TrackIds, TrackingConfig

side = st.floats(0, 1, width=32)
boxes = st.lists(st.tuples(side, side, side, side, st.floats(0, 1, width=32)), max_size=12)
MAX_TRACKS = 8
LIMITS_S = TrackingConfig()


def right_half(xyxy: Boxes) -> bool:
    return float(xyxy[0] + xyxy[2]) > 1


class Frames(RuleBasedStateMachine):
    """Boxes of no plausibility at all, empty ones among them, and a process that starts anew now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.starts = 0
        self.now_s = 0.0
        self.ended: set[str] = set()
        self.seen_s: dict[str, float] = {}
        self.walking: list[list[float]] = []
        self.start()

    def start(self) -> None:
        self.starts += 1
        self.tracker = PersonTracker(TrackingConfig(max_tracks=MAX_TRACKS), TrackIds(f"s{self.starts}"))

    @rule(found=boxes, gap_s=st.sampled_from([0.0, 0.1, 0.5, 1.0, 5.0]), ignoring=st.booleans())
    def frame(self, found: list[tuple[float, float, float, float, float]], gap_s: float, ignoring: bool) -> None:
        self.update(as_xyxy([box[:4] for box in found]), [box[4] for box in found], gap_s, ignoring)

    @rule(x=st.floats(0.1, 0.9), probability=st.floats(0.5, 1), gap_s=st.sampled_from([0.1, 0.5]))
    def somebody_comes(self, x: float, probability: float, gap_s: float) -> None:
        self.walking = [*self.walking[-5:], [x - 0.05, 0.3, x + 0.05, 0.7, probability]]
        self.walk(gap_s, 0.0)

    @rule(gap_s=st.sampled_from([0.0, 0.1, 0.2, 0.5]), way=st.floats(-0.05, 0.05))
    def walk(self, gap_s: float, way: float) -> None:
        for box in self.walking:
            box[0] += way
            box[2] += way
        self.update(as_xyxy([box[:4] for box in self.walking]), [box[4] for box in self.walking], gap_s, False)

    def update(self, found: Boxes, probability: list[float], gap_s: float, ignoring: bool) -> None:
        self.now_s += gap_s
        before = set(self.seen_s)
        tracked = self.tracker.update(
            found,
            np.array(probability, np.float32),
            now_s=self.now_s,
            ignore=right_half if ignoring else None,
        )
        assert not set(tracked.ended) & self.ended
        assert len(set(tracked.ended)) == len(tracked.ended)
        assert set(tracked.ended) <= before
        for track in tracked.ended:
            assert self.now_s - self.seen_s.pop(track) > min(LIMITS_S.exit_s, LIMITS_S.occlusion_s) - 1e-3
        self.ended |= set(tracked.ended)
        tracks = [person.track for person in tracked.people]
        assert len(set(tracks)) == len(tracks)
        assert len({person.box_index for person in tracked.people}) == len(tracks)
        for person in tracked.people:
            assert person.track not in self.ended
            assert person.track.startswith(f"s{self.starts}-")
            assert np.array_equal(person.xyxy_norm, found[person.box_index])
            assert np.isfinite(person.xyxy_norm).all()
            if person.track not in before and ignoring:
                assert not right_half(person.xyxy_norm)
            self.seen_s[person.track] = self.now_s

    @precondition(lambda self: self.seen_s)
    @rule()
    def camera_goes(self) -> None:
        ended = self.tracker.end_all()
        assert sorted(ended) == sorted(self.seen_s)
        self.ended |= set(ended)
        self.seen_s.clear()

    @rule()
    def restart(self) -> None:
        self.ended |= set(self.seen_s)
        self.seen_s.clear()
        self.start()

    @invariant()
    def bounded_and_nobody_overdue(self) -> None:
        assert self.tracker.alive <= MAX_TRACKS
        assert all(self.now_s - seen_s <= LIMITS_S.occlusion_s + 1e-3 for seen_s in self.seen_s.values())


TestFrames = Frames.TestCase
TestFrames.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
