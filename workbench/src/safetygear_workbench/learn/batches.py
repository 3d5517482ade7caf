"""Examples cut into requests. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from safetygear_workbench.learn.stored_examples import StoredExample
from safetygear_workbench.learn.training_service import PICTURES_A_BATCH

BATCH_BYTES: Final = 16 * 2**20
"""Of JPEG; base64 makes a third more of it. What a cut line loses, and what is held in memory. From some 55 MB on the
service has timed out (github.com/microsoft/Cognitive-CustomVision-Windows/issues/13)."""


def batches(examples: Iterable[StoredExample]) -> Iterator[list[StoredExample]]:
    """In their order, each of at most PICTURES_A_BATCH pictures and, but for a single one, BATCH_BYTES."""
    held: list[StoredExample] = []
    held_bytes = 0
    for one in examples:
        if held and (len(held) == PICTURES_A_BATCH or held_bytes + one.size_bytes > BATCH_BYTES):
            yield held
            held, held_bytes = [], 0
        held.append(one)
        held_bytes += one.size_bytes
    if held:
        yield held
