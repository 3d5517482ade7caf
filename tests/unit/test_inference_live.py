"""What the page is told of a camera: watched or not, why, since when; pictures only for those who look."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import rfc3339
from safetygear.messages.codec import BoundingBox
from safetygear.messages.detections import Detection, DetectionsMessage, FrameSize, LatencyMs, ModelIdentity, Person
from safetygear.messages.event import CloseReason, EventMessage, Evidence
from safetygear.messages.frames import CamerasMessage, CameraState, CameraStatus, MainStreamStatus
from safetygear.messages.health import LearningHealth
from safetygear_inference.compliance.kpi import ComplianceKpi
from safetygear_inference.coverage import Coverage
from safetygear_inference.live import (
    LATENCIES_OVER_S,
    LOOKED_AT_S,
    MAX_CAMERAS,
    PICTURES_KEPT,
    SIGHTINGS_KEPT,
    ZONES_KEPT,
    Condition,
    LiveState,
    since_epoch_s,
)
from safetygear_inference.live_episodes import CLOSED_KEPT, OPEN_KEPT
from safetygear_inference.watched import WINDOW_S, WatchedTime
from safetygear_inference.web.view import (
    CLOSED_SHOWN,
    OPEN_SHOWN,
    MainStreamView,
    PageCounts,
    StateView,
    frame_view,
    state_view,
)
from safetygear_inference.web.wording import explain

STARTED = "2026-11-24T08:00:00.000Z"
SINCE = "2026-11-24T08:01:40.000Z"


def status(
    camera: str = "gate", state: CameraState = "streaming", reason: str = "ok", *, budget_s: float = 10,
    frozen_s: float = 0,
) -> CameraStatus:  # fmt: skip
    return CameraStatus(
        camera=camera, state=state, reason=reason, since=SINCE, stall_budget_s=budget_s, frames_decoded=1,
        frames_sent=1, dropped={}, decoded_fps=25, codec="h264", seconds_frozen=frozen_s,
    )  # fmt: skip


def cameras(
    *statuses: CameraStatus, shard: str = "default", instance: str = "", started_at: str = STARTED
) -> CamerasMessage:
    return CamerasMessage(shard=shard, instance=instance, sent_at=SINCE, started_at=started_at, cameras=list(statuses))


def detections(
    sequence: int, *labels: str, camera: str = "gate", shard: str = "default", total_ms: float = 50.0
) -> DetectionsMessage:
    box = BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4)
    return DetectionsMessage(
        camera=camera, shard=shard, sequence=sequence, frame_number=sequence, captured_at=rfc3339(1e9 + sequence),
        clock="arrival", frame=FrameSize(width=640, height=360),
        model=ModelIdentity(name="m", version="1", sha256="0"), people=[],
        detections=[Detection(label=label, probability=0.9, bounding_box=box) for label in labels],
        latency_ms=LatencyMs(capture=0, queue=1, inference=2, total=total_ms),
    )  # fmt: skip


def condition(live: LiveState, now_s: float, camera: str = "gate") -> Condition:
    return live.condition(next(each for each in live.all_cameras() if each.name == camera), now_s)


def watching(*, budget_s: float = 10) -> LiveState:
    """A camera that streams since 0 s and was analysed at 1 s."""
    live = LiveState()
    live.cameras(cameras(status(budget_s=budget_s)), 0.0)
    live.analysed(detections(1), 1.0)
    return live


def test_a_camera_that_streams_and_is_analysed_is_watched() -> None:
    assert condition(watching(), 2.0) == Condition(True, "streaming", "ok", SINCE)


@pytest.mark.parametrize(
    ("state", "reason"),
    [("stalled", "stall"), ("refused", "auth-failed"), ("backing-off", "timeout"), ("paused", "no-reader"),
     ("connecting", "starting"), ("streaming", "frozen")],
)  # fmt: skip
def test_capture_says_why_a_camera_is_not_watched(state: CameraState, reason: str) -> None:
    live = watching()
    live.cameras(cameras(status(state=state, reason=reason)), 1.5)
    assert condition(live, 1.5) == Condition(False, state, reason, SINCE)


def test_a_flaw_leaves_it_watched_with_a_note() -> None:
    live = watching()
    live.cameras(cameras(status(reason="camera-clock-off")), 1.5)
    assert condition(live, 1.5) == Condition(True, "streaming", "camera-clock-off", SINCE)


def test_a_silent_capture_is_told_from_the_last_sign_of_it() -> None:
    live = watching()
    assert condition(live, 6.0).state == "streaming"
    assert condition(live, 6.1) == Condition(False, "silent", "capture-silent", since_s=1.0)
    live.cameras(cameras(status()), 7.0)
    live.analysed(detections(2), 7.0)
    assert condition(live, 7.0).watched


def test_frames_are_a_sign_of_capture_too() -> None:
    live = LiveState()
    for tick in range(100):
        live.analysed(detections(tick), tick * 0.2)
    assert condition(live, 19.9).watched


@pytest.mark.parametrize("budget_s", [2.0, 10.0])
def test_pictures_that_nobody_analyses_show_at_the_stall_budget(budget_s: float) -> None:
    live = watching(budget_s=budget_s)
    for second in range(2, 30):
        live.cameras(cameras(status(budget_s=budget_s)), float(second))
    assert condition(live, 0.5 + budget_s).reason in ("ok", "late")
    assert condition(live, 0.6 + budget_s) == Condition(False, "streaming", "nothing-analysed", since_s=1.0)


def test_the_page_calls_watched_what_the_health_message_does() -> None:
    live, coverage = watching(budget_s=120), Coverage(0.0)
    coverage.cameras(cameras(status(budget_s=120)), 0.0)
    coverage.analysed("gate", "default", dark=False, blurred=False, latency_ms=50.0, now_s=1.0)
    told_s = 0
    for second in range(2, 60):
        live.cameras(cameras(status(budget_s=120)), float(second))
        told_s += condition(live, float(second)).watched
    (health,) = coverage.close_period(60.0)
    assert (told_s, health.seconds_watched) == (2, 2.0)


def test_a_picture_as_the_one_before_is_watched_too() -> None:
    live = watching()
    for second in range(2, 30):
        live.cameras(cameras(status()), float(second))
        live.unchanged("gate", float(second))
        live.unchanged("nobody", float(second))
    assert condition(live, 30.0).watched
    assert not condition(live, 32.5).watched


def test_a_late_picture_is_told_as_soon_as_the_last_one_covers_nothing_more() -> None:
    live = watching()
    assert condition(live, 3.0).reason == "ok"
    assert condition(live, 3.1) == Condition(False, "streaming", "late", since_s=1.0)
    live.analysed(detections(2), 3.2)
    assert condition(live, 3.3).reason == "ok"


def test_a_camera_that_streams_anew_has_its_stall_budget_again() -> None:
    live = watching()
    live.cameras(cameras(status(state="stalled", reason="stall")), 12.0)
    live.cameras(cameras(status()), 40.0)
    assert condition(live, 41.0) == Condition(False, "streaming", "late", since_s=1.0)
    live.cameras(cameras(status()), 50.0)
    assert condition(live, 50.1).reason == "nothing-analysed"


def test_before_its_first_picture_a_camera_is_not_watched() -> None:
    live = LiveState()
    live.cameras(cameras(status()), 0.0)
    assert condition(live, 0.5) == Condition(False, "streaming", "first-picture", since_s=0.0)


def test_a_removed_camera_goes_and_those_of_other_shards_stay() -> None:
    live = LiveState()
    live.cameras(cameras(status("a"), status("b")), 0.0)
    live.cameras(cameras(status("c"), shard="south"), 0.0)
    before = live.revision
    live.cameras(cameras(status("b")), 1.0)
    assert [camera.name for camera in live.all_cameras()] == ["b", "c"]
    assert live.revision != before


def test_two_capture_modules_share_a_shard() -> None:
    live = LiveState()
    live.analysed(detections(1, camera="c"), 0.0)
    for second in range(9):
        live.cameras(cameras(status("a"), status("b"), instance="east"), second + 0.2)
        live.cameras(cameras(status("c"), instance="west"), second + 0.7)
        assert [camera.name for camera in live.all_cameras()] == ["a", "b", "c"]
    live.cameras(cameras(status("b"), instance="east"), 9.2)
    assert [camera.name for camera in live.all_cameras()] == ["b", "c"]
    live.cameras(cameras(status("b"), instance="east"), 14.2)
    assert condition(live, 14.5, "b").state == "streaming"
    assert condition(live, 14.5, "c").state == "silent"


def test_cameras_that_are_left_out_stay_so_when_another_module_speaks() -> None:
    live = LiveState()
    live.cameras(cameras(*(status(f"c{number:03}") for number in range(MAX_CAMERAS + 3)), instance="east"), 0.0)
    live.cameras(cameras(instance="west"), 0.5)
    assert len(live.left_out) == 3


def test_the_revision_changes_with_a_state_and_only_then() -> None:
    live = watching()
    before = live.revision
    live.cameras(cameras(status()), 2.0)
    live.analysed(detections(2), 2.0)
    assert live.revision == before
    live.cameras(cameras(status(state="stalled", reason="stall")), 3.0)
    assert live.revision != before


def with_main(state: CameraState, reason: str, width: int | None = None) -> CameraStatus:
    main = MainStreamStatus(
        state=state, reason=reason, since=SINCE, key_frames_decoded=1, key_frames_sent=1, dropped={}, width=width,
        height=width and width * 9 // 16,
    )  # fmt: skip
    return msgspec.structs.replace(status(), main_stream=main)


def test_the_revision_changes_with_the_main_streams_state_too() -> None:
    live = watching()
    live.cameras(cameras(with_main("streaming", "ok")), 2.0)
    before = live.revision
    live.cameras(cameras(with_main("streaming", "ok", 1920)), 2.1)
    assert live.revision == before
    live.cameras(cameras(with_main("refused", "auth-failed")), 2.2)
    assert live.revision != before


def test_a_main_stream_is_told_as_capture_tells_it_and_changes_nothing_about_the_camera() -> None:
    live = watching()

    def main(now_s: float) -> MainStreamView | None:
        (camera,) = view_of(live, now_s).cameras
        assert camera.watched == (now_s < 5)
        return camera.main_stream

    assert main(2.0) is None
    live.cameras(cameras(with_main("streaming", "ok", 1920)), 2.0)
    assert main(2.0) == MainStreamView(
        state="streaming", reason="ok", explanation="", since=SINCE, frame=FrameSize(width=1920, height=1080)
    )
    live.cameras(cameras(with_main("refused", "not-found")), 2.1)
    assert main(2.1) == MainStreamView(
        state="refused", reason="not-found", explanation=explain("not-found"), since=SINCE, frame=None
    )
    silent = main(20.0)
    assert silent is not None
    assert (silent.state, silent.reason) == ("silent", "capture-silent"), "nobody knows how it is now"


def test_no_more_cameras_than_a_site_can_have() -> None:
    live = LiveState()
    live.cameras(cameras(*(status(f"c{number:03}") for number in range(MAX_CAMERAS + 3))), 0.0)
    assert (len(live.all_cameras()), len(live.left_out)) == (MAX_CAMERAS, 3)
    live.cameras(cameras(status("c000")), 1.0)
    assert (len(live.all_cameras()), len(live.left_out)) == (1, 0)


def test_pictures_are_wanted_while_somebody_looks() -> None:
    live = watching()
    assert not live.wants_picture("gate", 1.0)
    assert live.look("gate", 1.0)
    assert live.wants_picture("gate", 1.0 + LOOKED_AT_S)
    assert not live.wants_picture("gate", 1.1 + LOOKED_AT_S)
    assert not live.look("nobody", 1.0)
    assert not live.wants_picture("nobody", 1.0)


def test_a_picture_is_found_by_its_sequence_while_it_is_kept() -> None:
    live = watching()
    live.look("gate", 1.0)
    for sequence in range(10):
        live.picture("gate", sequence, b"%d" % sequence, 1.0)
    kept = [sequence for sequence in range(10) if live.jpeg("gate", sequence) == b"%d" % sequence]
    assert kept == list(range(10 - PICTURES_KEPT, 10))
    assert live.newest_jpeg("gate") == b"9"
    live.picture("nobody", 1, b"x", 1.0)
    assert live.jpeg("nobody", 1) is None


def test_old_pictures_are_not_kept_for_the_next_who_looks() -> None:
    live = watching()
    live.look("gate", 1.0)
    live.picture("gate", 1, b"old", 1.0)
    live.forget_pictures(1.0 + LOOKED_AT_S)
    assert live.newest_jpeg("gate") == b"old"
    live.look("gate", 60.0)
    assert live.newest_jpeg("gate") is None
    live.picture("gate", 2, b"new", 60.0)
    live.forget_pictures(61.0 + LOOKED_AT_S)
    assert live.newest_jpeg("gate") is None


def test_boxes_come_with_the_path_of_their_own_picture() -> None:
    live = watching()
    live.look("gate", 1.0)
    live.picture("gate", 1, b"one", 1.0)
    assert frame_view(live, detections(1)).picture == "/pictures/gate/1.jpg"
    assert frame_view(live, detections(2)).picture is None


def sightings(live: LiveState) -> list[tuple[int, dict[str, int]]]:
    return [(seen.sequence, dict(seen.counts)) for seen in live.sightings]


def test_a_change_is_listed_once_two_pictures_show_it() -> None:
    live = LiveState()
    shown = [
        ("person",),
        ("person",),
        ("person",),
        ("person", "head"),
        ("person",),
        ("person", "head"),
        ("person", "head"),
        (),
    ]
    for sequence, labels in enumerate([*shown, ()], 1):
        live.analysed(detections(sequence, *labels), sequence * 1.0)
    assert sightings(live) == [(2, {"person": 1}), (7, {"person": 1, "head": 1}), (9, {})]


def test_a_busy_camera_is_listed_once_a_second_and_the_list_is_bounded() -> None:
    live = LiveState()
    for tick in range(2000):
        live.analysed(detections(tick, *["person"] * (tick // 2 % 5)), tick * 0.1)
    assert len(live.sightings) == SIGHTINGS_KEPT
    times = [seen.sequence * 0.1 for seen in live.sightings]
    assert min(later - sooner for sooner, later in pairwise(times)) >= 0.99


def test_rate_and_latency_are_those_of_the_last_time() -> None:
    live = LiveState()
    for tick in range(300):
        live.analysed(detections(tick, total_ms=1000.0), tick * 0.2)
    (camera,) = live.all_cameras()
    for tick in range(300):
        live.analysed(detections(300 + tick, total_ms=40.0 + tick % 3), 60.0 + LATENCIES_OVER_S + tick * 0.1)
    now_s = 60.0 + LATENCIES_OVER_S + 29.9
    assert camera.latency_p50_ms(now_s) == 41.0
    assert camera.analysed_fps(now_s) == pytest.approx(10.0, abs=0.2)
    assert camera.analysed_fps(now_s + 60) == 0.0


def test_the_state_document_says_it_in_words() -> None:
    live = watching()
    live.cameras(cameras(status(state="refused", reason="auth-failed")), 1.5)
    counts = PageCounts(token_needed=False, may_change=False, viewers=0, viewers_at_most=1, dropped={})
    view = state_view(live, version="1", page=counts, now_s=1_900_000_000.0, monotonic_s=31.0)
    (camera,) = view.cameras
    assert (camera.watched, camera.state, camera.reason) == (False, "silent", "capture-silent")
    assert camera.since == rfc3339(1_900_000_000.0 - 29.5)
    assert camera.explanation == "the capture module sends nothing any more"
    assert (camera.watched_s, camera.watched_of_s) == (2.0, 31.0)
    assert camera.watched_percent[:29] == [None] * 29
    assert camera.watched_percent[29:33] == [0, 100, 100, 0]
    assert explain("auth-failed") == "the camera refuses user name or password"
    assert explain("ok") == ""
    assert explain("of-a-newer-capture") == "of-a-newer-capture"


def test_a_beginning_is_never_in_the_future() -> None:
    ahead = Condition(False, "stalled", "stall", since=rfc3339(5000.0))
    assert since_epoch_s(ahead, now_s=4000.0, monotonic_s=10.0) == 4000.0
    assert (
        since_epoch_s(Condition(False, "stalled", "stall", since="rubbish"), now_s=4000.0, monotonic_s=10.0) == 4000.0
    )
    assert since_epoch_s(Condition(False, "silent", "x", since_s=4.0), now_s=4000.0, monotonic_s=10.0) == 3994.0


def test_a_frozen_picture_covers_nothing() -> None:
    live = watching()
    for tick in range(50):
        live.analysed(detections(tick), 1.0 + tick * 0.2)
    live.cameras(cameras(status(frozen_s=4.0)), 11.0)
    (camera,) = live.all_cameras()
    assert sum(camera.watched.shares(11.0)) == pytest.approx(6.0)


def test_the_frozen_time_of_another_capture_process_is_its_own() -> None:
    live = LiveState()
    live.cameras(cameras(status(frozen_s=500.0)), 0.0)
    live.analysed(detections(1), 10.0)
    live.cameras(cameras(status(frozen_s=0.5), started_at=SINCE), 11.0)
    (camera,) = live.all_cameras()
    assert sum(camera.watched.shares(11.0)) == pytest.approx(0.5)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 5, allow_nan=False), st.floats(0, 10, allow_nan=False)), max_size=60)
)
def test_shares_are_shares_whatever_happens(happenings: list[tuple[bool, float, float]]) -> None:
    watched, now_s = WatchedTime(), 1000.0
    for freezes, pause_s, frozen_s in happenings:
        now_s += pause_s
        if freezes:
            before = sum(watched.shares(now_s))
            watched.frozen(frozen_s, now_s)
            assert sum(watched.shares(now_s)) <= before + 1e-6
            assert sum(watched.shares(now_s)[WINDOW_S - int(frozen_s) :]) <= 1e-6 or int(frozen_s) == 0
        else:
            watched.analysed(now_s)
        shares = watched.shares(now_s)
        assert len(shares) == WINDOW_S
        assert all(0 <= share <= 1 for share in shares)


def test_without_gaps_every_second_is_watched() -> None:
    watched = WatchedTime()
    for tick in range(500):
        watched.analysed(tick * 0.2)
    assert watched.shares(99.9) == pytest.approx([1.0] * WINDOW_S)
    assert sum(watched.shares(99.8 + WINDOW_S)) == pytest.approx(2.0)


def episode(
    name: str = "e", *, began_s: float = 1000.0, camera: str = "gate", closed_s: float | None = None,
    reason: CloseReason = "left",
) -> EventMessage:  # fmt: skip
    """Open, or closed at `closed_s`."""
    closed_at = rfc3339(closed_s) if closed_s is not None else None
    return EventMessage(
        id=name, event_sequence=1, outbox_epoch="x", dedup_key=f"{name}:{closed_at}", rule="no-helmet",
        severity="high", state="open" if closed_at is None else "closed", camera=camera, zone="dock", track="t1",
        began_at=rfc3339(began_s), opened_at=rfc3339(began_s + 2), updated_at=rfc3339(began_s + 2),
        closed_at=closed_at, reason="missing-helmet", close_reason=None if closed_at is None else reason,
        confidence=0.9, model=ModelIdentity(name="m", version="1", sha256="0"), config_hash="c",
    )  # fmt: skip


def view_of(live: LiveState, monotonic_s: float = 31.0) -> StateView:
    counts = PageCounts(token_needed=False, may_change=False, viewers=0, viewers_at_most=1, dropped={})
    return state_view(live, version="1", page=counts, now_s=1_900_000_000.0, monotonic_s=monotonic_s)


def test_an_episode_is_listed_from_its_beginning_to_its_end() -> None:
    live, told = LiveState(), []
    live.on_change = lambda: told.append(live.revision)
    live.event(episode())
    (shown,) = view_of(live).episodes.open
    assert (shown.camera, shown.zone, shown.rule, shown.severity) == ("gate", "dock", "no-helmet", "high")
    assert (shown.since, shown.until, shown.close_reason) == (rfc3339(1000.0), None, None)
    live.event(episode(closed_s=1030.0, reason="complied"))
    assert view_of(live).episodes.open == []
    (shown,) = view_of(live).episodes.closed
    assert (shown.since, shown.until, shown.close_reason) == (rfc3339(1000.0), rfc3339(1030.0), "complied")
    assert told == [1, 2], "each is told at once"


def test_an_episode_has_its_picture_on_this_page_and_what_was_said_of_it() -> None:
    live, name = LiveState(), "ep-0123456789abcdef01234567"
    live.event(episode(name))
    (shown,) = view_of(live).episodes.open
    assert (shown.picture, shown.blurred, shown.verdict) == (None, None, None)
    live.verdict_of = {name: "unsure"}.get  # type: ignore[assignment]  # a dict's get takes a default too
    for uri, path in [
        (f"/evidence/{name}-2.jpg", f"/evidence/{name}-2.jpg"),
        (f"https://account.blob.example/evidence/{name}-3.jpg", f"/evidence/{name}-3.jpg"),
        ("https://elsewhere.example/a.jpg", None),
    ]:
        evidence = Evidence(uri=uri, sha256="0" * 64, blurred=True)
        live.event(msgspec.structs.replace(episode(name), evidence=evidence))
        (shown,) = view_of(live).episodes.open
        assert (shown.picture, shown.blurred, shown.verdict) == (path, True, "unsure")


def test_an_episode_that_was_open_before_the_module_started_is_listed_with_its_next_message() -> None:
    live = LiveState()
    live.event(msgspec.structs.replace(episode(), state="update"))
    assert [shown.id for shown in view_of(live).episodes.open] == ["e"]


def test_an_episode_that_has_closed_does_not_open_again() -> None:
    live = LiveState()
    for message in (episode(closed_s=1030.0), episode(), episode(closed_s=1030.0)):
        live.event(message)
    assert view_of(live).episodes.open == []
    assert len(view_of(live).episodes.closed) == 1


def test_the_lists_of_episodes_are_bounded_and_the_newest_come_first() -> None:
    live = LiveState()
    for number in range(OPEN_KEPT + 3):
        live.event(episode(f"open-{number}", began_s=1000.0 + number))
    for number in range(CLOSED_KEPT + 3):
        live.event(episode(f"closed-{number}", closed_s=5000.0 + number))
    shown = view_of(live).episodes
    assert [one.id for one in shown.open] == [f"open-{OPEN_KEPT + 2 - number}" for number in range(OPEN_SHOWN)]
    assert (shown.open_in_all, live.episodes.left_out) == (OPEN_KEPT, 3)
    assert [one.id for one in shown.closed] == [f"closed-{CLOSED_KEPT + 2 - number}" for number in range(CLOSED_SHOWN)]
    assert len(live.episodes.closed()) == CLOSED_KEPT


def test_what_is_kept_for_labelling_is_shown_where_it_is_wanted() -> None:
    live = LiveState()
    assert view_of(live).learning is None
    health = LearningHealth(
        examples=3, bytes=1, awaiting_verdict=0, taken={"random": 3}, refused={}, failed={}, evicted={}, drift=[]
    )
    live.learning(health)
    assert view_of(live).learning == health


def test_the_outbox_is_unknown_until_it_was_asked() -> None:
    live = LiveState()
    assert view_of(live).outbox is None
    live.outbox(3, 127)
    outbox = view_of(live).outbox
    assert outbox is not None
    assert (outbox.depth, outbox.newest_sequence) == (3, 127)


def test_the_hour_that_runs_is_shown_with_the_worst_zones_first() -> None:
    live, kpi = LiveState(), ComplianceKpi()
    kpi.add("gate", "a", "violation", 500.0, 3599.0)
    kpi.add("gate", "a", "compliant", 60.0, 3600.0)
    kpi.add("yard", "b", "violation", 7.04, 3700.0)
    kpi.add("yard", "b", "indeterminate", 3.0, 3700.0)
    live.compliance(kpi.hour(3800.0))
    live.precision_of = kpi.precision
    kpi.judge("e1", "gate", "a", "true")
    kpi.judge("e2", "gate", "a", "false")
    assert {(row.zone, row.precision) for row in view_of(live).hour} == {("a", 0.5), ("b", None)}
    shown = [
        (row.camera, row.zone, row.compliant_s, row.violating_s, row.indeterminate_s) for row in view_of(live).hour
    ]
    assert shown == [("yard", "b", 0.0, 7.0, 3.0), ("gate", "a", 60.0, 0.0, 0.0)]
    for number in range(ZONES_KEPT + 5):
        kpi.add("many", f"z{number}", "compliant", 1.0, 3700.0)
    live.compliance(kpi.hour(3800.0))
    assert len(view_of(live).hour) == ZONES_KEPT
    live.compliance(kpi.hour(7200.0))
    assert view_of(live).hour == []


def test_people_come_with_their_boxes() -> None:
    live = watching()
    box = BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4)
    person = Person(
        track="t1", bounding_box=box, helmet="missing", vest="worn", status="violation", reason="missing-helmet"
    )
    message = msgspec.structs.replace(detections(1, "person"), people=[person])
    assert frame_view(live, message).people == [person]
