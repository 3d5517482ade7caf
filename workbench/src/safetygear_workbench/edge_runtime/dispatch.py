"""Where a message goes, and what each sink needs beside its body. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable

from safetygear_workbench.edge_runtime import topics
from safetygear_workbench.edge_runtime.condition_terms import RoutedMessage
from safetygear_workbench.edge_runtime.packets import LONGEST_TOPIC_BYTES
from safetygear_workbench.edge_runtime.routes import Route, Sink


def sinks_of(routes: Iterable[Route], message: RoutedMessage) -> dict[Sink, Route]:
    """A message goes into a sink once, by the first of its routes in the order of priority, as in edgeHub."""
    sinks: dict[Sink, Route] = {}
    for route in routes:
        if route.sink not in sinks and route.matches(message):
            sinks[route.sink] = route
    return sinks


def head_for(sink: Sink, event: topics.Event, device: str, sender: str) -> str:
    """What the sink needs beside the body: a module the topic, upstream who sent it and how."""
    if not sink.is_upstream:
        forwarded = topics.forwarded_properties(event, device, sender)
        return topics.input_topic(device, sink.module, sink.input, forwarded)
    return json.dumps({"module": sender, "output": event.output, "properties": event.properties,
                       "systemProperties": event.system_properties})  # fmt: skip


def fits(sink: Sink, head: str) -> bool:
    """Whether the head is one that the sink can be sent."""
    return sink.is_upstream or len(head.encode()) <= LONGEST_TOPIC_BYTES
