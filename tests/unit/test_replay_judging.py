"""Recordings read and judged again; two configurations told apart by what they make of the same boxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from safetygear.errors import UserError
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_workbench.replay.difference import Difference, difference
from safetygear_workbench.replay.judging import Replayed, known_labels, label_errors, replay
from safetygear_workbench.replay.recording import Recording, read_recording
from support.recordings import Row, body, record
from support.storyboards import START_S, stories

BY_NAME = {story.name: story for story in stories()}
HOUR_S = 3600


def lines(documents: Iterable[Any]) -> list[bytes]:
    return [msgspec.json.encode(document) for document in documents]


def bodies(frames: Sequence[tuple[float, list[Row]]], *, camera: str = "cam", at_s: float = START_S) -> list[Any]:
    return [body(camera, number, at_s + t_s, rows) for number, (t_s, rows) in enumerate(frames, 1)]


def read(documents: Iterable[Any]) -> Recording:
    return read_recording(lines(documents), "in.jsonl")


def twin(desired: dict[str, Any]) -> InferenceTwin:
    reading = read_desired(InferenceTwin, desired, last_good=None)
    assert reading.errors == ()
    return reading.config


def judged(recording: Recording, desired: dict[str, Any] | None = None) -> Replayed:
    return replay(recording, twin(desired or {}), known_labels(recording))


def told(replayed: Replayed) -> list[tuple[str, str, str, str | None]]:
    return [
        (one.opened.camera, one.opened.rule, one.opened.reason, one.newest.close_reason) for one in replayed.episodes
    ]


BARE = bodies(BY_NAME["bare head"].frames(5))
EPISODE = ("cam", "no-helmet", "missing-helmet", "left")


def test_bodies_alone_and_what_simulate_records_are_the_same() -> None:
    other = {"schema": "safetygear.health/1", "instance": "inference"}
    alone = read([*BARE[:20], other, *BARE[20:]])
    recorded = read([record(BARE[0] | {"schema": "safetygear.health/1"}, output="health"), *map(record, BARE)])
    assert len(alone.frames) == len(recorded.frames) == len(BARE)
    assert told(judged(alone)) == told(judged(recorded)) == [EPISODE]


def test_a_line_s_schema_counts_and_its_output_where_there_is_none() -> None:
    nameless = record(BARE[0])
    del nameless["properties"]["schema"]
    assert len(read([nameless, record(BARE[1], output="somewhere")]).frames) == 2
    with pytest.raises(UserError, match="no detections in it"):
        read([{**nameless, "output": "other"}])


def test_recorded_people_and_tracks_are_not_believed() -> None:
    lied = [
        message
        | {
            "people": [{"track": "x", "helmet": "worn", "status": "compliant"}],
            "detections": [one | {"track": "x"} for one in message["detections"]],
        }
        for message in BARE
    ]
    assert told(judged(read(lied))) == [EPISODE]


def test_duplicates_late_messages_and_a_clock_put_back_give_the_same_episode() -> None:
    shaken: list[Any] = []
    for number, message in enumerate(BARE):
        step_back = 30 * 60 if number >= 60 else 0
        shaken.append(body("cam", number + 1, START_S + number / 5 - step_back, _rows(message)))
    shaken[10], shaken[12] = shaken[12], shaken[10]
    shaken.insert(40, shaken[39])
    recording = read(map(record, shaken))
    assert (recording.duplicates, recording.missing) == (1, 0)
    replayed = judged(recording)
    assert told(replayed) == [EPISODE]
    plain = judged(read(BARE)).episodes[0].newest
    assert replayed.episodes[0].newest.violating_s == pytest.approx(plain.violating_s, abs=0.21)


def _rows(message: dict[str, Any]) -> list[Row]:
    width, height = message["frame"]["width"], message["frame"]["height"]
    rows: list[Row] = []
    for one in message["detections"]:
        box = one["boundingBox"]
        x0, y0 = box["left"] * width, box["top"] * height
        rows.append((one["label"], (x0, y0, x0 + box["width"] * width, y0 + box["height"] * height)))
    return rows


def test_a_camera_that_falls_silent_ends_its_episodes_though_another_goes_on() -> None:
    story = BY_NAME["bare head"].frames(5)
    silent = bodies([frame for frame in story if frame[0] < 8])
    other = bodies(BY_NAME["compliant walk-through"].frames(5), camera="other")
    again = [message | {"sequence": message["sequence"] + 500} for message in bodies([(60.0, [])])]
    assert told(judged(read([*silent, *other, *again]))) == [("cam", "no-helmet", "missing-helmet", "camera-lost")]


def test_the_end_of_the_recording_leaves_an_episode_open() -> None:
    replayed = judged(read(bodies([frame for frame in BY_NAME["bare head"].frames(5) if frame[0] < 8])))
    (episode,) = replayed.episodes
    assert not episode.closed
    assert episode.ended_at_s == pytest.approx(START_S + 7.8)


def test_the_shift_ends_by_the_recorded_wall_clock() -> None:
    story = BY_NAME["shift ends while inside"]
    (episode,) = judged(read(bodies(story.frames(5))), dict(story.twin)).episodes
    assert episode.newest.close_reason == "shift-end"
    assert episode.newest.closed_at_s == pytest.approx(START_S + 60, abs=0.3)


def test_a_shift_ends_too_while_no_frame_comes() -> None:
    story = BY_NAME["shift ends while inside"]
    frames = [frame for frame in story.frames(5) if frame[0] < 57]
    late = [message | {"sequence": message["sequence"] + 500} for message in bodies([(66.0, [])])]
    (episode,) = judged(read([*bodies(frames), *late]), dict(story.twin)).episodes
    assert episode.newest.close_reason == "shift-end"
    assert episode.newest.closed_at_s == pytest.approx(START_S + 60, abs=1.0)


def test_kpi_has_every_hour_of_a_recording_longer_than_the_module_remembers() -> None:
    story = [frame for frame in BY_NAME["compliant walk-through"].frames(2) if 3 < frame[0] < 9]
    messages: list[Any] = []
    for hour in range(60):
        for message in bodies(story, at_s=START_S + hour * HOUR_S):
            messages.append(message | {"sequence": len(messages) + 1})
    hours = judged(read(messages)).kpi
    assert [row.hour_s for row in hours] == [START_S + hour * HOUR_S for hour in range(60)]
    assert all(row.compliant_s > 3 for row in hours)


def test_boxes_below_the_twin_s_threshold_are_left_out() -> None:
    recording = read(BARE)
    assert told(judged(recording, {"model": {"thresholds": {"head": 0.95}}})) == []
    assert told(judged(recording, {"model": {"thresholds": {"vest": 0.95}}})) == [EPISODE]
    assert told(judged(recording, {"model": {"defaultThreshold": 0.9}})) == [EPISODE]
    assert told(judged(recording, {"model": {"defaultThreshold": 0.91}})) == []


def weakened(message: dict[str, Any], label: str, probability: float) -> dict[str, Any]:
    """The same frame, in which the boxes of `label` do not reach their threshold."""
    rest = [one for one in message["detections"] if one["label"] != label]
    weak = [one | {"probability": probability, "track": "t"} for one in message["detections"] if one["label"] == label]
    return message | {"detections": rest, "weakDetections": weak}


def test_weak_boxes_and_darkness_are_judged_by_as_they_were_live() -> None:
    without = [message | {"detections": weakened(message, "head", 0.3)["detections"]} for message in BARE]
    weak = [weakened(message, "head", 0.3) for message in BARE]
    assert told(judged(read(without))) == []
    assert told(judged(read(weak))) == [EPISODE]
    bright, dim = (judged(read(some)).episodes[0].opened.opened_at_s for some in (BARE, weak))
    assert dim > bright, "weak evidence takes longer"
    weaker = [weakened(message, "head", 0.22) for message in BARE]
    assert told(judged(read(weaker))) == [EPISODE]
    assert told(judged(read([message | {"dark": True} for message in weaker]))) == [], "half of it is nothing"
    # A threshold in the twin is a limit: below it nothing counts, and above it a box is like any other.
    assert told(judged(read(weak), {"model": {"thresholds": {"head": 0.35}}})) == []
    sure = judged(read([weakened(message, "head", 0.9) for message in BARE]), {"model": {"thresholds": {"head": 0.2}}})
    assert [one.opened.opened_at_s for one in sure.episodes] == [bright]


def test_a_rule_may_ask_for_any_label_of_the_recording_or_of_the_model() -> None:
    recording = read(BARE)
    gloves = twin({"rules": {"requires": ["gloves"]}})
    (error,) = label_errors(gloves, known_labels(recording))
    assert (error.path, error.code) == ("rules.requires", "unknown-label")
    assert label_errors(gloves, known_labels(recording, ["Gloves"])) == ()
    lacking = read([body("cam", 1, START_S, [("no-gloves", (0, 0, 9, 9))])])
    assert label_errors(gloves, known_labels(lacking)) == ()


def compared(recording: Recording, first: dict[str, Any], second: dict[str, Any]) -> Difference:
    return difference(judged(recording, first).episodes, judged(recording, second).episodes)


CROSSING = read(bodies(BY_NAME["two people crossing, one bare-headed and one without a vest"].frames(5)))
NEITHER = read(bodies(BY_NAME["neither helmet nor vest"].frames(5)))


def test_the_same_configuration_makes_no_difference() -> None:
    found = compared(CROSSING, {}, {})
    assert (found.only_first, found.only_second, found.changed, found.same) == ((), (), (), 2)


def test_what_only_one_of_them_asks_for_is_only_there() -> None:
    found = compared(CROSSING, {}, {"rules": {"requires": ["helmet"]}})
    assert [one.opened.rule for one in found.only_first] == ["no-vest"]
    assert (found.only_second, found.same) == ((), 1)
    turned = compared(CROSSING, {"rules": {"requires": ["helmet"]}}, {})
    assert [one.opened.rule for one in turned.only_second] == ["no-vest"]


def test_what_both_have_but_otherwise_names_its_fields() -> None:
    found = compared(NEITHER, {}, {"rules": {"minimumDurationS": 4.0, "severity": "high"}})
    assert [sorted(one.fields) for one in found.changed] == [["openedAt", "severity"]] * 2
    assert found.changed[0].fields["severity"] == ("medium", "high")
    assert (found.only_first, found.only_second, found.same) == ((), (), 0)


def test_two_people_in_one_place_are_told_apart_by_their_boxes_not_by_track_ids() -> None:
    # The left one is ignored under the second configuration, so the right one has the other's track id there.
    bare = BY_NAME["bare head"].walkers[0]
    assert bare.helmet == ((0.0, "missing"),)
    frames: list[tuple[float, list[Row]]] = []
    for number in range(60):
        rows: list[Row] = []
        for left in (200.0, 800.0):
            box = (left, 300.0, left + 100, 560.0)
            rows += [("person", box), *bare.rows(0, box)]
        frames.append((number / 5, rows))
    recording = read(bodies(frames))
    left, right = (
        {"zones": {"cam": {"poster": {"polygon": [[x, 0], [x + 0.4, 0], [x + 0.4, 1], [x, 1]], "kind": "ignore"}}}}
        for x in (0.0, 0.6)
    )
    found = compared(recording, {}, left)
    assert (len(found.only_first), found.only_second, found.changed, found.same) == (1, (), (), 1)
    found = compared(recording, right, left)
    assert (len(found.only_first), len(found.only_second), found.changed, found.same) == (1, 1, (), 0)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "line 2: is not JSON"),
        (b"\xff\xfe", "line 2: is not JSON"),
        (b'{"body":' + b"[" * 100_000, "line 2: is not JSON"),
        (b"[1]", r"line 2: no detections message: Expected `object`"),
        (msgspec.json.encode(BARE[0] | {"camera": "a b"}), r"line 2: .*camera"),
        (msgspec.json.encode(BARE[0] | {"capturedAt": "today"}), "line 2: capturedAt"),
        (msgspec.json.encode(BARE[0] | {"capturedAt": "2026-11-25T08:00:00"}), "line 2: capturedAt"),
        (msgspec.json.encode(BARE[0] | {"capturedAt": "0001-01-01T00:00:00Z"}), "line 2: capturedAt"),
        (msgspec.json.encode(BARE[0] | {"frame": {"width": 0, "height": 720}}), r"line 2: .*frame\.width"),
        (msgspec.json.encode(record(BARE[0]) | {"body": None}), "line 2: no detections message"),
        (b'{"output":"detections"}', "line 2: no detections message"),
    ],
    ids=[
        "cut",
        "no-text",
        "nested",
        "array",
        "camera",
        "no-time",
        "no-offset",
        "year-1",
        "no-width",
        "null",
        "no-body",
    ],
)
def test_a_line_that_can_t_be_read_is_named(line: bytes, why: str) -> None:
    with pytest.raises(UserError, match=f"in.jsonl, {why}"):
        read_recording([*lines(BARE[:1]), line, *lines(BARE[1:])], "in.jsonl")


def test_empty_lines_and_a_byte_order_mark_are_no_mistake() -> None:
    assert len(read_recording([b"\xef\xbb\xbf" + lines(BARE[:1])[0], b"\n", b"  \n"], "in.jsonl").frames) == 1
