"""Fetches an export: over https, of limited size, into a file."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from safetygear.errors import SafetyGearError, UserError
from safetygear_workbench.learn.blob_push import LOOPBACK

LARGEST_BYTES: Final = 640 * 2**20
"""What the device takes."""
CONNECT_S: Final = 15.0
READ_S: Final = 60.0
"""Without a byte for so long, it has failed."""
PAUSES_S: Final = (2.0, 10.0, 30.0)
"""Before each further attempt."""
BLOCK_BYTES: Final = 2**18


class ExportDownloadError(SafetyGearError):
    """The export could not be fetched."""

    default_code = "export-download"


class _BusyError(aiohttp.ClientError):
    """The storage answers that it can't just now."""


def check_address(uri: str | None, *, local: bool) -> str:
    """Where to fetch from. `local`: the service is on this machine, as in tests. Raises ExportDownloadError."""
    parts = urlsplit(uri or "")
    if parts.scheme == "https" and parts.hostname:
        return uri or ""
    if local and parts.scheme == "http" and parts.hostname in LOOPBACK:
        return uri or ""
    if uri and not parts.scheme:
        raise ExportDownloadError(
            "the resource is in a virtual network and gives no address to download from: download the export in the "
            "portal, then `safetygear model pack`"
        )
    raise ExportDownloadError("the service gives no https address to download from")


def fetch(address: str, path: Path, progress: Callable[[int, int | None], None], sleep: Callable[[float], None]) -> str:
    """Write the file `path`; its SHA-256. `progress`: bytes that are there, and of how many.

    Raises ExportDownloadError, or UserError where there is no room for it. The address is a secret: it carries a token.
    """
    url = URL(address, encoded=True)
    for pause_s in (*PAUSES_S, None):
        try:
            return asyncio.run(_try(url, path, progress))
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as exc:
            if pause_s is None or isinstance(exc, aiohttp.ClientSSLError):
                raise ExportDownloadError(f"{url.host}: the {_why(exc)} while the export was fetched") from exc
            sleep(pause_s)
        except OSError as exc:
            raise UserError(f"{path.parent}: the export can't be written ({exc.strerror}).") from exc
    raise AssertionError("the last attempt returns or raises")


async def _try(address: URL, path: Path, progress: Callable[[int, int | None], None]) -> str:
    digest, have_bytes = hashlib.sha256(), 0
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=READ_S)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True, auto_decompress=False) as session,
        session.get(address, allow_redirects=False) as response,
    ):
        if response.status >= 500:
            raise _BusyError
        if response.status != 200:
            raise ExportDownloadError(f"{address.host} answers {response.status} to the export's address; pull again")
        total_bytes = response.content_length
        if (total_bytes or 0) > LARGEST_BYTES:
            raise _too_large()
        with path.open("wb") as file:
            async for block in response.content.iter_chunked(BLOCK_BYTES):
                have_bytes += len(block)
                if have_bytes > LARGEST_BYTES:
                    raise _too_large()
                digest.update(block)
                file.write(block)
                progress(have_bytes, total_bytes)
    return digest.hexdigest()


def _why(exc: Exception) -> str:
    """Not aiohttp's own text: it repeats the address."""
    if isinstance(exc, aiohttp.ClientSSLError):
        return "certificate is not trusted"
    return "storage was busy" if isinstance(exc, _BusyError) else "connection was cut"


def _too_large() -> ExportDownloadError:
    return ExportDownloadError(f"the export is larger than the {LARGEST_BYTES // 2**20} MiB that a device takes")
