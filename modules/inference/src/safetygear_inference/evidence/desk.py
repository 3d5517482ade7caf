"""From wishes for pictures to evidence in events: a look at the frame, the best one kept, stored before its event is.

Belongs to the event loop; pixels are worked on in the side thread, files in another one. Nothing here costs a frame or
an event: what fails is counted, and the event says why it has no picture.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

import msgspec

from safetygear.clock import Clock
from safetygear.errors import SafetyGearError
from safetygear.messages.event import EventMessage, Evidence
from safetygear_inference.compliance.episodes import PictureWish
from safetygear_inference.evidence.best_pictures import BestPictures, Candidate
from safetygear_inference.evidence.config import EvidenceConfig
from safetygear_inference.evidence.picture_id import PICTURES_PER_EPISODE, PictureId, picture_id, picture_of_uri
from safetygear_inference.evidence.picture_making import CautiousDetector
from safetygear_inference.evidence.store import EvidenceStore
from safetygear_inference.evidence.taking import PictureTaker, Sight
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.judging.judges import Judges
from safetygear_inference.key_frames.newest import KeyFrames
from safetygear_inference.outbox.pump import OffLoop
from safetygear_inference.picture_folder import PictureFolderError
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis

FOLDER: Final = "evidence"
EXPIRED_EVERY_S: Final = 60.0
OFF, LATE, EVICTED, INTERNAL = "off", "late", "evicted", "internal"

log = logging.getLogger(__name__)


class EvidenceDesk:
    """`detector` is used in the side thread only."""

    def __init__(
        self,
        data_folder: Path,
        side: SideAnalysis,
        judges: Judges,
        problems: Problems,
        clock: Clock,
        *,
        detector: CautiousDetector,
        key_frames: KeyFrames | None = None,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        self.store = EvidenceStore(data_folder / FOLDER)
        self.uri_of: Callable[[PictureId], str] = lambda picture: picture.page_path
        """Where a picture of an earlier process is found."""
        self.place: Callable[[PictureId], AbstractContextManager[str]] = lambda picture: nullcontext(picture.page_path)
        """Entered in a thread around the storing of a picture: makes sure that it will get to the uri that it gives.
        Raises PictureFolderError: then it is not stored."""
        self.stored: Counter[str] = Counter()
        """Pictures stored since the start, by `blurred` and `clear`."""
        self.failed: Counter[str] = Counter()
        """Looks and stores that failed since the start, by reason."""
        self._config = EvidenceConfig()
        self._judges = judges
        self._problems = problems
        self._clock = clock
        self._taker = PictureTaker(side, judges, key_frames or KeyFrames(), detector=detector)
        self._off_loop = off_loop
        self._best = BestPictures()
        self._evidence: dict[str, Evidence] = {}
        """Of open episodes: their newest stored picture."""
        self._cameras: dict[str, str] = {}
        self._why: dict[str, str] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._surprised = False

    def counted(self) -> Counter[str]:
        """What failed since the start, by reason, with what memory had no room for."""
        return self.failed + Counter({"memory-full": self._best.dropped})

    def configure(self, config: EvidenceConfig) -> None:
        self._config = config

    async def begin(self) -> None:
        """Take stock of what an earlier process has stored; before the first event."""
        try:
            swept = await self._off_loop(self.store.begin)
        except PictureFolderError as exc:
            self._problems.raised("evidence", exc.code, str(exc))
        else:
            if swept:
                log.warning("%d pictures were half written when the module ended: removed", swept)

    async def run(self) -> None:
        """Remove what is too old or too much, until cancelled."""
        while True:
            await self._clock.sleep(EXPIRED_EVERY_S)
            await self.expire()

    async def expire(self) -> None:
        """Once a minute, and when the twin may have lowered a limit."""
        config = self._config
        try:
            await self._off_loop(
                lambda: self.store.expire(
                    now_s=self._clock.now_s(), quota_bytes=config.quota_bytes, retention_days=config.retention_days
                )
            )
        except PictureFolderError as exc:
            self._problems.raised("evidence", exc.code, str(exc))

    def seen(self, frame: SeenFrame) -> None:
        """A frame listener: looks at the people whose episode it shows better than before."""
        if not self._config.enabled:
            return
        now_s, sight = self._clock.monotonic_s(), self._taker.sight(frame)
        by_person: dict[str, list[PictureWish]] = {}
        for wish in frame.judged.wishes:
            self._cameras[wish.episode] = frame.camera
            if self._best.worth_looking(wish.episode, wish.score * sight.counts, now_s):
                by_person.setdefault(wish.track, []).append(wish)
        for wishes in by_person.values():
            look = asyncio.get_running_loop().create_task(self._look(sight, wishes), name="evidence-look")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    def known(self, episode: str) -> Evidence | None:
        """The newest stored picture of an open episode."""
        return self._evidence.get(episode)

    async def attach(self, event: EventMessage, *, until_s: float) -> EventMessage:
        """The event with the best picture of its episode, which is on the disk then. Raises nothing.

        Where a picture is being taken, it is waited for, until `until_s` (monotonic) at most.
        """
        try:
            return await self._attach(event, until_s)
        except Exception:
            # A surprise here must not cost the event.
            if not self._surprised:
                self._surprised = True
                log.exception("an event's picture: unexpected error")
            self.failed[INTERNAL] += 1
            return msgspec.structs.replace(event, evidence_missing=None if event.evidence is not None else INTERNAL)

    async def read(self, name: str) -> bytes | None:
        """The stored picture of that id, for the page; None: there is none, or no longer."""
        picture = picture_id(name)
        if picture is None:
            return None
        try:
            return await self._off_loop(self.store.read, picture)
        except PictureFolderError as exc:
            log.warning("picture %s: %s", picture, exc)
            return None

    async def _attach(self, event: EventMessage, until_s: float) -> EventMessage:
        episode = event.id
        if self._config.enabled:
            await self._picture_of(episode, until_s, first=event.state == "open")
        if episode not in self._evidence and event.state != "open":
            await self._find_earlier(episode)
        candidate = self._best.to_store(episode)
        if candidate is not None:
            await self._store(episode, candidate)
            self._best.settled(episode, candidate)
        evidence = self._evidence.get(episode)
        why = self._why.get(episode, LATE if self._config.enabled else OFF)
        if evidence is not None and not self._still_there(evidence):
            evidence, why = None, EVICTED
        if event.state == "closed":
            self._best.forget(episode)
            for of_episode in (self._evidence, self._cameras, self._why):
                of_episode.pop(episode, None)
        return msgspec.structs.replace(event, evidence=evidence, evidence_missing=None if evidence else why)

    async def _picture_of(self, episode: str, until_s: float, *, first: bool) -> None:
        """Wait for the look that is under way; for the `first` picture also for another look after one that failed."""

        def done() -> bool:
            if first and self._best.knows(episode):
                return self._best.to_store(episode) is not None
            return not self._best.under_way(episode)

        while not done() and (left_s := until_s - self._clock.monotonic_s()) > 0:
            self._changed.clear()
            changed = asyncio.ensure_future(self._changed.wait())
            timer = asyncio.ensure_future(self._clock.sleep(left_s))
            try:
                await asyncio.wait((changed, timer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
                timer.cancel()

    async def _store(self, episode: str, candidate: Candidate) -> None:
        named = self._evidence.get(episode)
        last_named = picture_of_uri(named.uri) if named is not None else None
        quota_bytes = self._config.quota_bytes

        def write() -> tuple[str, str] | None:
            last = max(
                (one.number for one in (last_named, self.store.newest_of(episode)) if one is not None), default=0
            )
            if last >= PICTURES_PER_EPISODE:
                return None
            picture = PictureId(episode, last + 1, candidate.blurred)
            with self.place(picture) as uri:
                return uri, self.store.put(picture, candidate.jpeg, quota_bytes=quota_bytes)

        try:
            written = await self._off_loop(write)
        except PictureFolderError as exc:
            self._fail([episode], exc.code)
            self._problems.raised("evidence", exc.code, str(exc))
            return
        self._problems.solved("evidence")
        if written is None:
            return
        uri, sha256 = written
        self.stored["blurred" if candidate.blurred else "clear"] += 1
        self._evidence[episode] = Evidence(uri=uri, sha256=sha256, blurred=candidate.blurred)
        self._judges.pictured(self._cameras.get(episode, ""), episode, candidate.score)

    async def _find_earlier(self, episode: str) -> None:
        """What an earlier process has stored of an episode that was open when it ended."""

        def find() -> tuple[PictureId, bytes] | None:
            picture = self.store.newest_of(episode)
            jpeg = self.store.read(picture) if picture is not None else None
            return None if picture is None or jpeg is None else (picture, jpeg)

        try:
            found = await self._off_loop(find)
        except PictureFolderError as exc:
            self._fail([episode], exc.code)
            return
        if found is not None:
            picture, jpeg = found
            digest = hashlib.sha256(jpeg).hexdigest()
            self._evidence[episode] = Evidence(uri=self.uri_of(picture), sha256=digest, blurred=picture.blurred)

    def _still_there(self, evidence: Evidence) -> bool:
        """On the device, or on its way to where it is kept."""
        picture = picture_of_uri(evidence.uri)
        return picture is None or not evidence.uri.startswith("/") or self.store.has(picture)

    async def _look(self, sight: Sight, wishes: Sequence[PictureWish]) -> None:
        episodes = [wish.episode for wish in wishes]
        try:
            first = not any(self._best.has_one(episode) for episode in episodes)
            made = await self._taker.take(sight, wishes, self._config, self._best.better, first=first)
        except SafetyGearError as exc:
            self._fail(episodes, exc.code)
        except Exception:
            if not self._surprised:
                self._surprised = True
                log.exception("camera %s: unexpected error in the making of a picture", sight.frame.camera)
            self._fail(episodes, INTERNAL)
        else:
            for episode, candidate in made.items():
                self._best.taken(episode, candidate, self._clock.monotonic_s())
        finally:
            self._changed.set()

    def _fail(self, episodes: Sequence[str], why: str) -> None:
        self.failed[why] += 1
        for episode in episodes:
            self._best.failed(episode)
            if episode in self._cameras:
                self._why[episode] = why
