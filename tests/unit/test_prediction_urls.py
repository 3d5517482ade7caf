"""Which addresses pictures are fetched from, and what a server may do to the one who fetches."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import UserError
from safetygear_inference.prediction import url_fetch
from safetygear_inference.prediction.answers import LARGEST_IMAGE_BYTES, RequestError
from safetygear_inference.prediction.url_fetch import PictureFetcher
from safetygear_inference.prediction.url_rules import (
    Host,
    UrlPolicy,
    check_addresses,
    checked_url,
    is_public,
    read_policy,
)
from safetygear_workbench.edge_runtime.pki import ensure_certificates

PUBLIC = UrlPolicy()
NAMED = UrlPolicy((Host("nvr.site.example"), Host("10.0.0.5", 8080), Host("fd00::5")))


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("nvr.site.example", (Host("nvr.site.example"),)),
        ("a.example., b.example:8443", (Host("a.example"), Host("b.example", 8443))),
        ("10.0.0.5:8080,[fd00::5]:80", (Host("10.0.0.5", 8080), Host("fd00::5", 80))),
        ("public", ()),
    ],
)
def test_the_policy_is_read(text: str, hosts: tuple[Host, ...]) -> None:
    assert read_policy("URLS", text) == UrlPolicy(hosts)


def test_off_is_no_policy() -> None:
    assert read_policy("URLS", "off") is None


@pytest.mark.parametrize(
    "text", ["on a", "http://a.example", "a.example/path", "a:99999", "user@a", ",", "[::1", "a b"]
)
def test_a_wrong_policy_is_one_clear_line(text: str) -> None:
    with pytest.raises(UserError, match=r"URLS is .*: use off, public, or hosts"):
        read_policy("URLS", text)


@pytest.mark.parametrize(
    ("policy", "text", "why"),
    [
        (PUBLIC, "https://a.example/a.jpg?b=c#d", None),
        (PUBLIC, "http://a.example:8080/", None),
        (PUBLIC, "http://8.8.8.8/", None),
        (PUBLIC, "http://[2606:4700::1]/", None),
        (PUBLIC, "", "must begin with http"),
        (PUBLIC, "a.example", "must begin with http"),
        (PUBLIC, "//a.example/a", "must begin with http"),
        (PUBLIC, "http:///a", "must begin with http"),
        (PUBLIC, "file:///etc/passwd", "must begin with http"),
        (PUBLIC, "ftp://a.example/", "must begin with http"),
        (PUBLIC, "gopher://a.example:70/", "must begin with http"),
        (PUBLIC, "http://user@a.example/", "user or password"),
        (PUBLIC, "http://:word@a.example/", "user or password"),
        (PUBLIC, "http://a.example:99999/", "no URL"),
        (PUBLIC, "http://[::1/", "no URL"),
        (PUBLIC, "http://a.example/" + "a" * 2048, "longer than 2048"),
        (PUBLIC, "http://a.example:22/", "port 22"),
        (PUBLIC, "http://a.example:25/", "port 25"),
        (PUBLIC, "http://2130706433/", "no address"),
        (PUBLIC, "http://127.1/", "no address"),
        (PUBLIC, "http://0177.0.0.1/", "no address"),
        (NAMED, "http://nvr.site.example/", None),
        (NAMED, "https://NVR.site.example./", None),
        (NAMED, "http://10.0.0.5:8080/a", None),
        (NAMED, "http://[fd00::5]/", None),
        (NAMED, "http://nvr.site.example:8080/", "other hosts only"),
        (NAMED, "http://10.0.0.5/", "other hosts only"),
        (NAMED, "http://a.example/", "other hosts only"),
    ],
)
def test_an_address_is_looked_at_before_its_host_is_looked_up(policy: UrlPolicy, text: str, why: str | None) -> None:
    if why is None:
        assert checked_url(text, policy).host
        return
    with pytest.raises(RequestError, match=why) as caught:
        checked_url(text, policy)
    assert (caught.value.status, caught.value.code) == (400, "BadRequestImageUrl")


@pytest.mark.parametrize(
    ("address", "public", "named"),
    [
        ("8.8.8.8", True, True),
        ("20.50.2.1", True, True),
        ("2606:4700::1111", True, True),
        ("10.1.2.3", False, True),
        ("172.16.0.1", False, True),
        ("172.32.0.1", True, True),
        ("192.168.1.1", False, True),
        ("fd12:3456::1", False, True),
        ("127.0.0.1", False, False),
        ("127.8.8.8", False, False),
        ("0.0.0.0", False, False),
        ("169.254.169.254", False, False),  # the metadata of Azure, AWS and Google
        ("168.63.129.16", False, False),  # Azure's wire server
        ("100.64.0.1", False, False),
        ("100.100.100.200", False, False),  # Alibaba's metadata
        ("192.0.0.192", False, False),  # Oracle's
        ("192.0.2.1", False, False),
        ("192.88.99.1", False, False),
        ("198.18.0.1", False, False),
        ("224.0.0.1", False, False),
        ("240.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("::", False, False),
        ("::1", False, False),
        ("::127.0.0.1", False, False),
        ("::ffff:127.0.0.1", False, False),
        ("::ffff:8.8.8.8", False, False),
        ("64:ff9b::7f00:1", False, False),  # NAT64
        ("64:ff9b:1::7f00:1", False, False),
        ("2001::7f00:1", False, False),  # Teredo
        ("2001:db8::1", False, False),
        ("2002:7f00:1::", False, False),  # 6to4
        ("3fff::1", False, False),
        ("5f00::1", False, False),
        ("fe80::1", False, False),
        ("fe80::1%eth0", False, False),
        ("2606:4700::1111%eth0", False, False),
        ("fec0::1", False, False),
        ("ff02::1", False, False),
    ],
)
def test_which_addresses_are_connected_to(address: str, public: bool, named: bool) -> None:
    one = ipaddress.ip_address(address)
    assert is_public(one) is public
    for policy, expected in ((PUBLIC, public), (NAMED, named)):
        if expected:
            check_addresses([one], policy)
        else:
            with pytest.raises(RequestError, match="no public address"):
                check_addresses([one], policy)


def test_one_bad_address_is_enough() -> None:
    with pytest.raises(RequestError):
        check_addresses([ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("127.0.0.1")], PUBLIC)


@given(st.ip_addresses())
def test_no_address_is_public_that_python_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A web server on this machine, as a fetcher sees it that takes it for a public one."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.looked_up: list[tuple[str, int]] = []
        self.answer: Handler = self.jpeg
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self.server = TestServer(app)
        self.fetcher = PictureFetcher(PUBLIC, look_up=self._look_up, judge=lambda addresses, policy: None)

    async def _look_up(self, host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        self.looked_up.append((host, port))
        return [ipaddress.ip_address("127.0.0.1")]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)

    async def jpeg(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"a picture", content_type="image/jpeg")

    async def fetch(self, path: str = "/a.jpg", host: str = "pictures.example") -> bytes:
        return await self.fetcher.fetch(f"http://{host}:{self.server.port}{path}")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.server.start_server()
    yield made
    await made.server.close()
    made.fetcher.close()


async def test_one_look_up_and_no_credentials(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert await site.fetch("/a%20b.jpg?c=%2F") == b"a picture"
    assert site.looked_up == [("pictures.example", site.server.port)]
    (request,) = site.asked
    assert request.headers["Host"] == f"pictures.example:{site.server.port}"
    assert set(request.headers) == {"Host", "Accept", "Accept-Encoding", "User-Agent", "Connection"}
    assert request.raw_path == "/a%20b.jpg?c=%2F"


async def test_the_real_look_up_finds_loopback_and_refuses_it(site: Site) -> None:
    fetcher = PictureFetcher(PUBLIC)
    for host in ("localhost", "127.0.0.1", "[::1]", "0x7f.1"):
        with pytest.raises(RequestError, match=r"no public address|can't be reached"):
            await fetcher.fetch(f"http://{host}:{site.server.port}/a.jpg")
    fetcher.close()
    assert site.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(site: Site, status: int) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "/b.jpg"})

    site.answer = away
    with pytest.raises(RequestError, match="redirects, which is not followed"):
        await site.fetch()
    assert len(site.asked) == 1


async def test_what_else_a_server_answers(site: Site) -> None:
    async def not_there(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text="secret")

    async def packed(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})

    async def too_much(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(bytes(2**20))
        return response

    async def breaks_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"x")
        assert request.transport is not None
        request.transport.abort()
        return response

    async def long_header(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={"X": "x" * 20_000})

    for answer, why, code in (
        (not_there, "answered 404", "BadRequestImageUrl"),
        (packed, "sent it packed", "BadRequestImageUrl"),
        (too_much, "larger than 4 MB", "BadRequestImageSizeBytes"),
        (breaks_off, "broke off", "BadRequestImageUrl"),
        (long_header, "can't be reached, or broke off", "BadRequestImageUrl"),
    ):
        site.answer = answer
        with pytest.raises(RequestError, match=why) as caught:
            await site.fetch()
        assert caught.value.code == code
        assert "secret" not in str(caught.value)
    assert LARGEST_IMAGE_BYTES == 4 << 20


async def test_a_server_or_look_up_that_is_slow_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_fetch, "FETCHED_WITHIN_S", 0.05)
    never = asyncio.Event()

    async def waits(request: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    site.answer = waits
    with pytest.raises(RequestError, match=r"within 0\.05 s"):
        await site.fetch()
    never.set()

    async def asks(host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        await asyncio.Event().wait()
        return []

    fetcher = PictureFetcher(PUBLIC, look_up=asks)
    with pytest.raises(RequestError, match=r"within 0\.05 s"):
        await fetcher.fetch("http://a.example/")


async def test_a_host_that_is_nowhere() -> None:
    async def nothing(host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        return []

    with pytest.raises(RequestError, match="no address"):
        await PictureFetcher(PUBLIC, look_up=nothing).fetch("http://a.example/")
    for host in ("a..b.example", "a" * 64 + ".example", "nowhere.invalid"):
        with pytest.raises(RequestError) as caught:
            await PictureFetcher(PUBLIC).fetch(f"http://{host}/")
        assert caught.value.status == 400


async def test_the_certificate_must_be_of_the_name_and_trusted(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = ensure_certificates(tmp_path, ["pictures.example"], time.time())
    runner = web.AppRunner(site.server.app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context()).start()
    port = runner.addresses[0][1]
    try:
        with pytest.raises(RequestError, match="certificate is not trusted"):
            await site.fetcher.fetch(f"https://pictures.example:{port}/a.jpg")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        assert ssl.get_default_verify_paths().cafile == str(certificates.authority)
        assert await site.fetcher.fetch(f"https://pictures.example:{port}/a.jpg") == b"a picture"
        with pytest.raises(RequestError, match="certificate is not trusted"):
            await site.fetcher.fetch(f"https://other.example:{port}/a.jpg")
    finally:
        await runner.cleanup()
