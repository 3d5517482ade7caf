"""Pictures of a time in which faces might be clear do not leave the device once they may not any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.messages.codec import encode
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.environment import read_environment
from safetygear_inference.evidence.config import EvidenceConfig, UploadConfig
from safetygear_inference.evidence.evidence_parts import EvidenceParts
from safetygear_inference.evidence.picture_id import PictureId
from safetygear_inference.judging.judges import Judges
from safetygear_inference.key_frames.newest import KeyFrames
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.learning_parts import LearningParts
from safetygear_inference.live import LiveState
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis
from support.blob_container import FakeBlobContainer
from support.learning import example
from support.outbox import inline

JPEG = b"\xff\xd8 a picture"
UPLOAD = UploadConfig(container_url="https://fake.blob.core.windows.net/site", sas_from="file:sas")


class Module:
    """The parts of one start of the module that upload."""

    def __init__(self, folder: Path, cloud: FakeBlobContainer) -> None:
        self.clock, self.cloud, problems, live = FakeClock(), cloud, Problems(), LiveState()
        for name in ("learning", "secrets"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "secrets" / "sas").write_text(cloud.sas("site"))
        variables = {
            "SAFETYGEAR_DATA_DIR": str(folder),
            "SAFETYGEAR_FRAMES_DIR": str(folder),
            "IOTEDGE_DEVICEID": "box",
        }
        environment = read_environment(variables)
        judges, resolver = Judges(origin="box/1", token="t"), SecretResolver({}, folder / "secrets", Redactor())
        self.side, self.pool = SideAnalysis(folder), AnalysisPool(1, folder)
        self.evidence = EvidenceParts(environment, self.side, judges, KeyFrames(), live, problems, resolver, self.clock)
        self.learning = LearningParts(
            environment, self.side, judges, self.pool, self.evidence.detector, live, problems, resolver, self.clock
        )
        for parts in (self.evidence, self.learning):
            uploads: Any = parts.uploads
            uploads._make_container, uploads._off_loop = lambda: cloud, inline
        self.tasks: list[asyncio.Task[None]] = []

    def may_be(self, faces: Any) -> None:
        """What the twin says of faces."""
        self.evidence.configure(EvidenceConfig(faces=faces, upload=UPLOAD))
        self.learning.configure(LearningConfig(enabled=True, faces=faces, upload=UPLOAD))

    def keep(self, number: int, *, blurred: bool) -> None:
        """A picture of an event, and an example."""
        picture, one = PictureId(f"ep-{number:024x}", 1, blurred), example(number)
        one = msgspec.structs.replace(one, picture=msgspec.structs.replace(one.picture, faces_blurred=blurred))
        with self.evidence.uploads.place(picture):
            self.evidence.desk.store.put(picture, JPEG, quota_bytes=2**30)
        with self.learning.uploads.place(one.id):
            self.learning.desk.library.examples.put(one.id, JPEG, quota_bytes=2**30, description=encode(one))

    async def upload(self) -> None:
        """Begin, and as long as there is something to do."""
        for parts in (self.evidence, self.learning):
            await parts.uploads.begin()
            self.tasks.append(asyncio.create_task(parts.uploads.run()))
        await self.clock.advance(5)

    def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.side.close()
        self.pool.close()


@pytest.fixture
async def module(tmp_path: Path) -> AsyncIterator[Module]:
    cloud = FakeBlobContainer()
    cloud.make("site")
    made = Module(tmp_path, cloud)
    yield made
    made.end()


async def test_what_was_clear_stays_here_once_the_twin_says_blurred(module: Module) -> None:
    module.may_be("clear")
    module.keep(1, blurred=False)
    module.keep(2, blurred=True)
    module.may_be("blurred")
    await module.upload()
    sent = {call.rpartition("/")[2] for call in module.cloud.calls}
    assert sent == {f"{PictureId(f'ep-{2:024x}', 1)}.jpg", f"{example(2).id}.jpg", f"{example(2).id}.json"}
    for parts, left in ((module.evidence, 2), (module.learning, 2)):
        assert (parts.uploads.waiting, parts.uploads.given_up) == (0, {"upload-faces-clear": 1})
        health = parts.health()
        assert health is not None and health.evicted == {"upload-faces-clear": 1}
        assert health.waiting_for_upload == 0
        store = parts.desk.store if isinstance(parts, EvidenceParts) else parts.desk.library.examples
        assert store.count == left, "it stays for its retention"
    module.may_be("clear")
    await module.clock.advance(5)
    assert len(module.cloud.calls) == 3, "for good"


async def test_after_a_restart_too(module: Module, tmp_path: Path) -> None:
    module.may_be("clear")
    module.keep(1, blurred=False)
    again = Module(tmp_path, module.cloud)
    for store in (again.evidence.desk.store, again.learning.desk.library.examples):
        store.begin()
    again.may_be("blurred")
    await again.upload()
    assert module.cloud.calls == []
    again.end()


async def test_clear_pictures_leave_while_they_may(module: Module) -> None:
    module.may_be("clear")
    module.keep(1, blurred=False)
    await module.upload()
    assert len(module.cloud.calls) == 3


async def test_of_an_unreadable_description_nobody_knows(module: Module) -> None:
    module.may_be("blurred")
    with module.learning.uploads.place(example(1).id):
        module.learning.desk.library.examples.put(example(1).id, JPEG, quota_bytes=2**30, description=b"{")
    await module.upload()
    assert module.cloud.calls == []
