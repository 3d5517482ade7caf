"""Listen addresses as people write them: `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from safetygear.errors import UserError

_FORM = re.compile(r"^(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>\d{1,5})$")


@dataclass(frozen=True)
class Listen:
    """An address to listen on; port 0 means any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect. A name other than localhost counts as not."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """The address in `text`. Raises UserError."""
    match = _FORM.match(text.strip())
    if match is None or int(match["port"]) > 65535:
        raise UserError(f"{text!r} is no listen address.", hint="Write HOST:PORT, such as 127.0.0.1:8080.")
    return Listen(match["v6"] or match["host"], int(match["port"]))
