"""Episodes: when they open, go on, are found again and end, frame by frame on a fake clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from safetygear.twin.reading import read_desired
from safetygear_inference.compliance.camera_episodes import LONGEST_RESTART_S
from safetygear_inference.compliance.episode import (
    EpisodeChange,
    EpisodeStateError,
    decode_state,
    encode_state,
    episode_id,
)
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.kpi import ComplianceKpi
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig, ZoneConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.observation import GearState, JudgedPerson

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
WALL_S = 1_790_000_000.0
STEP_S = 0.2
HELMET = RulesConfig(requires=("helmet",))
CONFIG = EpisodeConfig()


def person(
    track: str = "t1", helmet: GearState = "missing", *, x: float = 0.3, y: float = 0.7, size: float = 0.3, **more: Any
) -> JudgedPerson:
    gear = {"helmet": helmet} | more
    box = np.array([x - size / 6, y - size, x + size / 6, y], np.float32)
    return JudgedPerson(track, box, gear, dict.fromkeys(gear, "seen"), dict.fromkeys(gear, 0.8))


class Site:
    """One camera on a fake clock: frames go in, changes pile up."""

    def __init__(
        self,
        rules: RulesConfig = HELMET,
        config: EpisodeConfig = CONFIG,
        zones: dict[str, ZoneConfig] | None = None,
        now_s: float = 100.0,
    ) -> None:
        self.rules, self.config = rules, config
        self.plan = ZonePlan({"gate": zones} if zones else {}, {}, rules)
        self.episodes = Episodes(self.plan, config, origin="box/inference")
        self.now_s, self.wall_s = now_s, WALL_S
        self.changes: list[EpisodeChange] = []

    def frames(self, people: Sequence[JudgedPerson], seconds: float = STEP_S, step_s: float = STEP_S) -> Site:
        for _ in range(round(seconds / step_s)):
            self.pass_time(step_s)
            self.changes += self.episodes.update("gate", people, now_s=self.now_s, wall_s=self.wall_s)
        return self

    def pass_time(self, seconds: float) -> Site:
        self.now_s += seconds
        self.wall_s += seconds
        return self

    def tick(self) -> Site:
        self.changes += self.episodes.tick(now_s=self.now_s, wall_s=self.wall_s)
        return self

    def restart(self, away_s: float = 5.0, now_s: float = 3.0) -> Site:
        data = encode_state(self.episodes.snapshot(now_s=self.now_s, wall_s=self.wall_s))
        self.episodes = Episodes(self.plan, self.config, origin="box/inference")
        self.wall_s += away_s
        self.now_s = now_s
        self.changes += self.episodes.restore(decode_state(data), now_s=self.now_s, wall_s=self.wall_s)
        return self

    @property
    def told(self) -> list[tuple[str, str | None]]:
        return [(change.state, change.close_reason) for change in self.changes]


OPEN = ("open", None)


def test_a_violation_is_told_once_after_its_minimum_duration_and_closed_when_it_is_over() -> None:
    site = Site().frames([person()], 2.0)
    assert site.told == [], "1.8 s of violation are seen so far"
    site.frames([person()])
    (opened,) = site.changes
    assert (opened.camera, opened.zone, opened.rule, opened.severity) == ("gate", "default", "no-helmet", "medium")
    assert (opened.track, opened.seen_as, opened.reason, opened.confidence) == ("t1", "t1", "missing-helmet", 0.8)
    assert (opened.opened_at_s, opened.began_at_s) == pytest.approx((WALL_S + 2.2, WALL_S + 0.2))
    site.frames([person()], 10).frames([person(helmet="worn")], 4)
    assert site.told == [OPEN, ("closed", "complied")]
    closed = site.changes[1]
    assert (closed.id, closed.opened_at_s) == (opened.id, opened.opened_at_s)
    assert closed.closed_at_s == closed.updated_at_s == pytest.approx(WALL_S + 12.4)
    assert closed.violating_s == pytest.approx(12.0)
    assert (opened.dedup_key, closed.dedup_key) == (f"{opened.id}:open", f"{opened.id}:closed")


@pytest.mark.parametrize(
    ("minimum_s", "frames", "opens"),
    [
        (0.0, [("missing", 0.2)], True),
        (2.0, [("missing", 2.2)], True),
        (2.0, [("carried", 2.2)], True),
        (2.0, [("missing", 1.0), ("carried", 1.2)], True),
        (2.0, [("worn", 9.0)], False),
        (2.0, [("unknown", 60.0)], False),
        (2.0, [("missing", 1.8), ("worn", 0.2), ("missing", 1.8)], False),
        # What can't be judged holds what was seen, for a while, and does not count itself.
        (2.0, [("missing", 1.2), ("unknown", 5.0), ("missing", 0.8)], False),
        (2.0, [("missing", 1.2), ("unknown", 5.0), ("missing", 1.4)], True),
        (2.0, [("missing", 1.2), ("unknown", 16.0), ("missing", 1.4)], False),
    ],
)
def test_when_it_opens(minimum_s: float, frames: list[tuple[GearState, float]], opens: bool) -> None:
    site = Site(RulesConfig(requires=("helmet",), minimum_duration_s=minimum_s))
    for state, seconds in frames:
        site.frames([person(helmet=state)], seconds)
    assert site.told == ([OPEN] if opens else [])


def test_gear_that_nobody_judged_is_unknown() -> None:
    assert Site(RulesConfig(requires=("goggles",))).frames([person()], 9).told == []


def test_both_required_open_two_episodes_with_reasons_of_their_own() -> None:
    site = Site(RulesConfig()).frames([person(helmet="carried", vest="missing")], 3)
    assert [(change.rule, change.reason) for change in site.changes] == [
        ("no-helmet", "carried-helmet"),
        ("no-vest", "missing-vest"),
    ]
    assert len({change.id for change in site.changes}) == 2


def test_overlapping_zones_each_judge_on_their_own() -> None:
    zones = {
        "yard": ZoneConfig(polygon=LEFT, severity="high"),
        "dock": ZoneConfig(polygon=LEFT, minimum_duration_s=4, requires=("helmet",)),
    }
    site = Site(zones=zones).frames([person()], 3)
    assert [(change.zone, change.severity) for change in site.changes] == [("yard", "high")]
    site.frames([person()], 2)
    assert [change.zone for change in site.changes] == ["yard", "dock"]


def test_outside_a_zone_nothing_opens_and_leaving_it_closes() -> None:
    site = Site(zones={"yard": ZoneConfig(polygon=LEFT)}).frames([person(x=0.7)], 9)
    assert site.told == []
    site.frames([person(x=0.3)], 3).frames([person(x=0.7)], 0.8)
    assert site.told == [OPEN], "a second outside is needed"
    site.frames([person(x=0.7)], 1)
    assert site.told == [OPEN, ("closed", "left")]


def test_what_can_not_be_judged_holds_an_episode_for_a_while() -> None:
    site = Site().frames([person()], 3).frames([person(helmet="unknown")], 14)
    assert site.told == [OPEN]
    site.frames([person()], 1).frames([person(helmet="unknown")], 15.4)
    assert site.told == [OPEN, ("closed", "track-lost")]
    assert site.changes[1].closed_at_s == pytest.approx(WALL_S + 18), "when it was last seen"
    assert site.frames([person(helmet="unknown")], 60).told == site.told


@pytest.mark.parametrize(
    ("last", "reason"), [(person(), "track-lost"), (person(x=0.05), "left"), (person(x=0.97), "left")]
)
def test_who_is_lost_is_closed_after_the_merge_window(last: JudgedPerson, reason: str) -> None:
    site = Site().frames([last], 3).frames([], 4.8)
    assert site.told == [OPEN]
    site.frames([], 0.4)
    assert site.told == [OPEN, ("closed", reason)]
    assert site.changes[1].closed_at_s == pytest.approx(WALL_S + 3), "when it was last seen"


def test_the_same_track_goes_on_after_a_gap() -> None:
    assert Site().frames([person()], 3).frames([], 4).frames([person()], 20).told == [OPEN]


def test_a_new_track_near_the_lost_one_goes_on_with_its_episode() -> None:
    site = Site().frames([person()], 3).frames([], 1).frames([person("t2", "unknown", x=0.32)], 2)
    site.frames([person("t2", x=0.34)], 3).frames([person("t2", "worn", x=0.34)])
    assert site.told == [OPEN, ("closed", "complied")]
    opened, closed = site.changes
    assert (closed.id, closed.track, closed.seen_as) == (opened.id, "t1", "t2")
    # The second in which nobody was seen and the two in which he was not judged are no violation.
    assert closed.violating_s == pytest.approx(2.8 + 2.8)


def test_recognising_the_lost_person_may_take_longer_than_the_merge_window() -> None:
    site = Site().frames([person()], 3).frames([], 1).frames([person("t2", "unknown")], 8).frames([person("t2")], 1)
    assert site.told == [OPEN]
    site = Site().frames([person()], 3).frames([], 1).frames([person("t2", "unknown")], 16)
    assert site.told == [OPEN, ("closed", "track-lost")]


@pytest.mark.parametrize(
    "other",
    [
        [person("t2", x=0.8)],
        [person("t2", size=0.6)],
        [person("t2", "worn")],
    ],
    ids=["elsewhere", "another size", "wears it"],
)
def test_somebody_else_does_not_go_on_with_it(other: list[JudgedPerson]) -> None:
    site = Site().frames([person()], 3).frames(other, 6)
    assert next(change for change in site.changes if change.state == "closed").close_reason == "track-lost"
    assert all(change.seen_as == change.track for change in site.changes)


def test_somebody_who_was_there_all_the_time_does_not_go_on_with_it() -> None:
    both = [person("t1"), person("t2", "unknown", x=0.33)]
    site = Site().frames(both, 3).frames([person("t2", x=0.33)], 6)
    assert [(change.state, change.track) for change in site.changes] == [
        ("open", "t1"),
        ("open", "t2"),
        ("closed", "t1"),
    ]


def test_two_lost_and_two_found_each_go_on_with_the_nearest() -> None:
    site = Site().frames([person("a", x=0.3), person("b", x=0.45)], 3).frames([], 0.6)
    site.frames([person("c", x=0.44), person("d", x=0.31)], 1).frames([], 6)
    assert {(c.track, c.seen_as) for c in site.changes if c.state == "closed"} == {("a", "d"), ("b", "c")}
    assert len(site.changes) == 4


def test_one_who_is_found_goes_on_with_one_of_two_who_were_lost() -> None:
    site = Site().frames([person("a", x=0.3), person("b", x=0.36)], 3).frames([person("c", x=0.3)], 5.4)
    assert [(c.state, c.track) for c in site.changes] == [("open", "a"), ("open", "b"), ("closed", "b")]
    (left,) = site.episodes.open_episodes()
    assert (left.track, left.seen_as) == ("a", "c")


def test_a_track_that_comes_and_goes_holds_a_lost_one_no_longer_than_one_that_stays() -> None:
    site = Site().frames([person()], 3)
    for _ in range(16):
        site.frames([person("t2", "unknown")], 0.8).frames([], 0.2)
    assert site.told == [OPEN, ("closed", "track-lost")]


def test_who_is_missed_in_a_frame_after_he_was_found_is_not_lost_again() -> None:
    site = Site().frames([person()], 3).frames([], 4.6).frames([person("t2", "unknown")], 0.6)
    site.frames([]).frames([person("t2", "unknown")], 0.4).frames([person("t2")], 3)
    assert [(c.state, c.track) for c in site.changes] == [("open", "t1")]
    (episode,) = site.episodes.open_episodes()
    assert episode.seen_as == "t2"


def test_a_frame_missed_between_two_rules_of_one_who_was_found_opens_neither_again() -> None:
    site = Site(RulesConfig()).frames([person(vest="missing")], 3).frames([], 3)
    site.frames([person("t2", vest="unknown")], 0.4).frames([]).frames([person("t2", vest="missing")], 6)
    assert [(c.state, c.rule) for c in site.changes] == [("open", "no-helmet"), ("open", "no-vest")]
    assert {episode.seen_as for episode in site.episodes.open_episodes()} == {"t2"}


def test_one_who_was_there_for_a_moment_does_not_keep_the_lost_one_from_being_found() -> None:
    site = Site().frames([person()], 3).frames([], 1).frames([person("ghost", "unknown")])
    site.frames([], 1).frames([person("t2", "unknown")], 1).frames([person("t2")], 6)
    assert [(c.state, c.track) for c in site.changes] == [("open", "t1")]
    (episode,) = site.episodes.open_episodes()
    assert episode.seen_as == "t2"


@pytest.mark.parametrize("step_s", [0.1, 0.3, 0.7])
def test_a_sum_of_steps_is_as_long_as_it_should_be(step_s: float) -> None:
    for steps in range(1, 40):
        zone = RulesConfig(requires=("helmet",), minimum_duration_s=round(steps * step_s, 1))
        assert Site(zone).frames([person()], (steps + 1) * step_s, step_s).told == [OPEN], steps


def test_somebody_who_was_seen_to_wear_it_is_not_the_lost_one_later() -> None:
    site = Site().frames([person()], 3).frames([person("t2", "worn")], 1).frames([person("t2")], 3)
    assert [(c.state, c.track, c.seen_as) for c in site.changes] == [("open", "t1", "t1"), ("open", "t2", "t2")]


def frames_to_open(site: Site, people: list[JudgedPerson]) -> int:
    before = len(site.changes)
    for frames in range(1, 60):
        if len(site.frames(people).changes) > before:
            return frames
    raise AssertionError("never opened")


def test_what_was_seen_before_an_interruption_is_no_part_of_the_minimum_duration() -> None:
    assert frames_to_open(Site(), [person()]) == 11
    gone = Site().frames([person()], 1.8).frames([], 6)
    assert frames_to_open(gone, [person()]) == 11, "away for longer than the merge window"
    blind = Site().frames([person()], 1.8).pass_time(16).tick()
    assert frames_to_open(blind, [person()]) == 11, "the camera was lost"
    shift = Site(zones=shifts_zone("06:00-14:00", "14:01-15:00"))
    shift.wall_s = 1_789_999_200.0 - 1.7
    shift.frames([person()], 61)
    assert frames_to_open(shift, [person()]) == 11 + 3, "no shift was on"
    merged = Site().frames([person()], 3).frames([person(), person("t2")], 0.4).frames([person("t2")], 0.6)
    merged.frames([person("t2", "worn")])
    assert merged.told == [OPEN, ("closed", "complied")]
    assert frames_to_open(merged, [person("t2")]) == 11, "it was part of the episode that is over"


def test_tracks_that_are_over_are_forgotten() -> None:
    site = Site()
    for number in range(2000):
        site.frames([person(f"t{number}", "worn")])
    (camera,) = site.episodes._cameras.values()
    assert len(camera._tracks) < 200 and len(camera._membership._stays) < 200


def test_every_rule_of_the_lost_person_goes_on() -> None:
    site = Site(RulesConfig()).frames([person(vest="missing")], 3)
    site.frames([person("t2", vest="missing")], 3).frames([person("t2", vest="worn")])
    assert [(c.state, c.rule, c.seen_as) for c in site.changes] == [
        ("open", "no-helmet", "t1"),
        ("open", "no-vest", "t1"),
        ("closed", "no-vest", "t2"),
    ]


def test_the_first_track_come_back_is_somebody_of_his_own_once_another_goes_on() -> None:
    site = Site().frames([person()], 3).frames([person("t2")], 1).frames([person("t1"), person("t2")], 4)
    assert [(c.state, c.track) for c in site.changes] == [("open", "t1"), ("open", "t1")]
    assert len({c.id for c in site.changes}) == 2


def test_a_second_violation_of_one_track_is_another_episode() -> None:
    site = Site()
    for _ in range(3):
        site.frames([person()], 3).frames([person(helmet="worn")], 1)
    assert site.told == [OPEN, ("closed", "complied")] * 3
    assert len({change.id for change in site.changes}) == 3


def test_updates_are_told_at_most_every_interval_and_only_while_it_is_seen() -> None:
    site = Site(config=EpisodeConfig(update_interval_s=10)).frames([person()], 35)
    assert [change.state for change in site.changes] == ["open", "update", "update", "update"]
    assert [change.dedup_key.rpartition(":")[2] for change in site.changes] == ["open", "1", "2", "3"]
    site.frames([person(helmet="unknown")], 14)
    assert len(site.changes) == 4


def test_a_camera_that_gives_no_frames_closes_after_its_time() -> None:
    site = Site().frames([person()], 3).pass_time(14.9).tick()
    site.changes += site.episodes.camera_lost("gate", now_s=site.now_s, wall_s=site.wall_s)
    assert site.told == [OPEN]
    site.pass_time(0.2).tick().tick()
    assert site.told == [OPEN, ("closed", "camera-lost")]
    assert site.changes[1].closed_at_s == pytest.approx(WALL_S + 3)
    assert site.changes[1].violating_s == pytest.approx(2.8)


def test_a_shorter_gap_without_frames_is_no_loss_of_the_person() -> None:
    site = Site().frames([person()], 3).pass_time(12).tick().frames([person("t2")], 3)
    assert site.told == [OPEN], "the window counts time in which frames came"
    site.frames([person("t2", "worn")])
    assert site.changes[-1].violating_s == pytest.approx(5.6), "what was not seen counts for nothing"


def test_a_camera_that_is_taken_out_and_put_back_gives_no_id_again() -> None:
    site = Site().frames([person()], 3)
    site.changes += site.episodes.removed("gate") + site.episodes.removed("nowhere")
    site.frames([person()], 3)
    assert site.told == [OPEN, ("closed", "camera-lost"), OPEN]
    assert site.changes[2].id != site.changes[0].id


def test_a_camera_that_was_never_seen_can_be_lost() -> None:
    assert Site().episodes.camera_lost("nowhere", now_s=1, wall_s=WALL_S) == []


def shifts_zone(*monday: str) -> dict[str, ZoneConfig]:
    reading = read_desired(
        _Zone, {"zone": {"polygon": [list(corner) for corner in LEFT], "shifts": {"week": {"monday": list(monday)}}}},
        last_good=None,
    )  # fmt: skip
    assert reading.errors == () and reading.config.zone is not None
    return {"yard": reading.config.zone}


class _Zone(RulesConfig, frozen=True, kw_only=True, rename="camel"):
    zone: ZoneConfig | None = None


def test_the_end_of_a_shift_closes_and_outside_of_it_nothing_opens() -> None:
    site = Site(zones=shifts_zone("06:00-14:00"))
    site.wall_s = 1_789_999_200.0 - 10  # Monday 21 September 2026, ten seconds before 14:00 UTC
    site.frames([person()], 20)
    assert site.told == [OPEN, ("closed", "shift-end")]
    assert site.changes[1].closed_at_s == pytest.approx(1_789_999_200.0, abs=0.3)
    assert sum(row.violating_s for row in site.episodes.kpi.hours()) == pytest.approx(9.6, abs=0.21)


def test_the_end_of_a_shift_comes_without_frames_too() -> None:
    site = Site(zones=shifts_zone("06:00-14:00"))
    site.wall_s = 1_789_999_200.0 - 10
    site.frames([person()], 4).pass_time(7).tick()
    assert site.told == [OPEN, ("closed", "shift-end")]


def test_rules_that_are_gone_close_and_others_stay() -> None:
    site = Site(RulesConfig()).frames([person(vest="missing")], 3)
    changes = site.episodes.change_rules(ZonePlan({}, {}, HELMET), CONFIG, now_s=site.now_s)
    assert [(c.rule, c.close_reason) for c in changes] == [("no-vest", "shift-end")]
    assert [episode.rule for episode in site.episodes.open_episodes("gate")] == ["no-helmet"]


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, -1e9])
def test_a_clock_that_is_set_changes_no_order_and_no_duration(jump_s: float) -> None:
    site = Site().frames([person()], 3)
    site.wall_s += jump_s
    site.frames([person()], 3).frames([person(helmet="worn")])
    opened, closed = site.changes
    assert closed.closed_at_s is not None
    assert closed.closed_at_s - opened.opened_at_s == pytest.approx(4.0)
    assert closed.violating_s == pytest.approx(5.8)


def test_a_time_that_goes_back_after_all_harms_nothing() -> None:
    site = Site().frames([person()], 3)
    site.now_s -= 50
    site.frames([person()], 1).frames([person(helmet="worn")])
    assert site.told == [OPEN, ("closed", "complied")]
    assert site.changes[1].violating_s == pytest.approx(2.8), "the time that came twice counts once"


def test_an_end_is_never_before_what_was_told_already() -> None:
    site = Site(config=EpisodeConfig(update_interval_s=1), zones=shifts_zone("06:00-14:00"))
    site.wall_s = 1_789_999_200.0 - 10
    site.frames([person()], 4)
    closed = site.episodes.tick(now_s=site.now_s - 3, wall_s=site.wall_s + 60)
    assert closed[0].updated_at_s == site.changes[-1].updated_at_s > site.changes[0].opened_at_s


def test_after_a_restart_the_same_person_goes_on() -> None:
    site = Site().frames([person()], 3).restart(away_s=5).frames([person("new", "unknown")], 1)
    site.frames([person("new")], 3).frames([person("new", "worn")])
    assert site.told == [OPEN, ("closed", "complied")]
    opened, closed = site.changes
    assert (closed.id, closed.track, closed.seen_as) == (opened.id, "t1", "new")
    assert closed.closed_at_s == pytest.approx(site.wall_s), "the time away is in it"


@pytest.mark.parametrize(
    ("away_s", "people"),
    [(5.0, []), (5.0, [person("new", x=0.85)]), (LONGEST_RESTART_S + 1, [person("new")])],
    ids=["nobody", "elsewhere", "away too long"],
)
def test_after_a_restart_whoever_is_not_found_is_closed(away_s: float, people: list[JudgedPerson]) -> None:
    site = Site().frames([person()], 3).restart(away_s).frames(people, 6)
    closed = [change for change in site.changes if change.state == "closed"]
    assert [change.close_reason for change in closed] == ["restart"]
    assert closed[0].closed_at_s == pytest.approx(WALL_S + 3), "when it was last seen"


def test_after_a_restart_a_camera_that_does_not_come_is_waited_for_a_while() -> None:
    site = Site().frames([person()], 3).restart().pass_time(10).tick()
    assert site.told == [OPEN]
    assert site.pass_time(6).tick().told == [OPEN, ("closed", "restart")]


@pytest.mark.parametrize("away_s", [-3600.0, 0.0])
def test_a_restart_with_the_clock_put_back(away_s: float) -> None:
    site = Site().frames([person()], 3).restart(away_s).frames([person("new")], 1).frames([], 6)
    assert site.told == [OPEN, ("closed", "track-lost")]
    assert site.changes[1].closed_at_s is not None
    assert site.changes[1].closed_at_s > site.changes[0].opened_at_s


def test_after_a_restart_no_id_is_given_again() -> None:
    site = Site().frames([person()], 3).frames([person(helmet="worn")]).restart().frames([person()], 3)
    first, _, second = site.changes
    assert first.id != second.id, "even where the tracker gave the same track again"


def test_a_restart_with_other_rules_closes_what_no_rule_asks_for() -> None:
    site = Site(RulesConfig()).frames([person(vest="missing")], 3)
    site.plan = ZonePlan({}, {}, HELMET)
    site.restart()
    assert site.told == [OPEN, OPEN, ("closed", "shift-end")]


def test_the_same_frames_give_the_same_ids() -> None:
    first, second = (Site(now_s=at).frames([person()], 3).frames([], 6) for at in (100.0, 7000.0))
    assert [change.dedup_key for change in first.changes] == [change.dedup_key for change in second.changes]


def test_an_id_depends_on_everything_that_names_it() -> None:
    named = ("box/inference", "gate", "yard", "no-helmet", "t1", 1)
    others = [(*named[:index], 2 if index == 5 else "x", *named[index + 1 :]) for index in range(6)]
    assert len({episode_id(*one) for one in [named, *others]}) == 7  # type: ignore[arg-type]
    assert episode_id("a", "bc", "", "", "", 1) != episode_id("ab", "c", "", "", "", 1)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"schema":"safetygear.episodes/2","savedWallS":0,"cameras":{}}', b"\xff"]
)
def test_a_state_that_can_not_be_read_is_said(data: bytes) -> None:
    with pytest.raises(EpisodeStateError) as caught:
        decode_state(data)
    assert caught.value.code == "episode-state-invalid"


def test_pictures_are_wished_for_until_there_is_one_that_is_as_good() -> None:
    site = Site().frames([person(size=0.3)], 2)
    assert site.episodes.picture_wishes("gate") == []
    site.frames([person(size=0.3)])
    (wish,) = site.episodes.picture_wishes("gate")
    assert (wish.episode, wish.track) == (site.changes[0].id, "t1")
    site.frames([person(size=0.3)])
    assert len(site.episodes.picture_wishes("gate")) == 1, "none was taken yet"
    site.episodes.pictured("gate", wish.episode, wish.score)
    for size, wishes in [(0.3, 0), (0.31, 0), (0.4, 1), (0.2, 0)]:
        site.frames([person(size=size)])
        assert len(site.episodes.picture_wishes("gate")) == wishes, size
    site.episodes.pictured("gate", wish.episode, wish.score / 2)
    site.episodes.pictured("gate", "ep-of-nobody", 1.0)
    site.episodes.pictured("nowhere", wish.episode, 1.0)
    site.frames([person(size=0.3)])
    assert site.episodes.picture_wishes("gate") == [], "a worse one takes nothing back"


def test_the_kpi_counts_person_seconds_by_zone_and_hour() -> None:
    site = Site(RulesConfig(), zones={"yard": ZoneConfig(polygon=LEFT)})
    site.wall_s = 3600.0 * 500 - 5
    everybody = [
        person("a", "missing", vest="worn"),
        person("b", "worn", vest="worn"),
        person("c", "worn", vest="unknown"),
        person("d", "worn", vest="worn", x=0.8),
    ]
    site.frames(everybody, 10).pass_time(60).frames(everybody[:1])
    rows = [(r.camera, r.zone, r.hour_s) for r in site.episodes.kpi.hours()]
    assert rows == [("gate", "yard", 3600 * 499), ("gate", "yard", 3600 * 500)]
    for kind in ("compliant_s", "violating_s", "indeterminate_s"):
        assert sum(getattr(row, kind) for row in site.episodes.kpi.hours()) == pytest.approx(9.8)
    assert site.episodes.kpi.hours()[0].compliance == pytest.approx(0.5)


def test_the_kpi_keeps_two_days_and_outlives_a_restart() -> None:
    kpi = ComplianceKpi()
    for hour in range(60):
        kpi.add("gate", "yard", "compliant", 1, 3600.0 * hour)
    assert [row.hour_s // 3600 for row in kpi.hours()] == list(range(11, 60))
    kpi.judge("e1", "gate", "yard", "true")
    again = ComplianceKpi(kpi.snapshot())
    assert again.hours() == kpi.hours() and again.precision() == 1.0


def test_precision_is_what_people_said_last() -> None:
    kpi = ComplianceKpi()
    assert kpi.precision() is None
    for episode, zone, verdict in [
        ("e1", "yard", "false"), ("e1", "yard", "true"), ("e2", "yard", "unsure"), ("e3", "dock", "false"),
    ]:  # fmt: skip
        kpi.judge(episode, "gate", zone, verdict)  # type: ignore[arg-type]
    assert (kpi.precision("gate", "yard"), kpi.precision("gate", "dock"), kpi.precision()) == (1.0, 0.0, 0.5)
    assert kpi.precision("gate", "nowhere") is None
