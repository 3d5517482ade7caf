"""What is lost on the way is lost for the policy too: a change that never arrived is told again."""

from __future__ import annotations

from safetygear.clock import FakeClock
from safetygear.hub.fake import FakeHub
from safetygear.hub.port import OutgoingMessage
from safetygear.messages.codec import BoundingBox
from safetygear.messages.detections import Detection, DetectionsMessage, FrameSize, LatencyMs, ModelIdentity
from safetygear_inference.config import DetectionsConfig
from safetygear_inference.publishing.budget import MessageBudget
from safetygear_inference.publishing.publisher import Publisher
from safetygear_inference.publishing.send_queue import MAX_MESSAGES, Outgoing


def one_person(sequence: int) -> DetectionsMessage:
    box = BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4)
    return DetectionsMessage(
        camera="gate", shard="default", sequence=sequence, frame_number=sequence, captured_at="", clock="arrival",
        frame=FrameSize(width=640, height=360), model=ModelIdentity(name="m", version="1", sha256="0"), people=[],
        detections=[Detection(label="person", probability=0.9, bounding_box=box)],
        latency_ms=LatencyMs(capture=0, queue=1, inference=2, total=3),
    )  # fmt: skip


async def test_a_change_that_fell_out_of_the_queue_is_told_again() -> None:
    clock = FakeClock()
    publisher = Publisher(FakeHub(), clock, MessageBudget(), run="r")
    publisher.detections_config = DetectionsConfig(policy="changes", interval_s=1, floor_interval_s=3600)
    assert publisher.detections(one_person(1))
    await clock.advance(60.0)
    assert not publisher.detections(one_person(2))
    other = OutgoingMessage("detections", b"{}", {"camera": "yard"})
    for _ in range(MAX_MESSAGES["detections"]):
        publisher.sender.submit(Outgoing("detections", other, 1, clock.monotonic_s()))
    assert publisher.detections(one_person(3))
    assert not publisher.detections(one_person(4))


async def test_what_was_counted_goes_along_when_the_clock_is_set_and_not_when_a_day_is_over() -> None:
    clock = FakeClock()
    publisher = Publisher(FakeHub(), clock, MessageBudget(), run="r")
    for _ in range(3):
        publisher.count_reported()
    clock.jump_wall_clock(86_400.0)
    assert publisher.budget().used_blocks == 3
    clock.jump_wall_clock(-86_400.0)
    publisher.count_reported()
    assert publisher.budget().used_blocks == 4
    await clock.advance(86_400.0)
    assert publisher.budget().used_blocks == 0
