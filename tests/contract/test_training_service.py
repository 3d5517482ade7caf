"""What a training service does with pictures, tags and regions: the local server, by the unmodified client.

The same against Azure, which has not been done: set SAFETYGEAR_CONTRACT_ENDPOINT, SAFETYGEAR_CONTRACT_PROJECT (object
detection, domain General (compact) [S1], may be filled) and CUSTOM_VISION_TRAINING_KEY. It trains and exports nothing.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient, models
from msrest.authentication import ApiKeyCredentials

from safetygear.errors import UserError
from safetygear.secret_references import Secret
from safetygear_workbench.learn.custom_vision import CustomVision
from safetygear_workbench.learn.training_service import NewPicture, Region, TrainingService, TrainingServiceError
from support.stored_examples import jpeg
from support.training_project import CLASSIFYING, GENERAL, TrainingProject
from support.training_server import KEY, TrainingServer, serving


@dataclass
class Subject:
    """A project behind the seam, and the client as it comes."""

    endpoint: str
    project_id: str
    key: str
    first: int
    """Number of the first picture that the project can't have yet."""

    def service(self, **changes: str) -> CustomVision:
        used = {"endpoint": self.endpoint, "project_id": self.project_id, "key": self.key, **changes}
        return CustomVision(used["endpoint"], used["project_id"], Secret(used["key"]))

    def client(self) -> Any:
        return CustomVisionTrainingClient(self.endpoint, ApiKeyCredentials(in_headers={"Training-key": self.key}))

    def picture(self, number: int) -> NewPicture:
        return NewPicture(f"{self.first + number}.jpg", jpeg(self.first + number))


ENDPOINT = os.environ.get("SAFETYGEAR_CONTRACT_ENDPOINT")


@pytest.fixture(params=["local", "azure"] if ENDPOINT else ["local"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    first = uuid.uuid4().int % 2**23
    if request.param == "azure":
        project, key = os.environ["SAFETYGEAR_CONTRACT_PROJECT"], os.environ["CUSTOM_VISION_TRAINING_KEY"]
        yield Subject(ENDPOINT or "", project, key, first)
        return
    with serving(TrainingProject()) as server:
        yield Subject(server.endpoint, server.project.id, KEY, first)


@pytest.fixture
def service(subject: Subject) -> Iterator[TrainingService]:
    service = subject.service()
    yield service
    service.close()


def tag_id(service: TrainingService) -> str:
    """Of a tag that is new."""
    return service.create_tag(f"tag {uuid.uuid4()}").id


def test_the_project_says_what_its_domain_is(service: TrainingService, subject: Subject) -> None:
    project = service.project()
    assert project.id == subject.project_id
    assert (project.domain.name, project.domain.kind) == ("General (compact) [S1]", "object detection")
    assert project.domain.exportable


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": "f" * 32}, "training-key-refused"),
        ({"project_id": str(uuid.uuid4())}, "training-project-unknown"),
    ],
)
def test_a_wrong_key_or_project_is_the_persons(subject: Subject, change: dict[str, str], code: str) -> None:
    with pytest.raises(UserError) as caught:
        subject.service(**change).project()
    assert caught.value.code == code
    assert change.get("key", "none") not in str(caught.value)


def test_a_tag_is_there_once(service: TrainingService) -> None:
    name = f"tag {uuid.uuid4()}"
    tag = service.create_tag(name)
    assert tag in service.tags()
    with pytest.raises(TrainingServiceError) as caught:
        service.create_tag(name)
    assert caught.value.said == "BadRequestTagNameNotUnique"
    assert not caught.value.retryable


def test_a_picture_that_is_there_is_known_by_its_content(service: TrainingService, subject: Subject) -> None:
    first, second = subject.picture(0), subject.picture(1)
    (answer,) = service.upload([first], {"source": "safetygear"})
    assert (answer.name, answer.status) == (first.name, "OK")
    again = {one.name: one for one in service.upload([NewPicture("other.jpg", first.data), second], {})}
    assert (again["other.jpg"].status, again["other.jpg"].image_id) == ("OKDuplicate", answer.image_id)
    assert again[second.name].status == "OK"


def test_what_is_no_picture_is_refused_alone(service: TrainingService, subject: Subject) -> None:
    answers = service.upload([NewPicture("bad.jpg", b"\xff\xd8\xff no picture"), subject.picture(0)], {})
    assert {one.name: one.status for one in answers} == {"bad.jpg": "ErrorImageFormat", subject.picture(0).name: "OK"}


def test_regions_are_drawn_once(service: TrainingService, subject: Subject) -> None:
    (answer,) = service.upload([subject.picture(0)], {})
    assert answer.image_id is not None
    region = Region(tag_id(service), 0.25, 0.25, 0.5, 0.125)
    for _ in range(2):
        assert service.create_regions([(answer.image_id, region)]) == 0
    assert service.regions([answer.image_id]) == {answer.image_id: [region]}


def test_a_picture_that_is_there_gets_the_regions_that_come_with_it(subject: Subject, service: TrainingService) -> None:
    """Why pictures are uploaded without."""
    tag, picture = tag_id(service), subject.picture(0)

    def send(left: float) -> Any:
        region = models.Region(tag_id=tag, left=left, top=0.1, width=0.2, height=0.2)
        entry = models.ImageFileCreateEntry(name="a.jpg", contents=bytearray(picture.data), regions=[region])
        batch = models.ImageFileCreateBatch(images=[entry])
        return subject.client().create_images_from_files(subject.project_id, batch).images[0]

    sent = [send(0.1), send(0.5)]
    assert [one.status for one in sent] == ["OK", "OKDuplicate"]
    assert len(service.regions([sent[0].image.id])[sent[0].image.id]) == 2


def test_pictures_are_counted_by_where_they_came_from(service: TrainingService, subject: Subject) -> None:
    source = ("source", uuid.uuid4().hex)
    service.upload([subject.picture(0), subject.picture(1)], dict([source]))
    service.upload([subject.picture(2)], {"source": "portal"})
    assert service.count_pictures(source) == 2


def test_a_batch_has_its_limits(service: TrainingService, subject: Subject) -> None:
    with pytest.raises(TrainingServiceError) as caught:
        service.upload([subject.picture(number) for number in range(65)], {})
    assert caught.value.said == "BadRequestExceededBatchSize"
    (answer,) = service.upload([subject.picture(0)], {})
    assert answer.image_id is not None
    tag = tag_id(service)
    with pytest.raises(TrainingServiceError):
        service.create_regions([(answer.image_id, Region(tag, 0, 0, 0.01 + n / 100, 0.5)) for n in range(65)])


# Trainings and exports cost time or money: against the local server only.


@pytest.fixture
def server() -> Iterator[TrainingServer]:
    with serving(TrainingProject()) as server:
        yield server


def trainable(server: TrainingServer) -> CustomVision:
    service = CustomVision(server.endpoint, server.project.id, Secret(KEY))
    tag = service.create_tag("helmet").id
    for answer in service.upload([NewPicture(f"{number}.jpg", jpeg(number)) for number in range(15)], {}):
        assert answer.image_id is not None
        service.create_regions([(answer.image_id, Region(tag, 0.1, 0.1, 0.5, 0.5))])
    return service


def test_a_training_goes_on_and_is_not_begun_twice(server: TrainingServer) -> None:
    service = trainable(server)
    iteration = service.train(budget_hours=None, force=False)
    with pytest.raises(TrainingServiceError) as caught:
        service.train(budget_hours=None, force=False)
    assert caught.value.said == "BadRequestTrainingAlreadyInProgress"
    seen = [iteration.status, *(service.iteration(iteration.id).status for _ in range(2))]
    assert seen == ["Training", "Training", "Completed"]
    with pytest.raises(TrainingServiceError) as caught:
        service.train(budget_hours=None, force=False)
    assert caught.value.said == "BadRequestTrainingNotNeeded"
    assert service.train(budget_hours=3, force=False).status == "Training"
    performance = service.performance(iteration.id, threshold=0.5, overlap=0.3)
    assert [one.name for one in (*performance.tags, performance.whole)] == ["helmet", "all"]


def test_an_export_is_there_once_and_a_month_has_one(server: TrainingServer) -> None:
    service = trainable(server)
    first = service.train(budget_hours=None, force=False)
    for _ in range(2):
        service.iteration(first.id)
    assert service.export(first.id, "ONNX").status == "Exporting"
    seen = [service.exports(first.id)[0] for _ in range(2)]
    assert [(one.status, one.uri is None) for one in seen] == [("Exporting", True), ("Done", False)]
    with pytest.raises(TrainingServiceError) as caught:
        service.export(first.id, "ONNX")
    assert caught.value.said == "BadRequestExportAlreadyInProgress"
    second = service.train(budget_hours=None, force=True)
    for _ in range(2):
        service.iteration(second.id)
    with pytest.raises(TrainingServiceError) as caught:
        service.export(second.id, "ONNX")
    assert caught.value.said == "BadRequestExceededQuota"


@pytest.mark.parametrize(("domain", "kind"), [(GENERAL, "object detection"), (CLASSIFYING, "classification")])
def test_other_domains_are_told(domain: dict[str, Any], kind: str) -> None:
    with serving(TrainingProject(domain=domain)) as server:
        found = CustomVision(server.endpoint, server.project.id, Secret(KEY)).project().domain
    assert (found.name, found.kind, found.exportable) == (domain["name"], kind, domain["exportable"])
