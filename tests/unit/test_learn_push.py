"""Pushing to a project: what is sent, what is drawn, and that nothing is there twice whatever happens in between."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.backoff import Backoff
from safetygear.errors import UserError
from safetygear.secret_references import Secret
from safetygear_workbench.learn.batches import batches
from safetygear_workbench.learn.custom_vision import CustomVision
from safetygear_workbench.learn.journal import Journal
from safetygear_workbench.learn.patience import ATTEMPTS, Patience
from safetygear_workbench.learn.project_push import ProjectPush, Result, changed_pictures, missing_regions
from safetygear_workbench.learn.stored_examples import StoredExample, read_examples
from safetygear_workbench.learn.suggestions import Wishes, suggestions
from safetygear_workbench.learn.tag_plan import plan_tags
from safetygear_workbench.learn.training_service import Region, Tag, TrainingServiceError
from support.stored_examples import Box, described, jpeg, write_example, write_examples
from support.training_project import CLASSIFYING, Limits, TrainingProject
from support.training_server import KEY, Fault, TrainingServer, cut_after, cut_before, serving, status

BOXES = (Box("helmet"), Box("person", 0.1, 0.1, 0.3, 0.6, probability=0.5))


class Pushing:
    """A folder of examples and a server that takes them; pauses are noted, not made."""

    def __init__(self, folder: Path, server: TrainingServer) -> None:
        self.folder, self.server = folder, server
        self.pauses_s: list[float] = []

    def push(self, wishes: Wishes | None = None) -> Result:
        found = read_examples(self.folder, lambda *_: None)
        assert not found.broken
        service = CustomVision(self.server.endpoint, self.server.project.id, Secret(KEY))
        patience = Patience(self.pauses_s.append, lambda _: None, Backoff(first_s=1, ceiling_s=60, jitter=0))
        pushing = ProjectPush(service, patience, wishes or Wishes())
        try:
            with Journal(self.folder, "here") as journal:
                return pushing.run(pushing.plan(found.whole, journal), journal, lambda *_: None)
        finally:
            service.close()


@pytest.fixture
def pushing(tmp_path: Path) -> Iterator[Pushing]:
    with serving(TrainingProject()) as server:
        yield Pushing(tmp_path / "examples", server)


def assert_each_once(pushing: Pushing, count: int) -> None:
    """`count` pictures, and BOXES on each of them."""
    project = pushing.server.project
    assert len(project.images) == count
    assert all(len(image.regions) == len(BOXES) for image in project.images.values())
    assert project.names_of_regions() == {"helmet": count, "person": count}


def test_pictures_go_in_batches_with_their_boxes(pushing: Pushing) -> None:
    write_examples(pushing.folder, 70, BOXES)
    result = pushing.push()
    assert (result.added, result.there, result.regions, result.refused) == (70, 0, 140, {})
    assert_each_once(pushing, 70)
    assert pushing.server.calls("images/files") == 2
    image = next(iter(pushing.server.project.images.values()))
    assert image.metadata == {"source": "safetygear"}
    helmet = next(one for one in image.regions if one["tagName"] == "helmet")
    assert [helmet[side] for side in ("left", "top", "width", "height")] == [0.25, 0.25, 0.5, 0.25]


def test_a_second_push_sends_what_is_new(pushing: Pushing) -> None:
    write_examples(pushing.folder, 3, BOXES)
    pushing.push()
    before = pushing.server.calls("images/files")
    assert pushing.push() == Result()
    assert pushing.server.calls("images/files") == before
    write_example(pushing.folder, 3, BOXES)
    assert pushing.push().added == 1
    assert_each_once(pushing, 4)


FAULTS = {
    "cut before a batch": ("images/files", cut_before),
    "cut after a batch": ("images/files", cut_after),
    "cut before regions": ("images/regions", cut_before),
    "cut after regions": ("images/regions", cut_after),
    "cut after a tag": ("POST /projects/{project}/tags", cut_after),
    "busy": ("images/files", status(429)),
    "restarting": ("images/regions", status(503)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_line_that_is_cut_and_a_busy_service_double_nothing(pushing: Pushing, name: str) -> None:
    part, fault = FAULTS[name]
    pushing.server.faults = [(part.replace("{project}", pushing.server.project.id), fault)] * 2
    write_examples(pushing.folder, 70, BOXES)
    assert pushing.push().added == 70
    assert pushing.server.faults == []
    assert len(pushing.pauses_s) == 2
    assert_each_once(pushing, 70)


@pytest.mark.parametrize(
    ("part", "fault"), [("images/files", cut_before), ("images/files", cut_after), ("images/regions", cut_before)]
)
def test_a_push_that_fails_is_gone_on_with(pushing: Pushing, part: str, fault: Fault) -> None:
    """The network is down half-way, for longer than anybody waits."""
    write_examples(pushing.folder, 70, BOXES)
    pushing.server.faults = [(part, _works), *[(part, fault)] * ATTEMPTS]
    with pytest.raises(TrainingServiceError) as caught:
        pushing.push()
    assert caught.value.code == "training-service-unreachable"
    assert pushing.push().refused == {}
    assert_each_once(pushing, 70)


async def _works(request: Any, handler: Any) -> Any:
    return await handler(request)


@pytest.mark.parametrize("faults", [[], [("images/files", status(429))]])
def test_what_people_have_drawn_stays(pushing: Pushing, faults: list[tuple[str, Fault]]) -> None:
    """A picture that somebody else has uploaded and tagged: the journal knows nothing of it."""
    write_examples(pushing.folder, 2, BOXES)
    pushing.server.faults = faults
    project = pushing.server.project
    tag = project.create_tag("helmet")["id"]
    drawn = {"tagId": tag, "left": 0.0, "top": 0.0, "width": 0.1, "height": 0.1}
    project.add_images([{"name": "by-hand.jpg", "contents": jpeg(0), "regions": [drawn]}], [], {})
    result = pushing.push()
    assert (result.added, result.there) == (1, 1)
    by_hand = next(image for image in project.images.values() if image.name == "by-hand.jpg")
    assert [one["width"] for one in by_hand.regions] == [0.1]


def test_what_people_have_drawn_stays_after_a_push_that_was_killed(pushing: Pushing) -> None:
    """It was noted as begun and never arrived; somebody else has uploaded and tagged the first one meanwhile."""
    found = write_examples(pushing.folder, 2, BOXES)
    with Journal(pushing.folder, "here") as journal:
        journal.note("begun", [one.picture.sha256 for one in found])
    project = pushing.server.project
    drawn = {"tagId": project.create_tag("helmet")["id"], "left": 0.0, "top": 0.0, "width": 0.1, "height": 0.1}
    project.add_images([{"name": "by-hand.jpg", "contents": jpeg(0), "regions": [drawn]}], [], {})
    pushing.push()
    assert {image.name: len(image.regions) for image in project.images.values()} == {
        "by-hand.jpg": 1,
        f"{found[1].id}.jpg": 2,
    }


def test_what_was_not_sent_is_not_noted_as_begun(pushing: Pushing, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = write_examples(pushing.folder, 1)

    def gone(_: StoredExample) -> bytes:
        raise UserError("it is gone")

    monkeypatch.setattr(StoredExample, "read", gone)
    with pytest.raises(UserError, match="it is gone"):
        pushing.push()
    with Journal(pushing.folder, "here") as journal:
        assert journal.state(example.picture.sha256) is None


def test_the_service_says_how_long_to_wait(pushing: Pushing) -> None:
    write_examples(pushing.folder, 1)
    pushing.server.faults = [("images/files", status(429, Retry_After="17"))]
    assert pushing.push().added == 1
    assert pushing.pauses_s == [17]


def test_a_redirect_takes_no_key_along(pushing: Pushing) -> None:
    write_examples(pushing.folder, 1)
    with serving(TrainingProject()) as other:
        pushing.server.faults = [
            ("/tags", status(307, Location=f"{other.endpoint}/customvision/v3.4-preview/training"))
        ]
        with pytest.raises(UserError, match="a redirect"):
            pushing.push()
        assert other.requests == []


def test_nobody_waits_for_an_hour(pushing: Pushing) -> None:
    write_examples(pushing.folder, 1)
    pushing.server.faults = [("images/files", status(429, Retry_After="3600"))]
    with pytest.raises(TrainingServiceError):
        pushing.push()
    assert pushing.pauses_s == []


def test_a_refused_picture_costs_no_other_one(pushing: Pushing) -> None:
    write_examples(pushing.folder, 2)
    bad = write_example(pushing.folder, 5, picture=b"\xff\xd8\xff no picture")
    result = pushing.push()
    assert (result.added, result.refused) == (2, {bad.id: "ErrorImageFormat"})
    assert pushing.push().refused == {bad.id: "ErrorImageFormat"}


def test_storage_that_fails_is_tried_again(pushing: Pushing) -> None:
    write_examples(pushing.folder, 1)
    body = {"isBatchSuccessful": False, "images": [{"sourceUrl": "x", "status": "ErrorStorage", "image": None}]}
    pushing.server.faults = [("images/files", status(207, body))]
    assert pushing.push().added == 1


def test_a_full_project_ends_it(pushing: Pushing) -> None:
    write_examples(pushing.folder, 5, BOXES)
    pushing.server.project.limits = Limits(images=3)
    with pytest.raises(TrainingServiceError) as caught:
        pushing.push()
    assert caught.value.code == "training-project-full"
    assert_each_once(pushing, 3)
    pushing.server.project.limits = Limits()
    pushing.push()
    assert_each_once(pushing, 5)


def test_the_free_tiers_tags_are_told(pushing: Pushing) -> None:
    write_examples(pushing.folder, 1, BOXES)
    pushing.server.project.limits = Limits(tags=1)
    with pytest.raises(UserError, match="no room for the tag 'person'"):
        pushing.push()
    assert pushing.server.project.images == {}


def test_a_picture_takes_so_many_regions(pushing: Pushing) -> None:
    many = [Box("helmet", left=n / 1000, probability=0.9) for n in range(310)]
    write_example(pushing.folder, 0, many)
    pushing.server.project.limits = Limits(regions_an_image=290)
    result = pushing.push()
    assert (result.regions, result.left_out) == (290, 10)


def test_a_classification_project_takes_no_boxes(tmp_path: Path) -> None:
    with serving(TrainingProject(domain=CLASSIFYING)) as server:
        pushing = Pushing(tmp_path / "examples", server)
        write_examples(pushing.folder, 1)
        with pytest.raises(UserError, match="is for classification; examples have boxes"):
            pushing.push()
        assert server.calls("POST") == 0


# Suggestions and tags


def boxes_of(folder: Path, boxes: Sequence[Box], wishes: Wishes) -> list[tuple[str, float]]:
    found = suggestions(write_example(folder, 0, boxes), wishes)
    return [(one.tag, one.probability) for one in found]


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (Wishes(), [("helmet", 0.9), ("vest", 0.4)]),
        (Wishes(least_probability=0.5), [("helmet", 0.9)]),
        (Wishes(weak=True), [("helmet", 0.9), ("vest", 0.4), ("person", 0.2)]),
        (Wishes(names={"helmet": "hardhat"}), [("hardhat", 0.9), ("vest", 0.4)]),
        (Wishes(boxes=False), []),
    ],
)
def test_which_boxes_are_suggested(tmp_path: Path, wishes: Wishes, expected: list[tuple[str, float]]) -> None:
    boxes = [Box("vest", probability=0.4), Box("helmet", probability=0.9), Box("person", probability=0.2, weak=True)]
    assert boxes_of(tmp_path, boxes, wishes) == expected


@pytest.mark.parametrize(
    ("box", "edges"),
    [
        (Box("a", -0.25, -0.5, 0.5, 1.0), (0.0, 0.0, 0.25, 0.5)),
        (Box("a", 0.75, 0.5, 0.5, 1.0), (0.75, 0.5, 0.25, 0.5)),
        (Box("a", 0.995, 0.5, 0.5, 0.5), None),  # less than a pixel wide
        (Box("a", 1.5, 0.5, 0.5, 0.5), None),
        (Box("a", 0.5, 0.5, -0.1, 0.5), None),
    ],
)
def test_a_box_lies_in_its_picture(tmp_path: Path, box: Box, edges: tuple[float, ...] | None) -> None:
    found = [
        (one.left, one.top, one.width, one.height) for one in suggestions(write_example(tmp_path, 0, [box]), Wishes())
    ]
    assert found == ([] if edges is None else [edges])


NUMBERS = st.floats(-2, 2, allow_nan=False)


@given(st.lists(st.builds(Box, st.just("a"), NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=5))
def test_every_suggestion_can_be_drawn(boxes: list[Box]) -> None:
    """As strictly as the service looks at regions, without the tolerance it may have."""
    for one in suggestions(described(0, boxes), Wishes()):
        assert min(one.left, one.top) >= 0
        assert min(one.width * 64, one.height * 48) >= 1
        assert max(one.left + one.width, one.top + one.height) <= 1


def test_tags_that_are_missing_are_created() -> None:
    plan = plan_tags(["vest", "helmet", "vest"], [Tag("1", "helmet"), Tag("2", "glove")])
    assert (plan.ids, plan.missing) == ({"helmet": "1", "glove": "2"}, ("vest",))


def test_a_tag_in_other_letters_is_the_persons_to_name() -> None:
    with pytest.raises(UserError, match="--map helmet=Helmet"):
        plan_tags(["helmet"], [Tag("1", "Helmet")])


def test_too_many_tags_are_refused_before_one_is_made() -> None:
    with pytest.raises(UserError, match="would have 600 tags; at most 500"):
        plan_tags([f"class {number}" for number in range(599)], [Tag("1", "helmet")])


def test_regions_that_are_there_are_not_drawn_again() -> None:
    region = Region("tag", 0.1, 0.2, 0.3, 0.4)
    near, other = Region("tag", 0.1004, 0.2, 0.3, 0.4), Region("else", 0.1, 0.2, 0.3, 0.4)
    wanted = [("a", region), ("b", region), ("c", region), ("gone", region)]
    present = {"a": [near], "b": [other], "c": []}
    assert missing_regions(wanted, present) == [("b", region), ("c", region)]
    assert changed_pictures(wanted, present) == {"b"}


# Batches and the journal


def test_a_batch_is_limited_in_bytes_too(tmp_path: Path) -> None:
    write_examples(tmp_path, 5)
    found = read_examples(tmp_path, lambda *_: None).whole
    sizes = [9, 9, 1, 30, 1]
    large = [StoredExample(one.example, one.picture, size * 2**20) for one, size in zip(found, sizes, strict=True)]
    assert [[one.size_bytes // 2**20 for one in batch] for batch in batches(large)] == [[9], [9, 1], [30], [1]]


def test_a_journal_survives_a_torn_line(tmp_path: Path) -> None:
    with Journal(tmp_path, "here") as journal:
        journal.note("begun", ["a", "b"])
        journal.note("done", ["a"])
        path = journal.path
    with path.open("ab") as file:
        file.write(b'{"sha256": "b", "sta')
    with Journal(tmp_path, "here") as journal:
        assert [journal.state(one) for one in ("a", "b", "c")] == ["done", "begun", None]
        journal.note("done", ["b"])
    with Journal(tmp_path, "here") as journal:
        assert journal.state("b") == "done"
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_journal_that_is_cut_anywhere_says_no_more_than_it_knew(tmp_path: Path) -> None:
    with Journal(tmp_path, "here") as journal:
        journal.note("begun", ["a", "b"])
        journal.note("done", ["a"])
        path = journal.path
    whole = path.read_bytes()
    seen = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Journal(tmp_path, "here") as journal:
            seen.append((journal.state("a"), journal.state("b")))
    # Each state follows the one before: nothing is done that was not begun.
    order = [(None, None), ("begun", None), ("begun", "begun"), ("done", "begun")]
    places = [order.index(states) for states in seen]
    assert places == sorted(places)
    assert places[-1] == 3


def test_a_journal_that_cant_be_written_is_told(tmp_path: Path) -> None:
    with Journal(tmp_path, "here") as journal:
        path = journal.path
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="can't be used"):
        Journal(tmp_path, "here")


def test_a_journal_whose_disk_is_full_is_told_once(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(UserError, match="can't be used"), Journal(tmp_path, "here") as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 9, limits[1]))
        try:
            journal.note("begun", ["a"])
        finally:
            # Closing tries to write what is left, which must not hide what was said.
            journal.__exit__(None, None, None)
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with Journal(tmp_path, "here") as journal:
        assert journal.state("a") is None


def test_each_place_has_its_own_journal(tmp_path: Path) -> None:
    with Journal(tmp_path, "here") as journal, Journal(tmp_path, "there") as other:
        journal.note("done", ["a"])
        assert other.state("a") is None


def test_two_pushes_at_once_are_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, "here"), pytest.raises(UserError, match="another push"):
        Journal(tmp_path, "here")


def test_a_journal_of_something_else_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, "here") as journal:
        path = journal.path
    path.write_text('{"schema": "other"}\n')
    with pytest.raises(UserError, match="is no journal"):
        Journal(tmp_path, "here")


def test_patience_ends() -> None:
    pauses_s: list[float] = []
    patience = Patience(pauses_s.append, lambda _: None, Backoff(first_s=1, ceiling_s=60, jitter=0))

    def fails(again: bool) -> None:
        raise TrainingServiceError("no", retryable=True)

    with pytest.raises(TrainingServiceError):
        patience.call(fails)
    assert pauses_s == [1, 2, 4, 8, 16, 32, 60]
