"""A model that looks at live frames beside the one in use, in the side thread. No live frame waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from safetygear.clock import Clock
from safetygear.errors import FrameError, ModelError
from safetygear_inference.detectors import Detector, Model
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.model_change.comparison import Comparing, Comparison, Seen
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.side_analysis import SideAnalysis

CPU_SHARE: Final = 0.2
"""Of one core, for looking beside the live analysis: after a frame that took 50 ms, 200 ms of rest."""
HUNG_AFTER_S: Final = 60.0
LOOK_EVERY_S: Final = 0.2

log = logging.getLogger(__name__)


class Shadow:
    """One comparison: `saw` is a frame listener, `run` waits for its end."""

    def __init__(self, side: SideAnalysis, model: Model, detector: Detector, clock: Clock) -> None:
        self._side = side
        self._labels = model.labels
        self._detector = detector
        self._clock = clock
        self._comparing = Comparing()
        self._failure: ModelError | None = None
        self._began_s: float | None = None
        self._next_s = clock.monotonic_s()
        self._tasks: set[asyncio.Task[None]] = set()

    def saw(self, frame: SeenFrame) -> None:
        """Look at this one too, if it is time for one."""
        now_s = self._clock.monotonic_s()
        if self._began_s is None and self._failure is None and now_s >= self._next_s:
            self._began_s = now_s
            task = asyncio.get_running_loop().create_task(self._look(frame), name="shadow")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def run(self, for_s: float) -> Comparison:
        """Compare for so long. Raises ModelError where the model fails (model-hung: it does not come back)."""
        until_s = self._clock.monotonic_s() + for_s
        while (now_s := self._clock.monotonic_s()) < until_s or self._began_s is not None:
            if self._failure is not None:
                raise self._failure
            if self._began_s is not None and now_s - self._began_s >= HUNG_AFTER_S:
                raise ModelError(f"the model has not come back for {HUNG_AFTER_S:g} s", code="model-hung")
            await self._clock.sleep(LOOK_EVERY_S)
        if self._failure is not None:
            raise self._failure
        return self._comparing.so_far()

    def so_far(self) -> Comparison:
        """What the frames so far say."""
        return self._comparing.so_far()

    async def _look(self, frame: SeenFrame) -> None:
        took_s = 0.0
        try:
            boxes, took_s = await self._side.of(frame.arrival, self._detect, purpose="shadow")
        except FrameError:
            pass  # gone, or others are at work in the side thread: the next one will do
        except ModelError as exc:
            self._failure = exc
        except Exception as exc:
            log.exception("a model on trial: unexpected error")
            message = f"unexpected {type(exc).__name__} in the analysis of a frame; the log has the details"
            self._failure = ModelError(message, code="internal")
            self._failure.__cause__ = exc
        else:
            old = Seen(frame.analysed.boxes, frame.model.labels, frame.analysed.inference_ms)
            self._comparing.add(old, Seen(boxes, self._labels, took_s * 1000))
        finally:
            self._next_s = self._clock.monotonic_s() + took_s * (1 / CPU_SHARE - 1)
            self._began_s = None

    def _detect(self, picture: Picture) -> tuple[DetectedBoxes, float]:
        before_s = time.perf_counter()
        boxes = self._detector.detect(picture)
        return boxes, time.perf_counter() - before_s
