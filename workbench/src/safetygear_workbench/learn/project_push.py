"""Examples to a project of the training service, with the detector's boxes as suggestions.

Pictures go up without regions, and regions are drawn afterwards on those that were new: a picture that the project has
already would otherwise get the regions a second time, or on top of what a person has drawn. What was begun and whose
answer was lost is looked at before anything is drawn on it, and left alone where it has other regions than ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from safetygear.errors import UserError
from safetygear_workbench.learn.batches import batches
from safetygear_workbench.learn.journal import Journal
from safetygear_workbench.learn.patience import Patience
from safetygear_workbench.learn.stored_examples import StoredExample
from safetygear_workbench.learn.suggestions import Wishes, counted, suggestions
from safetygear_workbench.learn.tag_plan import TagPlan, plan_tags
from safetygear_workbench.learn.training_service import (
    PICTURE_BYTES,
    REGIONS_A_BATCH,
    REGIONS_A_PICTURE,
    NewPicture,
    Project,
    Region,
    Tag,
    TrainingService,
    TrainingServiceError,
    Uploaded,
)

SOURCE: Final = ("source", "safetygear")
"""Metadata of every picture that is pushed, so that `learn train` can tell how many there are."""
ROUNDS: Final = 3
"""How often a picture is sent for which the service has no room at the moment."""
SAME_EDGE: Final = 1e-3
"""Edges that differ by less are one region's: what a service gives back may be rounded."""
_NEW, _THERE, _FULL = "OK", "OKDuplicate", "ErrorLimitExceed"
_MAY_PASS: Final = frozenset({"ErrorStorage", "ErrorUnknown", "ErrorSource"})
Progress = Callable[[int, int], None]
"""Pictures that were dealt with, of how many."""


@dataclass(frozen=True)
class Plan:
    """What a push would do."""

    project: Project
    tags: TagPlan
    pending: tuple[StoredExample, ...]
    sent_before: int
    suggested: dict[str, int]
    """Boxes by tag, of the pending pictures."""


@dataclass
class Result:
    """What it did. `there`: pictures that the project had already, left as they are. `refused`: by id, why."""

    added: int = 0
    there: int = 0
    regions: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    left_out: int = 0
    """Regions that the service did not take: the picture has as many as possible."""


class ProjectPush:
    """One push. Raises UserError for what a person can put right, TrainingServiceError where the service fails.

    What was taken until then is in the journal.
    """

    def __init__(self, service: TrainingService, patience: Patience, wishes: Wishes) -> None:
        self._service = service
        self._patience = patience
        self._wishes = wishes

    def plan(self, examples: Sequence[StoredExample], journal: Journal) -> Plan:
        """Asks the service, changes nothing."""
        project = self._patience.call(lambda _: self._service.project())
        if project.domain.kind != "object detection":
            raise UserError(
                f"the project {project.name!r} is for {project.domain.kind}; examples have boxes.",
                hint="Give an object detection project.",
            )
        pending = tuple(one for one in examples if journal.state(one.sha256) != "done")
        suggested = counted((one.example for one in pending), self._wishes)
        tags = plan_tags(suggested, self._patience.call(lambda _: self._service.tags()))
        return Plan(project, tags, pending, len(examples) - len(pending), dict(suggested))

    def run(self, plan: Plan, journal: Journal, progress: Progress) -> Result:
        """Do it."""
        tag_ids = dict(plan.tags.ids)
        for name in plan.tags.missing:
            tag_ids[name] = self._create_tag(name).id
        result = Result()
        waiting = list(plan.pending)
        for round_number in range(1, ROUNDS + 1):
            again: list[StoredExample] = []
            for batch in batches(waiting):
                again += self._push(batch, tag_ids, journal, result, last=round_number == ROUNDS)
                progress(result.added + result.there + len(result.refused), len(plan.pending))
            waiting = again
        return result

    def _create_tag(self, name: str) -> Tag:
        def create(again: bool) -> Tag:
            if again:
                for tag in self._service.tags():
                    if tag.name == name:
                        return tag
            return self._service.create_tag(name)

        try:
            return self._patience.call(create)
        except TrainingServiceError as exc:
            if exc.said != "BadRequestExceedTagPerProjectLimit":
                raise
            raise UserError(
                f"{exc}: there is no room for the tag {name!r}.",
                hint="The free tier takes 50: give labels that mean the same one name with --map.",
                code="training-tags-full",
            ) from exc

    def _push(
        self, batch: Sequence[StoredExample], tag_ids: dict[str, str], journal: Journal, result: Result, *, last: bool
    ) -> list[StoredExample]:
        """Those that may be taken later."""
        fitting = []
        for one in batch:
            if one.size_bytes > PICTURE_BYTES:
                result.refused[one.id] = f"larger than {PICTURE_BYTES // 2**20} MiB"
            else:
                fitting.append(one)
        if not fitting:
            return []
        answers, doubtful = self._upload(fitting, journal)
        again, done, drawn_on = [], [], {}
        full = ""
        for one in fitting:
            answer = answers.get(_name(one)) or Uploaded(_name(one), "ErrorUnknown", None)
            if answer.status == _NEW or (answer.status == _THERE and one.sha256 in doubtful):
                result.added += 1
                done.append(one.sha256)
                if answer.image_id is not None:
                    drawn_on[answer.image_id] = one
            elif answer.status == _THERE:
                result.there += 1
                done.append(one.sha256)
            elif answer.status in _MAY_PASS and not last:
                again.append(one)
            else:
                result.refused[one.id] = answer.status
                full = full or (answer.status if answer.status == _FULL else "")
        self._draw(drawn_on, tag_ids, doubtful, result)
        journal.note("done", done)
        if full:
            raise TrainingServiceError(
                f"the project takes no more pictures ({full}); {result.added} were added. Its tier's limit is reached: "
                "remove some in the portal, or push into another project",
                code="training-project-full",
            )
        return again

    def _upload(self, fitting: Sequence[StoredExample], journal: Journal) -> tuple[dict[str, Uploaded], set[str]]:
        """Answers by name, and the digests of pictures that may be there by an earlier try of ours."""
        doubtful = {one.sha256 for one in fitting if journal.state(one.sha256) == "begun"}
        pictures = [NewPicture(_name(one), one.read()) for one in fitting]
        journal.note("begun", (one.sha256 for one in fitting))

        def upload(again: bool) -> list[Uploaded]:
            if again:
                doubtful.update(one.sha256 for one in fitting)
            return self._service.upload(pictures, dict([SOURCE]))

        return {answer.name: answer for answer in self._patience.call(upload)}, doubtful

    def _draw(
        self, pictures: dict[str, StoredExample], tag_ids: dict[str, str], doubtful: set[str], result: Result
    ) -> None:
        """Suggestions onto pictures, by their id in the project."""
        wanted = []
        for image_id, one in pictures.items():
            found = suggestions(one.example, self._wishes)[:REGIONS_A_PICTURE]
            wanted += [(image_id, Region(tag_ids[box.tag], box.left, box.top, box.width, box.height)) for box in found]
        unsure = {image_id for image_id, one in pictures.items() if one.sha256 in doubtful}
        if unsure:
            sure = [pair for pair in wanted if pair[0] not in unsure]
            doubted = [pair for pair in wanted if pair[0] in unsure]
            wanted = sure + self._patience.call(lambda _: self._missing(doubted, unless_changed=True))
        for start in range(0, len(wanted), REGIONS_A_BATCH):
            chunk = wanted[start : start + REGIONS_A_BATCH]

            def draw(again: bool, chunk: Sequence[tuple[str, Region]] = chunk) -> int:
                todo = self._missing(chunk) if again else chunk
                return self._service.create_regions(todo) if todo else 0

            left_out = self._patience.call(draw)
            result.regions += len(chunk) - left_out
            result.left_out += left_out

    def _missing(
        self, wanted: Sequence[tuple[str, Region]], *, unless_changed: bool = False
    ) -> list[tuple[str, Region]]:
        """`unless_changed`: nothing of a picture with a region that is none of those wanted for it."""
        present = self._service.regions(sorted({image_id for image_id, _ in wanted}))
        changed = changed_pictures(wanted, present) if unless_changed else set()
        return missing_regions([pair for pair in wanted if pair[0] not in changed], present)


def missing_regions(wanted: Sequence[tuple[str, Region]], present: dict[str, list[Region]]) -> list[tuple[str, Region]]:
    """Pairs of image id and region that are not there yet; of a picture that is gone, none."""
    return [
        (image_id, region)
        for image_id, region in wanted
        if image_id in present and not any(_same(region, other) for other in present[image_id])
    ]


def changed_pictures(wanted: Sequence[tuple[str, Region]], present: dict[str, list[Region]]) -> set[str]:
    """Ids of the pictures that have a region which is none of those wanted: somebody was at work there."""
    ours: dict[str, list[Region]] = {}
    for image_id, region in wanted:
        ours.setdefault(image_id, []).append(region)
    return {
        image_id
        for image_id, regions in present.items()
        if not all(any(_same(one, region) for one in ours.get(image_id, ())) for region in regions)
    }


def _same(one: Region, other: Region) -> bool:
    edges = ((one.left, other.left), (one.top, other.top), (one.width, other.width), (one.height, other.height))
    return one.tag_id == other.tag_id and all(abs(mine - theirs) < SAME_EDGE for mine, theirs in edges)


def _name(one: StoredExample) -> str:
    return one.picture.name
