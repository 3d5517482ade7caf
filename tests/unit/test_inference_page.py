"""The page's server by real connections: who gets in, what he gets, and that nobody can hold it up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from safetygear.clock import FakeClock, rfc3339
from safetygear.listen import Listen
from safetygear.messages.codec import BoundingBox
from safetygear.messages.detections import Detection, DetectionsMessage, FrameSize, LatencyMs, ModelIdentity
from safetygear.redact import Redactor
from safetygear.secret_references import Secret, SecretResolver
from safetygear_inference.__main__ import _serve_page
from safetygear_inference.environment import read_environment
from safetygear_inference.live import LiveState
from safetygear_inference.problems import Problems
from safetygear_inference.web.access import (
    FAILURES_ALLOWED,
    FAILURES_ALLOWED_IN_ALL,
    FAILURES_OVER_S,
    SESSION_RENEWED_AFTER_S,
    SESSION_S,
    FailedAttempts,
    HostList,
    TokenGate,
    bearer,
    host_name,
    same_origin,
)
from safetygear_inference.web.actions import PageActions
from safetygear_inference.web.server import HEADERS, Page, serve_page
from safetygear_inference.web.viewers import Limits
from support.page_actions import Actions

TOKEN = "correct horse battery"
LOOPBACK = Listen("127.0.0.1", 0)
QUICK = Limits(state_every_s=0.05)
TIMEOUT = aiohttp.ClientTimeout(total=10)


class Served:
    """A page, what feeds it, and a client without cookies or redirects of its own."""

    def __init__(self, page: Page, live: LiveState, clock: FakeClock, session: aiohttp.ClientSession) -> None:
        self.page, self.live, self.clock, self.session = page, live, clock, session
        self.base = f"http://127.0.0.1:{page.port}"

    async def request(self, method: str, path: str, **options: Any) -> tuple[aiohttp.ClientResponse, str]:
        async with self.session.request(
            method, self.base + path, allow_redirects=False, timeout=TIMEOUT, **options
        ) as response:
            return response, await response.text()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        response, text = await self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return response.status, text

    async def login(self, token: str, **headers: str) -> aiohttp.ClientResponse:
        sent = {"Origin": self.base} | {k.replace("_", "-"): v for k, v in headers.items()}
        response, _ = await self.request("POST", "/login", data={"token": token}, headers=sent)
        return response


@contextlib.asynccontextmanager
async def served(
    token: str | None = None,
    *,
    hosts: tuple[str, ...] = (),
    limits: Limits = QUICK,
    actions: PageActions | None = None,
) -> AsyncIterator[Served]:
    live, clock, problems = LiveState("inference"), FakeClock(), Problems()
    secret = Secret(token) if token is not None else None
    page = await serve_page(
        live, LOOPBACK, token=secret, hosts=hosts, clock=clock, problems=problems, limits=limits, actions=actions
    )
    assert page is not None
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Served(page, live, clock, session)
    finally:
        await page.cleanup()


def analysed(live: LiveState, clock: FakeClock, sequence: int, camera: str = "gate", boxes: int = 1) -> None:
    box = BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4)
    message = DetectionsMessage(
        camera=camera, shard="default", sequence=sequence, frame_number=sequence, captured_at=rfc3339(clock.now_s()),
        clock="arrival", frame=FrameSize(width=640, height=360), people=[],
        model=ModelIdentity(name="m", version="1", sha256="0"),
        detections=[Detection(label="person", probability=0.9, bounding_box=box)] * boxes,
        latency_ms=LatencyMs(capture=0, queue=1, inference=2, total=3),
    )  # fmt: skip
    live.analysed(message, clock.monotonic_s())
    live.picture(camera, sequence, b"jpeg %d" % sequence, clock.monotonic_s())


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    while True:
        name = (await response.content.readline()).decode().removeprefix("event: ").strip()
        data = (await response.content.readline()).decode().removeprefix("data: ")
        assert await response.content.readline() == b"\n"
        yield name, json.loads(data)


async def limited(stream: AsyncIterator[tuple[str, dict[str, Any]]], count: int) -> AsyncIterator[tuple[str, Any]]:
    for _ in range(count):
        yield await anext(stream)


async def next_state(stream: AsyncIterator[tuple[str, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    while True:
        name, document = await anext(stream)
        if name == "state":
            return name, document


async def until_frame(response: aiohttp.ClientResponse, sequence: int) -> dict[str, Any]:
    async for name, document in events(response):
        if name == "frame" and document["sequence"] == sequence:
            return document
    raise AssertionError


# Hosts


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:8080", "Site.Example:443"]
)
async def test_own_names_are_answered(host: str) -> None:
    async with served(hosts=("site.example",)) as page:
        assert (await page.get("/healthz", Host=host))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.5", "", "localhost@evil", "[::2]", "a b"]
)
async def test_other_names_are_not(host: str) -> None:
    async with served(hosts=("site.example",)) as page:
        for path in ("/", "/healthz", "/api/state", "/static/page.js"):
            status, text = await page.get(path, Host=host)
            assert status in (400, 421)
            assert "SAFETYGEAR_PAGE_HOSTS" in text or status == 400


def test_the_listen_address_is_an_own_name_but_for_any() -> None:
    assert HostList(Listen("10.0.0.5", 80), ()).allows("10.0.0.5:80")
    assert not HostList(Listen("0.0.0.0", 80), ()).allows("0.0.0.0:80")
    assert not HostList(LOOPBACK, ()).allows(None)
    assert (host_name("A.b.:80"), host_name("[::1]"), host_name("a/b")) == ("a.b", "::1", None)


# What is sent along


@pytest.mark.parametrize(
    "path", ["/", "/login", "/healthz", "/api/state", "/static/page.js", "/nowhere", "/pictures/x/newest.jpg"]
)
@pytest.mark.parametrize("token", [None, TOKEN])
async def test_every_answer_carries_the_headers(path: str, token: str | None) -> None:
    async with served(token) as page:
        response, _ = await page.request("GET", path)
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        assert "default-src 'self'" in HEADERS["Content-Security-Policy"]
        assert "unsafe" not in HEADERS["Content-Security-Policy"]


async def test_the_documents_obey_the_policy() -> None:
    async with served(TOKEN) as page:
        _, login = await page.get("/login")
        _, index = await page.get("/", Authorization=f"Bearer {TOKEN}")
        for text in (login, index):
            assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?://", text) == []


async def test_only_listed_files_are_served() -> None:
    async with served() as page:
        for path in ("/static/server.py", "/static/..%2fserver.py", "/static/%2e%2e/view.py", "/static/"):
            assert (await page.get(path))[0] == 404


# The token


async def test_without_the_token_nothing_is_shown() -> None:
    async with served(TOKEN) as page:
        analysed(page.live, page.clock, 1)
        for path in ("/api/state", "/api/events", "/pictures/gate/newest.jpg", "/pictures/gate/1.jpg"):
            status, text = await page.get(path)
            assert (status, "gate" in text) == (401, False)
        response, _ = await page.request("GET", "/")
        assert (response.status, response.headers["Location"]) == (303, "/login")
        assert (await page.get("/healthz")) == (200, "ok\n")


async def test_a_script_shows_the_token_in_a_header() -> None:
    async with served(TOKEN) as page:
        assert (await page.get("/api/state", Authorization=f"Bearer {TOKEN}"))[0] == 200
        assert (await page.get("/api/state", Authorization="Bearer wrong"))[0] == 401
        assert (await page.get("/api/state", Authorization="Basic x"))[0] == 401
        assert (await page.get(f"/api/state?token={TOKEN}"))[0] == 401


async def test_the_form_gives_a_cookie_that_opens_the_page() -> None:
    async with served(TOKEN) as page:
        response = await page.login(TOKEN)
        assert (response.status, response.headers["Location"]) == (303, "/")
        (cookie,) = response.headers.getall("Set-Cookie")
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        given = cookie.partition(";")[0]
        assert (await page.get("/api/state", Cookie=given))[0] == 200
        assert (await page.get("/api/state", Cookie=given[:-2]))[0] == 401
        # Out again.
        out, _ = await page.request("POST", "/logout", headers={"Cookie": given, "Origin": page.base})
        assert out.status == 303
        assert "Max-Age=0" in out.headers["Set-Cookie"]


async def test_a_wrong_token_is_told_in_the_form() -> None:
    async with served(TOKEN) as page:
        response, text = await page.request("POST", "/login", data={"token": "<script>"}, headers={"Origin": page.base})
        assert response.status == 401
        assert "Set-Cookie" not in response.headers
        assert "That is not the token." in text
        assert "<script>" not in text


async def test_guessing_is_slowed_down_even_for_the_right_token() -> None:
    async with served(TOKEN) as page:
        session = (await page.login(TOKEN)).headers["Set-Cookie"].partition(";")[0]
        for _ in range(FAILURES_ALLOWED):
            assert (await page.login("wrong")).status == 401
        response = await page.login(TOKEN)
        assert (response.status, "Set-Cookie" in response.headers) == (429, False)
        assert 0 < int(response.headers["Retry-After"]) <= FAILURES_OVER_S
        assert (await page.get("/api/state", Authorization=f"Bearer {TOKEN}"))[0] == 429
        assert (await page.get("/api/state", Cookie=session))[0] == 200  # who is in stays in
        await page.clock.advance(FAILURES_OVER_S + 1)
        assert (await page.login(TOKEN)).status == 303


def test_many_guessers_together_are_slowed_down_too() -> None:
    attempts = FailedAttempts()
    for number in range(FAILURES_ALLOWED_IN_ALL):
        assert attempts.wait_s(f"10.0.0.{number}", float(number)) == 0
        attempts.failed(f"10.0.0.{number}", float(number))
    assert attempts.wait_s("10.1.1.1", 30.0) == 30.0
    assert attempts.wait_s("10.1.1.1", FAILURES_OVER_S + 0.5) == 0


def test_a_cookie_ends_with_its_time_and_with_its_token() -> None:
    gate = TokenGate(Secret(TOKEN))
    cookie = gate.cookie(1000.0)
    assert gate.cookie_left_s(cookie, 1000.0) == SESSION_S
    assert gate.cookie_left_s(cookie, 1001.0 + SESSION_S) == 0
    assert TokenGate(Secret(TOKEN)).cookie_left_s(cookie, 2000.0) > 0  # another start of the module
    other = TokenGate(Secret("another token altogether"))
    assert other.cookie_left_s(cookie, 1000.0) == 0
    assert other.cookie_name != gate.cookie_name
    later = f"{int(1000 + SESSION_S) + 9}{cookie[cookie.index('.') :]}"
    for forged in ("", ".", "..", "9.9.9", later, cookie + "x", "é.é.é", cookie.rpartition(".")[0] + "."):
        assert gate.cookie_left_s(forged, 1000.0) == 0


async def test_a_cookie_in_use_is_renewed() -> None:
    async with served(TOKEN) as page:
        cookie = (await page.login(TOKEN)).headers["Set-Cookie"].partition(";")[0]
        response, _ = await page.request("GET", "/api/state", headers={"Cookie": cookie})
        assert "Set-Cookie" not in response.headers
        await page.clock.advance(SESSION_RENEWED_AFTER_S + 1)
        response, _ = await page.request("GET", "/api/state", headers={"Cookie": cookie})
        renewed = response.headers["Set-Cookie"].partition(";")[0]
        await page.clock.advance(SESSION_S - SESSION_RENEWED_AFTER_S)
        assert (await page.get("/api/state", Cookie=cookie))[0] == 401
        assert (await page.get("/api/state", Cookie=renewed))[0] == 200


async def test_rubbish_is_refused_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nConnection: close\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    async with served(TOKEN) as page:
        for request, status in (
            (b"\x16\x03\x01\x02\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n", b"400"),
            (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
            (head + form + b"Content-Length: 9999\r\n\r\n" + b"t" * 9999, b"413"),
            (head + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5\r\n\r\n--y--", b"401"),
            (head + form + b"Content-Length: 9\r\n\r\ntoken=\xff\xff\xff", b"401"),
            (head + form + b"Content-Length: 18\r\n\r\n" + b"&a=" * 6, b"401"),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", page.page.port)
            writer.write(request)
            answer = await asyncio.wait_for(reader.readline(), 5)
            assert answer.split()[1] == status, request[:60]
            writer.close()
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


# Other sites


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}, {}],
)  # fmt: skip
async def test_only_its_own_page_may_change_something(headers: dict[str, str]) -> None:
    async with served(TOKEN) as page:
        cookie = (await page.login(TOKEN)).headers["Set-Cookie"].partition(";")[0]
        for path in ("/login", "/logout"):
            response, _ = await page.request("POST", path, data={"token": TOKEN}, headers={"Cookie": cookie, **headers})
            assert (response.status, "Set-Cookie" in response.headers) == (403, False)


def test_an_origin_is_the_same_with_its_port_only() -> None:
    host = {"Host": "localhost:8080"}
    assert same_origin({**host, "Origin": "http://localhost:8080"})
    assert same_origin({**host, "Origin": "https://localhost:8080", "Sec-Fetch-Site": "same-origin"})
    assert not same_origin({**host, "Origin": "http://localhost:8081"})
    assert not same_origin({**host, "Origin": "http://localhost:8080", "Sec-Fetch-Site": "cross-site"})


async def test_another_site_can_embed_nothing_but_link_to_it() -> None:
    async with served() as page:
        analysed(page.live, page.clock, 1)
        for path in ("/pictures/gate/newest.jpg", "/api/events", "/api/state", "/static/page.js"):
            assert (await page.get(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors"))[0] == 403
        assert not page.live.wants_picture("gate", page.clock.monotonic_s())
        assert (await page.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate"))[0] == 200


def test_the_bearer_header() -> None:
    assert bearer({"Authorization": "bearer  x "}) == "x"
    assert bearer({"Authorization": "Bearer"}) is None
    assert bearer({}) is None


# Pictures and events


async def test_asking_for_a_picture_makes_it_wanted() -> None:
    async with served() as page:
        analysed(page.live, page.clock, 1, camera="gate")
        assert not page.live.wants_picture("gate", page.clock.monotonic_s())
        assert (await page.get("/pictures/gate/1.jpg"))[0] == 204  # kept from before somebody looked
        assert page.live.wants_picture("gate", page.clock.monotonic_s())
        analysed(page.live, page.clock, 2)
        assert await page.get("/pictures/gate/2.jpg") == (200, "jpeg 2")
        assert await page.get("/pictures/gate/newest.jpg") == (200, "jpeg 2")
        assert (await page.get("/pictures/gate/1.jpg"))[0] == 204
        assert (await page.get("/pictures/other/newest.jpg"))[0] == 404
        assert (await page.get("/pictures/other/1.jpg"))[0] == 204  # of a camera that was taken out meanwhile
        assert (await page.get("/pictures/gate/-1.jpg"))[0] == 404


async def test_the_state_document_has_state_and_boxes() -> None:
    async with served() as page:
        analysed(page.live, page.clock, 7)
        document = json.loads((await page.get("/api/state"))[1])
        (camera,) = document["state"]["cameras"]
        assert (camera["camera"], camera["watched"], document["state"]["instance"]) == ("gate", True, "inference")
        (frame,) = document["frames"]
        assert (frame["sequence"], frame["detections"][0]["boundingBox"]["left"]) == (7, 0.1)


async def test_a_viewer_gets_the_newest_frame_with_its_own_picture() -> None:
    async with served() as page, page.session.get(page.base + "/api/events", timeout=TIMEOUT) as response:
        assert response.content_type == "text/event-stream"
        assert (await anext(events(response)))[0] == "state"
        analysed(page.live, page.clock, 1)
        analysed(page.live, page.clock, 2)  # before the viewer's turn: the first is skipped
        frames = [document async for name, document in limited(events(response), 2) if name == "frame"]
        assert [(frame["sequence"], frame["picture"]) for frame in frames] == [(2, "/pictures/gate/2.jpg")]


async def test_a_change_of_state_is_told_at_once() -> None:
    limits = Limits(state_every_s=30.0)
    async with served(limits=limits) as page, page.session.get(page.base + "/api/events", timeout=TIMEOUT) as response:
        stream = events(response)
        assert (await anext(stream))[1]["cameras"] == []
        analysed(page.live, page.clock, 1)
        assert [camera["camera"] for camera in (await anext(stream))[1]["cameras"]] == ["gate"]


async def test_a_camera_that_falls_silent_is_told_though_nothing_happens() -> None:
    limits = Limits(state_every_s=30.0)
    async with served(limits=limits) as page, page.session.get(page.base + "/api/events", timeout=TIMEOUT) as response:
        analysed(page.live, page.clock, 1)
        stream = events(response)
        async for name, document in stream:
            if name == "state" and [camera["watched"] for camera in document["cameras"]] == [True]:
                break
        await page.clock.advance(6.0)
        name, document = await next_state(stream)
        assert (document["cameras"][0]["watched"], document["cameras"][0]["reason"]) == (False, "capture-silent")


async def test_no_more_viewers_than_allowed() -> None:
    async with served(limits=Limits(viewers=1, state_every_s=0.05)) as page:
        async with page.session.get(page.base + "/api/events", timeout=TIMEOUT) as response:
            await anext(events(response))
            assert (await page.get("/api/events"))[0] == 503
            counts = json.loads((await page.get("/api/state"))[1])["state"]["page"]
            assert (counts["viewers"], counts["dropped"]) == (1, {"full": 1})
        # The place is free again once the server has noticed.
        for _ in range(100):
            page.live.on_change()
            await asyncio.sleep(0.02)
            if json.loads((await page.get("/api/state"))[1])["state"]["page"]["viewers"] == 0:
                return
        raise AssertionError("the viewer that left is still counted")


async def test_a_slow_viewer_is_let_go_and_others_are_served() -> None:
    limits = Limits(slow_after_s=0.3, state_every_s=0.02)
    async with served(limits=limits) as page, page.session.get(page.base + "/api/events", timeout=TIMEOUT) as good:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.page.port, limit=1024)
        writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()  # and then never read
        sequence = 0
        while page.page.dropped()["slow"] == 0:
            sequence += 1
            assert sequence < 2000
            analysed(page.live, page.clock, sequence, boxes=2000)
            frame = await until_frame(good, sequence)
            assert len(frame["detections"]) == 2000
        assert page.page.dropped() == {"slow": 1}
        writer.transport.abort()
        del reader


async def test_a_stream_ends_with_its_time() -> None:
    limits = Limits(stream_s=5.0, state_every_s=0.02)
    async with served(limits=limits) as page, page.session.get(page.base + "/api/events", timeout=TIMEOUT) as response:
        await anext(events(response))
        await page.clock.advance(6.0)
        await response.read()  # comes to its end


async def test_too_many_connections_are_turned_away() -> None:
    async with served(limits=Limits(connections=2)) as page:
        holders = [await asyncio.open_connection("127.0.0.1", page.page.port) for _ in range(2)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", page.page.port)
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 503")
        for _, held in [*holders, (reader, writer)]:
            held.close()


async def test_cleanup_ends_open_streams_soon() -> None:
    async with served() as page, page.session.get(page.base + "/api/events", timeout=TIMEOUT) as response:
        await anext(events(response))
        async with asyncio.timeout(3):
            await page.page.cleanup()
        await response.read()
    assert page.live.on_change() is None


# What keeps the page off


async def refused(listen: Listen, token: Secret | None = None) -> dict[str, dict[str, str]]:
    problems: Problems = Problems()
    page = await serve_page(LiveState(), listen, token=token, hosts=(), clock=FakeClock(), problems=problems)
    assert page is None
    return problems.as_document()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "site.example"])
async def test_beyond_loopback_a_token_is_needed(host: str) -> None:
    problem = (await refused(Listen(host, 0)))["page"]
    assert problem["code"] == "page-token-missing"
    assert "SAFETYGEAR_PAGE_TOKEN" in problem["message"]
    assert "\n" not in problem["message"]


async def test_with_a_token_it_listens_beyond_loopback() -> None:
    page = await serve_page(
        LiveState(), Listen("0.0.0.0", 0), token=Secret(TOKEN), hosts=(), clock=FakeClock(), problems=Problems()
    )
    assert page is not None
    await page.cleanup()


async def test_a_port_in_use_is_a_named_problem() -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        problem = (await refused(Listen("127.0.0.1", port)))["page"]
    assert problem["code"] == "page-address"
    assert f"127.0.0.1:{port}" in problem["message"]
    assert "in use" in problem["message"]
    assert "SAFETYGEAR_PAGE_LISTEN" in problem["message"]


async def test_an_address_that_is_not_here_is_a_named_problem() -> None:
    problem = (await refused(Listen("203.0.113.1", 8080), Secret(TOKEN)))["page"]
    assert problem["code"] == "page-address"
    assert TOKEN not in problem["message"]


async def test_a_short_token_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async with served("abc"):
        pass
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the page token is shorter than 16 characters: it may be guessed"
    ]


async def opened(environ: dict[str, str], folder: Path) -> tuple[Page | None, dict[str, dict[str, str]]]:
    app: Any = SimpleNamespace(live=LiveState(), problems=Problems(), page_actions=None, stored_picture=None)
    environ = {"SAFETYGEAR_SECRETS_DIR": str(folder), **environ}
    page = await _serve_page(app, read_environment(environ), SecretResolver(environ, folder, Redactor()), FakeClock())
    return page, app.problems.as_document()


async def test_the_token_is_a_reference_and_an_own_page_without_it_stays_off(tmp_path: Path) -> None:
    (tmp_path / "page-token").write_text(TOKEN + "\n")
    listen = {"SAFETYGEAR_PAGE_LISTEN": "127.0.0.1:0"}
    page, problems = await opened(listen | {"SAFETYGEAR_PAGE_TOKEN": "file:page-token"}, tmp_path)
    assert page is not None
    assert problems == {}
    await page.cleanup()
    for reference, code in (("file:other", "secret-missing"), ("hunter2", "secret-reference-invalid")):
        page, problems = await opened(listen | {"SAFETYGEAR_PAGE_TOKEN": reference}, tmp_path)
        assert page is None
        assert problems["page"]["code"] == code
        assert "the live page is off: SAFETYGEAR_PAGE_TOKEN" in problems["page"]["message"]
        assert "hunter2" not in problems["page"]["message"]
    assert await opened({"SAFETYGEAR_PAGE_LISTEN": "off"}, tmp_path) == (None, {})


VERDICT = {"eventId": "ep-0123456789abcdef01234567", "verdict": "true"}
ZONES = {"zones": {"gate": {"dock": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}}
ACTIONS = [("/api/verdict", VERDICT), ("/api/zones/check", ZONES), ("/api/zones/apply", ZONES)]


@pytest.mark.parametrize(("path", "body"), ACTIONS)
async def test_only_the_page_itself_or_a_token_may_do_something(path: str, body: dict[str, Any]) -> None:
    for token in (None, TOKEN):
        actions = Actions({})
        async with served(token, actions=actions.of_page) as page:
            own, other = {"Origin": page.base}, {"Origin": "http://evil.example"}
            cookie = (await page.login(TOKEN)).cookies if token else None
            session = {"Cookie": "; ".join(f"{k}={v.value}" for k, v in cookie.items())} if cookie else {}
            bearing = {"Authorization": f"Bearer {token}"}
            for headers, status in [
                (own | session, 200),
                (session, 403),  # no browser, and no token: nothing says that it is the page
                (other | session, 403),
                ({"Sec-Fetch-Site": "cross-site"} | session, 403),
                ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"} | session, 403),
                *([(own, 401), (bearing, 200), (bearing | {"Authorization": "Bearer x"}, 401)] if token else []),
            ]:
                actions.desired = {}
                actions.verdicts.clear()
                response, _ = await page.request("POST", path, json=body, headers=headers)
                assert response.status == status, headers
                done = bool(actions.desired or actions.verdicts)
                assert done == (status == 200 and path != "/api/zones/check")


@pytest.mark.parametrize(("path", "body"), ACTIONS)
async def test_what_is_no_request_is_said(path: str, body: dict[str, Any]) -> None:
    async with served(actions=Actions({}).of_page) as page:
        own = {"Origin": page.base}
        for data in (b"", b"[]", b"\xff", b"[" * 5000):
            response, text = await page.request("POST", path, data=data, headers=own)
            assert (response.status, json.loads(text)["code"]) == (400, "bad-argument")
        response, _ = await page.request("POST", path, data=b"{" + b" " * 70_000 + b"}", headers=own)
        assert response.status == 413
        response, _ = await page.request("GET", path, headers=own)
        assert response.status == 405


async def test_what_is_wrong_with_zones_is_named_by_its_field_and_not_applied() -> None:
    actions = Actions({"zones": {"yard": {"all": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}})
    async with served(actions=actions.of_page) as page:
        own = {"Origin": page.base}
        for zones, path, code in [
            ({"gate": {"dock": {"polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}}}, "zones.gate.dock.polygon",
             "self-intersecting"),
            ({"gate": {"a b": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}, "zones.gate.a b", "invalid-id"),
            ({"yard": {"all": {"calendar": "night"}}}, "zones.yard.all.calendar", "unknown-calendar"),
            ({"yard": {"all": {"requires": ["goggles"]}}}, "zones.yard.all.requires", "unknown-label"),
            ({"yard": {"all": {"minimumDurationS": -1}}}, "zones.yard.all.minimumDurationS", "out-of-range"),
            ({"yard": 7}, "zones.yard", "wrong-type"),
        ]:  # fmt: skip
            response, text = await page.request("POST", "/api/zones/apply", json={"zones": zones}, headers=own)
            assert response.status == 400
            assert [(one["path"], one["code"]) for one in json.loads(text)["errors"]] == [(path, code)]
            response, text = await page.request("POST", "/api/zones/check", json={"zones": zones}, headers=own)
            assert json.loads(text)["errors"][0]["path"] == path
        for body in ({"zones": {}, "rules": {}}, {"cameras": {}}, {"zones": []}):
            response, _ = await page.request("POST", "/api/zones/apply", json=body, headers=own)
            assert response.status == 400
    assert actions.desired == {"zones": {"yard": {"all": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}}


async def test_on_a_device_zones_can_be_checked_and_not_applied() -> None:
    async with served(actions=Actions({}, can_apply=False).of_page) as page:
        own = {"Origin": page.base}
        response, text = await page.request("POST", "/api/zones/apply", json=ZONES, headers=own)
        assert (response.status, json.loads(text)["code"]) == (409, "copy-only")
        _, text = await page.get("/api/zones")
        assert json.loads(text)["canApply"] is False


async def test_the_editor_is_told_zones_as_the_twin_writes_them() -> None:
    zone = {"polygon": [[0, 0], [1, 0], [1, 1]], "severity": "high"}
    async with served(actions=Actions({"zones": {"gate": {"dock": zone}}}).of_page) as page:
        _, text = await page.get("/api/zones")
        told = json.loads(text)
        assert told["zones"] == {"gate": {"dock": zone}}
        assert told["gear"] == ["helmet", "vest", "gloves"]
        assert told["limits"] == {"minCorners": 3, "maxCorners": 64, "perCamera": 16}
    async with served() as page:
        assert (await page.get("/api/zones"))[0] == 404
