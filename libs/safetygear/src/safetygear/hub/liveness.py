"""Is the hub connection alive, or only said to be?

azure-iot-device can believe that it is connected and be deaf for ever (iotedge#4050, azure-iot-sdk-python#713), and it
can stop reconnecting for good. Both are cured by a restart only, so the module ends with a non-zero exit code and
edgeAgent starts it again. A twin read is the probe: its answer comes through the session that would be lost.
"""

from __future__ import annotations

import logging

from safetygear.clock import Clock
from safetygear.errors import HubError
from safetygear.hub.port import HubPort

log = logging.getLogger(__name__)


class Liveness:
    """Pure: told what happened and when (monotonic seconds), says when to probe and when to give up.

    Deaf: connected, but no probe has been answered for `deaf_after_s`. Lost: not connected for `lost_after_s`; that is
    long, because a hub that is being updated comes back and a restart of the module would not help it. A connection
    that comes and goes is neither for long enough: nothing answered for the sum of both is lost too.
    """

    def __init__(
        self, now_s: float, *, interval_s: float = 30.0, deaf_after_s: float = 90.0, lost_after_s: float = 900.0
    ) -> None:
        self._interval_s = interval_s
        self._deaf_after_s = deaf_after_s
        self._lost_after_s = lost_after_s
        self._next_probe_s = now_s + interval_s
        self._last_answer_s = now_s
        self._silent_since_s: float | None = None
        self._lost_since_s: float | None = None

    def seconds_to_probe(self, now_s: float) -> float:
        """How long to wait until the next probe is due."""
        return max(0.0, self._next_probe_s - now_s)

    def answered(self, now_s: float) -> None:
        """A probe, or any other call that needs an answer, was answered."""
        self._last_answer_s = now_s
        self._silent_since_s = None
        self._lost_since_s = None
        self._next_probe_s = now_s + self._interval_s

    def failed(self, error: HubError, *, connected: bool, now_s: float) -> HubError | None:
        """A probe failed. The error to end the module with, or None while waiting is right."""
        self._next_probe_s = now_s + self._interval_s / 3
        if not error.retryable:
            return error
        if connected:
            self._lost_since_s = None
            if self._silent_since_s is None:
                self._silent_since_s = now_s
            if now_s - self._silent_since_s >= self._deaf_after_s:
                return HubError(
                    f"edgeHub has not answered for {now_s - self._last_answer_s:.0f} s though the client says that "
                    "it is connected; restarting helps",
                    code="hub-deaf",
                    retryable=False,
                )
        else:
            self._silent_since_s = None
            if self._lost_since_s is None:
                self._lost_since_s = now_s
            if now_s - self._lost_since_s >= self._lost_after_s:
                return HubError(
                    f"no connection to edgeHub for {now_s - self._lost_since_s:.0f} s; restarting to start over",
                    code="hub-lost",
                    retryable=False,
                )
        if now_s - self._last_answer_s >= self._deaf_after_s + self._lost_after_s:
            return HubError(
                f"the connection to edgeHub comes and goes, and nothing was answered for "
                f"{now_s - self._last_answer_s:.0f} s; restarting to start over",
                code="hub-lost",
                retryable=False,
            )
        return None


async def watch(hub: HubPort, clock: Clock, liveness: Liveness | None = None) -> None:
    """Probe for ever. Raises the HubError that a restart would cure."""
    state = liveness or Liveness(clock.monotonic_s())
    while True:
        await clock.sleep(max(0.1, state.seconds_to_probe(clock.monotonic_s())))
        try:
            await hub.read_twin()
        except HubError as exc:
            verdict = state.failed(exc, connected=hub.connected, now_s=clock.monotonic_s())
            if verdict is not None:
                raise verdict from exc
            log.debug("hub probe failed: %s", exc)
        else:
            state.answered(clock.monotonic_s())
