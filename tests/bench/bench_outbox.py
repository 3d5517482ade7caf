"""What the outbox's calls take: `PYTHONPATH=tests python tests/bench/bench_outbox.py [FOLDER]`, JSON out.

Milliseconds of wall clock, for the disk that FOLDER (default: the current one) lies on. No assertions: this tells
figures, tests tell right from wrong.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetygear.clock import SystemClock
from safetygear.messages.event import EventState
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.outbox import Outbox
from support.outbox import event

REASON = "no helmet in 11 of 11 frames over 2.2 s"
keys: list[Any] = []


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        outbox = Outbox(Path(scratch) / "outbox" / "outbox.sqlite", OutboxConfig(), SystemClock())
        figures: dict[str, Any] = {"sqlite": sqlite3.sqlite_version}
        figures["append_ms"] = _measured(1000, lambda: outbox.append(_event("open"), shard="default"))
        while not outbox.health().evicted:
            outbox.append_all([_event("update") for _ in range(500)], shard="default")
        figures["events_when_full"] = outbox.health().depth
        figures["append_to_full_ms"] = _measured(500, lambda: outbox.append(_event("open"), shard="default"))
        figures["next_16_ms"] = _measured(200, lambda: outbox.next_unsent(16))
        figures["acknowledge_16_ms"] = _measured(
            200, lambda: outbox.acknowledged(keys), before=lambda: keys.extend(s.key for s in outbox.next_unsent(16))
        )
        figures["health_ms"] = _measured(200, outbox.health)
        figures["open_ms"] = _measured(5, outbox.health, before=outbox.close)
        outbox.close()
    print(json.dumps(figures, indent=1))


def _event(state: EventState) -> Any:
    return event("gate-2/no-helmet/17/2026-11-25T09:14:01.050Z", state, "low", reason=REASON)


def _measured(
    rounds: int, call: Callable[[], object], *, before: Callable[[], object] = lambda: None
) -> dict[str, float]:
    took_ms = []
    for _ in range(rounds):
        keys.clear()
        before()
        started_s = time.perf_counter()
        call()
        took_ms.append((time.perf_counter() - started_s) * 1000)
    took_ms.sort()
    return {f"p{share}": round(took_ms[rounds * share // 100], 2) for share in (50, 95, 99)}


if __name__ == "__main__":
    main()
