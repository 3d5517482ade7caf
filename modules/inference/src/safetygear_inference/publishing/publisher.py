"""Policy, budget and sender put together: everything that this module sends upstream passes here."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from safetygear.clock import Clock
from safetygear.geometry import as_xyxy
from safetygear.hub.port import HubPort, OutgoingMessage
from safetygear.messages.codec import encode
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.health import BudgetHealth, HealthMessage
from safetygear_inference.config import BudgetConfig, DetectionsConfig
from safetygear_inference.publishing.budget import MessageBudget, blocks
from safetygear_inference.publishing.detections import outgoing
from safetygear_inference.publishing.policy import DetectionsPolicy, Seen
from safetygear_inference.publishing.send_queue import Lane, Outgoing
from safetygear_inference.publishing.sender import Sender

HEALTH_OUTPUT: Final = "health"
CLOCK_SET_S: Final = 10.0
"""A wall clock that moves by more against the monotonic one was set."""

log = logging.getLogger(__name__)


class Publisher:
    """`detections` and `budget_config` are replaced when the twin changes."""

    def __init__(self, hub: HubPort, clock: Clock, budget: MessageBudget, *, run: str) -> None:
        self._clock = clock
        self._ahead_s = clock.now_s() - clock.monotonic_s()
        self._budget = budget
        self._run = run
        self._policy = DetectionsPolicy()
        self._shedding = False
        self.sender = Sender(hub, clock, on_lost=self._lost, on_sent=self._sent)
        self.on_event_sent: Callable[[OutgoingMessage], None] = lambda message: None
        """Told of each event that the hub has taken, `on_event_lost` of each that it never will."""
        self.on_event_lost: Callable[[OutgoingMessage], None] = lambda message: None
        self.detections_config = DetectionsConfig()
        self.budget_config = BudgetConfig()
        self.reasons: Counter[str] = Counter()
        """Analysed frames since the start, by what became of them: a reason to send, `unchanged` or `shed`."""

    def detections(self, message: DetectionsMessage) -> bool:
        """Send the frame's boxes if the policy asks for it and the budget allows it. No JSON is made otherwise."""
        seen, now_s = _seen(message), self._clock.monotonic_s()
        reason = self._policy.reason_to_send(message.camera, seen, config=self.detections_config, now_s=now_s)
        if reason is None:
            self.reasons["unchanged"] += 1
            return False
        if not self._submit("detections", outgoing(message, run=self._run), now_s):
            self.reasons["shed"] += 1
            return False
        self._policy.sent(message.camera, seen, now_s)
        self.reasons[reason] += 1
        return True

    def health(self, message: HealthMessage, *, shard: str) -> bool:
        """Send a health message, unless even the part of the budget that is kept for it is used up."""
        properties = {"schema": message.schema, "shard": shard}
        message_out = OutgoingMessage(HEALTH_OUTPUT, encode(message), properties)
        return self._submit("health", message_out, self._clock.monotonic_s())

    def event(self, message: OutgoingMessage) -> bool:
        """Send an event, whatever the budget says; False: the lane is full, and the outbox keeps it."""
        return self._submit("events", message, self._clock.monotonic_s())

    def count_reported(self) -> None:
        """A patch of reported properties counts like a message."""
        self._budget.admit("reported", 1, config=self.budget_config, now_s=self._wall_s())

    def forget(self, camera: str) -> None:
        """The camera was removed."""
        self._policy.forget(camera)

    def budget(self) -> BudgetHealth:
        """Today's budget as it stands; a change of `shedding` is logged."""
        health = self._budget.health(config=self.budget_config, now_s=self._wall_s())
        if health.shedding != self._shedding:
            self._shedding = health.shedding
            if health.shedding:
                log.warning(
                    "the message budget sheds detections: %d of %d blocks are used today",
                    health.used_blocks,
                    health.daily_blocks,
                )
            else:
                log.info("the message budget sheds no more detections")
        return health

    def _submit(self, lane: Lane, message: OutgoingMessage, now_s: float) -> bool:
        size_blocks = blocks(message)
        if not self._budget.admit(lane, size_blocks, config=self.budget_config, now_s=self._wall_s()):
            return False
        taken = self.sender.submit(Outgoing(lane, message, size_blocks, now_s))
        if not taken:
            self._budget.refund(lane, size_blocks, self._wall_s())
        return taken

    def _wall_s(self) -> float:
        """The budget's time. Asked each second at least, so that a clock that only runs fast is none that is set."""
        now_s = self._clock.now_s()
        ahead_s = now_s - self._clock.monotonic_s()
        if abs(ahead_s - self._ahead_s) > CLOCK_SET_S:
            self._budget.clock_set(now_s)
        self._ahead_s = ahead_s
        return now_s

    def _sent(self, sent: Outgoing) -> None:
        if sent.lane == "events":
            self.on_event_sent(sent.message)

    def _lost(self, lost: Outgoing) -> None:
        waited_s = self._clock.monotonic_s() - lost.queued_s
        self._budget.refund(lost.lane, lost.size_blocks, self._wall_s() - waited_s)
        if lost.lane == "events":
            self.on_event_lost(lost.message)
        if lost.lane == "detections":
            self._policy.lost(lost.message.properties["camera"], lost.queued_s)


def _seen(message: DetectionsMessage) -> Seen:
    boxes = [detection.bounding_box for detection in message.detections]
    return Seen(
        tuple(detection.label for detection in message.detections),
        as_xyxy([(box.left, box.top, box.left + box.width, box.top + box.height) for box in boxes]),
        # Why somebody can't be judged changes with every step and is no news.
        tuple(sorted(person.reason if person.status == "violation" else person.status for person in message.people)),
    )
