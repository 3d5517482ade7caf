"""Uploads: the event never waits for one, a restart forgets none, and what refuses one is told and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from safetygear.clock import FakeClock
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.evidence.config import UploadConfig
from safetygear_inference.evidence.picture_id import PictureId
from safetygear_inference.evidence.store import EvidenceStore
from safetygear_inference.evidence.upload_policy import AFTER_CHANGE_S, LONGEST_PAUSE_S, Next, after
from safetygear_inference.evidence.uploads import GIVEN_UP, GONE, Uploads
from safetygear_inference.problems import Problems
from support.blob_container import FakeBlobContainer
from support.outbox import inline

JPEG = b"\xff\xd8 a picture"


def name(number: int) -> PictureId:
    return PictureId(f"ep-{number:024x}", 1)


class Device:
    """One start of the module, with its secrets folder and its data volume."""

    def __init__(self, folder: Path, cloud: FakeBlobContainer) -> None:
        self.clock, self.problems, self.cloud = FakeClock(), Problems(), cloud
        self.secrets, self.data = folder / "secrets", folder / "data"
        for needed in (self.secrets, self.data):
            needed.mkdir(exist_ok=True)
        self.store = EvidenceStore(self.data / "evidence")
        self.uploads = Uploads(
            self.data / "evidence-uploads", self.store, self.problems, self.clock,
            resolver=SecretResolver({}, self.secrets, Redactor()), folder_name="box 7/..",
            problem="upload", local_uri=lambda picture: picture.page_path, container=lambda: cloud, off_loop=inline,
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None

    def sas(self, text: str) -> None:
        (self.secrets / "sas").write_text(text)

    async def start(self, url: str | None) -> None:
        if url is not None:
            self.uploads.configure(UploadConfig(container_url=url, sas_from="file:sas"))
        await self.uploads.begin()
        self._task = asyncio.create_task(self.uploads.run())
        await self.clock.advance(0)

    def keep(self, number: int) -> str:
        """As the desk does: where it goes, then the picture."""
        with self.uploads.place(name(number)) as uri:
            self.store.put(name(number), JPEG, quota_bytes=2**30)
        return uri

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


@pytest.fixture
def cloud() -> FakeBlobContainer:
    return FakeBlobContainer()


@pytest.fixture
async def device(tmp_path: Path, cloud: FakeBlobContainer) -> Iterator[Device]:  # type: ignore[misc]  # async generator
    made = Device(tmp_path, cloud)
    yield made
    made.stop()


async def test_a_picture_gets_where_its_event_says(device: Device, cloud: FakeBlobContainer) -> None:
    url = cloud.make("site")
    device.sas(cloud.sas("site"))
    await device.start(url)
    uri = device.keep(1)
    assert uri == f"{url}/box_7_/{name(1).file_name}"
    await device.clock.advance(2)
    assert cloud.blobs("site") == {f"box_7_/{name(1).file_name}": JPEG}
    assert (device.uploads.waiting, device.uploads.uploaded) == (0, 1)
    assert device.store.read(name(1)) == JPEG, "the device keeps its copy"


async def test_a_picture_that_is_being_stored_is_not_looked_for_yet(device: Device, cloud: FakeBlobContainer) -> None:
    url = cloud.make("site")
    device.sas(cloud.sas("site"))
    await device.start(url)
    with device.uploads.place(name(1)):
        await device.clock.advance(2)
        device.store.put(name(1), JPEG, quota_bytes=2**30)
    await device.clock.advance(2)
    assert (list(cloud.blobs("site")), device.uploads.given_up) == ([f"box_7_/{name(1).file_name}"], {})


async def test_what_made_room_waits_for_no_container_any_more(device: Device, cloud: FakeBlobContainer) -> None:
    await device.start(cloud.make("old"))
    cloud.down = True
    device.keep(1)
    device.uploads.configure(None)
    await device.clock.advance(2)
    assert device.uploads.waiting == 1, "the old container may come back"
    device.store.remove(name(1))
    await device.clock.advance(2)
    assert (device.uploads.waiting, device.uploads.given_up) == (0, {GONE: 1})
    assert list((device.data / "evidence-uploads").iterdir()) == []


async def test_a_picture_that_could_not_be_stored_waits_for_nothing(device: Device, cloud: FakeBlobContainer) -> None:
    await device.start(cloud.make("site"))
    with pytest.raises(OSError, match="full"), device.uploads.place(name(1)):
        raise OSError("full")
    assert (device.uploads.waiting, list((device.data / "evidence-uploads").iterdir())) == (0, [])


async def test_what_is_stored_while_the_old_ones_are_read_waits_too(
    device: Device, cloud: FakeBlobContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = device.uploads._marks.load
    monkeypatch.setattr(device.uploads._marks, "load", lambda: [load(), device.keep(1)][0])
    await device.start(cloud.make("site"))
    assert device.uploads.waiting == 1


async def test_without_a_container_nothing_leaves_the_device(device: Device, cloud: FakeBlobContainer) -> None:
    await device.start(None)
    assert device.keep(1) == f"/evidence/{name(1).file_name}"
    await device.clock.advance(10)
    assert (cloud.calls, device.uploads.waiting) == ([], 0)


async def test_uploads_go_on_after_a_restart_the_oldest_first(
    device: Device, cloud: FakeBlobContainer, tmp_path: Path
) -> None:
    url = cloud.make("site")
    device.sas(cloud.sas("site"))
    cloud.down = True
    await device.start(url)
    for number in (3, 1, 2):
        device.keep(number)
    await device.clock.advance(30)
    device.stop()
    cloud.down, cloud.calls[:] = False, []
    again = Device(tmp_path, cloud)
    await again.start(url)
    await again.clock.advance(5)
    assert [call.rpartition("/")[2] for call in cloud.calls] == [name(number).file_name for number in (3, 1, 2)]
    assert again.uploads.waiting == 0
    again.stop()


async def test_an_uplink_that_is_down_is_tried_more_and_more_seldom_and_never_given_up(
    device: Device, cloud: FakeBlobContainer
) -> None:
    url = cloud.make("site")
    device.sas(cloud.sas("site"))
    cloud.down = True
    await device.start(url)
    device.keep(1)
    await device.clock.advance(60)
    assert 3 <= len(cloud.calls) <= 8
    assert device.problems.as_document()["upload"]["code"] == "upload-unreachable"
    await device.clock.advance(24 * 3600)
    assert len(cloud.calls) < 60 + 24 * 3600 / LONGEST_PAUSE_S * 1.5
    cloud.down = False
    await device.clock.advance(1.5 * LONGEST_PAUSE_S)
    assert (device.uploads.waiting, device.problems.as_document()) == (0, {})


async def test_a_sas_that_has_ended_is_a_problem_until_the_file_is_put_right(
    device: Device, cloud: FakeBlobContainer
) -> None:
    url = cloud.make("site")
    device.sas(cloud.sas("site", hours=-1))
    await device.start(url)
    device.keep(1)
    await device.clock.advance(60)
    problem = device.problems.as_document()["upload"]
    assert problem["code"] == "upload-refused"
    assert "secret" not in problem["message"]
    assert len(cloud.calls) == 1
    device.sas(cloud.sas("site"))
    await device.clock.advance(AFTER_CHANGE_S)
    assert (device.uploads.waiting, device.problems.as_document()) == (0, {})


async def test_a_missing_secret_is_a_problem_and_a_change_of_the_twin_is_tried_at_once(
    device: Device, cloud: FakeBlobContainer
) -> None:
    url = cloud.make("site")
    await device.start(url)
    device.keep(1)
    await device.clock.advance(2)
    assert device.problems.as_document()["upload"]["code"] == "secret-missing"
    (device.secrets / "other").write_text(cloud.sas("site"))
    device.uploads.configure(UploadConfig(container_url=url, sas_from="file:other"))
    await device.clock.advance(2)
    assert (device.uploads.waiting, device.problems.as_document()) == (0, {})


async def test_a_picture_that_is_never_taken_does_not_hold_the_others_up(
    device: Device, cloud: FakeBlobContainer
) -> None:
    url = cloud.make("site")
    device.sas(cloud.sas("site"))
    cloud.status = 413
    await device.start(url)
    device.keep(1)
    await device.clock.advance(2)
    cloud.status = None
    device.keep(2)
    await device.clock.advance(2)
    assert device.uploads.given_up == {GIVEN_UP: 1}
    assert list(cloud.blobs("site")) == [f"box_7_/{name(2).file_name}"]


async def test_a_picture_that_was_evicted_meanwhile_is_counted(device: Device, cloud: FakeBlobContainer) -> None:
    url = cloud.make("site")
    device.sas(cloud.sas("site"))
    cloud.down = True
    await device.start(url)
    device.keep(1)
    await device.clock.advance(2)
    device.store.expire(now_s=0, quota_bytes=0, retention_days=1)
    cloud.down = False
    await device.clock.advance(LONGEST_PAUSE_S)
    assert (device.uploads.given_up, device.uploads.waiting, cloud.blobs("site")) == ({GONE: 1}, 0, {})


async def test_pictures_of_another_container_wait_for_it(device: Device, cloud: FakeBlobContainer) -> None:
    first, second = cloud.make("first"), cloud.make("second")
    device.sas(cloud.sas("first"))
    cloud.down = True
    await device.start(first)
    device.keep(1)
    await device.clock.advance(2)
    cloud.down = False
    device.sas(cloud.sas("second"))
    device.uploads.configure(UploadConfig(container_url=second, sas_from="file:sas"))
    device.keep(2)
    await device.clock.advance(5)
    assert (len(cloud.blobs("first")), len(cloud.blobs("second")), device.uploads.waiting) == (0, 1, 1)
    device.sas(cloud.sas("first"))
    device.uploads.configure(UploadConfig(container_url=first, sas_from="file:sas"))
    await device.clock.advance(5)
    assert (len(cloud.blobs("first")), device.uploads.waiting) == (1, 0)


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (None, "again"), (408, "again"), (429, "again"), (500, "again"), (503, "again"),
        (401, "after-change"), (403, "after-change"), (404, "after-change"),
        (400, "give-up"), (409, "give-up"), (413, "give-up"),
    ],
)  # fmt: skip
def test_what_to_do_after_a_failure(status: int | None, then: Next) -> None:
    assert after(status) == then


@pytest.mark.parametrize(
    ("upload", "path", "code"),
    [
        ({"containerUrl": "https://a.blob.core.windows.net/c?sig=abc", "sasFrom": "file:sas"}, "containerUrl", None),
        ({"containerUrl": "https://u:p@a.blob.core.windows.net/c", "sasFrom": "file:sas"}, "containerUrl", None),
        ({"containerUrl": "https://a.blob.core.windows.net", "sasFrom": "file:sas"}, "containerUrl", "bad-format"),
        ({"containerUrl": "https://a/c", "sasFrom": "sv=2024&sig=abc"}, "sasFrom", "secret-reference-invalid"),
        ({"containerUrl": "https://a/c", "sasFrom": "file:../x"}, "sasFrom", "secret-reference-invalid"),
        ({"containerUrl": "https://a/c"}, "sasFrom", "missing-field"),
    ],
)
def test_a_mistake_in_the_twin_is_named_and_no_secret_is_repeated(
    upload: dict[str, str], path: str, code: str | None
) -> None:
    read = read_desired(InferenceTwin, {"evidence": {"upload": upload, "quality": 70}}, last_good=None)
    (error,) = read.errors
    assert error.path == f"evidence.upload.{path}"
    assert code in (None, error.code)
    assert "abc" not in error.message and "u:p" not in error.message
