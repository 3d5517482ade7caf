"""`python -m safetygear_inference serve`: the prediction API alone, as Custom Vision's exported container has it.

Environment: PredictionKey (asked for in every request; without one only loopback is listened on),
SAFETYGEAR_SERVE_LISTEN (default 0.0.0.0:80), MODELS_DIR, SAFETYGEAR_SERVE_MODEL (a name there; else the default model).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from safetygear.clock import SystemClock
from safetygear.environment import Variables
from safetygear.errors import ModelError, UserError
from safetygear.lifecycle import EXIT_BAD_INPUT, Lifecycle, run_module
from safetygear.listen import Listen
from safetygear.logs import configure
from safetygear.redact import Redactor
from safetygear_inference.detectors import open_model_or_classifier
from safetygear_inference.model_change.config import DEFAULT_MODEL
from safetygear_inference.model_store import find_model
from safetygear_inference.prediction.predictor import Predictor
from safetygear_inference.prediction.service import PredictionService

KEY = "PredictionKey"
LOOPBACK = "127.0.0.1"
STOP_S = 5.0

log = logging.getLogger("safetygear_inference")


def main(environ: Mapping[str, str]) -> int:
    """Serve until told to stop; the process's exit code."""
    redactor = Redactor()
    configure("INFO", redactor)
    key = environ.get(KEY, "").strip() or None
    if key is not None:
        redactor.add(key)
    try:
        variables = Variables(environ)
        listen = variables.listen("SAFETYGEAR_SERVE_LISTEN", "0.0.0.0:80")
        if listen is None:
            raise UserError("SAFETYGEAR_SERVE_LISTEN is off:", hint="there is nothing else to do here.")
        name = variables.text("SAFETYGEAR_SERVE_MODEL", DEFAULT_MODEL)
        folder = variables.folder("MODELS_DIR", "/app/models")
        predictor = _predictor(name, folder)
    except (UserError, ModelError) as exc:
        log.error("can't serve predictions: %s", exc)  # noqa: TRY400  # one line is what the reader needs
        return EXIT_BAD_INPUT
    if key is None and not listen.is_loopback:
        log.warning("%s is not set: listening on %s only", KEY, LOOPBACK)
        listen = Listen(LOOPBACK, listen.port)

    async def run(lifecycle: Lifecycle) -> None:
        await _serve(lifecycle, PredictionService(predictor, SystemClock(), key=key), listen)

    try:
        return run_module(run, name="prediction")
    finally:
        predictor.close()


def _predictor(name: str, folder: Path) -> Predictor:
    return Predictor(open_model_or_classifier(find_model(name, (folder,))))


async def _serve(lifecycle: Lifecycle, service: PredictionService, listen: Listen) -> None:
    runner = web.AppRunner(service.application(), access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, listen.host, listen.port).start()
        log.info("predictions on http://%s:%d", listen.host, listen.port)
        await lifecycle.stopping.wait()
    finally:
        await asyncio.wait_for(runner.cleanup(), STOP_S + 1)
