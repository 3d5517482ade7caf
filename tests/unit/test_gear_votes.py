"""A state needs evidence for its stated time; unknown evidence is none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetygear_inference.compliance.judging_config import VoteConfig
from safetygear_inference.compliance.vote import GearVotes
from safetygear_inference.judging.observation import GearEvidence, GearState

CONFIG = VoteConfig(missing_after_s=1.0, worn_after_s=0.6, unknown_after_s=5.0, decay_s=4.0, max_step_s=0.5)
REASON = {"worn": "helmet-on-head", "missing": "bare-head", "carried": "helmet-off-head", "unknown": "not-seen"}
OF = {"w": "worn", "m": "missing", "c": "carried", "u": "unknown"}


def say(state: str, weight: float = 1.0, reason: str | None = None) -> GearEvidence:
    known: GearState = state  # type: ignore[assignment]  # one of the four
    return GearEvidence(known, 0.0 if state == "unknown" else weight, reason or REASON[state], None)


class Person:
    """One track's helmet, frame by frame."""

    def __init__(self, config: VoteConfig = CONFIG) -> None:
        self.votes = GearVotes(config)
        self.now_s = 100.0
        self.state, self.reason, self.confidence = "unknown", "", 0.0

    def see(self, state: str, *, every_s: float = 0.2, weight: float = 1.0, reason: str | None = None) -> str:
        states, reasons, confidence = self.votes.update("t", {"helmet": say(state, weight, reason)}, self.now_s)
        self.state, self.reason, self.confidence = states["helmet"], reasons["helmet"], confidence["helmet"]
        self.now_s += every_s
        return self.state

    def after(self, state: str, until: str, *, every_s: float = 0.2, weight: float = 1.0) -> float:
        """Seconds from the first of the frames of `state` to the first that is judged `until`."""
        began_s = self.now_s
        for _ in range(1000):
            if self.see(state, every_s=every_s, weight=weight) == until:
                return self.now_s - every_s - began_s
        raise AssertionError(f"never {until}, still {self.state}")


@pytest.mark.parametrize("every_s", [0.1, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(("state", "stated_s"), [("missing", 1.0), ("carried", 1.0), ("worn", 0.6)])
def test_a_new_person_is_decided_after_the_stated_time(state: str, stated_s: float, every_s: float) -> None:
    took_s = Person().after(state, state, every_s=every_s)
    # Below 2 fps (max_step_s) evidence fades a little from frame to frame.
    assert stated_s - 1e-6 <= took_s <= stated_s + (every_s if every_s < 1 else 2.5 * every_s)


@pytest.mark.parametrize(("weight", "took_s"), [(1.0, 1.0), (0.5, 2.0), (0.25, 4.0)])
def test_weaker_evidence_takes_longer(weight: float, took_s: float) -> None:
    assert Person().after("missing", "missing", weight=weight) == pytest.approx(took_s, abs=0.21)


@pytest.mark.parametrize(
    ("before", "then", "stated_s"), [("worn", "missing", 1.0), ("missing", "worn", 0.6), ("carried", "worn", 0.6)]
)
def test_the_two_directions_have_times_of_their_own(before: str, then: str, stated_s: float) -> None:
    person = Person()
    person.after(before, before)
    for _ in range(50):
        person.see(before)
    assert stated_s <= person.after(then, then) + 0.2 + 1e-6 <= stated_s + 0.4


@pytest.mark.parametrize(
    ("frames", "state"),
    [
        ("wwwwwwwwww", "worn"),
        ("wwwwwwwwwwm", "worn"),
        ("wwwwwwwwwwmmmm", "worn"),
        ("wwwwwmwwwwmwwwmmwwwm", "worn"),
        ("wmwmwmwmwmwmwmwmwmwm", "unknown"),
        ("mmwmmmwmmmwmmm", "missing"),
        ("uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu", "unknown"),
        ("mmmmmmuuuu", "missing"),
        ("mmmuuummmm", "missing"),
        ("mmmmmmuuuuuuuuuuuuuuuuuuuuuuuuu", "unknown"),
        # The hand is often hidden: seen in a third of the frames, it is carried.
        ("cmmcmmcmmcmmcmmcmmcmmcmmcmmcmmcmm", "carried"),
        ("mmmmmmmmmmmmcmmmmmmmmm", "missing"),
        ("ccccccccmmmmmmm", "carried"),
        ("ccccccccmmmmmmmmmmmmmmmmmmmmmmmmm", "missing"),
        ("mmmmmmmmcccccccc", "carried"),
        ("ccccccccwwwwwwww", "worn"),
        # A head that is hidden while the helmet is put on.
        ("ccccccccuuuuwwwww", "worn"),
    ],
)
def test_what_a_row_of_frames_at_5_fps_says(frames: str, state: str) -> None:
    person = Person()
    for letter in frames:
        person.see(OF[letter])
    assert person.state == state


@pytest.mark.parametrize("every_s", [0.5, 1.0, 3.0, 4.9])
def test_one_frame_alone_decides_nothing_however_slow_the_camera(every_s: float) -> None:
    person = Person(VoteConfig(missing_after_s=0.2, worn_after_s=0.2, max_step_s=10, decay_s=600))
    person.after("worn", "worn", every_s=every_s)
    assert person.see("missing", every_s=every_s) == "worn"
    assert person.see("worn", every_s=every_s) == "worn"
    assert person.see("missing", every_s=every_s) == "worn"


def test_a_gap_is_no_evidence() -> None:
    person = Person()
    person.see("missing", every_s=4.0)
    assert person.see("missing") == "unknown"
    person = Person()
    person.after("worn", "worn")
    person.now_s += 60
    assert person.see("missing") == "unknown"
    assert person.after("missing", "missing") == pytest.approx(1.0 - 0.2, abs=0.01)


def test_old_evidence_fades() -> None:
    fresh, faded = Person(), Person()
    for person in (fresh, faded):
        for _ in range(5):
            person.see("missing")
    for _ in range(20):
        faded.see("unknown")
    assert fresh.after("missing", "missing") < faded.after("missing", "missing")


def test_what_was_decided_against_takes_its_whole_time_again() -> None:
    person = Person(VoteConfig(missing_after_s=1.0, worn_after_s=0.2))
    for _ in range(5):
        person.see("missing")
    assert person.after("worn", "worn") <= 0.4
    assert person.after("missing", "missing") + 0.2 >= 1.0


def test_a_frame_counts_for_no_longer_than_the_longest_step() -> None:
    quick, slow = Person(VoteConfig(max_step_s=0.2)), Person(VoteConfig(max_step_s=0.1, decay_s=600))
    assert slow.after("missing", "missing") == pytest.approx(2 * quick.after("missing", "missing"), abs=0.21)


def test_a_clock_that_steps_back_adds_nothing() -> None:
    person = Person()
    person.see("missing")
    person.now_s -= 50
    for _ in range(20):
        assert person.see("missing") == "unknown"


def test_unknown_is_taken_on_after_its_time_and_says_why() -> None:
    person = Person()
    person.after("worn", "worn")
    last_s = person.now_s - 0.2
    while person.see("unknown", reason="occluded") == "worn":
        assert person.reason == "helmet-on-head"
    assert person.now_s - 0.2 - last_s == pytest.approx(5.0)
    assert (person.state, person.reason, person.confidence) == ("unknown", "occluded", 0.0)
    assert person.see("unknown", reason="truncated") == "unknown"
    assert person.reason == "truncated"


def test_the_reason_is_the_state_s_own() -> None:
    person = Person()
    person.see("missing")
    assert (person.state, person.reason) == ("unknown", "undecided")
    person.after("missing", "missing")
    person.see("worn")
    assert (person.state, person.reason) == ("missing", "bare-head")
    person = Person()
    person.see("unknown", reason="occluded")
    person.see("missing")
    assert (person.state, person.reason) == ("unknown", "undecided")


def test_confidence_grows_with_agreement_and_falls_without() -> None:
    person = Person()
    person.after("worn", "worn")
    early = person.confidence
    for _ in range(30):
        person.see("worn")
    settled = person.confidence
    for _ in range(3):
        person.see("missing")
    assert 0 < early < settled < 1
    assert settled > 0.9
    assert person.state == "worn"
    assert person.confidence < settled


def test_confidence_is_of_the_recent_evidence() -> None:
    person = Person()
    for _ in range(300):
        person.see("worn")
    for _ in range(50):
        person.see("missing")
    assert person.state == "missing"
    assert person.confidence > 0.8


def test_carried_and_bare_agree() -> None:
    person = Person()
    for letter in "cm" * 15:
        person.see(OF[letter])
    assert person.state == "carried"
    assert person.confidence > 0.8


def test_gear_and_tracks_are_apart() -> None:
    votes = GearVotes(CONFIG)
    for n in range(10):
        both = votes.update("a", {"helmet": say("worn"), "vest": say("missing", reason="no-vest")}, n * 0.2)
        other = votes.update("b", {"helmet": say("unknown")}, n * 0.2)
    assert both[0] == {"helmet": "worn", "vest": "missing"}
    assert both[1] == {"helmet": "helmet-on-head", "vest": "no-vest"}
    assert other[0] == {"helmet": "unknown"}


def test_an_ended_track_starts_anew() -> None:
    person = Person()
    person.after("missing", "missing")
    person.votes.forget("t")
    person.votes.forget("never seen")
    assert len(person.votes) == 0
    assert person.see("missing") == "unknown"


def test_the_longest_unseen_track_goes_when_there_are_too_many() -> None:
    votes = GearVotes(VoteConfig(max_tracks=8))
    for n in range(6):
        votes.update("kept", {"helmet": say("worn")}, n * 0.2)
    for n in range(20):
        votes.update(f"t{n}", {"helmet": say("worn")}, 2.0)
        states, _, _ = votes.update("kept", {"helmet": say("worn")}, 2.0)
    assert len(votes) == 8
    assert votes.dropped == 20 - 7
    assert states == {"helmet": "worn"}


def test_gear_no_longer_asked_for_is_forgotten() -> None:
    votes = GearVotes(CONFIG)
    for n in range(10):
        votes.update("a", {"helmet": say("worn"), "vest": say("worn")}, n * 0.2)
    assert votes.update("a", {"helmet": say("worn")}, 2.0)[0] == {"helmet": "worn"}
    assert votes.update("a", {"helmet": say("worn"), "vest": say("worn")}, 2.2)[0]["vest"] == "unknown"


times = st.one_of(st.floats(0, 1.5), st.floats(-5, 30), st.just(0.2))
frames = st.lists(
    st.tuples(st.sampled_from(["worn", "missing", "carried", "unknown"]), st.floats(0, 1), times), max_size=120
)
configs = st.builds(
    VoteConfig,
    missing_after_s=st.sampled_from([0.1, 1.0, 3.0]),
    worn_after_s=st.sampled_from([0.1, 0.6, 4.0]),
    unknown_after_s=st.sampled_from([0.2, 5.0]),
    decay_s=st.sampled_from([0.5, 4.0, 600.0]),
    max_step_s=st.sampled_from([0.05, 0.5, 10.0]),
)


@settings(max_examples=400, deadline=None)
@given(configs, frames)
def test_no_state_is_taken_on_faster_than_its_time_nor_without_evidence(
    config: VoteConfig, row: list[tuple[str, float, float]]
) -> None:
    stated_s = {"worn": config.worn_after_s, "missing": config.missing_after_s, "carried": config.missing_after_s}
    person = Person(config)
    changed_s = newest_s = person.now_s
    before, support = "unknown", dict.fromkeys(stated_s, 0)
    for state, weight, every_s in row:
        newest_s = max(newest_s, person.now_s)
        if state != "unknown" and weight > 0:
            support[state] += 1
        person.see(state, weight=weight, every_s=every_s)
        assert 0 <= person.confidence <= 1 and math.isfinite(person.confidence)
        assert (person.confidence == 0) or person.state != "unknown"
        if person.state == before:
            continue
        if person.state != "unknown":
            assert newest_s - changed_s >= stated_s[person.state] - 1e-6
            backing = support[person.state] + (support["carried"] if person.state == "missing" else 0)
            assert backing >= 2
        before, changed_s = person.state, newest_s


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["worn", "unknown"]), st.floats(0, 1), times), max_size=80))
def test_nobody_is_missing_a_helmet_for_not_being_seen(row: list[tuple[str, float, float]]) -> None:
    person = Person()
    for state, weight, every_s in row:
        assert person.see(state, weight=weight, every_s=every_s) in ("worn", "unknown")
