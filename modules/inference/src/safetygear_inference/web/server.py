"""The live page's HTTP server."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler

from safetygear.clock import Clock
from safetygear.listen import Listen
from safetygear.secret_references import Secret
from safetygear_inference.http_listening import HttpServer, serve_http
from safetygear_inference.live import LiveState
from safetygear_inference.problems import Problems
from safetygear_inference.web.access import (
    SESSION_RENEWED_AFTER_S,
    SESSION_S,
    FailedAttempts,
    HostList,
    TokenGate,
    bearer,
    foreign_fetch,
    form_field,
    same_origin,
)
from safetygear_inference.web.actions import Answer, PageActions
from safetygear_inference.web.view import frame_view, to_json
from safetygear_inference.web.viewers import Limits, Viewers

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that, browsers send `Origin: null` with our own form.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "SafetyGear",
}
CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
WITHOUT_TOKEN = ("/login", "/healthz")
SHORT_TOKEN = 16
MAX_BODY_BYTES = 64 * 1024
"""All zones of a camera, with room; a twin has 32 KB."""
StoredPicture = Callable[[str], Awaitable[bytes | None]]
"""The JPEG of a stored picture by its id; None: there is none of that name, or no more."""
WRONG_HOST = "This page does not answer to that name. Use localhost, or add the name to SAFETYGEAR_PAGE_HOSTS.\n"

log = logging.getLogger(__name__)


class Page:
    """A page that is being served."""

    def __init__(self, server: HttpServer, site: _Site) -> None:
        self._server = server
        self._site = site
        self.port = server.port

    def dropped(self) -> Mapping[str, int]:
        """Viewers let go or turned away since the start, by reason."""
        return self._site.viewers.dropped

    async def cleanup(self) -> None:
        """Stop to serve; open streams end at once."""
        self._site.close()
        await self._server.stop()


async def serve_page(
    live: LiveState,
    listen: Listen,
    *,
    token: Secret | None,
    hosts: Sequence[str],
    clock: Clock,
    problems: Problems,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    stored_picture: StoredPicture | None = None,
    actions: PageActions | None = None,
) -> Page | None:
    """Serve the page; None where that can't be: the problem `page` says why, and the module goes on without."""
    if not listen.is_loopback and token is None:
        problems.raised(
            "page",
            "page-token-missing",
            f"the live page is off: {listen} can be reached from other machines, and the page shows people; "
            "set SAFETYGEAR_PAGE_TOKEN to a secret reference, or SAFETYGEAR_PAGE_LISTEN to 127.0.0.1:8080",
        )
        return None
    if token is not None and len(token.reveal()) < SHORT_TOKEN:
        log.warning("the page token is shorter than %d characters: it may be guessed", SHORT_TOKEN)
    gate = TokenGate(token) if token is not None else None
    site = _Site(live, HostList(listen, hosts), gate, clock, limits, actions)
    site.stored_picture = stored_picture
    try:
        server = await serve_http(
            site.application(),
            listen,
            connections=limits.connections,
            log_name=f"{__name__}.http",
            handler_cancellation=True,  # a viewer that has gone frees its place at once
        )
    except OSError as exc:
        reason = exc.strerror or str(exc)
        problems.raised(
            "page",
            "page-address",
            f"the live page is off: can't listen on {listen} ({reason}); set SAFETYGEAR_PAGE_LISTEN",
        )
        return None
    page = Page(server, site)
    live.on_change = site.viewers.wake
    shown = Listen(listen.host, page.port)
    log.info("live page on http://%s%s", shown, " (token needed)" if token is not None else "")
    return page


class _Site:
    def __init__(
        self,
        live: LiveState,
        hosts: HostList,
        gate: TokenGate | None,
        clock: Clock,
        limits: Limits,
        actions: PageActions | None,
    ) -> None:
        self.viewers = Viewers(live, clock, limits, token_needed=gate is not None, may_change=actions is not None)
        self._actions = actions
        self._live = live
        self._hosts = hosts
        self._gate = gate
        self._clock = clock
        self._attempts = FailedAttempts()
        self.stored_picture: StoredPicture | None = None
        # A handful of small files: read once, so that no request ever names a path.
        self._files = {
            entry.name: entry.read_bytes()
            for entry in (files("safetygear_inference") / "web" / "static").iterdir()
            if entry.is_file()
        }

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY_BYTES)
        application.on_response_prepare.append(_add_headers)
        application.add_routes(
            [
                web.get("/", self._page),
                web.get("/login", self._login_form),
                web.post("/login", self._login),
                web.post("/logout", self._logout),
                web.get("/healthz", self._healthz),
                web.get("/api/state", self._state),
                web.get("/api/events", self._events),
                web.get(r"/pictures/{camera}/newest.jpg", self._newest_picture),
                web.get(r"/pictures/{camera}/{sequence:\d{1,18}}.jpg", self._picture),
                web.get(r"/evidence/{picture:[a-z0-9-]{1,64}}.jpg", self._evidence),
                web.get("/static/{name}", self._static),
            ]
        )
        if self._actions is not None:
            application.add_routes(
                [
                    web.post("/api/verdict", self._judge),
                    web.get("/api/zones", self._zones),
                    web.post("/api/zones/check", self._check_zones),
                    web.post("/api/zones/apply", self._apply_zones),
                ]
            )
        return application

    def close(self) -> None:
        self.viewers.close()
        self._live.on_change = lambda: None

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._hosts.allows(request.headers.get("Host")):
            return web.Response(status=421, text=WRONG_HOST)
        if foreign_fetch(request.headers):
            return _refused("This page answers no other site.")
        if self._gate is None or request.path in WITHOUT_TOKEN or request.path.startswith("/static/"):
            if _changes(request) and not same_origin(request.headers):
                return _refused("Only this page itself may do that.")
            return await handler(request)
        return await self._with_token(self._gate, request, handler)

    async def _with_token(self, gate: TokenGate, request: web.Request, handler: Handler) -> web.StreamResponse:
        token = bearer(request.headers)
        if token is not None:
            refusal = self._try(gate, token, request.remote or "")
            return refusal if refusal is not None else await handler(request)
        left_s = gate.cookie_left_s(request.cookies.get(gate.cookie_name, ""), self._clock.now_s())
        if left_s <= 0:
            if request.path == "/":
                raise web.HTTPSeeOther("/login")
            return web.Response(status=401, text="A token is needed.\n", headers={"WWW-Authenticate": "Bearer"})
        if _changes(request) and not same_origin(request.headers):
            return _refused("Only this page itself may do that.")
        response = await handler(request)
        if left_s < SESSION_S - SESSION_RENEWED_AFTER_S and not response.prepared:
            self._remember(gate, response)
        return response

    def _try(self, gate: TokenGate, token: str, remote: str) -> web.Response | None:
        """None: the token is right."""
        now_s = self._clock.monotonic_s()
        wait_s = self._attempts.wait_s(remote, now_s)
        if wait_s > 0:
            text = f"Too many wrong tokens. Try again in {wait_s:.0f} s.\n"
            return web.Response(status=429, text=text, headers={"Retry-After": f"{wait_s:.0f}"})
        if gate.accepts(token):
            return None
        self._attempts.failed(remote, now_s)
        log.warning("a wrong page token came from %s", remote)
        return web.Response(status=401, text="That is not the token.\n", headers={"WWW-Authenticate": "Bearer"})

    def _remember(self, gate: TokenGate, response: web.StreamResponse) -> None:
        response.set_cookie(
            gate.cookie_name,
            gate.cookie(self._clock.now_s()),
            max_age=int(SESSION_S),
            httponly=True,
            samesite="Strict",
            path="/",
        )

    async def _page(self, _request: web.Request) -> web.Response:
        return self._file("index.html")

    async def _login_form(self, _request: web.Request) -> web.Response:
        if self._gate is None:
            raise web.HTTPSeeOther("/")
        return self._file("login.html")

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if self._gate is None:
            raise web.HTTPSeeOther("/")
        refusal = self._try(self._gate, form_field(await _small(request).read(), "token"), request.remote or "")
        if refusal is None:
            response = web.Response(status=303, headers={"Location": "/"})
            self._remember(self._gate, response)
            return response
        form = self._file("login.html")
        form.body = self._files["login.html"].replace(b"<!--message-->", (refusal.text or "").strip().encode())
        form.set_status(refusal.status)
        form.headers.update({name: refusal.headers[name] for name in ("Retry-After",) if name in refusal.headers})
        return form

    async def _logout(self, _request: web.Request) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/login"})
        if self._gate is not None:
            response.del_cookie(self._gate.cookie_name, path="/")
        return response

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _state(self, _request: web.Request) -> web.Response:
        frames = [
            frame_view(self._live, camera.message) for camera in self._live.all_cameras() if camera.message is not None
        ]
        body = b'{"state":' + to_json(self.viewers.state()) + b',"frames":[' + b",".join(map(to_json, frames)) + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.viewers.full():
            return web.Response(status=503, text="Too many pages are open.\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        try:
            in_time = await self.viewers.stream(response.write)
        except ConnectionError:  # the viewer has gone
            return response
        if not in_time and request.transport is not None:
            request.transport.abort()
        return response

    async def _newest_picture(self, request: web.Request) -> web.Response:
        camera = request.match_info["camera"]
        if not self._live.look(camera, self._clock.monotonic_s()):
            raise web.HTTPNotFound(text="There is no such camera.\n")
        return _jpeg(self._live.newest_jpeg(camera))

    async def _picture(self, request: web.Request) -> web.Response:
        camera = request.match_info["camera"]
        if not self._live.look(camera, self._clock.monotonic_s()):
            return _jpeg(None)  # taken out of the twin since the page heard of this frame
        return _jpeg(self._live.jpeg(camera, int(request.match_info["sequence"])))

    async def _evidence(self, request: web.Request) -> web.Response:
        read = self.stored_picture
        jpeg = await read(request.match_info["picture"]) if read is not None else None
        if jpeg is None:
            raise web.HTTPNotFound(text="There is no such picture, or no longer.\n")
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def _judge(self, request: web.Request) -> web.Response:
        assert self._actions is not None
        return _json(await self._actions.judge(await request.read()))

    async def _zones(self, _request: web.Request) -> web.Response:
        assert self._actions is not None
        return _json((200, self._actions.zones.document()))

    async def _check_zones(self, request: web.Request) -> web.Response:
        assert self._actions is not None
        return _json(self._actions.check_zones(await request.read()))

    async def _apply_zones(self, request: web.Request) -> web.Response:
        assert self._actions is not None
        return _json(await self._actions.apply_zones(await request.read()))

    async def _static(self, request: web.Request) -> web.Response:
        if request.match_info["name"] not in self._files:
            raise web.HTTPNotFound
        return self._file(request.match_info["name"])

    def _file(self, name: str) -> web.Response:
        suffix = name[name.rindex(".") :]
        return web.Response(body=self._files[name], content_type=CONTENT_TYPES[suffix], charset="utf-8")


def _jpeg(picture: bytes | None) -> web.Response:
    # 204 where it is no longer, or not yet, there: that is no failure, and browsers would report a 404 as one.
    return web.Response(status=204) if picture is None else web.Response(body=picture, content_type="image/jpeg")


def _json(answer: Answer) -> web.Response:
    status, document = answer
    return web.json_response(document, status=status)


def _small(request: web.Request) -> web.Request:
    """For a body of somebody who has shown no token yet. Reading raises HTTPRequestEntityTooLarge."""
    return request.clone(client_max_size=4096)


def _changes(request: web.Request) -> bool:
    return request.method not in ("GET", "HEAD")


def _refused(text: str) -> web.Response:
    return web.Response(status=403, text=text + "\n")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
