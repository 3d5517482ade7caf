"""Stored pictures to a container of Azure Blob Storage: one after the other, the oldest first, over restarts.

An event names the blob before it is there, so that it never waits for the uplink. Belongs to the event loop, but for
`place`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic

from safetygear.backoff import Backoff
from safetygear.clock import Clock
from safetygear.errors import SafetyGearError, TwinError
from safetygear.secret_references import SecretResolver
from safetygear_inference.evidence.config import UploadConfig
from safetygear_inference.evidence.upload_marks import N, UploadMarks
from safetygear_inference.evidence.upload_policy import AFTER_CHANGE_S, FIRST_PAUSE_S, LONGEST_PAUSE_S, Next, after
from safetygear_inference.outbox.pump import OffLoop
from safetygear_inference.picture_folder import DESCRIPTION, PICTURE, PictureFolder, PictureFolderError
from safetygear_inference.problems import Part, Problems

if TYPE_CHECKING:
    from safetygear_inference.evidence.blob_container import BlobContainer

JSON: Final = "application/json"
IDLE_S: Final = 1.0
GONE: Final = "upload-picture-gone"
GIVEN_UP: Final = "upload-refused-for-good"

log = logging.getLogger(__name__)


def azure_container() -> BlobContainer:
    # Here: its import takes half a second and 30 MB, which only those need who upload.
    from safetygear_inference.evidence.blob_container import AzureBlobContainer

    return AzureBlobContainer()


class Uploads(Generic[N]):
    """Of one folder of pictures. Where they are described, a picture's description follows it."""

    def __init__(
        self,
        marks_folder: Path,
        store: PictureFolder[N],
        problems: Problems,
        clock: Clock,
        *,
        resolver: SecretResolver | None,
        folder_name: str,
        problem: Part,
        local_uri: Callable[[N], str],
        stays: Callable[[N, bytes | None], str | None] = lambda _, __: None,
        container: Callable[[], BlobContainer] = azure_container,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        """`marks_folder`: what waits is noted in it. `folder_name`: of this device in the container. `problem`: under
        which part of the module it is told that pictures wait. `local_uri`: of a picture that is not uploaded.
        `stays`: of a picture and its description, why it must not leave the device, for good; None: it may."""
        self.uploaded = 0
        """Pictures since the start."""
        self.failed: Counter[str] = Counter()
        """Attempts since the start, by reason."""
        self.given_up: Counter[str] = Counter()
        """Pictures that will not be uploaded any more, by reason."""
        self._marks = UploadMarks(marks_folder, name_of=store.name_of, quota_setting=store.quota_setting)
        self._store = store
        self._problems = problems
        self._clock = clock
        self._resolver = resolver
        self._folder_name = re.sub(r"[^A-Za-z0-9_.-]", "_", folder_name).strip(".") or "device"
        self._problem: Part = problem
        self._local_uri = local_uri
        self._stays = stays
        self._make_container = container
        self._container: BlobContainer | None = None
        self._off_loop = off_loop
        self._config: UploadConfig | None = None
        self._waiting: dict[N, str] = {}
        self._backoff = Backoff(first_s=FIRST_PAUSE_S, ceiling_s=LONGEST_PAUSE_S, random=random.Random())
        self._next_s = float("-inf")

    @property
    def waiting(self) -> int:
        """Pictures that have a place in a container and are not there yet."""
        return len(self._waiting)

    def configure(self, config: UploadConfig | None) -> None:
        if config != self._config:
            self._config = config
            self._next_s = float("-inf")
            self._backoff.reset()
            if config is None:
                self._problems.solved(self._problem)

    def uri_of(self, picture: N) -> str:
        """Where the picture is or will be."""
        config = self._config
        if config is None:
            return self._local_uri(picture)
        return f"{config.container_url}/{self._folder_name}/{picture}{PICTURE}"

    @contextlib.contextmanager
    def place(self, picture: N) -> Iterator[str]:
        """In a thread, around the storing of a picture: the same, and it is on the disk that the picture has to go
        there. Raises PictureFolderError."""
        uri = self.uri_of(picture)
        if self._config is None:
            yield uri
            return
        self._marks.add(picture, uri)
        try:
            yield uri
        except BaseException:
            with contextlib.suppress(PictureFolderError):
                self._marks.remove(picture)
            raise
        # Not before it is stored: one that is looked for too early would count as gone.
        self._waiting[picture] = uri

    async def begin(self) -> None:
        """Take over what an earlier process had not uploaded."""
        try:
            kept = await self._off_loop(self._marks.load)
            # What was placed meanwhile is perhaps not among them.
            self._waiting = {**kept, **self._waiting}
        except PictureFolderError as exc:
            self._problems.raised(self._problem, exc.code, str(exc))

    async def run(self) -> None:
        """Upload until cancelled."""
        while True:
            if not await self._upload_one():
                await self._give_up_gone()
                await self._clock.sleep(IDLE_S)

    async def _upload_one(self) -> bool:
        """Whether a picture was dealt with for good."""
        config = self._config
        if config is None or self._clock.monotonic_s() < self._next_s:
            return False
        # Those of another container wait for it to be configured again, or for the end of their retention.
        of_config = (one for one, url in list(self._waiting.items()) if url.startswith(f"{config.container_url}/"))
        picture = next(of_config, None)
        if picture is None:
            return False
        try:
            jpeg = await self._off_loop(self._store.read, picture)
            if jpeg is None:
                self.given_up[GONE] += 1
            else:
                description = await self._off_loop(self._store.read_description, picture)
                why = await self._put(config, picture, jpeg, description)
                if why is None:
                    self.uploaded += 1
                    self._backoff.reset()
                    self._problems.solved(self._problem)
                else:
                    self.given_up[f"upload-{why}"] += 1
            await self._forget(picture)
        except SafetyGearError as exc:
            return await self._failed(picture, exc)
        return True

    async def _give_up_gone(self) -> None:
        """Let go of pictures that had to make room before they were uploaded, whichever container they were for."""
        for picture in [one for one in list(self._waiting) if self._store.lacks(one)]:
            self.given_up[GONE] += 1
            try:
                await self._forget(picture)
            except PictureFolderError:
                del self._waiting[picture]  # tried once more after a restart

    async def _put(self, config: UploadConfig, picture: N, jpeg: bytes, description: bytes | None) -> str | None:
        """Why it was not sent, for good; None: it was. Raises SafetyGearError."""
        if self._resolver is None:
            raise TwinError("this process resolves no secrets", code="secret-missing")
        sas = await self._off_loop(self._resolver.resolve, config.sas_from)
        if self._container is None:
            self._container = await self._off_loop(self._make_container)
        # Last: what may leave is as the twin says now, not as it said when the picture was taken.
        if (why := self._stays(picture, description)) is not None:
            return why
        url = self._waiting[picture]
        await self._container.put(url, jpeg, sas)
        if description is not None:
            await self._container.put(url.removesuffix(PICTURE) + DESCRIPTION, description, sas, JSON)
        return None

    async def _failed(self, picture: N, exc: SafetyGearError) -> bool:
        self.failed[exc.code] += 1
        what: Next = "after-change" if isinstance(exc, TwinError) else after(getattr(exc, "status", None))
        if what == "give-up":
            log.warning("picture %s will not be uploaded: %s", picture, exc)
            self.given_up[GIVEN_UP] += 1
            try:
                await self._forget(picture)
            except PictureFolderError:
                del self._waiting[picture]  # tried once more after a restart
            return True
        self._problems.raised(self._problem, exc.code, f"pictures wait to be uploaded: {exc}")
        if what == "after-change":
            # To the end of the line: what is wrong may be wrong with this one only.
            self._waiting[picture] = self._waiting.pop(picture)
        pause_s = AFTER_CHANGE_S if what == "after-change" else self._backoff.next_s()
        self._next_s = self._clock.monotonic_s() + pause_s
        return False

    async def _forget(self, picture: N) -> None:
        await self._off_loop(self._marks.remove, picture)
        self._waiting.pop(picture, None)
