"""A real Chromium, and the live page served from a thread: what browser tests share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from safetygear.clock import SystemClock
from safetygear.listen import Listen
from safetygear.secret_references import Secret
from safetygear_inference.live import LiveState
from safetygear_inference.problems import Problems
from safetygear_inference.web.actions import PageActions
from safetygear_inference.web.server import Page as LivePage
from safetygear_inference.web.server import StoredPicture, serve_page
from safetygear_inference.web.viewers import Limits

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
]


def chromium() -> str:
    """Chromium's path; skips the test where there is none (in CI that is a failure)."""
    path = os.environ.get("SAFETYGEAR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "chromium is not installed; install it, or set SAFETYGEAR_CHROMIUM to its path"
        if os.environ.get("SAFETYGEAR_CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless Chromium that asks nobody on the network for anything."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a module; each opens its own context."""
    with running_browser() as running:
        yield running


@dataclass
class Findings:
    """What a page did that it should not do."""

    console_errors: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def open_page(browser: Browser, url: str, **context_options: Any) -> Iterator[tuple[Page, Findings]]:
    """A page of its own context at `url`, and what was found wrong with it so far."""
    context: BrowserContext = browser.new_context(**context_options)
    findings, home = Findings(), urlsplit(url).netloc

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            findings.console_errors.append(f"{message.text} ({message.location.get('url')})")

    def on_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != home:
            findings.foreign_requests.append(request.url)

    try:
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: findings.console_errors.append(str(error)))
        page.on("request", on_request)
        page.goto(url)
        yield page, findings
    finally:
        context.close()


class ServedPage:
    """The live page on a port of its own. `live` is touched by `do` only: it belongs to the server's loop."""

    def __init__(
        self,
        *,
        token: str | None = None,
        hosts: Sequence[str] = (),
        limits: Limits | None = None,
        actions: PageActions | None = None,
        stored_picture: StoredPicture | None = None,
    ) -> None:
        self.live = LiveState("inference")
        self.problems = Problems()
        self.clock = SystemClock()
        self._token = Secret(token) if token is not None else None
        self._hosts = hosts
        self._limits = limits or Limits()
        self._actions = actions
        self._stored_picture = stored_picture
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="live-page", daemon=True)
        self._thread.start()
        self._page: LivePage | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Serve, on the port of before if there was one."""

        async def serve() -> LivePage | None:
            return await serve_page(
                self.live,
                Listen("127.0.0.1", self.port),
                token=self._token,
                hosts=self._hosts,
                clock=self.clock,
                problems=self.problems,
                limits=self._limits,
                actions=self._actions,
                stored_picture=self._stored_picture,
            )

        self._page = asyncio.run_coroutine_threadsafe(serve(), self._loop).result(10)
        assert self._page is not None, self.problems.as_document()
        self.port = self._page.port

    def stop(self) -> None:
        """Serve no more; streams end."""
        if self._page is not None:
            asyncio.run_coroutine_threadsafe(self._page.cleanup(), self._loop).result(10)
            self._page = None

    def do(self, change: Callable[[LiveState, float], object]) -> None:
        """Call `change(live, monotonic seconds)` in the server's loop."""

        async def call() -> None:
            change(self.live, self.clock.monotonic_s())

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@contextlib.contextmanager
def served_page(**options: Any) -> Iterator[ServedPage]:
    """A live page that ends with the block."""
    served = ServedPage(**options)
    try:
        yield served
    finally:
        served.close()
