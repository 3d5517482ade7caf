"""Free ports and addresses of this machine's loopback."""

from __future__ import annotations

import socket
import sys

from safetygear.errors import UserError

LOOPBACK = "127.0.0.1"
_ADDRESSES_TRIED = 20


class Ports:
    """Hands out each port once, also among runs that start at the same time.

    That a port is still free when it is used can't be promised; who uses it says so.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        self._claims: list[socket.socket] = []

    def free(self) -> int:
        """A port of 127.0.0.1 that nobody uses. Raises UserError where there is none."""
        for _ in range(100):
            with socket.socket() as probe:
                probe.bind((LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            if port not in self._given:
                self._given.add(port)
                return port
        raise UserError("there is no free port on 127.0.0.1.", hint="End some programs.")

    def preferred(self, address: str, port: int) -> int:
        """`port` where it is free on `address`, else another."""
        return port if self.claim(address, port) else self.free()

    def claim(self, address: str, port: int) -> bool:
        """Whether the port is free, and no other run has chosen it and is just starting."""
        if not is_free(address, port):
            return False
        if sys.platform != "linux":
            return True
        # A name in the abstract namespace: it goes with its process and leaves no file behind.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0safetygear-{address}:{port}")
        except OSError:
            claim.close()
            return False
        self._claims.append(claim)
        return True

    def hub_address(self, mqtt_port: int) -> str:
        """A loopback address whose MQTT port is free: clients have the port built in. Raises UserError."""
        for last in range(1, _ADDRESSES_TRIED + 1):
            address = f"127.0.0.{last}"
            if self.claim(address, mqtt_port):
                return address
        raise UserError(
            f"port {mqtt_port} is in use on every loopback address from 127.0.0.1 on:",
            hint="another hub or MQTT broker runs here; end it (azure-iot-device has the port built in).",
            code="port-in-use",
        )

    def close(self) -> None:
        """Give the claims back."""
        for claim in self._claims:
            claim.close()


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: a port that only lingers after its last connection is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True
