"""Fetches a picture by its address: one look-up, and a connection to nothing but what was judged of it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from safetygear_inference import __version__
from safetygear_inference.prediction.answers import LARGEST_IMAGE_BYTES, RequestError, too_large
from safetygear_inference.prediction.url_rules import Address, UrlPolicy, check_addresses, checked_url

FETCHED_WITHIN_S: Final = 10.0
"""The look-up, the connection and the whole picture."""
HEADER_BYTES: Final = 8190
HEADERS: Final = {
    "Accept": "image/*",
    # What is packed could unpack to more than the limit.
    "Accept-Encoding": "identity",
    "User-Agent": f"SafetyGear/{__version__}",
}
LookUp = Callable[[str, int], Awaitable[Sequence[Address]]]
Judge = Callable[[Sequence[Address], UrlPolicy], None]


class PictureFetcher:
    """`look_up` and `judge` are replaced by tests alone, to reach a server on this machine."""

    def __init__(self, policy: UrlPolicy, *, look_up: LookUp | None = None, judge: Judge = check_addresses) -> None:
        self._policy = policy
        # Of its own: look-ups that hang would take the threads that store events on the disk.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="look-up")
        self._look_up = look_up or self._ask
        self._judge = judge

    async def fetch(self, text: str) -> bytes:
        """The picture at that address. Raises RequestError."""
        url = checked_url(text, self._policy)
        assert url.host is not None and url.port is not None
        try:
            async with asyncio.timeout(FETCHED_WITHIN_S):
                addresses = await self._look_up(url.host, url.port)
                if not addresses:
                    raise _failed("its host has no address")
                self._judge(addresses, self._policy)
                return await _get(url, addresses)
        except TimeoutError as exc:
            raise _failed(f"it did not come within {FETCHED_WITHIN_S:g} s") from exc
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as exc:
            raise _failed("the server's certificate is not trusted") from exc
        # ValueError: aiohttp says so of parts of an address that it makes no request of.
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _failed("the server can't be reached, or broke off") from exc

    async def _ask(self, host: str, port: int) -> Sequence[Address]:
        def ask() -> list[Address]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [ipaddress.ip_address(entry[4][0]) for entry in found]

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    def close(self) -> None:
        """Take no more work; a look-up that is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Judged(AbstractResolver):
    """Knows one host, by the addresses that were judged."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def _get(url: URL, addresses: Sequence[Address]) -> bytes:
    # Made anew each time: authorities of a company may be put there while the module runs.
    context = await asyncio.to_thread(ssl.create_default_context)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Judged(addresses), ssl=context, limit=1, force_close=True, use_dns_cache=False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=HEADERS,
            trust_env=False,  # a proxy would do the look-up again
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        ) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        if response.status in (301, 302, 303, 307, 308):
            raise _failed("the server redirects, which is not followed")
        if response.status != 200:
            raise _failed(f"the server answered {response.status}")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _failed("the server sent it packed")
        picture = bytearray()
        async for chunk in response.content.iter_any():
            picture += chunk
            if len(picture) > LARGEST_IMAGE_BYTES:
                raise too_large()
    return bytes(picture)


def _failed(why: str) -> RequestError:
    return RequestError(400, "BadRequestImageUrl", f"the picture can't be fetched: {why}")
