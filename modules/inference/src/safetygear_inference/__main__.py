"""`python -m safetygear_inference`: the module as edgeAgent starts it; with `serve`, the prediction API alone."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence

from safetygear.clock import Clock, SystemClock
from safetygear.errors import TwinError, UserError
from safetygear.hub.azure import AzureHub
from safetygear.hub.connect import open_unless_stopped
from safetygear.hub.liveness import watch
from safetygear.lifecycle import EXIT_BAD_INPUT, Lifecycle, run_module
from safetygear.logs import configure
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear.telemetry import ModuleMetrics
from safetygear_inference import __version__
from safetygear_inference.app import InferenceApp
from safetygear_inference.environment import Environment, read_environment
from safetygear_inference.metrics import InferenceMetrics
from safetygear_inference.web.server import Page, serve_page

log = logging.getLogger("safetygear_inference")


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run the module until it is told to stop; the process's exit code."""
    redactor = Redactor()
    configure("INFO", redactor)
    try:
        environment = read_environment(environ)
    except UserError as exc:
        log.error("inference can't run: %s", exc)  # noqa: TRY400  # one line is what the reader needs
        return EXIT_BAD_INPUT
    configure(environment.log_level, redactor)

    async def run(lifecycle: Lifecycle) -> None:
        await _run(lifecycle, environment, environ, redactor)

    return run_module(run, name="inference")


async def _run(lifecycle: Lifecycle, environment: Environment, environ: Mapping[str, str], redactor: Redactor) -> None:
    log.info("inference %s, instance %s, %d workers", __version__, environment.instance, environment.workers)
    clock, hub = SystemClock(), AzureHub()
    metrics = ModuleMetrics("safetygear_inference_", environ)
    metrics.serve(environment.metrics_listen)
    if environment.page_apply is not None:
        redactor.add(environment.page_apply.rpartition("/")[2])
    secrets = SecretResolver(environ, environment.secrets_dir, redactor)
    app = InferenceApp(environment, hub, InferenceMetrics(metrics), clock, secrets)
    page = None
    try:
        page = await _serve_page(app, environment, secrets, clock)
        await app.prediction.serve(environment.prediction, secrets)
        if await open_unless_stopped(hub, app.handlers(), lifecycle.stopping, clock):
            await app.run(lifecycle, watch(hub, clock))
    finally:
        app.close()
        await app.prediction.stop()
        if page is not None:
            await page.cleanup()
        await hub.close()
        metrics.close()


async def _serve_page(
    app: InferenceApp, environment: Environment, secrets: SecretResolver, clock: Clock
) -> Page | None:
    """The live page; None where it is switched off or can't be had (then the problem `page` says why)."""
    if environment.page_listen is None:
        return None
    token = None
    if environment.page_token is not None:
        try:
            token = secrets.resolve(environment.page_token)
        except TwinError as exc:
            # Also on loopback: who wants a token must not get a page without one.
            app.problems.raised("page", exc.code, f"the live page is off: SAFETYGEAR_PAGE_TOKEN: {exc}")
            return None
    return await serve_page(
        app.live,
        environment.page_listen,
        token=token,
        hosts=environment.page_hosts,
        clock=clock,
        problems=app.problems,
        stored_picture=app.stored_picture,
        actions=app.page_actions,
    )


def run(arguments: Sequence[str]) -> int:
    """The program that the arguments name: none for the module, `serve` for predictions over HTTP alone."""
    if not arguments:
        return main()
    if list(arguments) == ["serve"]:
        from safetygear_inference.prediction.serve import main as serve

        return serve(os.environ)
    sys.stderr.write(f"{' '.join(arguments)} is no program of this image: give nothing, or serve\n")
    return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
