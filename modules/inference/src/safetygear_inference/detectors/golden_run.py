"""Looks at a model's golden pictures with the model itself."""

from __future__ import annotations

from collections.abc import Sequence

from safetygear.errors import FrameError, ModelError
from safetygear_inference.detectors.golden import MAX_DIFFERENCES, GoldenPicture, differences
from safetygear_inference.detectors.model import Detector, Model
from safetygear_inference.pixels import decode_picture


def golden_differences(model: Model, pictures: Sequence[GoldenPicture], detector: Detector | None = None) -> list[str]:
    """How the model's boxes, by its own thresholds, differ from what each picture's maker saw; empty: not at all.

    `detector`: one of the model's by those thresholds, where there is one already. Raises ModelError: a picture can't
    be decoded (`model-golden`), or the network fails.
    """
    said: list[str] = []
    for golden in pictures:
        detector = detector or model.detector()
        name = golden.expected.picture
        try:
            picture = decode_picture(golden.data)
        except FrameError as exc:
            raise ModelError(f"the golden picture {name}: {exc}", code="model-golden") from exc
        found = detector.detect(picture)
        said += [f"{name}: {one}" for one in differences(golden.expected, found, model.labels, model.own_threshold)]
    return said[:MAX_DIFFERENCES]


def refuse_differences(said: Sequence[str]) -> None:
    """Raises ModelError (`golden-differs`) where there are any."""
    if said:
        more = f"; and {len(said) - 1} more" if len(said) > 1 else ""
        raise ModelError(
            f"the model sees its golden picture otherwise than its maker did: {said[0]}{more}", code="golden-differs"
        )
