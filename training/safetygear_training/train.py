"""Train on a CPU with a few processes of one thread each. `python -m safetygear_training.train --help`.

A step is made of parts, which the processes take from a shared counter: one that is slowed by other work takes fewer.
What a part holds follows from seed, step and part alone; gradients and statistics lie in a slot per part and are
summed in order. So neither the number of processes nor who was faster nor an interruption changes the result.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import multiprocessing.connection
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkContext
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import torch

from safetygear_training.collection import Collection, collect
from safetygear_training.config import Config, read_config
from safetygear_training.deepen import deepened
from safetygear_training.detecting import Network
from safetygear_training.losses import LossParts, detection_loss
from safetygear_training.network import Detector
from safetygear_training.pasting import with_newcomer
from safetygear_training.pictures import DataError, Picture
from safetygear_training.samples import make_sample
from safetygear_training.sampling import draw
from safetygear_training.scores import as_json, figure_of_merit, line, score_sets
from safetygear_training.state import (
    CheckpointError,
    Run,
    gradients,
    make_optimiser,
    resume,
    save,
    set_gradients,
    set_statistics,
    start,
    statistics,
)
from safetygear_training.toml_tables import ConfigError
from safetygear_training.weights import WeightsError, delivered, read_delivered
from safetygear_training.widen import widened

log = logging.getLogger("safetygear_training")

LOG_EVERY_STEPS = 20


@dataclass(frozen=True)
class Shared:
    """What the processes have in common: a slot per part, the counter of parts, and the meeting point."""

    gradients: torch.Tensor  # (parts, parameters)
    statistics: torch.Tensor  # (parts, batch norm statistics)
    losses: torch.Tensor  # (parts, 3)
    next_part: Any
    meet: Barrier


def torch_network(detector: Detector) -> Network:
    """The detector as the ONNX file will be: BGR 0-255 in, chances out."""

    @torch.no_grad()
    def run(images: np.ndarray) -> np.ndarray:
        raw = detector(torch.from_numpy(images).div(255).to(memory_format=torch.channels_last))[0]
        raw[:, 4:].sigmoid_()
        return raw.numpy()

    return run


def train_part(detector: Detector, config: Config, pictures: Collection, step: int, part: int) -> LossParts:
    """Leaves the part's gradients and batch norm statistics in the detector."""
    random = np.random.default_rng((config.seed, step, part))
    size, mosaic = config.schedule.size_at(step, config.seed), config.schedule.mosaic_at(step)

    def drawn() -> Picture:
        return pictures.training[draw(pictures.cumulative, random)]

    def next_picture() -> Picture:
        picture, newcomer = drawn(), config.framing.newcomer
        return with_newcomer(picture, drawn, random) if newcomer and random.random() < newcomer else picture

    samples = [
        make_sample(next_picture, size, mosaic, config.framing, config.looks, random)
        for _ in range(config.batches.pictures_per_part)
    ]
    images = torch.from_numpy(np.stack([sample.pixels for sample in samples])).permute(0, 3, 1, 2).float().div_(255)
    detector.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.network.bfloat16):
        raw = detector(images.contiguous(memory_format=torch.channels_last)).float()
    loss, parts = detection_loss(
        raw, [sample.boxes for sample in samples], np.stack([sample.mask for sample in samples]), size, config.learning
    )
    (loss / config.batches.parts_per_step).backward()
    return parts


def first_detector(config: Config, start_from: Path) -> Detector:
    """What a run begins with: the delivered weights, widened and deepened to the run's network.

    Raises WeightsError.
    """
    detector = read_delivered(start_from, config.network.silu)
    if detector.channels > config.network.channels:
        raise WeightsError(f"{start_from}: {detector.channels} channels, network.channels is {config.network.channels}")
    if detector.more_bottlenecks > config.network.more_bottlenecks:
        raise WeightsError(
            f"{start_from}: {detector.more_bottlenecks} bottlenecks more than depth .33 has, "
            f"network.more_bottlenecks is {config.network.more_bottlenecks}"
        )
    wide = widened(detector, config.network.channels, config.seed)
    return deepened(wide, config.network.more_bottlenecks, config.seed)


def begin(config: Config, start_from: Path, out: Path) -> tuple[Detector, torch.optim.Optimizer, Run]:
    """The run after its last checkpoint in `out`, or at its start. Raises CheckpointError, WeightsError."""
    detector = first_detector(config, start_from).to(memory_format=torch.channels_last)
    optimiser, last = make_optimiser(detector, config.optimiser), out / "last.pth"
    return detector, optimiser, resume(last, detector, optimiser) if last.exists() else start(detector)


def work(rank: int, shared: Shared, config: Config, pictures: Collection, start_from: Path, out: Path) -> None:
    """One process: its parts of every step, and the same update as the others make. The first also writes."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    detector, optimiser, run = begin(config, start_from, out)
    detector.train()
    before, began_s = statistics(detector), time.monotonic()
    while run.step < config.schedule.steps:
        if rank == 0:
            shared.next_part.value = 0
        shared.meet.wait()
        while (part := take(shared, config.batches.parts_per_step)) is not None:
            set_statistics(detector, before)
            parts = train_part(detector, config, pictures, run.step, part)
            shared.gradients[part] = gradients(detector)
            shared.statistics[part] = statistics(detector)
            shared.losses[part] = torch.tensor([parts.box, parts.score, parts.anchors])
        shared.meet.wait()
        before = shared.statistics.mean(0)
        norm = update(detector, optimiser, shared, config, run.step)
        set_statistics(detector, before)
        run.step += 1
        if rank == 0:
            run.follow(detector, config.optimiser.average)
            if run.step % LOG_EVERY_STEPS == 0:
                box, score, anchors = shared.losses.mean(0).tolist()
                log.info(
                    "step %d %dx%d rate %.1e box %.3f score %.3f anchors %.0f gradient %.1f, %.0f s in this start",
                    *(run.step, *config.schedule.size_at(run.step - 1, config.seed)),
                    *(optimiser.param_groups[0]["lr"], box, score, anchors, norm, time.monotonic() - began_s),
                )
            keep_record(run, detector, optimiser, config, pictures, out)


def take(shared: Shared, parts: int) -> int | None:
    """The next part of this step, None when all are taken."""
    with shared.next_part.get_lock():
        part = int(shared.next_part.value)
        shared.next_part.value = part + 1
    return part if part < parts else None


def update(detector: Detector, optimiser: torch.optim.Optimizer, shared: Shared, config: Config, step: int) -> float:
    """One step of the optimiser with the sum over all parts; returns the gradient's norm before it was limited."""
    total = shared.gradients.sum(0)
    norm = float(total.norm())
    total *= min(1.0, config.optimiser.gradient_limit / (norm + 1e-6))
    set_gradients(detector, total)
    for group in optimiser.param_groups:
        group["lr"] = config.schedule.learning_rate_at(step)
    optimiser.step()
    return norm


def keep_record(
    run: Run, detector: Detector, optimiser: torch.optim.Optimizer, config: Config, pictures: Collection, out: Path
) -> None:
    """Evaluation and checkpoint where one is due: last.pth to go on from, best.pth and history.json to choose by."""
    done = run.step == config.schedule.steps
    if run.step % config.evaluation.every_steps == 0 or done:
        twin = Detector(channels=detector.channels, silu=detector.silu, more_bottlenecks=detector.more_bottlenecks)
        averaged = run.load_average(twin.to(memory_format=torch.channels_last))
        scores = score_sets(torch_network(averaged), config.evaluation.size, pictures.selection)
        merit = figure_of_merit(scores)
        for name, part in scores.items():
            log.info("step %d %s", run.step, line(name, part))
        log.info("step %d figure of merit %.4f", run.step, merit)
        run.history.append({"step": run.step, "merit": round(merit, 4), "scores": as_json(scores)})
        (out / "history.json").write_text(json.dumps(run.history, indent=1))
        torch.save(delivered(averaged.state_dict()), out / f"step-{run.step:05d}.pth")
        if merit > run.best:
            run.best = merit
            torch.save(delivered(averaged.state_dict()), out / "best.pth")
    if run.step % config.evaluation.checkpoint_every_steps == 0 or done:
        save(out / "last.pth", run, detector, optimiser)


def share(context: ForkContext, config: Config) -> Shared:
    network, parts = config.network, config.batches.parts_per_step
    detector = Detector(channels=network.channels, more_bottlenecks=network.more_bottlenecks)
    return Shared(
        torch.zeros(parts, sum(p.numel() for p in detector.parameters())).share_memory_(),
        torch.zeros(parts, statistics(detector).numel()).share_memory_(),
        torch.zeros(parts, 3).share_memory_(),
        context.Value("i", 0),
        context.Barrier(config.batches.workers),
    )


def supervise(workers: Sequence[Any]) -> int:
    """0 when all have ended well; if one fails the others, which would wait for it forever, are ended."""
    while any(worker.is_alive() for worker in workers):
        multiprocessing.connection.wait([worker.sentinel for worker in workers if worker.is_alive()])
        if any(worker.exitcode not in (None, 0) for worker in workers):
            for worker in workers:
                worker.terminate()
            return 1
    return max(worker.exitcode for worker in workers)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.train", description="Train the default detector.")
    parser.add_argument("config", type=Path, help="the run's TOML file")
    parser.add_argument("--data", type=Path, required=True, help="folder with <source>.json and the pictures")
    parser.add_argument("--start", type=Path, required=True, help="delivered weights (.pth) to start from")
    parser.add_argument("--teacher", type=Path, required=True, help="COCO network (YOLOX ONNX) that finds persons")
    parser.add_argument(
        "--gear-teacher", type=Path, action="append", default=[], help="detectors (ONNX) that find gear"
    )
    parser.add_argument("--without", action="append", default=[], help="a source to leave out (repeatable)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; goes on where last.pth stands")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    torch.set_num_threads(1)
    try:
        config = read_config(given.config).without(given.without)
        given.out.mkdir(parents=True, exist_ok=True)
        _, _, run = begin(config, given.start, given.out)
        log.info("from step %d of %d", run.step, config.schedule.steps)
        pictures = collect(config, given.data, given.teacher, given.gear_teacher, given.out)
    except (ConfigError, DataError, WeightsError, CheckpointError) as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    (given.out / "config.toml").write_text(given.config.read_text())
    context = multiprocessing.get_context("fork")
    shared = share(context, config)
    workers = [
        context.Process(target=work, args=(rank, shared, config, pictures, given.start, given.out))
        for rank in range(config.batches.workers)
    ]
    for worker in workers:
        worker.start()
    log.info("processes %s", [os.getpid(), *(worker.pid for worker in workers)])
    return supervise(workers)


if __name__ == "__main__":
    sys.exit(main())
