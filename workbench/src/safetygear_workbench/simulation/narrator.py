"""What a person is told beside the messages: processes that end, cameras that fail, settings refused. Pure.

Fed with the supervisor's events ({event, atS, process, …}) and with the modules' reported properties.
"""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Mapping
from typing import Any

from safetygear.camera_reasons import explain
from safetygear.clock import epoch_s
from safetygear.messages.detections import DetectionsMessage
from safetygear_workbench.simulation.received import captured_s

Event = Mapping[str, Any]
_LOG_HEAD = re.compile(r"<\d> \S+ \S+ \S+ \[[A-Z]{3}\] - ")
_LONGEST_CAUSE = 300
NO_READER, PATIENCE_S = "no-reader", 6.0
"""While inference starts nobody reads the frames: that is news only when it lasts."""


class Processes:
    """Restarts, and how long detections stayed away after each."""

    def __init__(self) -> None:
        self.restarts: Counter[str] = Counter()
        self.recoveries_s: list[tuple[str, float]] = []
        """Process and seconds from its end to the first frame taken after its restart, as IoT Hub received it."""
        self._ended_at_s: dict[str, float] = {}
        self._started_again_at_s: dict[str, float] = {}

    def event(self, event: Event) -> str | None:
        """The line to print, if any."""
        process, at_s = str(event.get("process", "")), float(event.get("atS", 0.0))
        match event.get("event"):
            case "started" if process in self._ended_at_s:
                self.restarts[process] += 1
                self._started_again_at_s[process] = at_s
                return f"{process} was started again"
            case "ended":
                self._ended_at_s[process] = at_s
                self._started_again_at_s.pop(process, None)
                return _ended(process, event)
        return None

    def detection(self, message: DetectionsMessage, enqueued_at: str) -> list[str]:
        """Lines for the processes from whose end this message is the recovery."""
        taken_s = captured_s(message)
        lines = []
        for process, started_s in list(self._started_again_at_s.items()):
            if taken_s < started_s:
                continue
            del self._started_again_at_s[process]
            seconds = max(0.0, epoch_s(enqueued_at) - self._ended_at_s.pop(process))
            self.recoveries_s.append((process, round(seconds, 1)))
            lines.append(f"detections flow again, {seconds:.1f} s after the end of {process}")
        return lines


def _ended(process: str, event: Event) -> str:
    code = int(event.get("exitCode", 0))
    how = f"was killed ({_signal_name(-code)})" if code < 0 else f"ended with exit code {code}"
    match event.get("decision"):
        case "restart":
            then = f"it starts again in {event.get('pauseS'):g} s"
        case "give-up":
            then = "it has been started too often and stays down"
        case _:
            then = "its restart policy lets it stay down"
    cause = _LOG_HEAD.sub("", str(event.get("lastLine", "")))[:_LONGEST_CAUSE] if code > 0 else ""
    return f"{process} {how}; {then}{f': {cause}' if cause else ''}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Reported:
    """Reported properties, module by module; what has changed in them that a person should know."""

    def __init__(self) -> None:
        self._before: dict[str, dict[str, str]] = {}
        self._unread_since_s: dict[str, float] = {}
        self._starting: dict[str, str] = {}
        """Modules that do nothing yet, and why."""

    def update(self, module: str, reported: Mapping[str, Any], now_s: float) -> list[str]:
        """Lines for what is new since the last call. `now_s`: monotonic."""
        self._starting.pop(module, None)
        if reported.keys() <= {"$version"}:
            self._starting[module] = f"{module} has reported nothing yet: it was still starting"
        elif _mapping(reported, "model").get("state") == "loading":
            self._starting[module] = f"{module} was still loading its model"
        before, now = self._before.get(module, {}), _findings(module, reported)
        for key in _unread(now):
            if now_s - self._unread_since_s.setdefault(f"{module} {key}", now_s) < PATIENCE_S:
                now[key] = before.get(key, "")
        for gone in self._unread_since_s.keys() - {f"{module} {key}" for key in _unread(_findings(module, reported))}:
            if gone.startswith(f"{module} "):
                del self._unread_since_s[gone]
        self._before[module] = now
        lines = [text for key, text in now.items() if text and before.get(key) != text]
        lines += [
            f"{module}: {_part(key)} is in order again"
            for key in before
            if key not in now and not key.startswith(("camera ", "field "))
        ]
        return lines

    def in_force(self) -> list[str]:
        """What is wrong as last reported: a module that has not begun, a camera that does not stream, a refused model
        or property."""
        found = [text for of_module in self._before.values() for text in of_module.values()]
        return [*self._starting.values(), *(text for text in found if text and not _streams(text))]


def _findings(module: str, reported: Mapping[str, Any]) -> dict[str, str]:
    """What is worth a line, by what it is about."""
    found: dict[str, str] = {}
    for error in _mapping(reported, "config").get("errors") or []:
        if isinstance(error, Mapping):
            path = error.get("path")
            found[f"field {path}"] = f"{module}: desired property {path}: {error.get('message')}"
    model = _mapping(reported, "model")
    if model.get("state") == "refused":
        found["model"] = f"{module}: the model is refused: {model.get('reason')}"
    for part, problem in _mapping(reported, "problems").items():
        if isinstance(problem, Mapping) and part not in found:
            found[part] = f"{module}: {part}: {problem.get('message')}"
    for camera, status in _mapping(reported, "cameras").items():
        if isinstance(status, Mapping) and "state" in status and status["state"] not in ("connecting", "idle"):
            found[f"camera {camera}"] = _camera(camera, str(status["state"]), str(status.get("reason", "ok")))
    return found


def _unread(findings: Mapping[str, str]) -> list[str]:
    return [key for key, text in findings.items() if key.startswith("camera ") and text.endswith(f"({NO_READER})")]


def _streams(text: str) -> bool:
    return text.startswith("camera ") and ": streaming" in text


def _camera(camera: str, state: str, reason: str) -> str:
    return f"camera {camera}: {state}" + ("" if reason == "ok" else f" - {explain(reason)} ({reason})")


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def _part(key: str) -> str:
    return key.removeprefix("field ")
