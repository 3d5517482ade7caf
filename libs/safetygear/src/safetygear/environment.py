"""The environment variables that both modules read, each checked where it is read.

An empty variable counts as unset. Every method but `text`, `folder` and `owner` raises UserError, which names the
variable, its value and what would be right.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from safetygear.errors import UserError
from safetygear.listen import Listen, parse_listen

FramesTransport = Literal["ring", "jpeg"]
_INSTANCE: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class Variables:
    """The process's environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        """As it is, without the spaces around it."""
        return self._environ.get(name, "").strip() or default

    def folder(self, name: str, default: str) -> Path:
        """Whether it is there is not looked at."""
        return Path(self.text(name, default))

    def listen(self, name: str, default: str) -> Listen | None:
        """An address to listen on; None for `off`."""
        text = self.text(name, default)
        if text == "off":
            return None
        try:
            return parse_listen(text)
        except UserError as exc:
            raise UserError(f"{name}: {exc}", hint="Or write off.") from exc

    def frames_transport(self) -> FramesTransport:
        """How pixels go from capture to inference."""
        transport = self.text("SAFETYGEAR_FRAMES_TRANSPORT", "ring")
        if transport == "ring":
            return "ring"
        if transport == "jpeg":
            return "jpeg"
        raise UserError(f"SAFETYGEAR_FRAMES_TRANSPORT is {transport!r}:", hint="use ring or jpeg")

    def log_level(self) -> str:
        """DEBUG, INFO, WARNING or ERROR."""
        text = self.text("SAFETYGEAR_LOG_LEVEL", "INFO")
        level = text.upper()
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise UserError(f"SAFETYGEAR_LOG_LEVEL is {text!r}:", hint="use DEBUG, INFO, WARNING or ERROR")
        return level

    def owner(self) -> str:
        """`DEVICE/MODULE` as IoT Edge names them: whose the data folder is. What it does not name is empty."""
        return f"{self.text('IOTEDGE_DEVICEID', '')}/{self.text('IOTEDGE_MODULEID', '')}"

    def instance(self) -> str:
        """The instance's name: as set, else the module's id, else this machine's name."""
        instance = self.text("SAFETYGEAR_INSTANCE", self.text("IOTEDGE_MODULEID", socket.gethostname()))
        if _INSTANCE.fullmatch(instance) is None:
            raise UserError(
                f"SAFETYGEAR_INSTANCE is {instance!r}:", hint="use A-Z a-z 0-9 _ . - (at most 128 characters)"
            )
        return instance
