"""Examples to a container: the picture first, then what describes it; nothing there before the twin says where."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from safetygear.clock import FakeClock
from safetygear.messages.codec import encode
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.evidence.config import UploadConfig
from safetygear_inference.evidence.uploads import Uploads
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.example_folder import DescribedFolder
from safetygear_inference.problems import Problems
from support.blob_container import FakeBlobContainer
from support.learning import example
from support.learning_desk import Desk
from support.outbox import inline

JPEG = b"\xff\xd8 a picture"


class Device:
    """One start of the module."""

    def __init__(self, folder: Path, cloud: FakeBlobContainer) -> None:
        self.clock, self.problems = FakeClock(), Problems()
        for name in ("learning", "secrets"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "secrets" / "sas").write_text(cloud.sas("site"))
        self.store = DescribedFolder(folder / "learning" / "examples")
        self.uploads: Uploads[str] = Uploads(
            folder / "learning-uploads", self.store, self.problems, self.clock,
            resolver=SecretResolver({}, folder / "secrets", Redactor()), folder_name="box-7",
            problem="learning-upload", local_uri=str, container=lambda: cloud, off_loop=inline,
        )  # fmt: skip

    def keep(self, number: int) -> str:
        one = example(number)
        with self.uploads.place(one.id):
            self.store.put(one.id, JPEG, quota_bytes=2**30, description=encode(one))
        return one.id


@pytest.fixture
async def cloud() -> AsyncIterator[FakeBlobContainer]:
    made = FakeBlobContainer()
    made.make("site")
    yield made


async def upload(device: Device, cloud: FakeBlobContainer) -> asyncio.Task[None]:
    device.uploads.configure(UploadConfig(container_url="https://fake.blob.core.windows.net/site", sas_from="file:sas"))
    await device.uploads.begin()
    task = asyncio.create_task(device.uploads.run())
    await device.clock.advance(0)
    return task


async def test_an_example_arrives_with_its_description(tmp_path: Path, cloud: FakeBlobContainer) -> None:
    device = Device(tmp_path, cloud)
    task = await upload(device, cloud)
    name = device.keep(1)
    await device.clock.advance(2)
    assert cloud.blobs("site") == {f"box-7/{name}.jpg": JPEG, f"box-7/{name}.json": encode(example(1))}
    assert [call.rpartition(".")[2] for call in cloud.calls] == ["jpg", "json"], "what has a description is whole"
    assert (device.uploads.uploaded, device.uploads.waiting) == (1, 0)
    task.cancel()


async def test_a_restart_between_the_two_files_goes_on(tmp_path: Path, cloud: FakeBlobContainer) -> None:
    device = Device(tmp_path, cloud)
    task = await upload(device, cloud)
    put = cloud.put

    async def picture_only(url: str, data: bytes, sas: object, content_type: str = "image/jpeg") -> None:
        cloud.down = content_type != "image/jpeg"
        await put(url, data, sas, content_type)  # type: ignore[arg-type]  # a Secret, passed on

    cloud.put = picture_only  # type: ignore[method-assign]
    name = device.keep(1)
    await device.clock.advance(2)
    assert list(cloud.blobs("site")) == [f"box-7/{name}.jpg"]
    assert device.problems.as_document()["learning-upload"]["code"] == "upload-unreachable"
    task.cancel()
    cloud.put, cloud.down = put, False  # type: ignore[method-assign]
    again = Device(tmp_path, cloud)
    again.store.begin()
    task = await upload(again, cloud)
    await again.clock.advance(2)
    assert set(cloud.blobs("site")) == {f"box-7/{name}.jpg", f"box-7/{name}.json"}
    task.cancel()


async def test_the_desk_notes_where_a_picture_goes_before_it_is_there(tmp_path: Path) -> None:
    desk, noted = Desk(tmp_path), list[tuple[str, bool]]()
    library = desk.desk.library

    @contextlib.contextmanager
    def place(name: str) -> Iterator[None]:
        noted.append((name, library.examples.has(name)))
        yield
        noted.append((name, library.examples.has(name)))

    library.place = place
    await desk.desk.turn()
    await desk.see()
    assert noted == [(desk.stored()[0], False), (desk.stored()[0], True)]
    desk.side.close()


def test_the_twin_takes_a_container_and_no_secret() -> None:
    def read(upload: object) -> list[tuple[str, str]]:
        found = read_desired(InferenceTwin, {"learning": {"enabled": True, "upload": upload}}, last_good=None)
        return [(error.path, error.code) for error in found.errors]

    assert read({"containerUrl": "https://a.blob.core.windows.net/examples", "sasFrom": "file:sas"}) == []
    assert read({"containerUrl": "https://u:p@a.blob.core.windows.net/examples", "sasFrom": "file:sas"}) == [
        ("learning.upload.containerUrl", "credentials-in-url")
    ]
    ((path, _),) = read({"containerUrl": "https://a.blob.core.windows.net/examples", "sasFrom": "sig=abc"})
    assert path == "learning.upload.sasFrom"


@pytest.mark.parametrize(
    ("learning", "path"),
    [
        ({"perHour": 0}, "learning.perHour"),
        ({"reasons": ["boredom"]}, "learning.reasons"),
        ({"reasons": []}, "learning.reasons"),
        ({"faces": "none"}, "learning.faces"),
        ({"minimumDistanceBits": 65}, "learning.minimumDistanceBits"),
        ({"quota": 1}, "learning.quota"),
    ],
)
def test_a_mistake_is_named_and_what_was_good_stays(learning: dict[str, object], path: str) -> None:
    good = InferenceTwin(learning=LearningConfig(enabled=True, per_day=7))
    found = read_desired(InferenceTwin, {"learning": {"perDay": 8, **learning}}, last_good=good)
    assert [error.path for error in found.errors] == [path]
    assert found.config.learning.per_day == (8 if path == "learning.quota" else 7)
