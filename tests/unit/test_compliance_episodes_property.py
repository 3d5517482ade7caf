"""Any interleaving of losses, restarts, kills, set clocks and other rules leaves a story that makes sense.

What is told and what is kept go in one transaction, as the outbox does it: a kill loses both or none.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from safetygear_inference.compliance.episode import EpisodeChange, decode_state, encode_state
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.kpi import ComplianceKpi
from safetygear_inference.compliance.shift_config import CalendarConfig, WeekConfig
from safetygear_inference.compliance.zone_config import EpisodeConfig, RulesConfig, ZoneConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.observation import JudgedPerson

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
MIDDLE = ((0.25, 0.0), (0.75, 0.0), (0.75, 1.0), (0.25, 1.0))
SHIFTS = ("06:00-14:00", "22:00-05:00")
CALENDARS = {"day": CalendarConfig(week=WeekConfig(**dict.fromkeys(WeekConfig.__struct_fields__, SHIFTS)))}
PLANS = [
    ZonePlan({}, {}, RulesConfig(minimum_duration_s=0.5)),
    ZonePlan({}, {}, RulesConfig(requires=("vest",), minimum_duration_s=0)),
    ZonePlan(
        {
            "gate": {
                "left": ZoneConfig(polygon=LEFT, calendar="day"),
                "middle": ZoneConfig(polygon=MIDDLE, requires=("helmet",), minimum_duration_s=0),
            }
        },
        CALENDARS,
        RulesConfig(minimum_duration_s=1.0),
    ),
]
CONFIGS = [
    EpisodeConfig(merge_window_s=2, hold_unknown_s=3, camera_lost_after_s=4, update_interval_s=1, settle_s=0.3),
    EpisodeConfig(merge_window_s=0, hold_unknown_s=0, camera_lost_after_s=1, settle_s=0, edge_margin=0),
]
cameras = st.sampled_from(["gate", "dock"])
gear_states = st.sampled_from(["worn", "missing", "missing", "carried", "unknown"])
one_person = st.tuples(st.integers(0, 2), st.integers(1, 9), gear_states, gear_states)


class Story(RuleBasedStateMachine):
    """The receiver's view: it knows only what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.wall_s = 50.0, 1_790_000_000.0
        self.starts = 0
        self.opened: dict[str, EpisodeChange] = {}
        self.told_at_s: dict[str, float] = {}
        self.closed: Counter[str] = Counter()
        self.keys: set[str] = set()

    @initialize(plan=st.sampled_from(PLANS), config=st.sampled_from(CONFIGS))
    def start(self, plan: ZonePlan, config: EpisodeConfig) -> None:
        self.plan, self.config = plan, config
        self.episodes = self.fresh()
        self.committed = encode_state(self.episodes.snapshot(now_s=self.now_s, wall_s=self.wall_s))

    def fresh(self) -> Episodes:
        return Episodes(self.plan, self.config, origin="box/inference", kpi=ComplianceKpi())

    def commit(self, changes: list[EpisodeChange]) -> None:
        for change in changes:
            assert change.dedup_key not in self.keys, "a key names one message"
            self.keys.add(change.dedup_key)
            assert change.began_at_s <= change.opened_at_s <= change.updated_at_s
            assert 0 <= change.violating_s <= change.updated_at_s - change.began_at_s + 1e-3
            if change.state == "open":
                assert change.id not in self.opened, "opened once"
                assert change.close_reason is None and change.closed_at_s is None
                self.opened[change.id] = change
                self.told_at_s[change.id] = change.opened_at_s
                continue
            before = self.opened.get(change.id)
            assert before is not None, "nothing goes on or ends that was not opened"
            assert not self.closed[change.id], "nothing comes after the end"
            named = (change.camera, change.zone, change.rule, change.track, change.severity, change.opened_at_s)
            assert named == (
                before.camera, before.zone, before.rule, before.track, before.severity, before.opened_at_s
            )  # fmt: skip
            assert change.updated_at_s >= self.told_at_s[change.id] - 1e-6, "told in order"
            self.told_at_s[change.id] = change.updated_at_s
            if change.state == "closed":
                assert change.close_reason is not None and change.closed_at_s == change.updated_at_s
                self.closed[change.id] += 1
        self.committed = encode_state(self.episodes.snapshot(now_s=self.now_s, wall_s=self.wall_s))

    def judge(self, camera: str, people: list[tuple[int, int, Any, Any]]) -> list[EpisodeChange]:
        judged = [
            JudgedPerson(
                f"{self.starts // 4}-{track}",  # most starts give the same tracks again, which no tracker does
                np.array([x / 10 - 0.05, 0.4, x / 10 + 0.05, 0.8], np.float32),
                {"helmet": helmet, "vest": vest},
                {},
                {"helmet": 0.9, "vest": 0.9},
            )
            for track, x, helmet, vest in people
        ]
        return self.episodes.update(camera, judged, now_s=self.now_s, wall_s=self.wall_s)

    @rule(
        camera=cameras,
        people=st.lists(one_person, max_size=4, unique_by=lambda one: one[0]),
        step_s=st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0]),
        frames=st.integers(1, 6),
    )
    def frames_come(self, camera: str, people: list[Any], step_s: float, frames: int) -> None:
        for _ in range(frames):
            self.pass_time(step_s)
            self.commit(self.judge(camera, people))

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 3600.0]))
    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds

    @rule(seconds=st.sampled_from([-1e6, -3600.0, -0.3, 7200.0, 4e4]))
    def clock_is_set(self, seconds: float) -> None:
        self.wall_s += seconds

    @rule(camera=cameras)
    def camera_is_lost(self, camera: str) -> None:
        self.commit(self.episodes.camera_lost(camera, now_s=self.now_s, wall_s=self.wall_s))

    @rule(camera=cameras)
    def camera_is_removed(self, camera: str) -> None:
        self.commit(self.episodes.removed(camera))

    @rule()
    def tick(self) -> None:
        self.commit(self.episodes.tick(now_s=self.now_s, wall_s=self.wall_s))

    @rule(plan=st.sampled_from(PLANS), config=st.sampled_from(CONFIGS))
    def rules_change(self, plan: ZonePlan, config: EpisodeConfig) -> None:
        self.plan, self.config = plan, config
        self.commit(self.episodes.change_rules(plan, config, now_s=self.now_s))

    @rule(away_s=st.sampled_from([-3600.0, 0.0, 2.0, 30.0, 1000.0]), plan=st.sampled_from(PLANS))
    def module_restarts(self, away_s: float, plan: ZonePlan) -> None:
        self.starts += 1
        self.wall_s += away_s
        self.now_s = 1.0  # the clock of another process
        self.plan = plan
        self.episodes = self.fresh()
        self.commit(self.episodes.restore(decode_state(self.committed), now_s=self.now_s, wall_s=self.wall_s))

    @rule(camera=cameras, people=st.lists(one_person, max_size=3, unique_by=lambda one: one[0]))
    def module_is_killed_before_it_could_tell(self, camera: str, people: list[Any]) -> None:
        self.pass_time(1.0)
        self.judge(camera, people)
        self.module_restarts(1.0, self.plan)

    @invariant()
    def what_is_open_is_what_was_opened_and_not_closed(self) -> None:
        if not hasattr(self, "episodes"):
            return
        held = self.episodes.open_episodes()
        assert {episode.id for episode in held} == {key for key in self.opened if not self.closed[key]}
        named = Counter((e.camera, e.zone, e.rule, e.seen_as) for e in held)
        assert all(count == 1 for count in named.values()), "two open episodes of one person and rule"

    def teardown(self) -> None:
        if not hasattr(self, "episodes"):
            return
        self.pass_time(10_000.0)
        self.commit(self.episodes.tick(now_s=self.now_s, wall_s=self.wall_s))
        assert set(self.opened) == set(self.closed), "everything ends once the cameras are gone"
        assert all(count == 1 for count in self.closed.values())


Story.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestStory = Story.TestCase
