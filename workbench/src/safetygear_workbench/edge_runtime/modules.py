"""A module as the hub knows it: identity, session, twin, queues."""

from __future__ import annotations

import base64
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from safetygear_workbench.edge_runtime.connection import Connection
from safetygear_workbench.edge_runtime.packets import Publish
from safetygear_workbench.edge_runtime.queues import SinkQueue
from safetygear_workbench.edge_runtime.store import StoredMessage
from safetygear_workbench.edge_runtime.twins import TwinDocument


def new_key() -> str:
    """A symmetric key as IoT Hub makes them: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass
class InFlight:
    """A message sent to the module and not yet acknowledged."""

    message: StoredMessage
    sent_at_s: float


@dataclass
class ModuleState:
    """What is kept: identity, subscriptions (CleanSession=0), twin. The rest lives as long as the process."""

    id: str
    key: str
    generation_id: str
    subscriptions: dict[str, int] = field(default_factory=dict)
    twin: TwinDocument = field(default_factory=TwinDocument)
    queues: dict[str, SinkQueue] = field(default_factory=dict)
    in_flight: dict[int, InFlight] = field(default_factory=dict)
    sent_before: set[int] = field(default_factory=set)
    """Sequences that went out on an earlier connection: the next attempt carries MQTT's dup flag."""
    connection: Connection | None = None
    token_expiry_s: int = 0
    clean_session: bool = False
    """The present connection's subscriptions end with it."""
    will: Publish | None = None
    """What the present connection leaves if it ends without a DISCONNECT."""
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def from_json(cls, module_id: str, saved: dict[str, Any]) -> ModuleState:
        return cls(
            module_id, saved["key"], saved["generationId"], dict(saved["subscriptions"]), TwinDocument(saved["twin"])
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "generationId": self.generation_id,
            "subscriptions": {} if self.clean_session else self.subscriptions,
            "twin": self.twin.as_json(),
        }

    @property
    def queued(self) -> int:
        return sum(len(queue) for queue in self.queues.values())

    def queue(self, input_: str) -> SinkQueue:
        return self.queues.setdefault(input_, SinkQueue())
