"""A module without an Azure SDK: Eclipse Paho's client (the one azure-iot-device brings), with a token of our own."""

from __future__ import annotations

import socket
import time
from typing import Any

import paho.mqtt.client as paho

from safetygear_workbench.edge_runtime import sas
from support.runtime import MQTT_PORT, RunningRuntime, wait_until


class PlainModule:
    """Connects at once. `return_code`: CONNACK's, or MQTT 5's reason code; None until it has come."""

    def __init__(
        self,
        runtime: RunningRuntime,
        module: str,
        *,
        protocol: int = paho.MQTTv311,
        clean_session: bool = True,
        will: tuple[str, bytes] | None = None,
        token: str | None = None,
    ) -> None:
        given = runtime.module_env(module, "connection-string")["EdgeHubConnectionString"]
        fields = dict(part.split("=", 1) for part in given.split(";"))
        hub, self.device = fields["HostName"], fields["DeviceId"]
        self.root = f"devices/{self.device}/modules/{module}"
        self.return_code: int | None = None
        self.session_present = False
        self.granted: list[int] = []
        self.messages: list[paho.MQTTMessage] = []
        self.published: list[int] = []
        self.is_over = False
        options: dict[str, Any] = {} if protocol == paho.MQTTv5 else {"clean_session": clean_session}
        self.client = paho.Client(f"{self.device}/{module}", protocol=protocol, reconnect_on_failure=False, **options)
        resource = f"{hub}/devices/{self.device}/modules/{module}"
        self.client.username_pw_set(
            f"{hub}/{self.device}/{module}/?api-version=2021-04-12",
            token or sas.make_token(fields["SharedAccessKey"], resource, int(time.time()) + 3600),
        )
        self.client.tls_set(runtime.ready["authority"])
        if will is not None:
            self.client.will_set(*will, qos=1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.on_publish = lambda _client, _data, mid: self.published.append(mid)
        self.client.on_subscribe = lambda _client, _data, _mid, granted, *_: self.granted.extend(granted)
        self.client.connect(runtime.address, MQTT_PORT)
        self.client.loop_start()
        wait_until(lambda: self.return_code is not None, 10, "the answer to CONNECT")

    def _on_connect(self, _client: Any, _data: Any, flags: dict[str, int], code: Any, *_: Any) -> None:
        self.session_present = bool(flags.get("session present"))
        self.return_code = int(getattr(code, "value", code))

    def _on_disconnect(self, *_: Any) -> None:
        self.is_over = True

    def subscribe(self, *filters: str, qos: int = 1) -> list[int]:
        """In one packet; the codes of its SUBACK."""
        self.granted.clear()
        self.client.subscribe([(one, qos) for one in filters])
        wait_until(lambda: len(self.granted) == len(filters), 10, "SUBACK")
        return list(self.granted)

    def publish(self, topic: str, body: bytes | str = b"", *, qos: int = 1, retain: bool = False) -> None:
        """Returns once it is acknowledged, with QoS 1."""
        info = self.client.publish(topic, body, qos, retain)
        if qos == 1:
            wait_until(lambda: info.mid in self.published, 10, "PUBACK")

    def answer(self, prefix: str) -> paho.MQTTMessage:
        """The first message to a topic that begins so."""

        def found() -> list[paho.MQTTMessage]:
            return [message for message in self.messages if message.topic.startswith(prefix)]

        return wait_until(found, 10, prefix)[0]  # type: ignore[no-any-return]  # wait_until returns what its condition does

    def wait_for_the_end(self) -> None:
        wait_until(lambda: self.is_over, 10, "the hub to end the connection")

    def lose(self) -> None:
        """End without a DISCONNECT."""
        connected = self.client.socket()
        assert connected is not None
        connected.shutdown(socket.SHUT_RDWR)
        self.wait_for_the_end()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
