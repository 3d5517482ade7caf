"""The API in the running module, beside the cameras: with their model, and never in their way."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

from safetygear.clock import Clock
from safetygear.errors import TwinError
from safetygear.listen import Listen
from safetygear.secret_references import Secret, SecretResolver
from safetygear_inference.http_listening import HttpServer, serve_http
from safetygear_inference.prediction.model_source import ModelSource
from safetygear_inference.prediction.predictor import Predictor
from safetygear_inference.prediction.service import TURNED_AWAY, Callers, PredictionService
from safetygear_inference.prediction.settings import KEY, LISTEN, PredictionSettings
from safetygear_inference.prediction.url_fetch import PictureFetcher
from safetygear_inference.problems import Problems

SHARE: Final = 0.25
"""Of the time, for all callers together: twenty pictures a second with the default model, fewer on a full box."""
CONNECTIONS: Final = 32
REFUSED_AFTER_S: Final = 0.25
"""Each open connection gets four refusals a second at most: 128 a second in all, a few percent of a core."""

log = logging.getLogger(__name__)


class PredictionBesideCameras:
    """Off until `serve` is called with an address. What can't be had is the problem `prediction`, and the module goes
    on without."""

    def __init__(self, model: ModelSource, problems: Problems, clock: Clock) -> None:
        self._model = model
        self._problems = problems
        self._clock = clock
        self._service: PredictionService | None = None
        self._server: HttpServer | None = None
        self._predictor: Predictor | None = None
        self._fetcher: PictureFetcher | None = None

    @property
    def outcomes(self) -> Counter[str]:
        """Requests since the start, by what became of them."""
        return self._service.outcomes if self._service is not None else Counter()

    @property
    def port(self) -> int | None:
        """Where it listens; None: it does not."""
        return self._server.port if self._server is not None else None

    def tick(self) -> None:
        """Now and then."""
        if self._predictor is not None:
            self._predictor.let_go()

    async def serve(self, settings: PredictionSettings, secrets: SecretResolver) -> None:
        """Listen, where the settings say so."""
        if settings.listen is None:
            return
        try:
            key = None if settings.key is None else secrets.resolve(settings.key)
        except TwinError as exc:
            # Also on loopback: who wants a key must not get an API without one.
            self._problems.raised("prediction", exc.code, f"the prediction API is off: {KEY}: {exc}")
            return
        if key is None and not settings.listen.is_loopback:
            self._problems.raised(
                "prediction",
                "prediction-key-missing",
                f"the prediction API is off: {settings.listen} can be reached from other machines; set {KEY} to a "
                f"secret reference, or {LISTEN} to an address of loopback",
            )
            return
        await self._listen(settings, settings.listen, key)

    async def _listen(self, settings: PredictionSettings, listen: Listen, key: Secret | None) -> None:
        self._predictor = Predictor(self._model, share=SHARE)
        self._fetcher = None if settings.urls is None else PictureFetcher(settings.urls)
        self._service = PredictionService(
            self._predictor,
            Callers(listen, key),
            self._clock,
            fetcher=self._fetcher,
            refused_after_s=REFUSED_AFTER_S,
        )
        try:
            self._server = await serve_http(
                self._service.application(),
                listen,
                connections=CONNECTIONS,
                log_name=f"{__name__}.http",
                turned_away=TURNED_AWAY,
                auto_decompress=False,
            )
        except OSError as exc:
            reason = exc.strerror or str(exc)
            self._problems.raised(
                "prediction",
                "prediction-address",
                f"the prediction API is off: can't listen on {listen} ({reason}); set {LISTEN}",
            )
            return
        shown = Listen(listen.host, self._server.port)
        log.info("predictions on http://%s%s", shown, " (key needed)" if key is not None else "")

    async def stop(self) -> None:
        """Listen no longer, and take no more work."""
        if self._server is not None:
            await self._server.stop()
        if self._predictor is not None:
            self._predictor.close()
        if self._fetcher is not None:
            self._fetcher.close()
