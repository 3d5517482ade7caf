"""Fetches a model's file: over https with resume, or from a file of this machine. The shell around `download_plan`."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from safetygear.clock import Clock
from safetygear.errors import ModelError, TwinError
from safetygear.secret_references import SecretResolver
from safetygear_inference.model_change.addresses import (
    MAX_REDIRECTS,
    file_name,
    file_path,
    is_file,
    redirect_error,
    with_token,
)
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.download_plan import (
    Body,
    DownloadError,
    Speed,
    check_end,
    check_size,
    judge_answer,
    request_headers,
)
from safetygear_inference.model_change.package_store import PackageStore, PartialFile

CONNECT_S: Final = 15.0
READ_S: Final = 30.0
"""Without a byte for so long, the connection is given up."""
ANSWER_S: Final = 60.0
"""For a whole answer's beginning: a server may also drip its header lines."""
BLOCK_BYTES: Final = 2**20

Progress = Callable[[int, int | None], None]
"""Bytes that are there, and of how many; None: not told."""


class Downloads:
    """Gets packages into the store. `folders`: those that a `file:` address may name a file in."""

    def __init__(
        self, store: PackageStore, folders: Sequence[Path], secrets: SecretResolver | None, clock: Clock
    ) -> None:
        self._store = store
        self._folders = folders
        self._secrets = secrets
        self._clock = clock

    async def fetch(self, config: ModelConfig, progress: Progress) -> Path:
        """The package's file, complete and with the right digest; what is there already is not fetched again.

        Raises ModelError: download-…, data-…, secret-…, model-too-large, model-missing. What came before it stays, for
        the next try to go on from.
        """
        uri, sha256 = config.uri, config.sha256
        if uri is None or sha256 is None:
            raise ValueError("only a model with an address and a digest can be fetched")
        found = await asyncio.to_thread(self._store.find, sha256)
        if found is not None:
            return found
        partial = await asyncio.to_thread(self._store.partial, sha256)
        try:
            resumed = partial.size_bytes > 0
            if is_file(uri):
                await asyncio.to_thread(self._copy, uri, partial)
            else:
                await self._download(self._address(config), partial, progress)
            if partial.sha256 != sha256:
                seen = "" if is_file(uri) else f", but {partial.sha256}"
                await asyncio.to_thread(partial.start_over)
                # Of a file that was fetched in parts, the parts may be of two files.
                raise DownloadError(
                    f"the file's SHA-256 is not the one that the twin's model.sha256 names{seen}",
                    code="download-failed" if resumed else "download-hash",
                )
            return await asyncio.to_thread(self._store.finish, sha256, partial, file_name(uri) or "model.zip")
        except DownloadError as exc:
            if exc.start_over:
                await asyncio.to_thread(partial.start_over)
            raise
        finally:
            partial.close()

    def _address(self, config: ModelConfig) -> URL:
        address = config.uri or ""
        if config.sas is not None:
            if self._secrets is None:
                raise ModelError("secrets can't be read here", code="secret-unreadable")
            try:
                token = self._secrets.resolve(config.sas).reveal()
            except TwinError as exc:
                raise ModelError(f"model.sas: {exc}", code=exc.code) from exc
            if not token.isascii() or not token.isprintable() or " " in token:
                raise DownloadError("the token in model.sas has spaces or line breaks in it", code="download-refused")
            address = with_token(address, token)
        try:
            return URL(address, encoded=True)  # a signature is over the exact characters
        except ValueError:
            # Its message would repeat the address, token and all.
            raise DownloadError("model.uri with the token in model.sas is no URL", code="download-refused") from None

    async def _download(self, address: URL, partial: PartialFile, progress: Progress) -> None:
        # Made anew each time: certificates of a proxy or of the company may be put there while the module runs.
        context = await asyncio.to_thread(ssl.create_default_context)
        try:
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=1, force_close=True),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=READ_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=True,  # HTTPS_PROXY, NO_PROXY
            ) as session:
                for _ in range(MAX_REDIRECTS + 1):
                    location = await self._request(session, address, partial, progress)
                    if location is None:
                        return
                    address = location
                raise DownloadError(f"the server redirects more than {MAX_REDIRECTS} times", code="download-redirect")
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _network_error(exc, address.host or "") from exc

    async def _request(
        self, session: aiohttp.ClientSession, address: URL, partial: PartialFile, progress: Progress
    ) -> URL | None:
        """None: the whole body was taken. Otherwise where the server says the file is."""
        have_bytes = partial.size_bytes
        async with asyncio.timeout(ANSWER_S):
            response = await session.get(address, headers=request_headers(have_bytes), allow_redirects=False)
        async with response:
            if response.status in (301, 302, 303, 307, 308):
                return _redirected(address, response.headers.get("Location", ""))
            body = judge_answer(response.status, response.headers, have_bytes=have_bytes)
            if body.offset_bytes != have_bytes:
                await asyncio.to_thread(partial.start_over)
            if not body.complete:
                await self._take(response, body, partial, progress)
        return None

    async def _take(
        self, response: aiohttp.ClientResponse, body: Body, partial: PartialFile, progress: Progress
    ) -> None:
        speed, held = Speed(self._clock.monotonic_s()), bytearray()
        await self._check_size(body.total_bytes, partial)

        async def put_down() -> None:
            block = bytes(held)
            held.clear()  # first: called off while it is written, it must not be written twice
            await asyncio.to_thread(partial.append, block)
            progress(partial.size_bytes, body.total_bytes)

        try:
            async for block in response.content.iter_any():
                held += block
                speed.took(len(block), self._clock.monotonic_s())
                if len(held) >= BLOCK_BYTES:
                    await put_down()
                    if body.total_bytes is None:
                        await self._check_size(None, partial)
                    check_size(partial.size_bytes, have_bytes=partial.size_bytes, free_bytes=2**62)
        finally:
            # Also where the connection was cut: the next try goes on from there.
            if held:
                await put_down()
        check_end(partial.size_bytes, body.total_bytes)

    async def _check_size(self, total_bytes: int | None, partial: PartialFile) -> None:
        free_bytes = await asyncio.to_thread(self._store.free_bytes)
        check_size(total_bytes, have_bytes=partial.size_bytes, free_bytes=free_bytes)

    def _copy(self, uri: str, partial: PartialFile) -> None:
        """In a thread. The file is opened once and looked at then: a pipe or a device would never end."""
        path = Path(os.path.realpath(file_path(uri)))
        if not any(path.is_relative_to(os.path.realpath(folder)) for folder in self._folders):
            folders = " or ".join(map(str, self._folders))
            raise DownloadError(f"a file: address must name a file below {folders}", code="download-refused")
        partial.start_over()
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as exc:
            raise ModelError(f"{path} can't be opened: {exc.strerror}", code="model-missing") from exc
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise ModelError(f"{path} is no regular file", code="model-missing")
        with os.fdopen(fd, "rb") as file:
            check_size(status.st_size, have_bytes=0, free_bytes=self._store.free_bytes())
            try:
                while block := file.read(BLOCK_BYTES):
                    partial.append(block)
                    check_size(partial.size_bytes, have_bytes=partial.size_bytes, free_bytes=2**62)
            except OSError as exc:
                raise ModelError(f"{path} can't be read: {exc.strerror}", code="data-unreadable") from exc


def _redirected(address: URL, location: str) -> URL:
    try:
        target = address.join(URL(location, encoded=True))
    except ValueError:
        raise DownloadError("the server redirects to what is no URL", code="download-redirect") from None
    wrong = redirect_error(str(target)) if location else "to nowhere"
    if wrong is not None:
        raise DownloadError(f"the server redirects {wrong}", code="download-redirect")
    return target


def _network_error(exc: Exception, host: str) -> DownloadError:
    """Never with aiohttp's own text, which repeats the address and its token."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return DownloadError(
            f"{host}: the server's certificate is not trusted; for one of your own, set SSL_CERT_FILE to a file with "
            "its authority",
            code="download-certificate",
        )
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return DownloadError(f"{host}: the proxy answered with HTTP {exc.status}", code="download-unreachable")
    if isinstance(exc, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | ConnectionError):
        return DownloadError(f"{host}: the connection was cut", code="download-cut")
    if isinstance(exc, TimeoutError):
        return DownloadError(f"{host}: the server does not answer in time", code="download-unreachable")
    if isinstance(exc, aiohttp.ClientConnectorError):
        return DownloadError(f"{host}: the server can't be reached", code="download-unreachable")
    return DownloadError(f"{host}: the download failed ({type(exc).__name__})")
