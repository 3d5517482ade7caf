"""A volume without room: what was acknowledged stays, and appending works again as soon as there is room."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from safetygear_inference.outbox.store import OutboxError
from support.campaigns import SEED, share
from support.outbox import Scene


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "data"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command: a small file system needs it")
    if mounted.returncode:
        pytest.skip(f"a small file system can't be mounted (root only): {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path, most_bytes: int = 1 << 30) -> None:
    with file.open("wb", buffering=0) as ballast:
        try:
            while ballast.tell() < most_bytes and ballast.write(b"\0" * 4096):
                pass
        except OSError:
            return


def test_a_full_disk_loses_nothing_and_passes(volume: Path) -> None:
    scene = Scene(volume)
    acknowledged = [scene.append(f"{number}") for number in range(20)]
    fill(volume / "ballast")
    with pytest.raises(OutboxError, match="no space left") as raised:
        for number in range(1000):
            acknowledged.append(scene.append(f"late-{number}"))
    assert raised.value.code == "data-full"
    assert sorted(scene.unsent()) == acknowledged  # what is there can still be sent
    with pytest.raises(OutboxError, match="no space left"):
        scene.append("again")
    (volume / "ballast").unlink()
    assert scene.append("after") == len(acknowledged) + 1
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    scene.restart()
    assert scene.unsent() == [*acknowledged, len(acknowledged) + 1]
    assert scene.problems == []
    scene.outbox.close()


def test_a_disk_that_is_full_at_the_start_is_named(volume: Path) -> None:
    fill(volume / "ballast")
    scene = Scene(volume)
    with pytest.raises(OutboxError, match="no space left") as raised:
        scene.append("a")
    assert raised.value.code == "data-full"
    (volume / "ballast").unlink()
    assert scene.append("a") == 1
    assert scene.problems == []
    scene.outbox.close()


def test_a_disk_that_is_full_again_and_again(volume: Path) -> None:
    chance, scene = random.Random(SEED), Scene(volume)
    failed: Counter[str] = Counter()
    appended, taken_by_hub = 0, set[int]()
    for _ in range(share(200)):
        fill(volume / "ballast", chance.choice((0, 1 << 20, 1 << 21, 1 << 30)))
        for _ in range(40):
            try:
                sequence = scene.append("a", "open", "high")
                assert sequence == appended + 1
                appended += 1
                if chance.random() < 0.2:
                    keys = [stored.key for stored in scene.outbox.next_unsent(3)]
                    scene.outbox.acknowledged(keys)
                    taken_by_hub |= {key.sequence for key in keys}
                if chance.random() < 0.02:
                    scene.restart()
            except OutboxError as exc:
                failed[exc.code] += 1
        (volume / "ballast").unlink()
    assert scene.append("a", "open", "high") == appended + 1
    fate = scene.outbox.resend(1, appended + 1)
    evicted = {sequence for first, last in fate.evicted for sequence in range(first, last + 1)}
    assert {*scene.unsent(100_000), *taken_by_hub, *evicted} == set(range(1, appended + 2))
    assert set(failed) == {"data-full"}
    assert scene.problems == []
    print(f"{appended} events appended, {failed.total()} refused, none lost (seed {SEED})")
    scene.outbox.close()
