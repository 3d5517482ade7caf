"""What IoT Hub would receive, one short line a message. Pure."""

from __future__ import annotations

from collections import Counter

from safetygear.camera_reasons import explain
from safetygear.clock import epoch_s
from safetygear.messages.detections import DetectionsMessage
from safetygear.messages.event import EventMessage
from safetygear.messages.health import CameraHealth, HealthMessage
from safetygear_workbench.simulation.received import Message

CAMERAS_SHOWN = 4
_NAME_WIDTH = 10


def message_line(message: Message) -> str:
    """`08:00:01.123  gate        2 helmet, 3 person  84 ms`; other kinds begin with their name in capitals."""
    time = str(message.record.get("enqueuedAt", ""))[11:23]
    again = "  (again)" if message.again else ""
    return f"{time}  {_content(message)}{again}"


def _content(message: Message) -> str:
    known = message.known
    if isinstance(known, DetectionsMessage):
        return _detections(known)
    if isinstance(known, HealthMessage):
        return f"HEALTH  {_health(known)}"
    if isinstance(known, EventMessage):
        return f"EVENT  {_event(known)}"
    where = f"{message.record.get('moduleId')}/{message.record.get('output')}"
    if message.problem:
        return f"INVALID  {where}: {message.problem}"
    return f"{where}  (no message of SafetyGear's)"


def _detections(message: DetectionsMessage) -> str:
    counts = Counter(detection.label for detection in message.detections)
    seen = ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "nothing"
    return f"{message.camera:<{_NAME_WIDTH}}  {seen}  {message.latency_ms.total:.0f} ms"


def _event(message: EventMessage) -> str:
    """`opened no-helmet demo zone=default track=…: missing-helmet (medium)`; a closed one with duration and reason."""
    what = f"{message.rule} {message.camera} zone={message.zone} track={message.track}"
    if message.state == "open":
        return f"opened {what}: {message.reason} ({message.severity})"
    lasted = f"after {duration_s(message):.1f} s" if duration_s(message) is not None else "at an unknown time"
    if message.state == "closed":
        return f"closed {what} {lasted}: {message.close_reason}"
    return f"goes on {what} {lasted}"


def duration_s(message: EventMessage) -> float | None:
    """Seconds from the opening to the newest news; None where the times can't be read."""
    try:
        return max(0.0, epoch_s(message.closed_at or message.updated_at) - epoch_s(message.opened_at))
    except ValueError:
        return None


def _health(message: HealthMessage) -> str:
    if not message.cameras:
        return "no camera"
    shown = "; ".join(_camera(camera) for camera in message.cameras[:CAMERAS_SHOWN])
    more = len(message.cameras) - CAMERAS_SHOWN
    return shown + (f"; and {more} more" if more > 0 else "")


def _camera(camera: CameraHealth) -> str:
    why = "" if camera.reason == "ok" else f" ({explain(camera.reason)})"
    text = f"{camera.camera} {camera.state}{why}: watched {camera.seconds_watched:.0f} s"
    if camera.seconds_blind >= 0.5:
        text += f", blind {camera.seconds_blind:.0f} s"
    text += f", {camera.analysed} of {camera.frames_in} frames analysed"
    if camera.latency_ms.p95 is not None:
        text += f", p95 {camera.latency_ms.p95:.0f} ms"
    return text
