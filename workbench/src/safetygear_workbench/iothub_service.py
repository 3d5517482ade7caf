"""IoT Hub's REST paths for module twins and direct methods.

A client of our own, because three calls don't pay for the azure-iot-hub package: it brings uamqp (C, deprecated),
msrest, and six, which it does not declare. Tests use the package: it shows that the stand-in answers as the service
does.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from safetygear.clock import Clock, SystemClock
from safetygear.errors import SafetyGearError, UserError
from safetygear_workbench.edge_runtime import sas
from safetygear_workbench.iothub_target import CONNECTION_STRING_VARIABLE, HubTarget

API_VERSION = "2021-04-12"
CALL_TIMEOUT_S = 30.0
TOKEN_LIFE_S = 300
Json = Any


class ServiceError(SafetyGearError):
    """IoT Hub, or the way to it, failed."""

    default_code = "iothub-failed"


class IoTHubService:
    """One device's modules, as a service sees them. Raises UserError for what a person can mend, else ServiceError."""

    def __init__(self, target: HubTarget, clock: Clock | None = None) -> None:
        self._target = target
        self._clock = clock or SystemClock()
        tls = ssl.create_default_context(cafile=target.authority)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            # A proxy is between this machine and Azure, never between two processes of it.
            trust_env=not target.is_stand_in,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def read_twin(self, module: str) -> tuple[dict[str, Json], dict[str, Json]]:
        """Desired and reported properties, `$version` and `$metadata` included."""
        return _halves(await self._call("GET", module, "", None, CALL_TIMEOUT_S))

    async def patch_desired(self, module: str, patch: Mapping[str, Json]) -> dict[str, Json]:
        """Merge `patch` into the desired properties, null removes; the desired properties after it."""
        body = {"properties": {"desired": dict(patch)}}
        return _halves(await self._call("PATCH", module, "", body, CALL_TIMEOUT_S))[0]

    async def call_method(self, module: str, name: str, payload: Json, timeout_s: float) -> tuple[int, Json]:
        """The module's status and payload."""
        body = {"methodName": name, "payload": payload, "responseTimeoutInSeconds": int(timeout_s)}
        answer = await self._call("POST", module, "/methods", body, timeout_s + CALL_TIMEOUT_S)
        status = answer.get("status")
        if not isinstance(status, int):
            raise ServiceError("IoT Hub's answer has no status", code="iothub-answer")
        return status, answer.get("payload")

    async def _call(self, verb: str, module: str, below: str, body: Json, timeout_s: float) -> dict[str, Json]:
        target = self._target
        path = f"/twins/{quote(target.device, safe='')}/modules/{quote(module, safe='')}{below}"
        url = URL(f"https://{target.host}{path}?api-version={API_VERSION}", encoded=True)
        expiry_s = int(self._clock.now_s()) + TOKEN_LIFE_S
        headers = {"Authorization": sas.make_token(target.key, target.host, expiry_s, target.key_name)}
        if verb == "PATCH":
            headers["If-Match"] = '"*"'
        try:
            async with self._session.request(
                verb, url, json=body, headers=headers, timeout=aiohttp.ClientTimeout(total=timeout_s)
            ) as response:
                status, text = response.status, await response.text(errors="replace")
        except aiohttp.ClientConnectorCertificateError as exc:
            raise ServiceError(f"{target.host}'s certificate is not trusted", code="iothub-certificate") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            why = getattr(exc, "strerror", None) or type(exc).__name__
            raise ServiceError(f"{target.host} can't be reached: {why}", code="iothub-unreachable") from exc
        if status != 200:
            raise refusal(target, module, status, text)
        try:
            content = json.loads(text)
        except ValueError as exc:
            raise ServiceError("IoT Hub's answer is not JSON", code="iothub-answer") from exc
        if not isinstance(content, dict):
            raise ServiceError("IoT Hub's answer is no object", code="iothub-answer")
        return content


def refusal(target: HubTarget, module: str, status: int, text: str) -> SafetyGearError:
    """What an answer other than 200 means to a person. Pure."""
    message = _message(text)
    match status:
        case 401:
            hint = "Start the command again." if target.is_stand_in else f"Check {CONNECTION_STRING_VARIABLE}."
            return UserError(f"{target.host} refused the token.", hint=hint, code="iothub-refused")
        case 403:
            return ServiceError(f"{target.host} does not allow it: {message}", code="iothub-forbidden")
        case 404 if "404103" in text or "DeviceNotOnline" in text:
            return ServiceError(f"module {module} of device {target.device} is not connected", code="not-connected")
        case 404:
            return UserError(f"there is no module {module!r} on device {target.device!r}.", code="unknown-module")
        case 504:
            return ServiceError(f"module {module} did not answer in time", code="method-timeout")
        case 400 | 412 | 413:
            return UserError(f"{target.host} refused it: {message}.", code="iothub-bad-request")
        case _:
            return ServiceError(f"{target.host} answered {status}: {message}", code="iothub-failed")


def _message(text: str) -> str:
    """IoT Hub's message without its wrapping, cut to a line."""
    try:
        content = json.loads(text)
        text = str(content.get("Message") or content.get("message") or text) if isinstance(content, dict) else text
    except ValueError:
        text = text or "no reason given"
    return " ".join(text.partition("\n")[0].split())[:300].rstrip(".")


def _halves(twin: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    properties = twin.get("properties")
    halves = [properties.get(name) if isinstance(properties, dict) else None for name in ("desired", "reported")]
    if not all(isinstance(half, dict) for half in halves):
        raise ServiceError("IoT Hub's answer is no twin", code="iothub-answer")
    return dict(halves[0] or {}), dict(halves[1] or {})
