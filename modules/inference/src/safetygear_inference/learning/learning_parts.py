"""Everything of a module instance that takes pictures to learn from, put together."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import msgspec

from safetygear.clock import Clock
from safetygear.hub.methods import Methods
from safetygear.hub.port import Json
from safetygear.messages.health import LearningHealth
from safetygear.secret_references import SecretResolver
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.environment import Environment
from safetygear_inference.evidence.config import FACES_CLEAR, Faces
from safetygear_inference.evidence.picture_making import CautiousDetector
from safetygear_inference.evidence.uploads import Uploads
from safetygear_inference.frame_listeners import FrameListeners
from safetygear_inference.judging.judges import Judges
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.desk import LearningDesk
from safetygear_inference.learning.example_making import faces_are_covered
from safetygear_inference.learning.take_example import TakeExample
from safetygear_inference.live import LiveState
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis

UPLOADS_FOLDER: Final = "learning-uploads"


class LearningParts:
    """Belongs to the event loop."""

    def __init__(
        self,
        environment: Environment,
        side: SideAnalysis,
        judges: Judges,
        pool: AnalysisPool,
        detector: CautiousDetector,
        live: LiveState,
        problems: Problems,
        resolver: SecretResolver | None,
        clock: Clock,
    ) -> None:
        """`detector`: used in the side thread only. Without `resolver` nothing is uploaded: a problem says so."""
        self.desk = LearningDesk(
            environment.data_dir,
            side,
            problems,
            clock,
            detector=detector,
            privacy=judges.privacy,
            shown_from=pool.shown_from,
            verdict_of=judges.kpi.verdict,
        )
        store = self.desk.library.examples
        self.uploads = Uploads(
            environment.data_dir / UPLOADS_FOLDER,
            store,
            problems,
            clock,
            resolver=resolver,
            folder_name=environment.device or environment.instance,
            problem="learning-upload",
            local_uri=str,
            stays=self._stays,
        )
        self.desk.library.place = self.uploads.place
        self._faces: Faces = "blurred"
        self._uploading = asyncio.Event()
        self._cameras = lambda: {camera.name for camera in live.all_cameras()}

    def listen(self, frames: FrameListeners, methods: Methods) -> None:
        """Look at frames, answer `takeExample`."""
        frames.add(self.desk.seen)
        TakeExample(self.desk, self._cameras).add_to(methods)

    def configure(self, config: LearningConfig) -> None:
        self.desk.configure(config)
        self._faces = config.faces
        self.uploads.configure(config.upload)
        if config.upload is not None:
            self._uploading.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run(), name="learning-desk")
            group.create_task(self._upload(), name="learning-uploads")

    def health(self) -> LearningHealth | None:
        """Counts since the start, and what stands now; None while learning is off and nothing is left of it."""
        health = self.desk.health()
        if health is None:
            return None
        return msgspec.structs.replace(
            health,
            waiting_for_upload=self.uploads.waiting,
            uploaded=self.uploads.uploaded,
            failed=dict(sorted((Counter(health.failed) + self.uploads.failed).items())),
            evicted=dict(sorted((Counter(health.evicted) + self.uploads.given_up).items())),
        )

    def as_document(self) -> Json:
        """The same for `getStatus`."""
        health = self.health()
        return None if health is None else msgspec.to_builtins(health)

    def _stays(self, _: str, description: bytes | None) -> str | None:
        """A picture of a time in which faces might be clear stays here once they may not."""
        return FACES_CLEAR if self._faces == "blurred" and not faces_are_covered(description) else None

    async def _upload(self) -> None:
        # Not before there is somewhere to go: until then the volume stays as it is.
        await self._uploading.wait()
        await self.uploads.begin()
        await self.uploads.run()
