"""Azure Custom Vision's training service. The only file that imports its client, azure-cognitiveservices-vision-…

The client is used as it comes, with its own retries switched off: they differ with the version of urllib3 and lose the
service's answer. What the answers mean is in `service_answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

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
        found = self._call(lambda: self._client.get_project(self._project_id))
        domain = self._call(lambda: self._client.get_domain(found.settings.domain_id))
        with _readable():
            kind = _KINDS[str(_text(domain.type))]
            return Project(found.id, found.name, Domain(domain.id, domain.name, kind, bool(domain.exportable)))

    def tags(self) -> list[Tag]:
        found = self._call(lambda: self._client.get_tags(self._project_id))
        return [Tag(tag.id, tag.name) for tag in found]

    def create_tag(self, name: str) -> Tag:
        tag = self._call(lambda: self._client.create_tag(self._project_id, name))
        return Tag(tag.id, tag.name)

    def upload(self, pictures: Sequence[NewPicture], metadata: dict[str, str]) -> list[Uploaded]:
        entries = [models.ImageFileCreateEntry(name=one.name, contents=bytearray(one.data)) for one in pictures]
        batch = models.ImageFileCreateBatch(images=entries, metadata=metadata)
        summary = self._call(lambda: self._client.create_images_from_files(self._project_id, batch))
        with _readable():
            return [
                # Some answers quote the name.
                Uploaded(str(one.source_url).strip('"'), str(_text(one.status)), one.image.id if one.image else None)
                for one in summary.images
            ]

    def regions(self, image_ids: Sequence[str]) -> dict[str, list[Region]]:
        found = self._call(lambda: self._client.get_images_by_ids(self._project_id, list(image_ids)))
        return {
            image.id: [Region(one.tag_id, one.left, one.top, one.width, one.height) for one in image.regions or ()]
            for image in found
        }

    def create_regions(self, regions: Sequence[tuple[str, Region]]) -> int:
        entries = [
            models.ImageRegionCreateEntry(
                image_id=image_id, tag_id=one.tag_id, left=one.left, top=one.top, width=one.width, height=one.height
            )
            for image_id, one in regions
        ]
        summary = self._call(lambda: self._client.create_image_regions(self._project_id, entries))
        return len(summary.exceeded or ())

    def count_pictures(self, metadata: tuple[str, str]) -> int:
        key, value = metadata
        wanted = f"metadata={key} eq '{value}'"
        return cast(int, self._call(lambda: self._client.get_image_count(self._project_id, filter=wanted)))

    def train(self, *, budget_hours: int | None, force: bool) -> Iteration:
        kind = "Regular" if budget_hours is None else "Advanced"
        hours = budget_hours or 0
        return _iteration(
            self._call(
                lambda: self._client.train_project(
                    self._project_id, training_type=kind, reserved_budget_in_hours=hours, force_train=force
                )
            )
        )

    def iterations(self) -> list[Iteration]:
        found = self._call(lambda: self._client.get_iterations(self._project_id))
        found.sort(key=lambda one: one.created, reverse=True)
        return [_iteration(one) for one in found]

    def iteration(self, iteration_id: str) -> Iteration:
        return _iteration(self._call(lambda: self._client.get_iteration(self._project_id, iteration_id)))

    def performance(self, iteration_id: str, *, threshold: float, overlap: float) -> Performance:
        found = self._call(
            lambda: self._client.get_iteration_performance(
                self._project_id, iteration_id, threshold=threshold, overlap_threshold=overlap
            )
        )
        return Performance(_performance(found, "all"), tuple(_performance(one) for one in found.per_tag_performance))

    def exports(self, iteration_id: str) -> list[Export]:
        return [_export(one) for one in self._call(lambda: self._client.get_exports(self._project_id, iteration_id))]

    def export(self, iteration_id: str, platform: str) -> Export:
        return _export(self._call(lambda: self._client.export_iteration(self._project_id, iteration_id, platform)))

    def _call(self, action: Callable[[], Any]) -> Any:
        """The client's answer, which has no types of its own. Its errors become ours here and nowhere else."""
        try:
            with _readable():
                return action()
        except HttpOperationError as exc:
            response = exc.response
            told = self._redactor.redact(response.text)
            raise failure(response.status_code, response.headers, told, self._endpoint) from exc
        except ClientException as exc:
            raise unreachable(self._endpoint, exc.inner_exception or exc) from exc


@contextmanager
def _readable() -> Iterator[None]:
    """Where an answer is not what the service's description says."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise TrainingServiceError(
            f"the service's answer can't be read ({type(exc).__name__})", code="training-service-answer"
        ) from exc


def _text(value: Any) -> Any:
    """An enumeration's member as the word it stands for: the client gives one or the other."""
    return getattr(value, "value", value)


def _iteration(found: Any) -> Iteration:
    with _readable():
        return Iteration(
            id=found.id,
            name=found.name,
            status=found.status,
            trained_at=rfc3339(found.trained_at.timestamp()) if found.trained_at else None,
            exportable=bool(found.exportable),
            training_minutes=found.training_time_in_minutes,
            failure=found.training_error_details,
        )


def _performance(found: Any, name: str | None = None) -> TagPerformance:
    return TagPerformance(name or found.name, found.precision, found.recall, found.average_precision)


def _export(found: Any) -> Export:
    return Export(
        platform=str(_text(found.platform)),
        flavor=_text(found.flavor),
        status=str(_text(found.status)),
        uri=found.download_uri,
        newer_available=bool(found.newer_version_available),
    )
