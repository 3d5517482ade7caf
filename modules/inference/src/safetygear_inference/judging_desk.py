"""Where frames and camera states become judgements, and their changes events. Belongs to the event loop."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from safetygear.clock import Clock
from safetygear.geometry import Boxes
from safetygear.messages.detections import ModelIdentity
from safetygear.messages.frames import CamerasMessage
from safetygear.twin.reading import FieldError
from safetygear_inference.analysis import Analysed
from safetygear_inference.config import InferenceTwin
from safetygear_inference.detectors import Model
from safetygear_inference.event_keeper import EventKeeper
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.camera_judge import JudgedFrame
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.observation import LookWish
from safetygear_inference.judging.weak_boxes import for_judging
from safetygear_inference.problems import Problems

OLDEST_S = 60.0
"""A frame that says it is older has a wrong clock."""

log = logging.getLogger(__name__)


class JudgingDesk:
    """A camera that is not watched - not streaming, or its picture frozen - is not judged."""

    def __init__(self, judges: Judges, keeper: EventKeeper, problems: Problems, clock: Clock) -> None:
        self._judges = judges
        self._keeper = keeper
        self._problems = problems
        self._clock = clock
        self._frozen: set[str] = set()
        self._model: ModelIdentity | None = None
        self._surprises: set[str] = set()
        self.errors: tuple[FieldError, ...] = ()
        """What of the rules the model in use can't tell."""

    def configure(self, config: InferenceTwin) -> None:
        """Other rules from now on."""
        self._keeper.tell(self._judges.configure(config, now_s=self._clock.monotonic_s()))
        self._check_labels()

    def cameras(self, message: CamerasMessage, removed: Iterable[str]) -> None:
        """Capture has told how its cameras are; those of `removed` it no longer has."""
        now_s, wall_s = self._clock.monotonic_s(), self._clock.now_s()
        for status in message.cameras:
            frozen = status.reason == "frozen"
            (self._frozen.add if frozen else self._frozen.discard)(status.camera)
            if frozen or status.state != "streaming":
                self._keeper.tell(self._judges.lost(status.camera, now_s=now_s, wall_s=wall_s))
        for camera in removed:
            self._frozen.discard(camera)
            self._keeper.tell(self._judges.removed(camera))
            self._keeper.forget(camera)

    def judge(self, arrival: Arrival, analysed: Analysed, model: Model, *, dark: bool) -> JudgedFrame:
        """One analysed frame. An unexpected error costs its judgement (`failed`), not that of the next one."""
        reference = arrival.reference
        if reference.camera in self._frozen:
            return JudgedFrame()
        try:
            return self._judge(arrival, analysed, model, dark=dark)
        except Exception as exc:
            kind = type(exc).__name__
            if kind not in self._surprises:
                self._surprises.add(kind)
                log.exception("camera %s: unexpected error in the judging", reference.camera)
            message = f"unexpected {kind} in the judging of a frame; the log has the details"
            self._problems.raised("rules", "internal", message)
            return JudgedFrame(failed=True)

    def privacy(self, camera: str) -> Sequence[Sequence[tuple[float, float]]]:
        """Polygons in 0..1 of the camera's picture to black out."""
        return self._judges.privacy(camera)

    def quiet(self, camera: str) -> bool:
        """Whether nobody is followed and no episode is open on the camera."""
        return self._judges.quiet(camera)

    def expected(self, camera: str) -> Boxes:
        """(n, 4) xyxy in 0..1: where people are expected in the camera's next frame."""
        return self._judges.expected(camera)

    def look_wishes(self, camera: str) -> Sequence[LookWish]:
        """At whose gear a second look in the camera's next frame would help."""
        return self._judges.look_wishes(camera)

    def tick(self) -> None:
        """Once a second: ends what no frame will end."""
        self._keeper.tell(self._judges.tick(now_s=self._clock.monotonic_s(), wall_s=self._clock.now_s()))
        self._keeper.tick()

    def _judge(self, arrival: Arrival, analysed: Analysed, model: Model, *, dark: bool) -> JudgedFrame:
        reference = arrival.reference
        if model.identity != self._model:
            self._model = model.identity
            self._judges.model(model.labels)
            self._check_labels()
        # When the picture was decoded: how long it waited then says nothing about how fast people are. With the picture
        # in the message, capture may be on another machine, whose clock says nothing about age.
        age_s = self._clock.now_s() - arrival.decoded_s if arrival.jpeg is None else 0.0
        age_s = age_s if 0 <= age_s <= OLDEST_S else 0.0
        self._keeper.seen(reference.camera, arrival.shard, model.identity)
        judged = self._judges.judge(
            reference.camera,
            for_judging(analysed.boxes, analysed.weak, model.labels),
            now_s=self._clock.monotonic_s() - age_s,
            wall_s=self._clock.now_s() - age_s,
            dark=dark,
            frame_size_px=(reference.width, reference.height),
            looks=analysed.looked.looks,
        )
        self._keeper.tell(judged.changes)
        return judged

    def _check_labels(self) -> None:
        self.errors = self._judges.errors()
        if self.errors:
            first = self.errors[0]
            self._problems.raised("rules", "label-missing", f"{first.path}: {first.message}")
        elif not self._surprises:
            self._problems.solved("rules")
