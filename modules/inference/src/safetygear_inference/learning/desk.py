"""From analysed frames to examples on the disk: looks at every frame, takes few, one at a time.

Belongs to the event loop; pixels are worked on in the side thread, files in another one. Nothing here costs a frame:
what fails is counted, and while the disk fails a problem says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from safetygear.clock import Clock
from safetygear.errors import SafetyGearError
from safetygear.learning.example import Example
from safetygear.messages.health import LearningHealth
from safetygear_inference.detectors import Model
from safetygear_inference.evidence.crop import Polygon
from safetygear_inference.evidence.picture_making import CautiousDetector, cut_out, finish
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.learning.budget import Steady
from safetygear_inference.learning.candidates import Candidates
from safetygear_inference.learning.choice import BUSY, FRESH_S, NEAR_DUPLICATE, Choice, Chooser
from safetygear_inference.learning.config import LearningConfig
from safetygear_inference.learning.example_making import Chosen, describe, fingerprint_of, id_of, order_for
from safetygear_inference.learning.library import ExampleLibrary, VerdictOf
from safetygear_inference.learning.near_duplicates import Fingerprint
from safetygear_inference.learning.observed import observe, union_of
from safetygear_inference.learning.openings import Openings
from safetygear_inference.outbox.pump import OffLoop
from safetygear_inference.picture import Bgr
from safetygear_inference.picture_folder import PictureFolderError
from safetygear_inference.problems import Problems
from safetygear_inference.side_analysis import SideAnalysis

PURPOSE: Final = "learning"
TURN_S: Final = 1.0
EXPIRED_EVERY_S: Final = 60.0
SAVED_EVERY_S: Final = 300.0
CLOCK_SET_S: Final = 10.0
"""A wall clock that was set by more than this: what is on the disk is by the one before, and is saved at once."""
AFTER_FAILURE_S: Final = 60.0
"""A disk that is full is not written to each second."""
INTERNAL: Final = "internal"
NOT_READY: Final = "not-ready"
ASKED: Final = "asked"
JUDGED_FALSE: Final = "judged-false"
MISSED: Final = "event-missed"

log = logging.getLogger(__name__)


class NotTakenError(SafetyGearError):
    """A frame that somebody asked for is no example; `code` says why. `failed`: not refused, but it could not be made
    or stored."""

    default_code = NEAR_DUPLICATE

    def __init__(self, message: str, *, code: str, failed: bool = False) -> None:
        super().__init__(message, code=code)
        self.failed = failed


class LearningDesk:
    """`detector` is used in the side thread only. `privacy`: a camera's polygons in 0..1 of its frame to black out.
    `shown_from`: (classes) of a model, the probability from which on a box is shown."""

    def __init__(
        self,
        data_folder: Path,
        side: SideAnalysis,
        problems: Problems,
        clock: Clock,
        *,
        detector: CautiousDetector,
        privacy: Callable[[str], Sequence[Polygon]],
        shown_from: Callable[[Model], Sequence[float]],
        verdict_of: VerdictOf,
        random: Random | None = None,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        self.library = ExampleLibrary(data_folder, random or Random(), off_loop=off_loop)
        self.candidates = Candidates(self.library, off_loop=off_loop)
        self.taken: Counter[str] = Counter()
        """Examples since the start, by their first reason."""
        self.failed: Counter[str] = Counter()
        """Pictures since the start that could not be made or stored, by reason."""
        self._config = LearningConfig()
        self._side = side
        self._problems = problems
        self._clock = clock
        self._detector = detector
        self._privacy = privacy
        self._shown_from = shown_from
        self._chooser = Chooser()
        self._openings = Openings()
        self._verdict_of = verdict_of
        self._ready = False
        self._job: asyncio.Task[str | None] | None = None
        """Gives why it came to nothing; None: it did not."""
        self._expired_s = self._saved_s = clock.monotonic_s()
        self._saved_moved_s = 0.0
        self._steady = Steady(clock.now_s(), clock.monotonic_s())
        """Of the budget."""
        self._resumes_s: float | None = None
        """After a turn that failed."""
        self._surprised = False

    def configure(self, config: LearningConfig) -> None:
        self._config = config
        if not config.enabled:
            self._problems.solved("learning")

    def health(self) -> LearningHealth | None:
        """Counts since the start, and what stands now; None while learning is off and nothing is left of it."""
        if not (self._config.enabled or self.library.examples.count or self.candidates.store.count):
            return None
        evicted = self.library.examples.evicted + Counter(
            {f"verdict-{why}": count for why, count in self.candidates.store.evicted.items()}
        )
        return LearningHealth(
            examples=self.library.examples.count,
            bytes=self.library.examples.size_bytes + self.candidates.store.size_bytes,
            awaiting_verdict=self.candidates.store.count,
            taken=dict(sorted(self.taken.items())),
            refused=dict(sorted((self._chooser.refused + Counter({MISSED: self._openings.missed})).items())),
            failed=dict(sorted(self.failed.items())),
            evicted=dict(sorted(evicted.items())),
            drift=self.library.selection.drifting(),
        )

    def seen(self, frame: SeenFrame) -> None:
        """A frame listener: decides, and begins at most one job."""
        if not (self._config.enabled and self._ready):
            return
        config, now_s, wall_s = self._config, self._clock.monotonic_s(), self._clock.now_s()
        observed = observe(frame, self._shown_from(frame.model), now_s=now_s)
        busy = self._job is not None
        opening = None
        if JUDGED_FALSE in config.reasons:
            self._openings.note(frame.judged.changes, now_s)
            # What somebody may judge comes once; what else is worth it comes again.
            opening = None if busy else self._openings.shown_by(observed)
        steady_s = self._budget_time(wall_s, now_s)
        self.library.budget.watched(frame.camera, steady_s)
        wishes = self.library.selection.look(
            observed,
            wanted=config.reasons,
            wall_s=wall_s,
            random_per_hour=config.random_share * config.per_hour,
            reference_s=config.reference_hours * 3600,
        )
        choice = self._chooser.choose(
            frame, observed, wishes, self.library.budget, config, steady_s=steady_s, busy=busy or opening is not None
        )
        if opening is not None:
            chosen = Chosen(frame, observed, (JUDGED_FALSE,), 1.0, opening.focus_norm)
            self._begin(self._keep(chosen, opening.episodes, config))
        elif choice is not None:
            self._begin(self._take(choice, config))

    async def take_asked(self, camera: str) -> str:
        """Take the camera's newest frame because somebody asks for it; the example's id. Raises NotTakenError."""
        config, now_s, wall_s = self._config, self._clock.monotonic_s(), self._clock.now_s()
        if not (config.enabled and ASKED in config.reasons):
            message = "learning is off, or `asked` is none of its reasons: learning.enabled and learning.reasons say so"
            raise NotTakenError(message, code="learning-off")
        if not self._ready:
            message = "the examples on the disk were not looked at yet; where that fails the problem `learning` says so"
            raise NotTakenError(message, code=NOT_READY, failed=True)
        if self._job is not None:
            raise NotTakenError("another picture is being made", code=BUSY)
        newest = self._chooser.newest(camera, now_s)
        if newest is None:
            raise NotTakenError(f"no frame of it was analysed in the last {FRESH_S:g} s", code="no-frame")
        frame, observed = newest
        steady_s = self._budget_time(wall_s, now_s)
        why = self.library.budget.refusal(
            camera, ASKED, steady_s, per_hour=config.per_hour, per_day=config.per_day, reasons=config.reasons
        )
        if why is not None:
            self._chooser.refused[why] += 1
            raise NotTakenError(f"the budget has no room for it now ({why})", code=why)
        shown = union_of([box.xyxy_norm for box in observed.boxes if not box.weak])
        taken = self.library.budget.take(id_of(frame), camera, ASKED, steady_s)
        job = self._begin(self._take(Choice(Chosen(frame, observed, (ASKED,), 1.0, shown), taken), config))
        # Who asked may go away; the picture is made all the same.
        why = await asyncio.shield(job)
        if why == NEAR_DUPLICATE:
            raise NotTakenError("an example of the same thing in the same place is kept", code=why)
        if why is not None:
            raise NotTakenError(f"it was not taken ({why})", code=why, failed=True)
        return taken.id

    async def run(self) -> None:
        """Everything that no frame asks for, until cancelled."""
        while True:
            await self.turn()
            await self._clock.sleep(TURN_S)

    async def turn(self) -> None:
        """Once a second: what was kept is taken over, verdicts are followed, what is too old goes."""
        try:
            await self._turn()
        except PictureFolderError as exc:
            self.failed[exc.code] += 1
            self._problems.raised("learning", exc.code, str(exc))
            if self._ready:
                self._resumes_s = self._clock.monotonic_s() + AFTER_FAILURE_S

    async def _turn(self) -> None:
        if not self._ready:
            # Where it is off, and always was, the volume stays as it is.
            if not (self._config.enabled or self.library.folder.is_dir()):
                return
            begun_s, monotonic_s = self._clock.now_s(), self._clock.monotonic_s()
            swept = await self.library.begin(begun_s) + await self.candidates.begin()
            self._steady, self._saved_moved_s = Steady(begun_s, monotonic_s), 0.0
            if swept:
                log.warning("%d files of examples were half written when the module ended: removed", swept)
            self._ready = True
            self._problems.solved("learning")
        config, now_s, wall_s = self._config, self._clock.monotonic_s(), self._clock.now_s()
        # First: what is too old goes, whatever fails below, and it is what makes room on a full disk.
        if now_s - self._expired_s >= EXPIRED_EVERY_S:
            self._expired_s = now_s
            await self.library.expire(config, wall_s)
            await self.candidates.expire(config, wall_s)
        if self._resumes_s is not None and now_s < self._resumes_s:
            return
        await self.library.follow(self._verdict_of)
        await self.candidates.follow(self._verdict_of)
        if config.enabled and JUDGED_FALSE in config.reasons:
            taken, refused = await self.candidates.promote(config, self._budget_time(wall_s, now_s))
            self.taken += Counter({JUDGED_FALSE: taken})
            self._chooser.refused += refused
        self._budget_time(wall_s, now_s)
        set_s = abs(self.library.clock_moved_s - self._saved_moved_s)
        if config.enabled and (now_s - self._saved_s >= SAVED_EVERY_S or set_s > CLOCK_SET_S):
            self._saved_s, self._saved_moved_s = now_s, self.library.clock_moved_s
            await self.library.save()
        if self._resumes_s is not None:
            self._resumes_s = None
            self._problems.solved("learning")

    def _budget_time(self, wall_s: float, now_s: float) -> float:
        self.library.clock_moved_s = self._steady.moved_s(wall_s, now_s)
        return self._steady.at(now_s)

    def _begin(self, work: Coroutine[Any, Any, str | None]) -> asyncio.Task[str | None]:
        self._job = asyncio.get_running_loop().create_task(work, name="learning-picture")
        return self._job

    async def _take(self, choice: Choice, config: LearningConfig) -> str | None:
        chosen, camera = choice.chosen, choice.chosen.frame.camera
        stored = False
        try:
            made = await self._made(chosen, config, unless_known=True)
            stored = made is not None and await self.library.add(*made, config)
            if stored:
                self.taken[choice.taken.reason] += 1
                self._chooser.pace.taken(camera, self._clock.monotonic_s(), pause_s=config.camera_pause_s)
                self._problems.solved("learning")
                return None
            self._chooser.refused[NEAR_DUPLICATE] += 1
            self._chooser.pace.nothing_new(camera, self._clock.monotonic_s())
            return NEAR_DUPLICATE
        except Exception as exc:  # noqa: BLE001 - what is no error of ours is logged in _fail
            self._chooser.pace.failed(camera, self._clock.monotonic_s())
            return self._fail(exc, camera)
        finally:
            if not stored:
                self.library.budget.give_back(choice.taken)
            self._job = None

    async def _keep(self, chosen: Chosen, episodes: Sequence[str], config: LearningConfig) -> str | None:
        """For a verdict that may come."""
        try:
            made = await self._made(chosen, config, unless_known=False)
            if made is not None:
                await self.candidates.keep(*made, episodes, config)
            return None
        except Exception as exc:  # noqa: BLE001 - likewise
            return self._fail(exc, chosen.frame.camera)
        finally:
            self._job = None

    async def _made(
        self, chosen: Chosen, config: LearningConfig, *, unless_known: bool
    ) -> tuple[Example, bytes] | None:
        """The example and its JPEG. None: there is a near-duplicate."""
        frame = chosen.frame
        order = order_for(frame, config, self._privacy(frame.camera))

        def copied(bgr: Bgr) -> tuple[Bgr, Fingerprint]:
            return bgr, fingerprint_of(bgr, chosen.focus_norm)

        bgr, fingerprint = await self._side.copied(
            frame.arrival, lambda picture: cut_out(picture, order), copied, purpose=PURPOSE
        )
        # Before faces are looked for, which costs most.
        if unless_known and self.library.knows(fingerprint, config):
            return None
        made = await self._side.run(lambda: finish(bgr, order, frame.model, self._detector), purpose=PURPOSE)
        return describe(chosen, made, fingerprint, order), made.jpeg

    def _fail(self, exc: Exception, camera: str) -> str:
        """A picture less, and nothing else. The reason."""
        why = exc.code if isinstance(exc, SafetyGearError) else INTERNAL
        self.failed[why] += 1
        if isinstance(exc, PictureFolderError):
            self._problems.raised("learning", exc.code, str(exc))
        elif not isinstance(exc, SafetyGearError) and not self._surprised:
            self._surprised = True
            log.error("camera %s: unexpected error in the making of an example", camera, exc_info=exc)
        return why
