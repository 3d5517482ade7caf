"""`python -m safetygear_inference serve`: the prediction API alone, as Custom Vision's exported container has it.

Environment: PredictionKey (asked for in every request; without one only loopback is listened on), or
SAFETYGEAR_PREDICTION_KEY, a secret reference to it; SAFETYGEAR_PREDICTION_LISTEN (default 0.0.0.0:80);
SAFETYGEAR_PREDICTION_URLS; MODELS_DIR; SAFETYGEAR_SERVE_MODEL (a name there; else the default model).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from safetygear.clock import SystemClock
from safetygear.environment import Variables
from safetygear.errors import ModelError, TwinError, UserError
from safetygear.lifecycle import EXIT_BAD_INPUT, Lifecycle, run_module
from safetygear.listen import Listen
from safetygear.logs import configure
from safetygear.redact import Redactor
from safetygear.secret_references import Secret, SecretResolver
from safetygear_inference.detectors import open_model_or_classifier
from safetygear_inference.http_listening import serve_http
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.prediction.model_source import fixed
from safetygear_inference.prediction.predictor import Predictor
from safetygear_inference.prediction.service import TURNED_AWAY, Callers, PredictionService
from safetygear_inference.prediction.settings import KEY, LISTEN, PredictionSettings, read_settings
from safetygear_inference.prediction.url_fetch import PictureFetcher

PLAIN_KEY: Final = "PredictionKey"
"""The key itself, as the service's examples name it."""
LOOPBACK: Final = "127.0.0.1"
CONNECTIONS: Final = 64

log = logging.getLogger("safetygear_inference")


def main(environ: Mapping[str, str]) -> int:
    """Serve until told to stop; the process's exit code."""
    redactor = Redactor()
    configure("INFO", redactor)
    try:
        variables = Variables(environ)
        settings = read_settings(variables, listen="0.0.0.0:80")
        if settings.listen is None:
            raise UserError(f"{LISTEN} is off:", hint="there is nothing else to do here.")
        secrets = SecretResolver(environ, variables.folder("SAFETYGEAR_SECRETS_DIR", "/secrets"), redactor)
        key = _key(variables.text(PLAIN_KEY, ""), settings, secrets, redactor)
        name = variables.text("SAFETYGEAR_SERVE_MODEL", DEFAULT_MODEL)
        model = open_model_or_classifier(find_model(name, (variables.folder("MODELS_DIR", "/app/models"),)))
    except (UserError, ModelError, TwinError) as exc:
        log.error("can't serve predictions: %s", exc)  # noqa: TRY400  # one line is what the reader needs
        return EXIT_BAD_INPUT
    listen = settings.listen
    if key is None and not listen.is_loopback:
        log.warning("%s is not set: listening on %s only", PLAIN_KEY, LOOPBACK)
        listen = Listen(LOOPBACK, listen.port)
    predictor = Predictor(fixed(model))
    fetcher = None if settings.urls is None else PictureFetcher(settings.urls)
    service = PredictionService(predictor, Callers(listen, key), SystemClock(), fetcher=fetcher)

    async def run(lifecycle: Lifecycle) -> None:
        await _serve(lifecycle, service, listen)

    try:
        return run_module(run, name="prediction")
    finally:
        predictor.close()
        if fetcher is not None:
            fetcher.close()


def _key(plain: str, settings: PredictionSettings, secrets: SecretResolver, redactor: Redactor) -> Secret | None:
    """Raises UserError, TwinError."""
    if plain and settings.key is not None:
        raise UserError(f"{PLAIN_KEY} and {KEY} are both set:", hint="give one of them.")
    if settings.key is not None:
        return secrets.resolve(settings.key)
    if not plain:
        return None
    redactor.add(plain)
    return Secret(plain)


async def _serve(lifecycle: Lifecycle, service: PredictionService, listen: Listen) -> None:
    try:
        server = await serve_http(
            service.application(),
            listen,
            connections=CONNECTIONS,
            log_name=f"{__name__}.http",
            turned_away=TURNED_AWAY,
            auto_decompress=False,
        )
    except OSError as exc:
        raise UserError(f"can't listen on {listen} ({exc.strerror or exc}):", hint=f"set {LISTEN}.") from exc
    log.info("predictions on http://%s", Listen(listen.host, server.port))
    try:
        await lifecycle.stopping.wait()
    finally:
        await server.stop()
