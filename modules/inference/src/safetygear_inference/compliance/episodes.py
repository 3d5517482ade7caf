"""Violation episodes of all cameras: from judged people to open, update and closed, over losses and restarts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from safetygear_inference.compliance.camera_episodes import CameraEpisodes, PictureWish
from safetygear_inference.compliance.episode import Episode, EpisodeChange, EpisodesState
from safetygear_inference.compliance.kpi import ComplianceKpi
from safetygear_inference.compliance.zone_config import EpisodeConfig
from safetygear_inference.compliance.zones import ZonePlan
from safetygear_inference.judging.observation import JudgedPerson

__all__ = ["EpisodeChange", "Episodes", "PictureWish"]


class Episodes:
    """What it returns is to be sent in that order, together with `snapshot()` in one transaction: then a module that
    is killed at any moment closes what it has opened, and nothing else.
    """

    def __init__(self, plan: ZonePlan, config: EpisodeConfig, *, origin: str, kpi: ComplianceKpi | None = None) -> None:
        """`origin`: device and module, so that no two of them make the same id."""
        self.kpi = ComplianceKpi() if kpi is None else kpi
        self._plan = plan
        self._config = config
        self._origin = origin
        self._cameras: dict[str, CameraEpisodes] = {}

    def update(
        self, camera: str, people: Sequence[JudgedPerson], *, now_s: float, wall_s: float
    ) -> list[EpisodeChange]:
        """One judged frame. `people`: whoever the tracker saw in it, each track once."""
        return self._camera(camera).update(people, now_s, wall_s)

    def camera_lost(self, camera: str, *, now_s: float, wall_s: float) -> list[EpisodeChange]:
        """The camera gives no frames since now or before; its episodes end cameraLostAfterS later (`tick`)."""
        known = self._cameras.get(camera)
        return known.lost(now_s) if known is not None else []

    def removed(self, camera: str) -> list[EpisodeChange]:
        """The camera was taken out of the configuration: what is open of it ends now."""
        # It is kept: a camera that comes back must not count its episodes from the start again.
        known = self._cameras.get(camera)
        return known.end() if known is not None else []

    def tick(self, *, now_s: float, wall_s: float) -> list[EpisodeChange]:
        """To be called every second or so: ends what no frame will end."""
        return [change for known in self._cameras.values() for change in known.tick(now_s, wall_s)]

    def change_rules(self, plan: ZonePlan, config: EpisodeConfig, *, now_s: float) -> list[EpisodeChange]:
        """Another configuration from now on."""
        self._plan, self._config = plan, config
        return [
            change
            for camera, known in self._cameras.items()
            for change in known.change_rules(plan.camera(camera), config, now_s)
        ]

    def open_episodes(self, camera: str | None = None) -> list[Episode]:
        """Those that are open now; not to be changed."""
        return [
            episode
            for name, known in self._cameras.items()
            if camera is None or name == camera
            for episode in known.open.values()
        ]

    def picture_wishes(self, camera: str) -> list[PictureWish]:
        """Episodes whose person the camera's last judged frame may show better than any picture taken so far."""
        known = self._cameras.get(camera)
        return list(known.wishes) if known is not None else []

    def pictured(self, camera: str, episode_id: str, score: float) -> None:
        """A picture was taken of the episode: from now on only better ones are wished for."""
        known = self._cameras.get(camera)
        if known is not None:
            known.pictured(episode_id, score)

    def snapshot(self, *, now_s: float, wall_s: float) -> EpisodesState:
        """All that has to outlive the process."""
        return EpisodesState(
            saved_wall_s=wall_s, cameras={name: known.snapshot(now_s) for name, known in self._cameras.items()}
        )

    def restore(self, state: EpisodesState, *, now_s: float, wall_s: float) -> list[EpisodeChange]:
        """Take over what was open when the module ended; before anything else. What can't go on is closed."""
        # Only the wall clock knows how long the module was away, and it may have been put back meanwhile.
        away_s = max(0.0, wall_s - state.saved_wall_s)
        return [
            change
            for camera, kept in state.cameras.items()
            for change in self._camera(camera).restore(kept, now_s - away_s, now_s)
        ]

    def _camera(self, camera: str) -> CameraEpisodes:
        known = self._cameras.get(camera)
        if known is None:
            known = self._cameras[camera] = CameraEpisodes(
                camera, self._origin, self._plan.camera(camera), self._config, self.kpi
            )
        return known
