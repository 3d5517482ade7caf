"""Examples to a container of Azure Blob Storage, as they are: `<prefix>/<id>.jpg` and `<id>.json`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from safetygear.backoff import Backoff
from safetygear.clock import Clock
from safetygear.errors import SafetyGearError, UserError
from safetygear.learning.example import DESCRIPTION_SUFFIX
from safetygear.redact import has_credentials, redact_url
from safetygear.secret_references import Secret
from safetygear_inference.evidence.blob_container import BlobContainer, UploadError
from safetygear_inference.evidence.upload_policy import after
from safetygear_workbench.learn.journal import Journal
from safetygear_workbench.learn.patience import ATTEMPTS, FIRST_PAUSE_S, LONGEST_PAUSE_S
from safetygear_workbench.learn.stored_examples import StoredExample

AT_ONCE: Final = 4
"""Uploads beside each other: on a line with a long way, one alone mostly waits."""
SAS_VARIABLE: Final = "SAFETYGEAR_BLOB_SAS"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass
class BlobResult:
    """Examples that lie in the container now, and those that were there by an earlier push."""

    added: int = 0
    sent_before: int = 0


def container_url(text: str) -> str:
    """`text` without a final slash. Raises UserError where it is none that a token may be sent to."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as exc:
        raise UserError("--blob is no URL.", hint=_HINT) from exc
    if has_credentials(text) or parts.query or parts.fragment:
        raise UserError(
            f"--blob {redact_url(text)} has a token or a query in it:",
            hint=f"give the address alone; the SAS comes from the environment, {SAS_VARIABLE}",
        )
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not secure or not parts.hostname or not parts.path.strip("/"):
        raise UserError(f"--blob {text} can't be used.", hint=_HINT)
    return text.rstrip("/")


_HINT: Final = "Give https://ACCOUNT.blob.core.windows.net/CONTAINER, perhaps with a folder behind it."


class BlobPush:
    """One push. `told`: learns why it is waited. Raises UserError and UploadError; the journal has what was taken."""

    def __init__(self, container: BlobContainer, clock: Clock, told: Callable[[str], None]) -> None:
        self._container = container
        self._clock = clock
        self._told = told

    async def run(
        self,
        examples: Sequence[StoredExample],
        url: str,
        sas: Secret,
        journal: Journal,
        progress: Callable[[int, int], None],
    ) -> BlobResult:
        """A few at a time, the oldest first; the description last, so that a picture without one is no example yet."""
        pending = [one for one in examples if journal.state(one.sha256) != "done"]
        result = BlobResult(sent_before=len(examples) - len(pending))
        waiting = iter(pending)

        async def work() -> None:
            for one in waiting:
                await self._put(f"{url}/{one.picture.name}", one.read(), sas, "image/jpeg")
                await self._put(f"{url}/{one.id}{DESCRIPTION_SUFFIX}", one.read_description(), sas, "application/json")
                journal.note("done", [one.sha256])
                result.added += 1
                progress(result.added, len(pending))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, len(pending))):
                    group.create_task(work())
        except BaseExceptionGroup as exc:
            raise exc.exceptions[0] from exc
        return result

    async def _put(self, url: str, data: bytes, sas: Secret, content_type: str) -> None:
        backoff = Backoff(first_s=FIRST_PAUSE_S, ceiling_s=LONGEST_PAUSE_S)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._container.put(url, data, sas, content_type)
                return
            except UploadError as exc:
                if after(exc.status) != "again" or attempt == ATTEMPTS:
                    raise _final(exc) from exc
                pause_s = backoff.next_s()
                self._told(f"{exc}; again in {pause_s:.0f} s")
                await self._clock.sleep(pause_s)


def _final(exc: UploadError) -> SafetyGearError:
    if exc.code == "upload-refused":
        return UserError(
            f"{exc}: the SAS in {SAS_VARIABLE} is refused.", hint="It must be for this container and allow cw."
        )
    if exc.code == "upload-container-missing":
        return UserError(f"{exc}: there is no such container.", hint="Make it, or mend --blob.")
    return exc
