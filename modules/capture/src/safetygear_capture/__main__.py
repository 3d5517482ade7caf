"""`python -m safetygear_capture`: the module as edgeAgent starts it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

from safetygear.clock import SystemClock
from safetygear.errors import UserError
from safetygear.hub.azure import AzureHub
from safetygear.hub.connect import open_unless_stopped
from safetygear.hub.liveness import watch
from safetygear.lifecycle import EXIT_BAD_INPUT, Lifecycle, run_module
from safetygear.logs import configure
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear.telemetry import ModuleMetrics
from safetygear_capture import __version__
from safetygear_capture.app import CaptureApp
from safetygear_capture.environment import Environment, read_environment
from safetygear_capture.host_names import look_up
from safetygear_capture.metrics import CaptureMetrics
from safetygear_capture.rtsp import open_rtsp

log = logging.getLogger("safetygear_capture")


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run the module until it is told to stop; the process's exit code."""
    redactor = Redactor()
    configure("INFO", redactor)
    try:
        environment = read_environment(environ)
    except UserError as exc:
        log.error("capture can't run: %s", exc)  # noqa: TRY400  # one line is what the reader needs
        return EXIT_BAD_INPUT
    configure(environment.log_level, redactor)

    async def run(lifecycle: Lifecycle) -> None:
        await _run(lifecycle, environment, environ, redactor)

    return run_module(run, name="capture")


async def _run(lifecycle: Lifecycle, environment: Environment, environ: Mapping[str, str], redactor: Redactor) -> None:
    log.info("capture %s, instance %s, frames by %s", __version__, environment.instance, environment.transport)
    clock, hub = SystemClock(), AzureHub()
    metrics = ModuleMetrics("safetygear_capture_", environ)
    metrics.serve(environment.metrics_listen)
    app = CaptureApp(
        environment,
        hub,
        CaptureMetrics(metrics),
        clock,
        open_source=open_rtsp,
        look_up=look_up,
        resolver=SecretResolver(environ, environment.secrets_dir, redactor),
    )
    try:
        if await open_unless_stopped(hub, app.handlers(), lifecycle.stopping, clock):
            await app.run(lifecycle, watch(hub, clock))
    finally:
        await hub.close()
        metrics.close()


if __name__ == "__main__":
    sys.exit(main())
