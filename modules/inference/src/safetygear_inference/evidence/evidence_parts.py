"""Everything of a module instance that makes, keeps and hands out pictures, put together."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from safetygear.clock import Clock
from safetygear.hub.methods import Methods
from safetygear.messages.health import EvidenceHealth
from safetygear.secret_references import SecretResolver
from safetygear_inference.environment import Environment
from safetygear_inference.event_keeper import EventKeeper
from safetygear_inference.evidence.config import FACES_CLEAR, EvidenceConfig
from safetygear_inference.evidence.desk import EvidenceDesk
from safetygear_inference.evidence.picture_id import PictureId
from safetygear_inference.evidence.picture_making import CautiousDetector
from safetygear_inference.evidence.snapshot import Snapshots
from safetygear_inference.evidence.uploads import Uploads
from safetygear_inference.frame_listeners import FrameListeners
from safetygear_inference.judging.judges import Judges
from safetygear_inference.key_frames.newest import KeyFrames
from safetygear_inference.live import LiveState
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis

UPLOADS_FOLDER: Final = "evidence-uploads"


class EvidenceParts:
    """Belongs to the event loop."""

    def __init__(
        self,
        environment: Environment,
        side: SideAnalysis,
        judges: Judges,
        key_frames: KeyFrames,
        live: LiveState,
        problems: Problems,
        resolver: SecretResolver | None,
        clock: Clock,
    ) -> None:
        """Without `resolver` nothing is uploaded: the problem `evidence` says so."""
        self.detector = detector = CautiousDetector()
        """Of the side thread: whatever makes pictures there shares it."""
        self.desk = EvidenceDesk(
            environment.data_dir, side, judges, problems, clock, detector=detector, key_frames=key_frames
        )
        self.uploads = Uploads(
            environment.data_dir / UPLOADS_FOLDER,
            self.desk.store,
            problems,
            clock,
            resolver=resolver,
            folder_name=environment.device or environment.instance,
            problem="upload",
            local_uri=lambda picture: picture.page_path,
            stays=self._stays,
        )
        self.desk.uri_of = self.uploads.uri_of
        self.desk.place = self.uploads.place
        self._side = side
        self._snapshots = Snapshots(
            side,
            judges,
            clock,
            detector=detector,
            cameras=lambda: {camera.name for camera in live.all_cameras()},
            key_frames=key_frames,
        )

    def listen(self, frames: FrameListeners, events: EventKeeper, methods: Methods) -> None:
        """Take frames, give events their pictures, answer `snapshot`."""
        frames.add(self.desk.seen)
        frames.add(self._snapshots.seen)
        events.pictures = self.desk
        methods.add("snapshot", self._snapshots.answer)

    def configure(self, config: EvidenceConfig) -> None:
        self.desk.configure(config)
        self._snapshots.config = config
        self.uploads.configure(config.upload)

    async def begin(self) -> None:
        """Before the first event."""
        await self.desk.begin()
        await self.uploads.begin()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run(), name="evidence-expiry")
            group.create_task(self.uploads.run(), name="evidence-uploads")

    def _stays(self, picture: PictureId, _: bytes | None) -> str | None:
        """A picture of a time in which faces might be clear stays here once they may not."""
        return FACES_CLEAR if self._snapshots.config.faces == "blurred" and not picture.blurred else None

    def lost(self) -> Counter[str]:
        """Jobs of the side thread that were refused since the start."""
        return Counter({f"side-busy-{purpose}": count for purpose, count in self._side.refused.items()})

    def health(self) -> EvidenceHealth:
        """Counts since the start, and what stands now."""
        store = self.desk.store
        return EvidenceHealth(
            pictures=store.count,
            bytes=store.size_bytes,
            waiting_for_upload=self.uploads.waiting,
            stored=self.desk.stored.total(),
            uploaded=self.uploads.uploaded,
            failed=dict(sorted((self.desk.counted() + self.uploads.failed).items())),
            evicted=dict(sorted((store.evicted + self.uploads.given_up).items())),
        )
