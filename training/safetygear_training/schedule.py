"""What a step uses, as a function of its number: learning rate, input size, mosaic. Warm-up, plateau, cosine decay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from safetygear_training.toml_tables import Chance, Count, Positive


@dataclass(frozen=True)
class Schedule:
    """Every part of the run in steps, so that a resumed run does what an uninterrupted one does."""

    steps: Positive
    warmup_steps: Count
    decay_steps: Count
    learning_rate: float
    final_fraction: Chance
    sizes: tuple[tuple[int, int], ...]  # height, width; drawn per step until the decay
    final_size: tuple[int, int]
    mosaic: Chance
    plain_steps: Count  # the last steps see whole pictures only

    def learning_rate_at(self, step: int) -> float:
        rate = self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps))
        done = (step - (self.steps - self.decay_steps)) / max(1, self.decay_steps)
        if done > 0:
            cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
            rate *= self.final_fraction + (1 - self.final_fraction) * cosine
        return rate

    def size_at(self, step: int, seed: int) -> tuple[int, int]:
        """Height and width in pixels of every picture of this step."""
        if step >= self.steps - self.decay_steps:
            return self.final_size
        return self.sizes[int(np.random.default_rng((seed, step, 1 << 20)).integers(len(self.sizes)))]

    def mosaic_at(self, step: int) -> float:
        """Probability that a sample is put together from several pictures."""
        return 0.0 if step >= self.steps - self.plain_steps else self.mosaic
