"""The HTTP side: the service's paths and those of its exported container."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import HttpVersion11, web

from safetygear.clock import Clock, rfc3339
from safetygear.listen import Listen
from safetygear.secret_references import Secret
from safetygear_inference.prediction.answers import RequestError, answer, checked_project
from safetygear_inference.prediction.docs_page import POLICY, page
from safetygear_inference.prediction.openapi import KEY_HEADER, document
from safetygear_inference.prediction.picture_body import BODY_BYTES, address_in, picture_in
from safetygear_inference.prediction.predictor import Predictor
from safetygear_inference.prediction.routes import PAGES, ROUTES, Kind, Route
from safetygear_inference.prediction.url_fetch import PictureFetcher
from safetygear_inference.web.access import HostList

SHORT_KEY: Final = 16
WRONG_KEY_TOLD_S: Final = 60.0
HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": "SafetyGear"}
_EMPTY_PROJECT: Final = str(uuid.UUID(int=0))
_TURNED_AWAY: Final = RequestError(503, "ErrorPredictionServiceUnavailable", "too many connections are open")
TURNED_AWAY: Final = json.dumps(_TURNED_AWAY.as_json()).encode()
"""What a connection too many is told."""

log = logging.getLogger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Callers:
    """Who is answered: whoever has the key; without one, programs of this machine."""

    def __init__(self, listen: Listen, key: Secret | None) -> None:
        if key is not None and len(key.reveal()) < SHORT_KEY:
            log.warning("the key is shorter than %d characters: it may be guessed", SHORT_KEY)
        self._key = None if key is None else key.reveal().encode("utf-8", "surrogateescape")
        self._hosts = HostList(listen, ())

    def check(self, request: web.Request) -> None:
        """Raises RequestError."""
        if self._key is None:
            # A page of any site that somebody looks at on this machine could ask as well; no program sends these.
            from_a_page = "Origin" in request.headers or "Sec-Fetch-Site" in request.headers
            if from_a_page or not self._hosts.allows(request.headers.get("Host")):
                raise RequestError(403, "Forbidden", "without a key only this machine's own programs are answered")
            return
        given = request.headers.get(KEY_HEADER, "")
        # A header may hold any bytes: aiohttp gives those that are no UTF-8 as surrogates.
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._key):
            raise RequestError(401, "Unauthorized", f"the header {KEY_HEADER} is missing or wrong")


class PredictionService:
    """`fetcher` None: no picture is fetched by its address. `refused_after_s`: how long everything but a prediction
    takes at least, so that a client which does not wait when it is told to takes little of a shared event loop.
    """

    def __init__(
        self,
        predictor: Predictor,
        callers: Callers,
        clock: Clock,
        *,
        fetcher: PictureFetcher | None = None,
        refused_after_s: float = 0.0,
    ) -> None:
        self._predictor = predictor
        self._callers = callers
        self._clock = clock
        self._fetcher = fetcher
        self._refused_after_s = refused_after_s
        self._document = json.dumps(document())
        self._page = page()
        self._wrong_key_told_s: float | None = None
        self.outcomes: Counter[str] = Counter()
        """Requests since the start: `answered`, `unauthorized`, `refused`, `busy`, `unavailable`, `failed`, `gone`."""

    def application(self) -> web.Application:
        """With every route. To be served without auto_decompress: what is packed is refused, not unpacked."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._guarded])
        for route in ROUTES:
            app.router.add_route("POST", route.path, self._predicting(route), expect_handler=self._expect)
        for one in PAGES:
            app.router.add_get(one.path, self._about(one.kind), expect_handler=self._expect)
        app.router.add_route("*", "/{path:.*}", self._no_such_path, expect_handler=self._expect)
        app.on_response_prepare.append(_add_headers)
        return app

    def _predicting(self, route: Route) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            project = checked_project(request.match_info.get("projectId") or _EMPTY_PROJECT)
            self._predictor.served(route.task)
            place = self._predictor.place()
            try:
                image = await (self._fetched(request) if route.source == "url" else picture_in(request))
            except BaseException:
                place.leave()
                raise
            predicted = await self._predictor.predict(image, route.task, place)
            content = answer(
                predicted.predictions,
                request_id=str(uuid.uuid4()),
                project=project,
                iteration=predicted.iteration,
                created=rfc3339(self._clock.now_s()),
            )
            self.outcomes["answered"] += 1
            return web.json_response(content)

        return handle

    async def _fetched(self, request: web.Request) -> bytes:
        if self._fetcher is None:
            raise RequestError(400, "BadRequestImageUrl", "this server fetches no pictures: send the picture itself")
        return await self._fetcher.fetch(await address_in(request))

    def _about(self, kind: Kind) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            del request
            await asyncio.sleep(self._refused_after_s)
            if kind == "docs":
                policy = {"Content-Security-Policy": POLICY}
                return web.Response(text=self._page, content_type="text/html", headers=policy)
            return web.Response(
                text=self._document if kind == "openapi" else json.dumps(self._status()),
                content_type="application/json",
            )

        return handle

    def _status(self) -> dict[str, object]:
        try:
            served = self._predictor.served()
        except RequestError:
            return {"status": "no-model"}
        labels = list(served.model.labels)
        return {"status": "ok", "task": served.task, "labels": labels, "iteration": served.iteration}

    async def _no_such_path(self, request: web.Request) -> web.StreamResponse:
        allowed: set[str] = set()
        for resource in request.app.router.resources():
            if resource.canonical != "/{path}":
                allowed |= (await resource.resolve(request))[1]
        if allowed:
            raise web.HTTPMethodNotAllowed(request.method, allowed)
        raise RequestError(404, "NotFound", "there is no such path")

    async def _expect(self, request: web.Request) -> web.StreamResponse | None:
        """Before a body is sent: whoever would be refused anyway needs not send it."""
        try:
            if request.method == "POST":
                self._callers.check(request)
            if request.version < HttpVersion11:
                return None  # it knows of no Expect
            if request.headers.get("Expect", "").lower() != "100-continue":
                raise RequestError(417, "BadRequest", "of Expect only 100-continue is understood")
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except RequestError as exc:
            return await self._refused(request, exc)
        except ConnectionError:
            return self._gone()
        request.writer.output_size = 0  # of the answer, which has not begun
        return None

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            if request.method not in ("GET", "HEAD"):
                self._callers.check(request)
            if request.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise RequestError(415, "UnsupportedMediaType", "send the body as it is, without Content-Encoding")
            return await handler(request)
        except RequestError as exc:
            return await self._refused(request, exc)
        except web.HTTPMethodNotAllowed as exc:
            error = RequestError(405, "BadRequest", f"{exc.method} is not possible here")
            response = await self._refused(request, error)
            response.headers["Allow"] = ",".join(sorted(exc.allowed_methods))
            return response
        except web.HTTPException as exc:
            if exc.status < 400:
                raise
            return await self._refused(request, RequestError(exc.status, "BadRequest", exc.reason))
        except ConnectionError:
            return self._gone()
        except Exception:
            # Whatever a strange picture does to the libraries that read it, what they say is for the log alone.
            log.exception("a request could not be answered")
            return await self._refused(request, RequestError(500, "ErrorUnknown", "unexpected; the log says more"))

    def _gone(self) -> web.Response:
        """For a caller who has hung up. Nobody reads it; the error raised would be a traceback in the log."""
        self.outcomes["gone"] += 1
        return web.Response(status=400)

    async def _refused(self, request: web.Request, error: RequestError) -> web.Response:
        outcome = {401: "unauthorized", 429: "busy", 500: "failed", 503: "unavailable"}.get(error.status, "refused")
        self.outcomes[outcome] += 1
        if outcome == "unauthorized":
            self._tell_of_wrong_key(request.remote)
        if error.code == "ErrorPrediction":
            log.error("a picture could not be answered: %s", error.__cause__)
        await asyncio.sleep(self._refused_after_s)
        headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        return web.json_response(error.as_json(), status=error.status, headers=headers)

    def _tell_of_wrong_key(self, remote: str | None) -> None:
        now_s = self._clock.monotonic_s()
        if self._wrong_key_told_s is None or now_s - self._wrong_key_told_s >= WRONG_KEY_TOLD_S:
            self._wrong_key_told_s = now_s
            log.warning("a wrong %s came from %s; at most one such line a minute", KEY_HEADER, remote)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
