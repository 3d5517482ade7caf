"""The judging of all cameras: their judges, their episodes and KPI, and what the model in use can tell. Pure.

Every method returns what is to be told, in order. The caller keeps `state` in one transaction with it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from safetygear.geometry import Boxes, as_xyxy
from safetygear.messages.codec import decode, encode
from safetygear.messages.detections import Status
from safetygear.twin.reading import FieldError
from safetygear_inference.compliance.episode import Episode, EpisodeChange, decode_state, encode_state
from safetygear_inference.compliance.episodes import Episodes
from safetygear_inference.compliance.kpi import ComplianceKpi, KpiState
from safetygear_inference.compliance.zone_config import check_labels
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.config import InferenceTwin
from safetygear_inference.judging.camera_judge import CameraJudge, JudgedFrame, JudgingConfig
from safetygear_inference.judging.labels import PERSON, canonical_labels
from safetygear_inference.judging.observation import LabelledBoxes, Look, LookWish
from safetygear_inference.tracking import TrackIds

EPISODES, KPI = "episodes", "kpi"
"""Names under which the state is kept."""


class Judges:
    """`origin`: device and module, so that no two of them make the same episode; `token`: another one at each start."""

    def __init__(self, *, origin: str, token: str) -> None:
        self._token = token
        self._config = InferenceTwin()
        self._plan = _plan(self._config)
        self._episodes = Episodes(self._plan, self._config.episodes, origin=origin)
        self._cameras: dict[str, CameraJudge] = {}
        self._labels: frozenset[str] = frozenset()
        self._frames: dict[str, JudgedFrame] = {}
        self._refused_before = 0
        self.config_hash = _hash(self._config)
        """Digest of everything that decides how a frame is judged, but for the weights."""

    @property
    def kpi(self) -> ComplianceKpi:
        return self._episodes.kpi

    def configure(self, config: InferenceTwin, *, now_s: float) -> list[EpisodeChange]:
        """Other rules from now on; a twin that changes nothing of them interrupts nothing."""
        before, self.config_hash = self.config_hash, _hash(config)
        if self.config_hash == before:
            return []
        self._config, self._plan = config, _plan(config)
        for camera, judge in self._cameras.items():
            judge.configure(self._plan.camera(camera), _judging(config))
        return self._episodes.change_rules(self._plan, config.episodes, now_s=now_s)

    def model(self, labels: Iterable[str]) -> None:
        """The model in use has these class names."""
        self._labels = frozenset(canonical_labels(labels))

    def errors(self) -> tuple[FieldError, ...]:
        """What of the rules the model in use can't tell; nothing before there is a model."""
        if not self._labels:
            return ()
        found = [
            FieldError(path=path, code=code, message=message)
            for path, code, message in check_labels(self._config.zones, self._config.rules, self._labels)
        ]
        if PERSON not in self._labels:
            message = "the model in use has no class person: nobody is tracked, and no rule is judged"
            found.insert(0, FieldError(path="model.name", code="no-person-label", message=message))
        return tuple(found)

    def judge(
        self,
        camera: str,
        boxes: LabelledBoxes,
        *,
        now_s: float,
        wall_s: float,
        dark: bool,
        frame_size_px: tuple[int, int],
        looks: Sequence[Look] = (),
    ) -> JudgedFrame:
        """The next frame of `camera`: `now_s` never goes back, `wall_s` is UTC epoch seconds; `looks` at its people."""
        judge = self._cameras.get(camera)
        if judge is None:
            judge = self._cameras[camera] = CameraJudge(
                camera,
                zones=self._plan.camera(camera),
                config=_judging(self._config),
                ids=TrackIds(self._token),
                episodes=self._episodes,
            )
        judged = self._frames[camera] = judge.judge(
            boxes,
            known=self._labels,
            now_s=now_s,
            wall_s=wall_s,
            dark=dark,
            frame_size_px=frame_size_px,
            looks=looks,
        )
        return judged

    def lost(self, camera: str, *, now_s: float, wall_s: float) -> list[EpisodeChange]:
        """The camera gives no usable frames; its episodes end `cameraLostAfterS` later."""
        self._frames.pop(camera, None)
        return self._episodes.camera_lost(camera, now_s=now_s, wall_s=wall_s)

    def removed(self, camera: str) -> list[EpisodeChange]:
        """The camera was taken out of the configuration."""
        self._frames.pop(camera, None)
        gone = self._cameras.pop(camera, None)
        self._refused_before += gone.refused if gone is not None else 0
        return self._episodes.removed(camera)

    def tick(self, *, now_s: float, wall_s: float) -> list[EpisodeChange]:
        """Once a second: ends what no frame will end."""
        return self._episodes.tick(now_s=now_s, wall_s=wall_s)

    def state(self, *, now_s: float, wall_s: float) -> dict[str, bytes]:
        """What is open, by the name under which it is to be kept."""
        return {EPISODES: encode_state(self._episodes.snapshot(now_s=now_s, wall_s=wall_s))}

    def counted(self) -> dict[str, bytes]:
        """What was counted so far, likewise. It is larger and may be kept less often."""
        return {KPI: encode(self.kpi.snapshot())}

    def restore(self, kept: Mapping[str, bytes], *, now_s: float, wall_s: float) -> list[EpisodeChange]:
        """Take over what an earlier process has kept; once. Raises EpisodeStateError or MessageError: nothing is taken
        over of what can't be read."""
        counted = decode(kept[KPI], KpiState) if KPI in kept else None
        state = decode_state(kept[EPISODES]) if EPISODES in kept else None
        if counted is not None:
            self.kpi.take_over(counted)
        return [] if state is None else self._episodes.restore(state, now_s=now_s, wall_s=wall_s)

    def open_episodes(self, camera: str | None = None) -> list[Episode]:
        """Those that are open now; not to be changed."""
        return self._episodes.open_episodes(camera)

    def quiet(self, camera: str) -> bool:
        """Whether nobody is followed and no episode is open on the camera."""
        judge = self._cameras.get(camera)
        return (judge is None or judge.alive == 0) and not self._episodes.open_episodes(camera)

    def pictured(self, camera: str, episode_id: str, score: float) -> None:
        """A picture of that score was taken of an open episode."""
        self._episodes.pictured(camera, episode_id, score)

    def privacy(self, camera: str) -> tuple[tuple[tuple[float, float], ...], ...]:
        """Polygons in 0..1 of the camera's picture to black out before anybody sees it."""
        return self._plan.camera(camera).privacy

    def expected(self, camera: str) -> Boxes:
        """(n, 4) xyxy in 0..1: where people were in the camera's newest frame, those who were followed unseen too."""
        judged = self._frames.get(camera)
        if judged is None:
            return as_xyxy([])
        return as_xyxy([*(verdict.person.xyxy_norm for verdict in judged.people), *judged.unseen])

    def look_wishes(self, camera: str) -> tuple[LookWish, ...]:
        """At whose gear a second look in the camera's next frame would help."""
        judged = self._frames.get(camera)
        return judged.look_wishes if judged is not None else ()

    def people(self) -> dict[str, Counter[Status]]:
        """How many people each camera shows, by status."""
        return {camera: Counter(one.status for one in judged.people) for camera, judged in self._frames.items()}

    def refused(self) -> int:
        """Boxes that would have begun a track beyond `maxTracks`, since the start."""
        return self._refused_before + sum(judge.refused for judge in self._cameras.values())


def _plan(config: InferenceTwin) -> ZonePlan:
    return ZonePlan(config.zones, config.calendars, config.rules)


def _judging(config: InferenceTwin) -> JudgingConfig:
    return JudgingConfig(config.tracking, config.wearing, config.votes)


def _hash(config: InferenceTwin) -> str:
    parts = (
        config.zones,
        config.calendars,
        config.rules,
        config.tracking,
        config.wearing,
        config.votes,
        config.second_look,
        config.episodes,
        config.model,
    )
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]
