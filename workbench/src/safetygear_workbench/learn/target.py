"""Which training resource and project a command speaks to, and with which key.

A key comes from the environment or a file only: command lines show in every process list.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from safetygear.errors import UserError
from safetygear.redact import has_credentials
from safetygear.secret_references import Secret
from safetygear_workbench.learn.blob_push import LOOPBACK, SAS_VARIABLE
from safetygear_workbench.learn.service_answers import KEY_VARIABLE

ENDPOINT_VARIABLE: Final = "CUSTOM_VISION_ENDPOINT"
_KEY_BYTES: Final = 4096
_KEY: Final = re.compile(r"[A-Za-z0-9]{16,256}")
"""Of Azure's resources: 32 hex digits, or 84 letters and digits."""


@dataclass(frozen=True)
class Target:
    """A project. `key` shows itself to the client alone."""

    endpoint: str
    project_id: str
    key: Secret

    @property
    def is_local(self) -> bool:
        """Whether the service is on this machine, as in tests."""
        return urlsplit(self.endpoint).hostname in LOOPBACK

    @property
    def place(self) -> str:
        """For the journal: what pictures were sent to."""
        return f"{self.endpoint} project {self.project_id}"


def choose_target(project: str, endpoint: str | None, key: str | None, environ: Mapping[str, str]) -> Target:
    """`key`: `file:PATH`, or None for the environment's. Raises UserError, which shows nothing of a key."""
    return Target(_endpoint(endpoint or environ.get(ENDPOINT_VARIABLE, "")), _project_id(project), _key(key, environ))


def blob_sas(environ: Mapping[str, str]) -> Secret:
    """The container's token. Raises UserError."""
    text = environ.get(SAS_VARIABLE, "").strip()
    if not text.isascii() or not text.isprintable() or " " in text or "sig=" not in text:
        raise UserError(
            f"{SAS_VARIABLE} is not set, or holds no SAS." if not text else f"{SAS_VARIABLE} holds no SAS.",
            hint="It must be a token for the container that may create and write: sp=cw…&sig=…",
        )
    return Secret(text)


def _endpoint(text: str) -> str:
    hint = f"Give --endpoint (or {ENDPOINT_VARIABLE}) https://NAME.cognitiveservices.azure.com."
    if not text:
        raise UserError("no training resource is named.", hint=hint)
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as exc:
        raise UserError("--endpoint is no URL.", hint=hint) from exc
    if has_credentials(text) or parts.query or parts.fragment:
        raise UserError("--endpoint has a key or a query in it.", hint=hint)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise UserError(f"--endpoint {text} can't be used: the key goes over https only.", hint=hint)
    if parts.path.strip("/"):
        raise UserError(f"--endpoint {text} has a path.", hint=hint)
    return f"{parts.scheme}://{parts.netloc}"


def _project_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as exc:
        raise UserError(
            f"--project {text!r} is no project's id.",
            hint="The project's page in customvision.ai shows it under Settings: 8-4-4-4-12 hex digits.",
        ) from exc


def _key(reference: str | None, environ: Mapping[str, str]) -> Secret:
    if reference is None:
        text = environ.get(KEY_VARIABLE, "")
        if not text:
            raise UserError(f"{KEY_VARIABLE} is not set.", hint="Put the training key there, or give --key file:PATH.")
        where = KEY_VARIABLE
    else:
        kind, _, name = reference.partition(":")
        if kind != "file" or not name:
            # Not repeated: it may be the key itself.
            raise UserError("--key takes file:PATH.", hint=f"The key itself comes from {KEY_VARIABLE}, or from a file.")
        try:
            with Path(name).open("rb") as file:
                text = file.read(_KEY_BYTES).decode()
        except OSError as exc:
            raise UserError(f"--key: {name} can't be read ({exc.strerror}).") from exc
        except UnicodeDecodeError as exc:
            raise UserError(f"--key: {name} holds no key.") from exc
        where = name
    if _KEY.fullmatch(text.strip()) is None:
        raise UserError(f"{where} holds no key.", hint="A training key is 32 or more letters and digits.")
    return Secret(text.strip())
