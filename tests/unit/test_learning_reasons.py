"""When a frame is worth labelling, reason by reason: small tables of boxes and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest

from safetygear.learning.example import Reason
from safetygear_inference.judging.observation import Gear, GearState
from safetygear_inference.learning.disagreement import LONGEST_GAP_S, SURE_AFTER_FRAMES, Disagreement
from safetygear_inference.learning.observed import WHOLE, BoxNorm, FollowedPerson, Observed, SeenBox
from safetygear_inference.learning.random_share import RandomShare
from safetygear_inference.learning.rare_classes import HALVED_AT, KNOWN_AFTER, RareClasses
from safetygear_inference.learning.selection import CAMERAS_KEPT, Selection
from safetygear_inference.learning.uncertainty import Uncertainty
from safetygear_inference.learning.vote_flips import TRACKS_KEPT, VoteFlips

INSIDE: BoxNorm = (0.4, 0.3, 0.5, 0.8)
BESIDE: BoxNorm = (0.7, 0.3, 0.8, 0.8)
AT_EDGE: BoxNorm = (0.0, 0.3, 0.1, 0.8)


def box(label: str = "person", probability: float = 0.9, xyxy: BoxNorm = INSIDE, track: str | None = None) -> SeenBox:
    return SeenBox(label, probability, 0.35, xyxy, track, label == "person")


def person(track: str = "t1", xyxy: BoxNorm = INSIDE, gear: Mapping[Gear, GearState] | None = None) -> FollowedPerson:
    return FollowedPerson(track, xyxy, gear or {})


def frame(
    *boxes: SeenBox,
    people: Sequence[FollowedPerson] = (),
    unseen: Sequence[BoxNorm] = (),
    now_s: float = 0.0,
    camera: str = "gate",
) -> Observed:
    return Observed(camera, now_s, "0" * 64, tuple(boxes), tuple(people), tuple(unseen))


@pytest.mark.parametrize(
    ("probabilities", "focus"),
    [
        ((0.9, 0.2), None),
        ((), None),
        ((0.9, 0.36), 1),
        ((0.34, 0.9), 0),
        ((0.41, 0.9), None),
    ],
    ids=["sure", "empty", "just shown", "just not shown", "beyond the middle of the band"],
)
def test_a_box_near_its_threshold_is_uncertain(probabilities: Sequence[float], focus: int | None) -> None:
    places = (INSIDE, BESIDE)
    boxes = [box(probability=p, xyxy=place) for p, place in zip(probabilities, places, strict=False)]
    wishes = Uncertainty().look(frame(*boxes))
    assert [wish.focus_norm for wish in wishes] == ([] if focus is None else [places[focus]])


def test_somebody_whom_the_frame_cuts_is_doubtful_for_another_reason() -> None:
    assert Uncertainty().look(frame(box(probability=0.36, xyxy=AT_EDGE), box(probability=0.9))) == []


def test_where_much_is_uncertain_only_the_most_uncertain_frames_count() -> None:
    uncertainty, random = Uncertainty(), Random(1)
    scores = [random.uniform(0.3, 0.4) for _ in range(4000)]
    found = [uncertainty.look(frame(box(probability=p))) for p in scores]
    later = [bool(wishes) for wishes in found[1000:]]
    assert 0.02 < sum(later) / len(later) < 0.1, "about one in twenty"
    assert uncertainty.look(frame(box(probability=0.31), camera="quiet")), "another camera has its own bar"


def after(*before: Observed, now: Observed, frames: int = SURE_AFTER_FRAMES) -> list[tuple[float, BoxNorm, bool]]:
    disagreement = Disagreement()
    for number in range(frames - 1):
        disagreement.look(frame(people=before[0].people, now_s=before[0].now_s - 0.2 * (frames - number)))
    for one in before:
        disagreement.look(one)
    return [(wish.score, wish.focus_norm, wish.earlier) for wish in disagreement.look(now)]


MOVED: BoxNorm = (0.41, 0.3, 0.51, 0.8)


def test_a_followed_person_without_a_box_is_a_disagreement() -> None:
    before = frame(box(track="t1"), people=[person()])
    lost = frame(unseen=[MOVED], now_s=0.2)
    assert after(before, now=lost) == [(0.2, MOVED, False)]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (frame(people=[person()]), frame(people=[person()], now_s=0.2)),
        (frame(people=[person()]), frame(now_s=0.2)),
        (frame(people=[person()]), frame(unseen=[BESIDE], now_s=0.2)),
        (frame(people=[person()]), frame(unseen=[MOVED], now_s=LONGEST_GAP_S + 0.1)),
        (frame(people=[person(xyxy=AT_EDGE)]), frame(unseen=[AT_EDGE], now_s=0.2)),
        (frame(people=[person()]), frame(people=[person("t2", MOVED)], unseen=[MOVED], now_s=0.2)),
        (frame(people=[person()]), frame(unseen=[MOVED], now_s=-0.2)),
    ],
    ids=["seen", "followed no more", "expected elsewhere", "long ago", "leaves", "behind somebody", "clock"],
)
def test_who_is_seen_hidden_or_gone_is_none(before: Observed, now: Observed) -> None:
    assert after(before, now=now) == []


def test_who_was_hardly_seen_is_not_known_to_be_there() -> None:
    assert after(frame(people=[person()]), now=frame(unseen=[MOVED], now_s=0.2), frames=SURE_AFTER_FRAMES - 1) == []


@pytest.mark.parametrize(
    ("boxes", "now", "found"),
    [
        ([box(track=None, probability=0.8)], frame(now_s=0.2), [(0.8, INSIDE, True)]),
        ([box(track="new", probability=0.8)], frame(unseen=[INSIDE], now_s=0.2), [(0.8, INSIDE, True)]),
        ([box(track=None)], frame(box(probability=0.25, xyxy=MOVED), now_s=0.2), []),
        ([box(track=None, xyxy=AT_EDGE)], frame(now_s=0.2), []),
        ([box(track=None, probability=0.3)], frame(now_s=0.2), []),
        ([box("helmet")], frame(now_s=0.2), []),
        ([box(track=None)], frame(now_s=5.0), []),
    ],
    ids=["nobody's", "first seen", "still there, weakly", "leaves", "weak anyway", "no person", "long ago"],
)
def test_a_person_s_box_that_is_gone_at_once_is_a_disagreement_of_the_frame_before(
    boxes: list[SeenBox], now: Observed, found: list[tuple[float, BoxNorm, bool]]
) -> None:
    disagreement = Disagreement()
    disagreement.look(frame(now_s=-0.2))
    people = [person(one.track, one.xyxy_norm) for one in boxes if one.track is not None]
    disagreement.look(frame(*boxes, people=people))
    assert [(wish.score, wish.focus_norm, wish.earlier) for wish in disagreement.look(now)] == found


@pytest.mark.parametrize(
    ("states", "scores"),
    [
        (["worn", "worn"], []),
        (["unknown", "worn", "unknown", "worn"], []),
        (["worn", "unknown", "missing"], [0.5]),
        (["missing", "carried"], []),
        (["worn", "missing", "worn", "carried"], [0.5, 0.75, 0.875]),
    ],
)
def test_gear_that_is_voted_worn_and_then_not_flips(states: Sequence[GearState], scores: Sequence[float]) -> None:
    flips = VoteFlips()
    found = [wish for state in states for wish in flips.look(frame(people=[person(gear={"helmet": state})]))]
    assert [wish.score for wish in found] == scores
    assert all(wish.focus_norm == INSIDE for wish in found)


def test_tracks_do_not_pile_up() -> None:
    flips = VoteFlips()
    for number in range(TRACKS_KEPT + 10):
        flips.look(frame(people=[person(f"t{number}", gear={"helmet": "worn"})]))
    assert len(flips._tracks) == TRACKS_KEPT
    assert flips.look(frame(people=[person("t0", gear={"helmet": "missing"})])) == [], "forgotten"


def test_a_label_is_rare_once_enough_was_seen() -> None:
    classes = RareClasses()
    often = frame(box("person"), box("helmet", xyxy=BESIDE))
    rare = frame(box("person"), box("head", xyxy=BESIDE), box("head", 0.5, AT_EDGE))
    assert classes.look(rare) == [], "nobody knows yet"
    for _ in range(KNOWN_AFTER):
        assert classes.look(often) == []
    (wish,) = classes.look(rare)
    assert wish.focus_norm == BESIDE, "the surest one"
    assert 0.9 < wish.score < 1
    assert classes.look(frame(box("head", 0.2))) == [], "a weak box is not shown"


def test_rarity_fades_as_a_label_becomes_usual_and_is_kept_over_restarts() -> None:
    classes = RareClasses({"person": HALVED_AT - 2, "head": 10}, HALVED_AT - 1)
    assert classes.look(frame(box("head")))
    assert (classes.frames, classes.counts) == (HALVED_AT // 2, {"person": (HALVED_AT - 2) // 2, "head": 5})
    kept = RareClasses(dict(classes.counts), classes.frames)
    for _ in range(HALVED_AT // 10):
        kept.look(frame(box("head")))
    assert kept.look(frame(box("head"))) == []


def test_random_frames_come_at_the_rate_asked_for_and_from_every_camera_alike() -> None:
    share, drawn = RandomShare(Random(3)), {"slow": 0, "fast": 0}
    hours = 400
    for step in range(hours * 3600):
        for camera in ("fast", "fast", "slow") if step % 2 else ("fast",):
            drawn[camera] += len(share.look(frame(now_s=step, camera=camera), per_hour=2.0))
    assert 0.85 * 2 * hours < sum(drawn.values()) < 1.15 * 2 * hours
    assert 0.75 < drawn["slow"] / drawn["fast"] < 1.33


def test_no_random_frame_where_none_is_asked_for_and_what_is_shown_is_its_focus() -> None:
    share = RandomShare(Random(3))
    assert not any(share.look(frame(now_s=second), per_hour=0) for second in range(100_000))
    boxes = (box(), box(xyxy=BESIDE), box(xyxy=AT_EDGE, probability=0.2))
    first = next(found for second in range(10_000) if (found := share.look(frame(*boxes, now_s=second), per_hour=60)))
    assert first[0].focus_norm == (0.4, 0.3, 0.8, 0.8)
    empty = next(found for second in range(10_000, 20_000) if (found := share.look(frame(now_s=second), per_hour=60)))
    assert empty[0].focus_norm == WHOLE


def test_only_wanted_reasons_come_back_and_cameras_do_not_pile_up() -> None:
    selection = Selection(Random(1))
    sure = frame(box(probability=0.35))

    def look(one: Observed, *wanted: Reason) -> list[str]:
        found = selection.look(one, wanted=wanted, wall_s=0.0, random_per_hour=0, reference_s=3600)
        return [wish.reason for wish in found]

    assert look(sure, "uncertain") == ["uncertain"]
    assert look(sure, "random", "drift") == []
    for number in range(CAMERAS_KEPT + 10):
        look(frame(box(probability=0.35), camera=f"c{number}"), "uncertain")
    assert len(selection._uncertainty._bar) == len(selection._disagreement._cameras) == CAMERAS_KEPT
