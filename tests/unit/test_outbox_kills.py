"""kill -9 at any moment: nothing acknowledged is lost, and no sequence is left out or given twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from safetygear.clock import SystemClock
from safetygear.messages.codec import decode
from safetygear.messages.event import EventMessage
from safetygear_inference.outbox.config import OutboxConfig
from safetygear_inference.outbox.outbox import Outbox
from safetygear_inference.outbox.store import EventKey
from support.campaigns import SEED, share

LONGEST_LIFE_S = 0.15
TESTS = Path(__file__).parents[1]


class Campaign:
    """What the child has said so far."""

    def __init__(self) -> None:
        self.appended: dict[EventKey, str] = {}
        self.arrived: dict[EventKey, Counter[str]] = defaultdict(Counter)
        self.problems: list[str] = []
        self.lives_with_appends = 0

    def round(self, process: subprocess.Popen[str], life_s: float) -> None:
        """One child, killed `life_s` after it was born."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        born, pid = process.stdout.readline().split()
        assert born == "born"
        killer = threading.Timer(life_s, os.kill, (int(pid), signal.SIGKILL))
        killer.start()
        before = len(self.appended)
        for line in process.stdout:
            word, *rest = line.split()
            if word == "died":
                break
            if word == "problem":
                self.problems.append(rest[0])
                continue
            epoch, sequence, key = rest
            if word == "appended":
                self.appended[EventKey(epoch, int(sequence))] = key
            else:
                self.arrived[EventKey(epoch, int(sequence))][key] += 1
        killer.join()
        self.lives_with_appends += len(self.appended) > before


@pytest.mark.scenario
@pytest.mark.parametrize("capacity_bytes", [1 << 30, 40_000], ids=["roomy", "always full"])
def test_kills(tmp_path: Path, capacity_bytes: int) -> None:
    kills, chance = share(500), random.Random(SEED)
    path = tmp_path / "outbox" / "outbox.sqlite"
    campaign, started_s = Campaign(), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "support.outbox_process", str(path), str(SEED), str(capacity_bytes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    try:
        for _ in range(kills):
            campaign.round(process, chance.uniform(0.0, LONGEST_LIFE_S))
    finally:
        process.kill()
        process.communicate()
    outbox = Outbox(path, OutboxConfig(capacity_bytes=capacity_bytes), SystemClock(), on_problem=_no_problem)
    newest = outbox.health().newest_sequence or 0
    epoch = outbox.health().epoch
    waiting: dict[EventKey, str] = {
        stored.key: decode(stored.body, EventMessage).dedup_key for stored in outbox.next_unsent(1_000_000)
    }
    fate = outbox.resend(1, newest)
    outbox.close()

    evicted = {EventKey(epoch, n) for first, last in fate.evicted for n in range(first, last + 1)}
    lost = [
        key for key in campaign.appended if key not in waiting and key not in campaign.arrived and key not in evicted
    ]
    changed = [
        key
        for key, name in campaign.appended.items()
        if waiting.get(key, name) != name or set(campaign.arrived.get(key, {name: 1})) != {name}
    ]
    twice = [key for key, names in campaign.arrived.items() if len(names) > 1]
    known = {key.sequence for key in (*waiting, *campaign.arrived, *evicted)}
    duplicates = sum(sum(names.values()) - 1 for names in campaign.arrived.values())
    print(
        f"{kills} kills in {time.monotonic() - started_s:.0f} s, {campaign.lives_with_appends} after an append: "
        f"{len(campaign.appended)} events acknowledged, {newest} given a sequence, {len(campaign.arrived)} at the hub, "
        f"{duplicates} came again with an equal dedup key (those asked for included), {len(evicted)} evicted, "
        f"{len(waiting)} waiting, {len(lost)} lost (seed {SEED})"
    )
    assert campaign.problems == []
    assert {key.epoch for key in (*campaign.appended, *campaign.arrived)} <= {epoch}
    assert lost == []
    assert changed == []
    assert twice == []
    assert known == set(range(1, newest + 1))
    assert bool(evicted) == (capacity_bytes < 1 << 30)
    assert len(set(campaign.appended.values())) == len(campaign.appended)
    assert campaign.lives_with_appends > kills // 4


def _no_problem(code: str, message: str) -> None:
    pytest.fail(f"{code}: {message}")
