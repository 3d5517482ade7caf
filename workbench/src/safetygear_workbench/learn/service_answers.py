"""What the training service's answers mean, and what to do then. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from safetygear.errors import SafetyGearError, UserError
from safetygear_workbench.learn.training_service import TrainingServiceError

KEY_VARIABLE: Final = "CUSTOM_VISION_TRAINING_KEY"
_MAY_PASS: Final = frozenset({408, 425, 429})


def failure(status: int, headers: Mapping[str, str], text: str, endpoint: str) -> SafetyGearError:
    """`text`: the answer's body, without secrets. The service answers {code, message}, its gateway {error}."""
    said, message = _code_and_message(text)
    # The gateway's code is the status again.
    named = said if said != str(status) else ""
    told = ": ".join(part for part in (f"{status} {named}".rstrip(), message) if part)
    host = urlsplit(endpoint).hostname
    if status == 401:
        return UserError(
            f"{host} refuses the key ({told}).",
            hint=f"{KEY_VARIABLE} must hold a key of this very training resource.",
            code="training-key-refused",
        )
    # The gateway's: its firewall, a quota of calls that is used up, keys that are switched off. No other key helps.
    if status == 403 and not said.startswith("Forbidden"):
        return UserError(
            f"{host} does not let the call through ({told}).",
            hint="Look at the resource in the Azure portal: Networking, pricing tier and quota, and whether keys are "
            "switched off.",
            code="training-access-denied",
        )
    if status == 404 and said in ("NotFoundProject", "BadRequestInvalidIds"):
        return UserError(
            f"the training resource {host} has no such project ({told}).",
            hint="The project's page in customvision.ai shows its id under Settings.",
            code="training-project-unknown",
        )
    if status == 404 and not named:
        return UserError(
            f"{host} has no training API (404).",
            hint="--endpoint must be a Custom Vision training resource's address.",
            code="training-endpoint",
        )
    if 300 <= status < 400:
        return UserError(
            f"{host} answers with a redirect ({status}), which is not followed.", hint="Give the address it leads to."
        )
    return TrainingServiceError(
        f"the training service answered {told}",
        said=said,
        retryable=status in _MAY_PASS or status >= 500,
        retry_after_s=_seconds(headers.get("Retry-After")),
        in_doubt=status >= 500 or status == 408,
    )


def unreachable(endpoint: str, cause: BaseException) -> TrainingServiceError:
    """There was no answer. Nothing of the cause's text is told: it repeats addresses."""
    host = urlsplit(endpoint).hostname
    names = _causes(cause)
    if any("SSL" in name or "Certificate" in name for name in names):
        return TrainingServiceError(
            f"{host}: the server's certificate is not trusted; for one of your own, set REQUESTS_CA_BUNDLE",
            code="training-service-certificate",
        )
    if "NameResolutionError" in names or "LocationParseError" in names:
        why = "there is no such host"
    elif any("Proxy" in name for name in names):
        why = "the proxy does not let it through"
    elif any("Timeout" in name for name in names):
        why = "it does not answer in time"
    elif "ConnectionRefusedError" in names:
        why = "it refuses connections"
    else:
        why = "the connection was cut"
    return TrainingServiceError(f"{host} can't be reached: {why}", code="training-service-unreachable", retryable=True)


def _causes(cause: BaseException) -> list[str]:
    """Names of the exception's type and of what it was made of."""
    found: list[str] = []
    waiting: list[object] = [cause]
    while waiting and len(found) < 20:
        one = waiting.pop()
        if isinstance(one, BaseException):
            found.append(type(one).__name__)
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found


def _code_and_message(text: str) -> tuple[str, str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return "", ""
    if isinstance(content, dict) and isinstance(content.get("error"), dict):
        content = content["error"]
    if not isinstance(content, dict):
        return "", ""
    code, message = (content.get(name) for name in ("code", "message"))
    words = " ".join(str(message or "").split())[:300].rstrip(".")
    return (str(code) if code is not None else ""), words


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; a date in it is left out, as no Azure gateway writes one."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
