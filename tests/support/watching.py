"""Pictures through a shipped detector and the judging that runs live, offline: time is what the caller says it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear.clock import rfc3339
from safetygear.frames.ring import FrameRingReader
from safetygear.messages.frames import FrameReference
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.detectors import open_model
from safetygear_inference.detectors.runtimes.choice import Runtime
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.observation import LabelledBoxes
from safetygear_inference.judging.weak_boxes import for_judging, none, split, thresholds_of
from safetygear_inference.model_store import find_model
from safetygear_inference.picture import Picture
from safetygear_inference.problems import Problems
from safetygear_inference.second_look.desk import SecondLookDesk
from safetygear_inference.visibility import measure

MODELS = Path(__file__).parents[2] / "modules" / "inference" / "models"
CAMERA = "cam"


@dataclass(frozen=True)
class Seen:
    """One analysed picture: when, in seconds of its film, and what the detector makes of it."""

    t_s: float
    boxes: LabelledBoxes
    dark: bool
    picture: Picture
    """Kept for the second look."""

    @property
    def size_px(self) -> tuple[int, int]:
        return self.picture.width, self.picture.height


class Watcher:
    """A detector by its shipped name or its file, at the thresholds that it has live."""

    def __init__(self, name_or_path: str, *, with_weak: bool = True, runtime: Runtime = "onnxruntime") -> None:
        path = Path(name_or_path)
        found = path if path.exists() else find_model(name_or_path, (MODELS,))
        self._model = open_model(found, runtime=runtime)
        own = {label: self._model.own_threshold(label) for label in self._model.labels}
        thresholds = thresholds_of(own, {}, None)
        self._detector = self._model.detector(thresholds=thresholds.asked)
        self._shown_from = thresholds.shown_from(self._model.labels)
        self._with_weak = with_weak

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._model.labels)

    def see(self, t_s: float, bgr: NDArray[np.uint8]) -> Seen:
        """`bgr`: (height, width, 3)."""
        return self.look(t_s, Picture.from_bgr(bgr))

    def look(self, t_s: float, picture: Picture) -> Seen:
        """The picture in any layout."""
        shown, weak = split(self._detector.detect(picture), self._shown_from)
        boxes = for_judging(shown, weak if self._with_weak else none(), self._model.labels)
        dark = measure(picture.luma()).dark(InferenceTwin().visibility.dark_below)
        return Seen(t_s, boxes, dark, picture)


def frame_of(seen: Seen) -> FrameReference:
    """As capture would name it."""
    taken = rfc3339(seen.t_s)
    return FrameReference(
        camera=CAMERA, frame=1, ring=CAMERA, epoch=1, slot=0, sequence=2, width=seen.size_px[0], height=seen.size_px[1],
        stride=seen.size_px[0], pixel_format="i420", captured_at=taken, clock="arrival", decoded_at=taken,
    )  # fmt: skip


def opened(
    seen: Iterable[Seen],
    labels: Iterable[str],
    zones: Mapping[str, Any],
    began_s: float,
    *,
    more: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The episodes that open, as `SceneScore.take` wants them. `zones`: desired properties of one camera; `began_s`:
    UTC epoch seconds of the film's beginning; `more`: other desired properties."""
    judges = Judges(origin="bench", token="t")
    twin = read_desired(InferenceTwin, {"zones": {CAMERA: dict(zones)}, **(more or {})}, last_good=None)
    assert not twin.errors, twin.errors
    judges.configure(twin.config, now_s=0.0)
    judges.model(labels)
    desk, reader = SecondLookDesk(MODELS, judges.look_wishes, Problems()), FrameRingReader(MODELS)
    desk.config = twin.config.second_look
    found = []
    for one in seen:
        wall_s = began_s + one.t_s
        look = desk.wanted(frame_of(one), one.t_s)
        judged = judges.judge(
            CAMERA,
            one.boxes,
            now_s=one.t_s,
            wall_s=wall_s,
            dark=one.dark,
            frame_size_px=one.size_px,
            looks=() if look is None else look.at(one.picture, one.boxes, reader).looks,
        )
        found += [
            {"rule": change.rule, "zone": change.zone, "reason": change.reason, "openedAt": rfc3339(wall_s)}
            for change in judged.changes
            if change.state == "open"
        ]
    return found
