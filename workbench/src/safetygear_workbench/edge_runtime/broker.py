"""The hub's core: who may connect, what goes where, and when a publisher gets its PUBACK (after the commit)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from safetygear.clock import Clock
from safetygear_workbench.edge_runtime import admission, dispatch, packets, sas, topics, twin_requests
from safetygear_workbench.edge_runtime.condition_terms import RoutedMessage
from safetygear_workbench.edge_runtime.connection import Connection
from safetygear_workbench.edge_runtime.deployments import DEFAULT_TTL_S, Deployment, parse_deployment
from safetygear_workbench.edge_runtime.methods import MethodCalls, MethodResult
from safetygear_workbench.edge_runtime.modules import InFlight, ModuleState, new_key
from safetygear_workbench.edge_runtime.packets import Connect, Publish
from safetygear_workbench.edge_runtime.queues import SinkQueue
from safetygear_workbench.edge_runtime.routes import Route
from safetygear_workbench.edge_runtime.site_layer import SiteLayer
from safetygear_workbench.edge_runtime.store import Store, StoredMessage
from safetygear_workbench.edge_runtime.upstream import Upstream

log = logging.getLogger(__name__)
ACK_TIMEOUT_S = 30.0
"""edgeHub's MessageAckTimeoutSecs: after it, the message is sent again."""
_IDENTIFIER_REJECTED, _NOT_AUTHORISED = 2, 5
_SUBSCRIPTION_REFUSED = 0x80


class EdgeBroker:
    """Implements `connection.Broker`. Runs on one event loop; nothing in it waits."""

    def __init__(
        self, store: Store, upstream_path: Path, clock: Clock, *, device: str, iothub: str, gateways: tuple[str, ...]
    ) -> None:
        self._store = store
        self._clock = clock
        self.device, self.iothub = device, iothub
        self._hosts = frozenset(name.lower() for name in (iothub, *gateways))
        self.upstream = Upstream(store, upstream_path, clock, self._changed)
        self.methods = MethodCalls()
        self.site = SiteLayer(store)
        self.routes: tuple[Route, ...] = ()
        self.counts: Counter[str] = Counter()
        self.refuse_with: int | None = None
        """A CONNACK return code to refuse every connection with: a fault for tests."""
        self._default_ttl_s = DEFAULT_TTL_S
        self._after_commit: list[Callable[[], None]] = []
        self._commit_planned = False
        self._unsaved: set[str] = set()
        self.service_key: str = store.load("service-key") or new_key()
        store.save("service-key", self.service_key)
        self.modules = {name: ModuleState.from_json(name, saved) for name, saved in store.documents("module/").items()}
        manifest = store.load("manifest")
        if manifest is not None:
            self._use_routes(parse_deployment(manifest))
        for message in store.messages():
            self._queue_again(message)
        store.commit()
        self.upstream.pump()

    # Deployments

    def apply_manifest(self, manifest: Mapping[str, Any], *, redeploy: bool = False) -> bool:
        """Take over a deployment: identities, routes, and desired properties, which replace those in the twins.

        An unchanged manifest changes nothing unless `redeploy` says so. A module that it no longer lists loses its
        identity, twin and queues. Returns whether it was applied. Raises UserError for what can't be read; then nothing
        was changed.
        """
        if not redeploy and self._store.load("manifest") == manifest:
            return False
        deployment = parse_deployment(manifest)
        self._use_routes(deployment)
        for module_id in self.modules.keys() - deployment.desired.keys():
            self._remove_module(module_id)
        for module_id, desired in deployment.desired.items():
            module = self.modules.get(module_id) or self._add_module(module_id)
            if desired is not None:
                self._notify_desired(module, module.twin.replace_desired(self.site.over(module_id, desired)))
            self._save(module)
        for route in self.routes:
            if route.caution:
                log.warning("route %s: %s", route.name, route.caution)
            if not route.sink.is_upstream and route.sink.module not in self.modules:
                log.warning("route %s goes to a module that is not deployed: %s", route.name, route.sink.module)
        self._store.save("manifest", manifest)
        self._changed()
        return True

    def _use_routes(self, deployment: Deployment) -> None:
        self.routes = deployment.routes
        self._default_ttl_s = deployment.default_ttl_s

    def _add_module(self, module_id: str) -> ModuleState:
        # IoT Hub's generation ids are ticks; any number that is new will do.
        module = self.modules[module_id] = ModuleState(module_id, new_key(), str(int(self._clock.now_s() * 1e7)))
        return module

    def _remove_module(self, module_id: str) -> None:
        module = self.modules[module_id]
        if module.connection is not None:
            self._detach(module).close("the module is no longer deployed")
        del self.modules[module_id]
        self._store.delete(f"module/{module_id}")
        self._store.forget_module(module_id)

    # Connections

    def accept(self, connection: Connection, packet: Connect) -> int:
        """MQTT's return code for a CONNECT."""
        if self.refuse_with is not None:
            return self.refuse_with
        reason = admission.refusal(packet, self.device, self._hosts, self.modules, self._clock.now_s())
        if reason is None:
            return 0
        self.counts["refused"] += 1
        log.warning("refusing %s: %s", packet.client_id[:80] or "an unnamed client", reason)
        return _NOT_AUTHORISED if packet.client_id else _IDENTIFIER_REJECTED  # [MQTT-3.1.3-8]

    def opened(self, connection: Connection, packet: Connect) -> bool:
        module = self._module(connection)
        if module.connection is not None:
            # edgeHub and IoT Hub keep the newest connection of an identity.
            self.counts["taken-over"] += 1
            self._detach(module).close("the same module connected again")
        module.connection, module.clean_session, module.will = connection, packet.clean_session, packet.will
        if packet.clean_session:
            module.subscriptions.clear()
            self._save(module)
        module.token_expiry_s = sas.expiry_s(packet.password)
        module.counts["connects"] += 1
        log.info("%s connected", module.id)
        return bool(module.subscriptions)

    def started(self, connection: Connection) -> None:
        if (module := self._holder(connection)) is not None:
            self._deliver(module)

    def disconnected(self, connection: Connection) -> None:
        if (module := self._holder(connection)) is not None:
            module.will = None

    def closed(self, connection: Connection) -> None:
        if (module := self._holder(connection)) is not None:
            self._detach(module)
            log.info("%s disconnected", module.id)
            if module.will is not None:
                self._leave(module, module.will)

    def _holder(self, connection: Connection) -> ModuleState | None:
        """The module whose connection this is; None where it is no longer deployed or has a newer one."""
        module = self.modules.get(_module_id(connection))
        return module if module is not None and module.connection is connection else None

    def _leave(self, module: ModuleState, will: Publish) -> None:
        """Send a will, as IoT Hub does: a message like any other, marked. It has to be on the module's own topic."""
        if not topics.is_event(self.device, module.id, will.topic):
            log.warning("%s left a will for %r, which is not its own", module.id, will.topic[:120])
        elif not self._route(module, will, is_will=True):
            log.warning("%s left a will whose properties fit into no topic", module.id)

    def _detach(self, module: ModuleState) -> Connection:
        connection, module.connection = module.connection, None
        assert connection is not None
        for entry in module.in_flight.values():
            module.sent_before.add(entry.message.sequence)
            module.queue(entry.message.input).push(entry.message)
        module.in_flight.clear()
        if module.clean_session:
            module.subscriptions.clear()
        return connection

    def subscribed(self, connection: Connection, topic: str, qos: int) -> int:
        module = self._module(connection)
        if not topics.may_subscribe(self.device, module.id, topic):
            log.warning("%s may not subscribe to %r", module.id, topic[:120])
            return _SUBSCRIPTION_REFUSED
        module.subscriptions[topic] = min(qos, 1)
        self._save(module)
        return min(qos, 1)

    def unsubscribed(self, connection: Connection, topic: str) -> None:
        module = self._module(connection)
        module.subscriptions.pop(topic, None)
        self._save(module)

    def housekeeping(self) -> None:
        """Once a second: expired tokens, deliveries nobody acknowledged, upstream's queue."""
        now_s = self._clock.now_s()
        self.upstream.drop_expired()
        for module in self.modules.values():
            for queue in module.queues.values():
                queue.drop_expired(now_s, self._drop_expired)
            if module.connection is None:
                continue
            if module.token_expiry_s <= now_s:
                module.connection.close("its token has expired")
                continue
            for packet_id, entry in module.in_flight.items():
                if self._clock.monotonic_s() - entry.sent_at_s > ACK_TIMEOUT_S:
                    entry.sent_at_s = self._clock.monotonic_s()
                    self._send(module, packet_id, entry.message, dup=True)
        self.upstream.pump()

    # What modules publish

    def published(self, connection: Connection, packet: Publish) -> None:
        module = self._module(connection)
        if topics.is_event(self.device, module.id, packet.topic):
            module.counts["sent"] += 1
            module.counts["sent-again"] += packet.dup
            if not self._route(module, packet):
                connection.close("its message has properties that fit into no topic once the receiver's are added")
                return
        elif packet.topic.startswith("$iothub/twin/"):
            self._twin_request(module, connection, packet)
        elif packet.topic.startswith("$iothub/methods/res/"):
            status = packet.topic.removeprefix("$iothub/methods/res/").partition("/")[0]
            self.methods.answered(connection, topics.request_id(packet.topic), status, packet.payload)
        else:
            connection.close(f"it published to {packet.topic[:120]!r}, which is not its own")
            return
        if packet.qos:
            self.when_kept(lambda: connection.send(packets.puback(packet.packet_id)))

    def _route(self, module: ModuleState, packet: Publish, *, is_will: bool = False) -> bool:
        """Queue a message for its sinks. False where its properties fit into no topic: then it is queued for none."""
        marks = topics.marks(retain=packet.retain, dup=packet.dup, is_will=is_will)
        event = topics.parse_event(self.device, module.id, packet.topic, marks)
        message = RoutedMessage(module.id, event.output, event.properties, event.system_properties, packet.payload)
        sinks = dispatch.sinks_of(self.routes, message)
        for sink in [sink for sink in sinks if not sink.is_upstream and sink.module not in self.modules]:
            del sinks[sink]
            self.counts["no-such-module"] += 1
        if not sinks:
            self.counts["unrouted"] += 1
        heads = {sink: dispatch.head_for(sink, event, self.device, module.id) for sink in sinks}
        if not all(dispatch.fits(sink, head) for sink, head in heads.items()):
            return False
        for sink, route in sinks.items():
            expires_s = self._clock.now_s() + (route.time_to_live_s or self._default_ttl_s)
            stored = self._store.add(sink.module, sink.input, route.priority, expires_s, heads[sink], packet.payload)
            self._after_commit.append(lambda stored=stored: self._queue(stored))  # type: ignore[misc]  # bound now
        self._changed()
        return True

    def _twin_request(self, module: ModuleState, connection: Connection, packet: Publish) -> None:
        before = module.twin.reported
        answer = twin_requests.answer(module.twin, packet.topic, packet.payload)
        if module.twin.reported is not before:
            self._save(module)
        if answer is not None and topics.granted_qos(module.subscriptions, answer.topic) is not None:
            data = packets.publish(answer)
            self.when_kept(lambda: connection.send(data))

    # Delivery

    def _queue(self, message: StoredMessage) -> None:
        self._queue_again(message)
        if message.module in self.modules:
            self._deliver(self.modules[message.module])
        else:
            self.upstream.pump()

    def _queue_again(self, message: StoredMessage) -> None:
        if not message.input:
            self.upstream.push(message)
        elif (module := self.modules.get(message.module)) is not None:
            module.queue(message.input).push(message)

    def _deliver(self, module: ModuleState) -> None:
        """One message at a time per input, as edgeHub does; with QoS 0, as fast as the socket takes them."""
        connection = module.connection
        if connection is None:
            return
        busy = {entry.message.input for entry in module.in_flight.values()}
        for input_, queue in module.queues.items():
            qos = topics.granted_qos(module.subscriptions, topics.input_topic(self.device, module.id, input_, {}))
            if input_ in busy or qos is None:
                continue
            if qos == 0:
                self._deliver_unacknowledged(module, connection, queue)
                continue
            message = queue.pop(self._clock.now_s(), self._drop_expired)
            if message is None:
                continue
            packet_id = connection.free_packet_id(set(module.in_flight))
            module.in_flight[packet_id] = InFlight(message, self._clock.monotonic_s())
            dup = message.sequence in module.sent_before
            module.sent_before.discard(message.sequence)
            self._send(module, packet_id, message, dup=dup)

    def _deliver_unacknowledged(self, module: ModuleState, connection: Connection, queue: SinkQueue) -> None:
        while connection.takes_more and (message := queue.pop(self._clock.now_s(), self._drop_expired)):
            self._send(module, 0, message, dup=False)
            self._store.remove(message.sequence)
            self._changed()

    def _send(self, module: ModuleState, packet_id: int, message: StoredMessage, *, dup: bool) -> None:
        assert module.connection is not None
        module.counts["delivered"] += 1
        module.counts["delivered-again"] += dup
        packet = Publish(message.head, self._store.body(message.sequence), int(packet_id > 0), packet_id, dup)
        module.connection.send(packets.publish(packet))

    def acknowledged(self, connection: Connection, packet_id: int) -> None:
        module = self._module(connection)
        entry = module.in_flight.pop(packet_id, None)
        if entry is not None:
            self._store.remove(entry.message.sequence)
            self._changed()
            self._deliver(module)

    def _drop_expired(self, message: StoredMessage) -> None:
        self.counts["expired"] += 1
        self._store.remove(message.sequence)
        self._changed()

    # The service's side

    def change_desired(self, module_id: str, properties: Mapping[str, Any], *, replace: bool = False) -> ModuleState:
        """Patch or replace a module's desired properties. Raises KeyError, InvalidPropertiesError."""
        module = self.modules[module_id]
        change = module.twin.replace_desired if replace else module.twin.patch_desired
        self._notify_desired(module, change(properties))
        self._save(module)
        return module

    def _notify_desired(self, module: ModuleState, notification: Mapping[str, Any]) -> None:
        told = topics.granted_qos(module.subscriptions, topics.DESIRED_PATCHES) is not None
        if module.connection is not None and told:
            topic = f"$iothub/twin/PATCH/properties/desired/?$version={notification['$version']}"
            connection, data = module.connection, packets.publish(Publish(topic, json.dumps(notification).encode()))
            # Told before it is kept, the module would know a version that a killed hub has forgotten.
            self.when_kept(lambda: connection.send(data))

    async def invoke(
        self, module_id: str, name: str, payload: Any, *, response_timeout_s: float, connect_timeout_s: float
    ) -> MethodResult:
        """Call a direct method; MethodResult says what IoT Hub would answer."""

        def ready() -> Connection | None:
            module = self.modules.get(module_id)
            if (
                module is None
                or topics.granted_qos(module.subscriptions, f"{topics.METHODS}{quote(name, safe='')}/") is None
            ):
                return None
            return module.connection

        return await self.methods.call(ready, name, payload, response_timeout_s, connect_timeout_s)

    # Committing

    def _module(self, connection: Connection) -> ModuleState:
        return self.modules[_module_id(connection)]

    def _save(self, module: ModuleState) -> None:
        """Once with the next commit, however often it changes until then."""
        self._unsaved.add(module.id)
        self._changed()

    def when_kept(self, action: Callable[[], None]) -> None:
        """Do `action` once everything that was changed so far is kept: before an answer says that it is."""
        self._after_commit.append(action)
        self._changed()

    async def committed(self) -> None:
        """Return when everything that was changed so far is kept."""
        kept = asyncio.Event()
        self.when_kept(kept.set)
        await kept.wait()

    def _changed(self) -> None:
        """One commit for everything that happens in this turn of the loop; what waits for it runs after."""
        if not self._commit_planned:
            self._commit_planned = True
            asyncio.get_running_loop().call_soon(self._commit)

    def _commit(self) -> None:
        self._commit_planned = False
        for module_id in self._unsaved & self.modules.keys():
            self._store.save(f"module/{module_id}", self.modules[module_id].as_json())
        self._unsaved.clear()
        self._store.commit()
        waiting, self._after_commit = self._after_commit, []
        for action in waiting:
            action()

    def close(self) -> None:
        """End every connection and write what is left. After a failure of the store nothing is written."""
        for module in self.modules.values():
            if module.connection is not None:
                self._detach(module).close("the hub is stopping")
        if self._store.failure is None:
            self._commit()
        self.upstream.close()
        self._store.close()


def _module_id(connection: Connection) -> str:
    return connection.client_id.partition("/")[2]
