"""Takes examples into the folder given until it is killed: `python -m support.learning_process FOLDER START PER_DAY`.

Says `ready` and `taken`, one a line, and `full` where the day's budget has no room.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path
from random import Random

import msgspec

from safetygear.clock import rfc3339
from safetygear.learning.example import example_id
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.library import ExampleLibrary
from support.learning import NOON_S, example

JPEG = b"\xff\xd8" + b"a picture " * 4000


async def take(folder: Path, start: int, per_day: int) -> None:
    library, config = ExampleLibrary(folder, Random(1)), LearningConfig(per_hour=per_day, per_day=per_day)
    now_s = NOON_S
    await library.begin(now_s)
    print("ready", flush=True)
    for number in itertools.count(start):
        if library.budget.refusal(
            "gate", "uncertain", now_s, per_hour=per_day, per_day=per_day, reasons=("uncertain",)
        ):
            break
        at = rfc3339(NOON_S + number)
        name = example_id("gate", at, f"{number:08x}")
        # Far from each other: 0x5555... times a number differs in many bits.
        print_bits = (number * 0x9E3779B97F4A7C15) % 2**64
        one = msgspec.structs.replace(
            example(number),
            id=name,
            captured_at=at,
            perceptual_hash=f"{print_bits:016x}",
            focus_hash=f"{print_bits:016x}",
        )
        library.budget.take(name, "gate", "uncertain", now_s)
        await library.add(one, JPEG, config)
        print("taken", flush=True)
    print("full", flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
