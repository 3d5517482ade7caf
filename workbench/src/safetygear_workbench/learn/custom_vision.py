"""Azure Custom Vision's training service. The only file that imports its client, azure-cognitiveservices-vision-…

The client is used as it comes, with its own retries switched off: they differ with the version of urllib3 and lose the
service's answer. What the answers mean is in `service_answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient, models
from msrest.authentication import ApiKeyCredentials
from msrest.exceptions import ClientException, HttpOperationError

from safetygear.clock import rfc3339
from safetygear.redact import Redactor
from safetygear.secret_references import Secret
from safetygear_workbench.learn.service_answers import failure, unreachable
from safetygear_workbench.learn.training_service import (
    Domain,
    Export,
    Iteration,
    Kind,
    NewPicture,
    Performance,
    Project,
    Region,
    Tag,
    TagPerformance,
    TrainingServiceError,
    Uploaded,
)

CALL_S: Final = 120
"""Without a byte for so long, a call has failed; a batch of pictures is looked at before it is answered."""
_KINDS: Final[dict[str, Kind]] = {"ObjectDetection": "object detection", "Classification": "classification"}
T = TypeVar("T")


class CustomVision:
    """TrainingService on a Custom Vision resource. `endpoint`: https://NAME.cognitiveservices.azure.com."""

    def __init__(self, endpoint: str, project_id: str, key: Secret) -> None:
        credentials = ApiKeyCredentials(in_headers={"Training-Key": key.reveal()})
        # Any: the client's functions have no types.
        make: Any = CustomVisionTrainingClient
        self._client: Any = make(endpoint, credentials)
        config = self._client.config
        config.connection.timeout = CALL_S
        # A redirect would take the key to another host.
        config.redirect_policy.allow = False
        config.retry_policy.retries = 0
        config.retry_policy.policy.status_forcelist = frozenset()
        config.retry_policy.policy.respect_retry_after_header = False
        self._endpoint = endpoint
        self._project_id = project_id
        self._redactor = Redactor()
        self._redactor.add(key.reveal())

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def project(self) -> Project:
        found = self._call(
            lambda: self._client.get_project(self._project_id),
            lambda it: (_word(it.id), _word(it.name), _word(it.settings.domain_id)),
        )
        return Project(*found[:2], self._call(lambda: self._client.get_domain(found[2]), _domain))

    def tags(self) -> list[Tag]:
        return self._call(lambda: self._client.get_tags(self._project_id), _each(_tag))

    def create_tag(self, name: str) -> Tag:
        return self._call(lambda: self._client.create_tag(self._project_id, name), _tag)

    def upload(self, pictures: Sequence[NewPicture], metadata: dict[str, str]) -> list[Uploaded]:
        entries = [models.ImageFileCreateEntry(name=one.name, contents=bytearray(one.data)) for one in pictures]
        batch = models.ImageFileCreateBatch(images=entries, metadata=metadata)
        return self._call(
            lambda: self._client.create_images_from_files(self._project_id, batch),
            lambda summary: _each(_uploaded)(summary.images),
        )

    def regions(self, image_ids: Sequence[str]) -> dict[str, list[Region]]:
        return self._call(
            lambda: self._client.get_images_by_ids(self._project_id, list(image_ids)),
            lambda images: {_word(one.id): _each(_region)(one.regions or []) for one in images},
        )

    def create_regions(self, regions: Sequence[tuple[str, Region]]) -> int:
        entries = [
            models.ImageRegionCreateEntry(
                image_id=image_id, tag_id=one.tag_id, left=one.left, top=one.top, width=one.width, height=one.height
            )
            for image_id, one in regions
        ]
        return self._call(
            lambda: self._client.create_image_regions(self._project_id, entries),
            lambda summary: len(entries) - len(summary.created or []) - len(summary.duplicated or []),
        )

    def count_pictures(self, metadata: tuple[str, str]) -> int:
        key, value = metadata
        wanted = f"metadata={key} eq '{value}'"
        return self._call(lambda: self._client.get_image_count(self._project_id, filter=wanted), _count)

    def train(self, *, budget_hours: int | None, force: bool) -> Iteration:
        kind = "Regular" if budget_hours is None else "Advanced"
        return self._call(
            lambda: self._client.train_project(
                self._project_id, training_type=kind, reserved_budget_in_hours=budget_hours or 0, force_train=force
            ),
            _iteration,
        )

    def iterations(self) -> list[Iteration]:
        return self._call(
            lambda: self._client.get_iterations(self._project_id),
            lambda found: _each(_iteration)(sorted(found, key=lambda one: one.created, reverse=True)),
        )

    def iteration(self, iteration_id: str) -> Iteration:
        return self._call(lambda: self._client.get_iteration(self._project_id, iteration_id), _iteration)

    def performance(self, iteration_id: str, *, threshold: float, overlap: float) -> Performance:
        return self._call(
            lambda: self._client.get_iteration_performance(
                self._project_id, iteration_id, threshold=threshold, overlap_threshold=overlap
            ),
            lambda it: Performance(
                _performance(it, "all"),
                tuple(_performance(one, _word(one.name)) for one in it.per_tag_performance or []),
            ),
        )

    def exports(self, iteration_id: str) -> list[Export]:
        return self._call(lambda: self._client.get_exports(self._project_id, iteration_id), _each(_export))

    def export(self, iteration_id: str, platform: str) -> Export:
        return self._call(lambda: self._client.export_iteration(self._project_id, iteration_id, platform), _export)

    def _call(self, ask: Callable[[], Any], read: Callable[[Any], T]) -> T:
        """Ask by the client, which has no types, and read its answer. Foreign errors become ours here."""
        try:
            return read(ask())
        except HttpOperationError as exc:
            response = exc.response
            told = self._redactor.redact(response.text)
            raise failure(response.status_code, response.headers, told, self._endpoint) from exc
        except ClientException as exc:
            raise unreachable(self._endpoint, exc.inner_exception or exc) from exc
        except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as exc:
            raise TrainingServiceError(
                f"the service's answer can't be read ({type(exc).__name__})", code="training-service-answer"
            ) from exc


def _each(read: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    return lambda found: [read(one) for one in found]


def _word(value: Any) -> str:
    """A text that must be there; an enumeration's member as its word: the client gives one or the other."""
    word = getattr(value, "value", value)
    if not isinstance(word, str) or not word:
        raise ValueError("a text is missing")
    return word


def _count(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError("a number is missing")
    return value


def _domain(found: Any) -> Domain:
    return Domain(_word(found.id), _word(found.name), _KINDS[_word(found.type)], bool(found.exportable))


def _tag(found: Any) -> Tag:
    return Tag(_word(found.id), _word(found.name))


def _region(found: Any) -> Region:
    left, top, width, height = (float(edge) for edge in (found.left, found.top, found.width, found.height))
    return Region(_word(found.tag_id), left, top, width, height)


def _uploaded(found: Any) -> Uploaded:
    # Some answers quote the name.
    name = _word(found.source_url).strip('"')
    return Uploaded(name, _word(found.status), _word(found.image.id) if found.image else None)


def _iteration(found: Any) -> Iteration:
    return Iteration(
        id=_word(found.id),
        name=_word(found.name),
        status=_word(found.status),
        trained_at=rfc3339(found.trained_at.timestamp()) if found.trained_at else None,
        exportable=bool(found.exportable),
        training_minutes=found.training_time_in_minutes,
        failure=found.training_error_details,
    )


def _performance(found: Any, name: str) -> TagPerformance:
    return TagPerformance(name, found.precision, found.recall, found.average_precision)


def _export(found: Any) -> Export:
    return Export(
        platform=_word(found.platform),
        flavor=_word(found.flavor) if found.flavor is not None else None,
        status=_word(found.status),
        uri=found.download_uri,
        newer_available=bool(found.newer_version_available),
    )
