"""Train the second look on one core. `python -m safetygear_training.second_look.train --help`.

What a step sees follows from seed and step alone, so a run may be stopped at any time: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation

from safetygear_training.pictures import DataError
from safetygear_training.second_look.collection import Sets, read
from safetygear_training.second_look.config import Config, Schedule, read_config
from safetygear_training.second_look.network import SecondLook
from safetygear_training.second_look.samples import Pool, make_sample
from safetygear_training.second_look.scores import Network, figure_of_merit, score_sets
from safetygear_training.toml_tables import ConfigError

log = logging.getLogger("safetygear_training")

LOG_EVERY_STEPS = 100
CHECKPOINT_EVERY_STEPS = 250


def rate_at(schedule: Schedule, step: int) -> float:
    """Warm-up, plateau, cosine."""
    rate = schedule.learning_rate * min(1.0, (step + 1) / schedule.warmup_steps)
    done = max(0.0, (step - (schedule.steps - schedule.decay_steps)) / schedule.decay_steps)
    return rate * (schedule.final_fraction + (1 - schedule.final_fraction) * 0.5 * (1 + math.cos(math.pi * done)))


def torch_network(network: SecondLook) -> Network:
    """As the ONNX file will be."""

    @torch.no_grad()
    def run(pixels: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).numpy()

    return run


def train_step(
    network: SecondLook, optimiser: torch.optim.Optimizer, config: Config, pool: Pool, step: int
) -> tuple[float, float]:
    """One update; the loss, and the share of right answers."""
    samples = [
        make_sample(pool, config.draws, np.random.default_rng((config.seed, step, number)))
        for number in range(config.schedule.batch)
    ]
    pixels = torch.from_numpy(np.stack([pixels for pixels, _, _ in samples])).permute(0, 3, 1, 2).float()
    gear = torch.tensor([gear for _, gear, _ in samples])
    answer = torch.tensor([answer for _, _, answer in samples])
    for group in optimiser.param_groups:
        group["lr"] = rate_at(config.schedule, step)
    logits = network(pixels)[torch.arange(len(gear)), gear]
    loss = F.cross_entropy(logits, answer, label_smoothing=config.schedule.smoothing)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return float(loss.detach()), float((logits.argmax(1) == answer).float().mean())


def run(config: Config, pool: Pool, sets: Sets, out: Path) -> None:
    """To the last step, from where `out` stands."""
    torch.manual_seed(config.seed)
    network = SecondLook().to(memory_format=torch.channels_last)
    average = SecondLook()
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=config.schedule.weight_decay)
    step, history = 0, []
    if (out / "last.pth").exists():
        kept = torch.load(out / "last.pth", weights_only=True)
        network.load_state_dict(kept["network"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        step, history = kept["step"], kept["history"]
    began_s = time.monotonic()
    while step < config.schedule.steps:
        network.train()
        loss, right = train_step(network, optimiser, config, pool, step)
        step += 1
        # Short at first, or the average would long be of the start.
        follow(average, network, min(config.schedule.average, 1 - 1 / (step + 1)))
        if step % LOG_EVERY_STEPS == 0:
            log.info(
                "step %d loss %.3f right %.3f, %.0f s in this start", step, loss, right, time.monotonic() - began_s
            )
        if step % config.every_steps == 0 or step == config.schedule.steps:
            scores = score_sets(torch_network(average.eval()), sets)
            log.info("step %d figure of merit %.4f", step, merit := figure_of_merit(scores))
            history.append({"step": step, "merit": merit, "scores": scores})
            (out / "history.json").write_text(json.dumps(history, indent=1))
            torch.save(average.state_dict(), out / f"step-{step:05d}.pth")
        if step % CHECKPOINT_EVERY_STEPS == 0 or step == config.schedule.steps:
            save(out / "last.pth", network, average, optimiser, step, history)


@torch.no_grad()
def follow(average: SecondLook, network: SecondLook, keep: float) -> None:
    """Move the average towards the network, statistics too."""
    for mine, its in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mine.dtype.is_floating_point:
            mine.lerp_(its, 1 - keep)
        else:
            mine.copy_(its)


def save(
    path: Path,
    network: SecondLook,
    average: SecondLook,
    optimiser: torch.optim.Optimizer,
    step: int,
    history: list[dict[str, Any]],
) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    states = {"network": network.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save(states | {"step": step, "history": history}, part)
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.second_look.train", description="Train the second look.")
    parser.add_argument("config", type=Path, help="the run's TOML file")
    parser.add_argument("--data", type=Path, required=True, help="folder with <source>.json and the pictures")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; goes on where last.pth stands")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        config = read_config(given.config)
        given.out.mkdir(parents=True, exist_ok=True)
        pool, sets = read(config, given.data)
    except (ConfigError, DataError) as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    (given.out / "config.toml").write_text(given.config.read_text())
    run(config, pool, sets, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
