"""The API's paths, in one table: the server's routes and its OpenAPI document are made from it. Pure.

The service's operations: Custom Vision Prediction API 3.1, as azure-cognitiveservices-vision-customvision 3.1.1 asks
for them. Its 1.0.0 asks for 3.0, and what the portal shows to copy has a capital P. The container's: the app.py in the
zip of a Docker export.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Task = Literal["detect", "classify"]
Source = Literal["image", "url"]
Kind = Literal["status", "openapi", "docs"]
TASKS: Final[tuple[Task, ...]] = ("detect", "classify")
SOURCES: Final[tuple[Source, ...]] = ("image", "url")
SERVICE_PREFIXES: Final = (
    "/customvision/v3.1/prediction",
    "/customvision/v3.1/Prediction",
    "/customvision/v3.0/Prediction",
    "/customvision/v3.0/prediction",
)
_ITERATION: Final = "/{projectId}/{task}/iterations/{publishedName}"


@dataclass(frozen=True)
class Route:
    """A POST that is answered with predictions. Parameters of `path`: projectId, publishedName."""

    path: str
    operation: str
    """The service's name for it, where it has one; unique."""
    task: Task | None
    """What it asks for; None: whatever the model does."""
    source: Source
    group: Literal["service", "container"]


@dataclass(frozen=True)
class Page:
    """A GET."""

    path: str
    kind: Kind
    summary: str


PAGES: Final = (
    Page("/", "status", "Whether it answers, and with what model"),
    Page("/openapi.json", "openapi", "This API's OpenAPI document"),
    Page("/docs", "docs", "The same for people"),
)


def _service() -> Iterator[Route]:
    for number, prefix in enumerate((*SERVICE_PREFIXES, "")):
        for task in TASKS:
            for source in SOURCES:
                for tail, told in (("", ""), ("/nostore", "WithNoStore")):
                    name = f"{task.title()}Image{'Url' if source == 'url' else ''}{told}"
                    path = prefix + _ITERATION.replace("{task}", task) + f"/{source}{tail}"
                    again = ("", "V31", "V30", "V30Small", "Container")[number]
                    yield Route(path, name + again, task, source, "service" if prefix else "container")


def _container() -> Iterator[Route]:
    for prefix, of_project in (("", ""), ("/{projectId}", "OfProject")):
        for source in SOURCES:
            for tail, told in (("", ""), ("/nostore", "WithNoStore")):
                yield Route(
                    f"{prefix}/{source}{tail}", f"{source.title()}{of_project}{told}", None, source, "container"
                )


ROUTES: Final = (*_service(), *_container())
