"""People keep their ids: tables of small scenes, at the rates that cameras are analysed at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from safetygear.geometry import Boxes, as_xyxy
from safetygear_inference.tracking import PersonTracker, TrackIds, TrackingConfig

ASPECT = 16 / 9
WIDTH, HEIGHT = 0.06, 0.3
"""Of a person, in 0..1 of a 16:9 picture."""
WALK = 0.8 * HEIGHT / ASPECT
"""Walking speed in widths of the picture a second: 0.8 own heights."""

Path_ = Callable[[float], tuple[float, float] | None]
"""Middle and upper edge of a person at a time; None: not seen."""

each_rate = pytest.mark.parametrize("fps", [2, 5, 10])


def tracker(**settings: float) -> PersonTracker:
    return PersonTracker(TrackingConfig(**settings), TrackIds("t"))  # type: ignore[arg-type]  # numbers by name


def box(x: float, top: float = 0.4, scale: float = 1.0) -> list[float]:
    return [x - WIDTH * scale / 2, top, x + WIDTH * scale / 2, top + HEIGHT * scale]


def see(
    followed: PersonTracker, now_s: float, boxes: Sequence[Sequence[float]], probability: float | Sequence[float] = 0.7
) -> list[str | None]:
    """The tracks of the boxes, in their order; None: not followed."""
    found = followed.update(
        as_xyxy(boxes),
        np.broadcast_to(np.asarray(probability, np.float32), len(boxes)),
        now_s=now_s,
        aspect=ASPECT,
    )
    tracks: list[str | None] = [None] * len(boxes)
    for person in found.people:
        tracks[person.box_index] = person.track
    return tracks


def walk(
    fps: float, seconds: float, *paths: Path_, skip: Callable[[float], bool] = lambda at_s: False
) -> list[set[str]]:
    """Who was followed along each path."""
    followed, found = tracker(), [set[str]() for _ in paths]
    for step in range(round(seconds * fps) + 1):
        at_s = step / fps
        places = [path(at_s) for path in paths]
        if skip(at_s):
            continue
        seen = [number for number, place in enumerate(places) if place is not None]
        tracks = see(followed, at_s, [box(*place) for place in places if place is not None])
        for number, track in zip(seen, tracks, strict=True):
            if track is not None:
                found[number].add(track)
    return found


@each_rate
@pytest.mark.parametrize("heights_per_s", [0.0, 0.8, 1.7])
def test_a_person_keeps_one_id_standing_walking_and_running(fps: float, heights_per_s: float) -> None:
    speed = heights_per_s * HEIGHT / ASPECT
    assert walk(fps, 3, lambda s: (0.1 + speed * s, 0.4)) == [{"t-1"}]


@each_rate
def test_two_people_who_cross_keep_their_ids(fps: float) -> None:
    found = walk(fps, 5, lambda s: (0.2 + WALK * s, 0.4), lambda s: (0.8 - WALK * s, 0.42))
    assert [len(ids) for ids in found] == [1, 1]
    assert found[0] != found[1]


@each_rate
def test_two_people_who_swap_places_keep_their_ids(fps: float) -> None:
    """They stand, walk past each other to where the other one stood, and stand."""

    def along(s: float) -> float:
        return WALK * min(max(s - 1, 0), 2)

    found = walk(fps, 5, lambda s: (0.4 + along(s), 0.4), lambda s: (0.4 + along(9) - along(s), 0.44))
    assert [len(ids) for ids in found] == [1, 1]
    assert found[0] != found[1]


@each_rate
def test_one_who_is_hidden_while_passing_another_has_the_same_id_after(fps: float) -> None:
    def behind(s: float) -> tuple[float, float] | None:
        x = 0.25 + WALK * s
        return None if abs(x - 0.5) < WIDTH else (x, 0.38)

    found = walk(fps, 4, behind, lambda s: (0.5, 0.42))
    assert [len(ids) for ids in found] == [1, 1]
    assert found[0] != found[1]


@each_rate
@pytest.mark.parametrize(("hidden_s", "ids"), [(1.0, 1), (2.5, 1), (3.6, 2)])
def test_one_who_stands_hidden_keeps_his_id_up_to_the_configured_time(fps: float, hidden_s: float, ids: int) -> None:
    (found,) = walk(fps, 8, lambda s: None if 2 < s < 2 + hidden_s else (0.5, 0.4))
    assert len(found) == ids


@each_rate
def test_frames_that_drop_are_a_gap_in_time_and_nothing_else(fps: float) -> None:
    found = walk(
        fps, 5, lambda s: (0.2 + WALK * s, 0.4), lambda s: (0.7 - WALK * s, 0.55), skip=lambda s: 1.6 < s < 2.7
    )
    assert [len(ids) for ids in found] == [1, 1]


def test_after_a_gap_longer_than_an_occlusion_nobody_is_known_any_more() -> None:
    followed = tracker()
    see(followed, 0.0, [box(0.5)])
    assert see(followed, 0.2, [box(0.5)]) == ["t-1"]
    update = followed.update(as_xyxy([box(0.5)]), np.array([0.95], np.float32), now_s=60.0)
    assert [person.track for person in update.people] == ["t-2"]
    assert update.ended == ["t-1"]


@each_rate
def test_jitter_of_boxes_changes_no_id(fps: float) -> None:
    draw = np.random.default_rng(1)

    def shaken(x: float) -> Path_:
        return lambda s: (x + draw.normal(0, 0.05) * HEIGHT / ASPECT, 0.4 + draw.normal(0, 0.05) * HEIGHT)

    found = walk(fps, 20, shaken(0.3), shaken(0.3 + 1.2 * WIDTH), shaken(0.6))
    assert [len(ids) for ids in found] == [1, 1, 1]


@each_rate
def test_somebody_who_comes_nearer_keeps_his_id(fps: float) -> None:
    followed, ids = tracker(), set()
    for step in range(round(4 * fps)):
        scale = 0.5 * 1.25 ** (step / fps)
        ids |= set(see(followed, step / fps, [box(0.5, 0.4 + 0.02 * step / fps, scale)]))
    assert ids - {None} == {"t-1"}


def test_at_a_standing_time_boxes_are_still_told_apart() -> None:
    followed = tracker()
    for _ in range(3):
        tracks = see(followed, 5.0, [box(0.3), box(0.5)])
    assert tracks == ["t-1", "t-2"]


def test_a_time_that_goes_back_counts_as_standing() -> None:
    followed = tracker()
    for at_s in (5.0, 5.2, 3.0, 5.4):
        tracks = see(followed, at_s, [box(0.3)])
    assert tracks == ["t-1"]


def test_frames_without_people_are_frames() -> None:
    followed = tracker()
    assert see(followed, 0.0, []) == []
    see(followed, 0.2, [box(0.3)])
    assert see(followed, 0.4, []) == []
    assert see(followed, 0.6, [box(0.3)]) == ["t-1"]


@pytest.mark.parametrize(
    ("probabilities", "followed_from"),
    [([0.9], 0), ([0.6, 0.6], 1), ([0.6, 0.2, 0.6], 2), ([0.3, 0.3, 0.3], None), ([0.9, 0.2, 0.2], 0)],
)
def test_a_track_begins_with_a_sure_box_or_a_second_good_one(
    probabilities: list[float], followed_from: int | None
) -> None:
    followed = tracker()
    tracks = [see(followed, 0.2 * step, [box(0.5)], p)[0] for step, p in enumerate(probabilities)]
    first = next((step for step, track in enumerate(tracks) if track is not None), None)
    assert first == followed_from


def test_a_box_with_low_probability_continues_a_track_but_none_below_the_least() -> None:
    followed = tracker()
    see(followed, 0.0, [box(0.5)], 0.9)
    assert see(followed, 0.2, [box(0.5)], 0.12) == ["t-1"]
    assert see(followed, 0.4, [box(0.5)], 0.09) == [None]


def test_a_sure_box_is_matched_before_an_unsure_one_that_lies_better() -> None:
    followed = tracker()
    see(followed, 0.0, [box(0.5)], 0.9)
    assert see(followed, 0.2, [box(0.5), box(0.51)], [0.3, 0.8]) == [None, "t-1"]


def test_a_known_person_is_matched_before_one_who_may_be_none() -> None:
    followed = tracker()
    see(followed, 0.0, [box(0.5), box(0.53)], [0.9, 0.6])
    assert see(followed, 0.2, [box(0.525)]) == ["t-1"]
    assert see(followed, 0.4, [box(0.525), box(0.6)]) == ["t-1", "t-2"]


def test_a_false_box_seen_once_is_nobody() -> None:
    followed = tracker()
    see(followed, 0.0, [box(0.5)], 0.6)
    see(followed, 1.4, [])
    assert see(followed, 1.6, [box(0.5)], 0.6) == [None]
    assert followed.alive == 1


def left_half(xyxy: np.ndarray) -> bool:  # type: ignore[type-arg]  # shape and type are the tracker's
    return float(xyxy[0] + xyxy[2]) < 1.0


@pytest.mark.parametrize(
    ("xs", "tracks"),
    [
        ([0.2, 0.2, 0.2], [None, None, None]),
        ([0.8, 0.8, 0.8], ["t-1", "t-1", "t-1"]),
        ([0.56, 0.51, 0.47], ["t-1", "t-1", "t-1"]),
        ([0.44, 0.48, 0.53, 0.57], [None, None, "t-1", "t-1"]),
    ],
)
def test_no_track_begins_where_people_are_ignored_but_one_may_go_there(
    xs: list[float], tracks: list[str | None]
) -> None:
    followed, found = tracker(instant_probability=0.8), []
    for step, x in enumerate(xs):
        people = followed.update(
            as_xyxy([box(x)]), np.array([0.9], np.float32), now_s=0.2 * step, aspect=ASPECT, ignore=left_half
        ).people
        found.append(people[0].track if people else None)
    assert found == tracks


def test_an_unconfirmed_person_is_not_confirmed_where_people_are_ignored() -> None:
    followed = tracker()
    for step, x in enumerate([0.51, 0.49, 0.49]):
        people = followed.update(
            as_xyxy([box(x)]), np.array([0.7], np.float32), now_s=0.2 * step, aspect=ASPECT, ignore=left_half
        ).people
        assert people == []


@each_rate
@pytest.mark.parametrize("probability", [0.7, 0.9])
def test_a_poster_where_people_are_ignored_takes_nobody_s_track(fps: float, probability: float) -> None:
    """Somebody who passes it is hidden right before it: its box is not his, and he is the same one after."""
    followed, found = tracker(), set()

    def ignore(xyxy_norm: Boxes) -> bool:
        return abs(float(xyxy_norm[0] + xyxy_norm[2]) / 2 - 0.5) < 0.02

    for step in range(round(8 * fps)):
        x = 0.2 + WALK * step / fps
        hidden = 0.47 < x < 0.53
        seen = [box(0.5)] if hidden else [box(0.5), box(x, 0.41)]
        people = followed.update(
            as_xyxy(seen), np.full(len(seen), probability, np.float32), now_s=step / fps, aspect=ASPECT, ignore=ignore
        ).people
        assert all(person.box_index == 1 for person in people)
        found |= {person.track for person in people}
    assert len(found) == 1
    assert followed.alive == 1, "the poster is not followed"


def test_who_comes_out_of_where_people_are_ignored_is_refused_beyond_the_bound_too() -> None:
    followed = tracker(max_tracks=1)
    for step, xs in enumerate([(0.4, 0.8), (0.45, 0.8), (0.52, 0.8), (0.54, 0.8)]):
        people = followed.update(
            as_xyxy([box(x) for x in xs]),
            np.full(2, 0.9, np.float32),
            now_s=0.2 * step,
            aspect=ASPECT,
            ignore=left_half,
        ).people
        assert [person.box_index for person in people] == [1]
        assert followed.alive == 1
    assert followed.refused == 2


def ends_after_s(followed: PersonTracker, last_s: float) -> float:
    for step in range(1, 100):
        if followed.update(as_xyxy([]), np.zeros(0, np.float32), now_s=last_s + step / 10, aspect=ASPECT).ended:
            return step / 10
    raise AssertionError("never ended")


def test_who_leaves_over_the_edge_ends_earlier_than_who_is_hidden() -> None:
    leaves, stays = tracker(exit_s=0.6, occlusion_s=3.0), tracker(exit_s=0.6, occlusion_s=3.0)
    for step in range(8):
        right = min(1.0, 0.8 + WIDTH / 2 + WALK * step / 5)
        left = 0.8 - WIDTH / 2 + WALK * step / 5
        see(leaves, step / 5, [[left, 0.4, right, 0.4 + HEIGHT]])
        see(stays, step / 5, [box(0.4 + WALK * step / 5)])
    assert ends_after_s(leaves, 1.4) == pytest.approx(0.7)
    assert ends_after_s(stays, 1.4) == pytest.approx(3.1)


def test_who_stands_at_the_edge_has_not_left() -> None:
    followed = tracker(exit_s=0.6, occlusion_s=3.0)
    for step in range(8):
        see(followed, step / 5, [[1 - WIDTH, 0.4, 1.0, 0.4 + HEIGHT]])
    assert ends_after_s(followed, 1.4) == pytest.approx(3.1)


def test_who_is_hidden_on_his_way_to_the_edge_has_not_left() -> None:
    followed = tracker(exit_s=0.6, occlusion_s=3.0)
    for step in range(8):
        see(followed, step / 5, [box(0.75 + WALK * step / 5)])
    assert ends_after_s(followed, 1.4) == pytest.approx(3.1)


@pytest.mark.parametrize(("x", "track"), [(0.02, None), (0.3, "t-1")])
def test_where_somebody_left_the_next_box_is_somebody_else_though_it_would_fit_one_who_is_hidden(
    x: float, track: str | None
) -> None:
    """The same walk and the same step back after 0.4 s, at the edge and within the picture."""
    followed = tracker(instant_probability=1.0)
    for step in range(8):
        centre = x + WALK * (6 - step) / 5
        see(followed, step / 5, [[max(0.0, centre - WIDTH / 2), 0.4, centre + WIDTH / 2, 0.4 + HEIGHT]])
    centre = x
    assert see(followed, 1.8, [[max(0.0, centre - WIDTH / 2), 0.4, centre + WIDTH / 2, 0.4 + HEIGHT]]) == [track]


@each_rate
def test_who_comes_in_where_somebody_just_left_is_somebody_else(fps: float) -> None:
    followed, ids = tracker(), []
    for step in range(round(5.6 * fps)):
        at_s = step / fps
        # In the picture to 1.4 s and again from 2.0 s on, the other way.
        centre = 0.1 - WALK * at_s if at_s < 1.7 else -0.2 + WALK * (at_s - 0.9) * 1.05
        boxes = [[max(0.0, centre - WIDTH / 2), 0.4, centre + WIDTH / 2, 0.7]] if centre + WIDTH / 2 > 0.005 else []
        ids += see(followed, at_s, boxes)
    assert set(ids) - {None} == {"t-1", "t-2"}


@each_rate
@pytest.mark.parametrize("people", [20, 100])
def test_a_crowd_keeps_its_ids(fps: float, people: int) -> None:
    """Rows of people at arm's length walking past each other's rows."""
    columns = 20
    scale = 0.45 if people > 20 else 0.9
    draw = np.random.default_rng(people)
    followed = tracker()
    ids: list[set[str | None]] = [set() for _ in range(people)]
    for step in range(round(4 * fps)):
        boxes = []
        for number in range(people):
            row, column = divmod(number, columns)
            way = 0.25 * WALK * scale * step / fps * (1 if row % 2 else -1)
            shake = draw.normal(0, 0.02, 2) * HEIGHT * scale
            boxes.append(box(0.05 + 0.045 * column + way + shake[0] / ASPECT, 0.1 + 0.16 * row + shake[1], scale))
        for number, track in enumerate(see(followed, step / fps, boxes)):
            ids[number].add(track)
    assert [len(seen - {None}) for seen in ids] == [1] * people
    assert len(set.union(*ids) - {None}) == people


def test_beyond_the_bound_the_least_probable_people_are_refused_and_counted() -> None:
    followed = tracker(max_tracks=3)
    probabilities = [0.86, 0.99, 0.9, 0.95, 0.87]
    assert see(followed, 0.0, [box(0.1 + 0.2 * n) for n in range(5)], probabilities) == [
        None,
        "t-1",
        "t-3",
        "t-2",
        None,
    ]
    assert followed.refused == 2
    assert followed.alive == 3


def test_the_camera_is_gone() -> None:
    followed = tracker()
    see(followed, 0.0, [box(0.3), box(0.6)], 0.9)
    see(followed, 0.1, [box(0.3), box(0.6), box(0.9)], [0.9, 0.9, 0.6])
    assert followed.end_all() == ["t-1", "t-2"]
    assert (followed.end_all(), followed.alive) == ([], 0)
    assert see(followed, 0.2, [box(0.3)], 0.9) == ["t-3"]


def test_people_come_most_probable_first_with_the_rows_of_their_boxes() -> None:
    followed = tracker()
    boxes, rows = as_xyxy([box(0.2), [0.5, 0.5, 0.5, 0.9], box(0.8)]), [4, 7, 9]
    for probability, expected in (([0.9, 0.99, 0.95], [(9, 0.95), (4, 0.9)]), ([0.9, 0.99, 0.6], [(4, 0.9), (9, 0.6)])):
        people = followed.update(boxes, np.array(probability, np.float32), now_s=0, box_index=rows).people
        assert [(person.box_index, round(person.probability, 2)) for person in people] == expected
    assert np.array_equal(people[0].xyxy_norm, boxes[0])
    assert people[0].xyxy_norm.dtype == np.float32


@pytest.mark.parametrize(("boxes", "probabilities"), [((2, 4), 1), ((2, 3), 2), ((4,), 4)])
def test_shapes_that_do_not_fit_are_refused(boxes: tuple[int, ...], probabilities: int) -> None:
    with pytest.raises(ValueError, match="don't fit"):
        tracker().update(np.zeros(boxes, np.float32), np.zeros(probabilities, np.float32), now_s=0)


def test_the_configuration_is_checked_by_its_types() -> None:
    config = msgspec.json.decode(b'{"occlusionS": 5, "maxTracks": 40}', type=TrackingConfig)
    assert (config.occlusion_s, config.max_tracks, config.high_probability) == (5.0, 40, 0.4)
    with pytest.raises(msgspec.ValidationError, match="occlusionS"):
        msgspec.json.decode(b'{"occlusionS": -1}', type=TrackingConfig)


BEN, NIA = "stands", "passes"
PASSING_PX: list[dict[str, list[float]]] = [
    {BEN: [432, 232, 510, 466], NIA: [270, 296, 340, 556]},
    {BEN: [432, 232, 510, 466], NIA: [292, 296, 364, 558]},
    {BEN: [432, 232, 510, 466], NIA: [314, 296, 388, 561]},
    {BEN: [432, 232, 510, 466], NIA: [350, 300, 426, 559]},
    {BEN: [432, 233, 510, 464], NIA: [380, 303, 472, 558]},
    {"both": [410, 237, 512, 573]},
    {"both": [402, 230, 541, 560], BEN: [433, 234, 516, 357]},
    {BEN: [431, 232, 513, 464], NIA: [470, 299, 554, 578]},
    {BEN: [432, 232, 509, 464], NIA: [522, 300, 596, 571]},
    {BEN: [431, 233, 510, 467], NIA: [554, 305, 635, 563]},
]
"""Five pictures a second of the demo as the default detector sees them, px of 1280x720."""


def test_one_box_around_two_people_who_pass_is_nobody_s() -> None:
    followed, found = tracker(), dict[str, set[str | None]]()
    for number, row in enumerate(PASSING_PX):
        boxes = [[x0 / 1280, y0 / 720, x1 / 1280, y1 / 720] for x0, y0, x1, y1 in row.values()]
        for name, track in zip(row, see(followed, number / 5, boxes, 0.76), strict=True):
            found.setdefault(name, set()).add(track)
    assert found["both"] == {None}
    assert len(found[BEN]) == len(found[NIA]) == 1
    assert found[BEN] != found[NIA]


def test_two_who_are_seen_in_one_box_for_long_are_followed_as_one_again() -> None:
    followed = tracker()
    for number in range(5):
        see(followed, number / 5, [box(0.4), box(0.4 + 0.6 * WIDTH)], 0.8)
    both = [0.4 - WIDTH / 2, 0.4, 0.4 + 1.1 * WIDTH, 0.4 + HEIGHT]
    told = [see(followed, 1 + number / 5, [both], 0.8)[0] for number in range(10)]
    assert told[0] is None
    assert told[-1] is not None
