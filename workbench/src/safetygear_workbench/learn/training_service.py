"""What a service that trains detectors offers, in our terms: the seam in front of Custom Vision's training client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from safetygear.errors import SafetyGearError

PICTURES_A_BATCH: Final = 64
REGIONS_A_BATCH: Final = 64
IDS_A_QUERY: Final = 256
PICTURE_BYTES: Final = 6 * 2**20
REGIONS_A_PICTURE: Final = 300
TAGS_A_PROJECT: Final = 500
"""Custom Vision's "Limits and quotas" and the training API's reference; of the free tier 50 tags."""

Kind = Literal["object detection", "classification"]


class TrainingServiceError(SafetyGearError):
    """The service, or the way to it, failed.

    `said`: the service's own code; empty where it gave none. `retryable`: the same call may succeed later, by itself.
    `retry_after_s`: how long the service asks to wait before that. `in_doubt`: it may have been done all the same.
    """

    default_code = "training-service-failed"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        said: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
        in_doubt: bool = True,
    ) -> None:
        super().__init__(message, code=code)
        self.said = said
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.in_doubt = in_doubt


@dataclass(frozen=True)
class Domain:
    """What a project's trainings start from; it decides whether the result can be exported."""

    id: str
    name: str
    kind: Kind
    exportable: bool


@dataclass(frozen=True)
class Project:
    """Pictures, tags, and the iterations trained from them."""

    id: str
    name: str
    domain: Domain


@dataclass(frozen=True)
class Tag:
    """A class that the project knows."""

    id: str
    name: str


@dataclass(frozen=True)
class Region:
    """A box with its tag, in 0..1 of the picture."""

    tag_id: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class NewPicture:
    """A picture to upload. `name` comes back with what became of it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Uploaded:
    """What became of a picture. `status`: the service's word. `image_id`: None where it has none."""

    name: str
    status: str
    image_id: str | None


@dataclass(frozen=True)
class Iteration:
    """One training and its result. `status`: the service's word."""

    id: str
    name: str
    status: str
    trained_at: str | None
    """RFC 3339 UTC; None until it is trained."""
    exportable: bool
    training_minutes: int | None
    failure: str | None


@dataclass(frozen=True)
class TagPerformance:
    """Of one tag, or of all; shares in 0..1, None where the service says none."""

    name: str
    precision: float | None
    recall: float | None
    average_precision: float | None


@dataclass(frozen=True)
class Performance:
    """What the service measured on pictures that it kept back."""

    whole: TagPerformance
    tags: tuple[TagPerformance, ...]


@dataclass(frozen=True)
class Export:
    """An iteration in a form to download. `status`: the service's word; `uri`: None until it is done."""

    platform: str
    flavor: str | None
    status: str
    uri: str | None
    newer_available: bool


class TrainingService(Protocol):
    """One project. Every call raises UserError for what a person can put right, else TrainingServiceError."""

    def project(self) -> Project:
        """With its domain."""
        ...

    def tags(self) -> list[Tag]:
        """All of the project."""
        ...

    def create_tag(self, name: str) -> Tag:
        """A tag that was not there. `said` is BadRequestTagNameNotUnique where it was."""
        ...

    def upload(self, pictures: Sequence[NewPicture], metadata: dict[str, str]) -> list[Uploaded]:
        """At most PICTURES_A_BATCH, without regions. What is there already is OKDuplicate and stays as it is."""
        ...

    def regions(self, image_ids: Sequence[str]) -> dict[str, list[Region]]:
        """The regions of at most IDS_A_QUERY pictures; a picture that is gone is not in it."""
        ...

    def create_regions(self, regions: Sequence[tuple[str, Region]]) -> int:
        """At most REGIONS_A_BATCH pairs of image id and region; how many the service left out as too many."""
        ...

    def count_pictures(self, metadata: tuple[str, str]) -> int:
        """How many of the project's pictures were uploaded with that key and value."""
        ...

    def train(self, *, budget_hours: int | None, force: bool) -> Iteration:
        """Begin a training. `budget_hours`: None for the quick one."""
        ...

    def iterations(self) -> list[Iteration]:
        """All that the project has, the newest first."""
        ...

    def iteration(self, iteration_id: str) -> Iteration:
        """As it is now."""
        ...

    def performance(self, iteration_id: str, *, threshold: float, overlap: float) -> Performance:
        """At a threshold of probability, and of overlap (IoU)."""
        ...

    def exports(self, iteration_id: str) -> list[Export]:
        """All that were asked for."""
        ...

    def export(self, iteration_id: str, platform: str) -> Export:
        """Ask for one."""
        ...
