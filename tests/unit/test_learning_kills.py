"""kill -9 while examples are stored: what is there is whole, nothing else is left, and the budget has counted it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from safetygear.learning.folder import complete_examples, picture_path, read_example
from safetygear_inference.learning.library import ExampleLibrary
from support.learning import NOON_S
from support.learning_process import JPEG
from support.outbox import inline

TESTS = Path(__file__).parents[1]
KILLS, PER_DAY, LONGEST_LIFE_S = 6, 40, 0.05


def killed_while_taking(folder: Path, start: int, life_s: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "support.learning_process", str(folder), str(start), str(PER_DAY)],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdout.readline()  # the first one, or that earlier lives have used up the day's budget
        time.sleep(life_s)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)


@pytest.mark.scenario
async def test_kills(tmp_path: Path) -> None:
    chance = random.Random(7)
    examples = tmp_path / "learning" / "examples"
    for number in range(KILLS):
        killed_while_taking(tmp_path, 1000 * number, chance.uniform(0, LONGEST_LIFE_S))
        names = complete_examples(examples)
        for name in names:
            assert read_example(examples, name).id == name
            assert picture_path(examples, name).read_bytes() == JPEG
        library = ExampleLibrary(tmp_path, Random(1), off_loop=inline)
        await library.begin(NOON_S)
        left = {path.name for path in examples.iterdir()}
        assert left == {f"{name}{suffix}" for name in names for suffix in (".jpg", ".json")}
        counted = {one.id for one in library.budget.taken()}
        assert set(names) <= counted
        assert len(counted) <= PER_DAY
    assert complete_examples(examples), "something was stored at all"
