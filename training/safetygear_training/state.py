"""All that a run is at a step: parameters, batch norm statistics, their moving average, optimiser. On disk and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from safetygear_training.config import Optimiser
from safetygear_training.network import Detector


class CheckpointError(Exception):
    """A checkpoint cannot be gone on from; the message is one line for the user."""


def parameters(detector: Detector) -> Tensor:
    """All parameters as one vector."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in detector.parameters()])


def statistics(detector: Detector) -> Tensor:
    """Running means and variances of every batch norm as one vector."""
    norms = [module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)]
    return torch.cat([part.detach() for norm in norms for part in (norm.running_mean, norm.running_var)])


@torch.no_grad()
def set_statistics(detector: Detector, values: Tensor) -> None:
    """The inverse of `statistics`."""
    at = 0
    for norm in detector.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for part in (norm.running_mean, norm.running_var):
                part.copy_(values[at : at + part.numel()])
                at += part.numel()


@torch.no_grad()
def set_parameters(detector: Detector, values: Tensor) -> None:
    at = 0
    for parameter in detector.parameters():
        parameter.copy_(values[at : at + parameter.numel()].view_as(parameter))
        at += parameter.numel()


def set_gradients(detector: Detector, values: Tensor) -> None:
    at = 0
    for parameter in detector.parameters():
        parameter.grad = values[at : at + parameter.numel()].view_as(parameter)
        at += parameter.numel()


def gradients(detector: Detector) -> Tensor:
    """As one vector, in the order of the parameters."""
    return torch.cat([parameter.grad.reshape(-1) for parameter in detector.parameters() if parameter.grad is not None])


def make_optimiser(detector: Detector, settings: Optimiser) -> torch.optim.AdamW:
    """AdamW; only convolution weights decay."""
    every = list(detector.parameters())
    groups = [
        {"params": [p for p in every if p.dim() == 4], "weight_decay": settings.weight_decay},
        {"params": [p for p in every if p.dim() != 4], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0)


@dataclass
class Run:
    """The run after `step` steps. The random numbers of a step follow from seed and step, so none are kept."""

    step: int
    average_parameters: Tensor
    average_statistics: Tensor
    history: list[dict[str, Any]] = field(default_factory=list)
    best: float = 0.0

    def follow(self, detector: Detector, keep: float) -> None:
        """Move the average towards the detector."""
        self.average_parameters.lerp_(parameters(detector), 1 - keep)
        self.average_statistics.lerp_(statistics(detector), 1 - keep)

    def load_average(self, detector: Detector) -> Detector:
        """The averaged network, in the given one."""
        set_parameters(detector, self.average_parameters)
        set_statistics(detector, self.average_statistics)
        return detector.eval()


def start(detector: Detector) -> Run:
    return Run(0, parameters(detector), statistics(detector))


def save(path: Path, run: Run, detector: Detector, optimiser: torch.optim.Optimizer) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(
        {
            "step": run.step,
            "detector": detector.state_dict(),
            "average_parameters": run.average_parameters,
            "average_statistics": run.average_statistics,
            "optimiser": optimiser.state_dict(),
            "history": run.history,
            "best": run.best,
        },
        part,
    )
    part.replace(path)


def resume(path: Path, detector: Detector, optimiser: torch.optim.Optimizer) -> Run:
    """The weight decays stay the given optimiser's: settings come from the configuration. Raises CheckpointError."""
    decays = [group["weight_decay"] for group in optimiser.param_groups]
    try:
        kept = torch.load(path, map_location="cpu", weights_only=True)
        detector.load_state_dict(kept["detector"])
        optimiser.load_state_dict(kept["optimiser"])
        run = Run(kept["step"], kept["average_parameters"], kept["average_statistics"], kept["history"], kept["best"])
    except (OSError, EOFError, RuntimeError, LookupError, TypeError, ValueError, UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: no checkpoint of this run ({reason})") from error
    for group, decay in zip(optimiser.param_groups, decays, strict=True):
        group["weight_decay"] = decay
    return run
