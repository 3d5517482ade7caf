"""YOLOX-nano's COCO weights to the start of a run of this detector: `python -m safetygear_training.coco_start --help`.

The file is YOLOX's state dict (under `model`), with an interleaved stem and pixels from 0 to 255. A file that was made
from an ONNX export has batch norms that do nothing; they are given the statistics of real pictures, so that training
has something to hold on to. Neither changes the function. ReLU in SiLU's place does, and a run with it has that to
learn as well.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from safetygear_training.labels import CLASSES
from safetygear_training.network import BATCH_NORM, Convolution, Detector
from safetygear_training.pictures import DataError
from safetygear_training.quantise import blob, drawn
from safetygear_training.weights import PIXEL_RANGE, STEM, WeightsError, delivered, stem_from_focus

log = logging.getLogger("safetygear_training")

COCO_PERSON = 0
NEW_CLASS_SHARE = 0.2
"""How much of the person's row a new class begins with: gear is found where people are."""
NEW_CLASS_NOISE = 0.02
NEW_CLASS_BIAS = -2.5
PICTURES = 48
SIZE = (384, 640)


def coco_detector(path: Path, seed: int, silu: bool = False) -> Detector:
    """The detector with COCO's weights, its first class COCO's person. Raises WeightsError."""
    detector, random = Detector(silu=silu), torch.Generator().manual_seed(seed)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model"]
        state[STEM] = stem_from_focus(state[STEM]) * PIXEL_RANGE
        for name in [name for name in state if name.startswith("head.cls_preds")]:
            person = state[name][COCO_PERSON : COCO_PERSON + 1]
            others = person.repeat(len(CLASSES) - 1, *[1] * (person.dim() - 1))
            if name.endswith("bias"):
                others = torch.full_like(others, NEW_CLASS_BIAS)
            else:
                others = others * NEW_CLASS_SHARE + torch.randn(others.shape, generator=random) * NEW_CLASS_NOISE
            state[name] = torch.cat((person, others))
        detector.load_state_dict(state)
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: no COCO weights of YOLOX-nano ({reason})") from error
    return detector


@torch.no_grad()
def measure_batch_norm(detector: Detector, images: Iterable[Tensor]) -> None:
    """Convolution outputs of variance 1 and norms that know it, in place; the function stays. images: (1, 3, H, W)."""
    sums: dict[str, tuple[int, Tensor, Tensor]] = {}

    def add_up(name: str) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        def hook(_: nn.Module, __: tuple[Tensor], made: Tensor) -> None:
            values = made.double()
            count, total, squares = sums.get(name, (0, torch.zeros(()), torch.zeros(())))
            sums[name] = (
                count + values.numel() // values.shape[1],
                total + values.sum((0, 2, 3)),
                squares + values.square().sum((0, 2, 3)),
            )

        return hook

    detector.eval()
    layers = {name: module for name, module in detector.named_modules() if isinstance(module, Convolution)}
    hooks = [module.conv.register_forward_hook(add_up(name)) for name, module in layers.items()]
    for image in images:
        detector(image)
    for hook in hooks:
        hook.remove()
    for name, module in layers.items():
        count, total, squares = sums[name]
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        deviation = deviation.clamp(min=max(1e-3 * float(deviation.max()), 1e-8))
        norm = module.bn
        slope = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        norm.bias.copy_(norm.bias.double() + slope * (mean - norm.running_mean.double()))
        norm.weight.copy_(slope * deviation * (1 + BATCH_NORM["eps"]) ** 0.5)
        norm.running_mean.copy_(mean / deviation)
        norm.running_var.fill_(1.0)
        module.conv.weight.copy_(module.conv.weight.double() / deviation[:, None, None, None])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.coco_start", description="COCO weights to a start.")
    parser.add_argument("coco", type=Path, help="YOLOX-nano's state dict (.pth)")
    parser.add_argument("target", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with <source>.json and the pictures")
    parser.add_argument("--measured-on", default="rf100cs_train", help="source whose pictures give the statistics")
    parser.add_argument("--silu", action="store_true", help="for a run with network.silu, as the weights were trained")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    torch.set_num_threads(1)
    try:
        detector = coco_detector(given.coco, 0, given.silu)
        pictures = drawn(given.data, {given.measured_on: PICTURES}, 2)
    except (DataError, WeightsError) as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    measure_batch_norm(detector, (torch.from_numpy(blob(pixels, SIZE)).div(PIXEL_RANGE) for pixels in pictures))
    torch.save(delivered(detector.state_dict()), given.target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
