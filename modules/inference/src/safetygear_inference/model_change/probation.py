"""The steps of a change that have to do with live frames: compare beside them, take over, and be watched."""

from __future__ import annotations

from typing import Final

from safetygear.clock import Clock
from safetygear.errors import ModelError
from safetygear_inference.analysis_pool import AnalysisPool, Generation
from safetygear_inference.detectors import Model
from safetygear_inference.frame_listeners import SeenFrame
from safetygear_inference.model_change.comparison import Comparison
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.pace import Lately, Watch, longest_ms
from safetygear_inference.model_change.shadow import Shadow
from safetygear_inference.side_analysis import SideAnalysis

LOOK_EVERY_S: Final = 0.2


class Probation:
    """One at a time. `saw` is a frame listener."""

    def __init__(self, pool: AnalysisPool, side: SideAnalysis, clock: Clock) -> None:
        self._pool = pool
        self._side = side
        self._clock = clock
        self._lately = Lately()
        self._shadow: Shadow | None = None
        self._watched: tuple[Model, Watch] | None = None

    @property
    def under_way(self) -> bool:
        """Whether a model is on trial, which is to see every frame."""
        return self._shadow is not None or self._watched is not None

    def saw(self, frame: SeenFrame) -> None:
        """A live frame was analysed."""
        took_ms = frame.analysed.inference_ms
        if self._shadow is not None:
            self._shadow.saw(frame)
        if self._watched is None:
            self._lately.saw(self._clock.monotonic_s(), took_ms)
        elif frame.model is self._watched[0]:
            self._watched[1].took(took_ms)

    async def compare(self, wanted: ModelConfig, model: Model) -> Comparison:
        """Let `model` look at live frames for `shadowS`. Raises ModelError where it fails."""
        detector = await self._pool.beside(
            lambda: model.detector(thresholds=wanted.thresholds, default_threshold=wanted.default_threshold)
        )
        self._shadow = Shadow(self._side, model, detector, self._clock)
        try:
            return await self._shadow.run(wanted.shadow_s)
        finally:
            self._shadow = None

    def judge(self, wanted: ModelConfig, comparison: Comparison) -> None:
        """Raises ModelError where the comparison says that the model is too slow, or disagrees."""
        limit_ms = self._longest_ms(wanted)
        if comparison.new is not None and limit_ms is not None and comparison.new.p50_ms > limit_ms:
            raise _too_slow(comparison.new.p50_ms, limit_ms)
        if comparison.frames and comparison.agreement < wanted.least_agreement:
            raise ModelError(
                f"it agrees with the model in use by {comparison.agreement:.2f}; model.leastAgreement asks for "
                f"{wanted.least_agreement:g}",
                code="model-disagrees",
            )

    async def take_over(self, wanted: ModelConfig, generation: Generation) -> None:
        """Use it from the next frame on, and watch it for `watchS`.

        Raises ModelError where it fails or is too slow; the model before is in use again then, as after a cancellation.
        """
        now_s = self._clock.monotonic_s()
        watch = Watch(until_s=now_s + wanted.watch_s, longest_ms=self._longest_ms(wanted))
        self._watched = (generation.model, watch)
        self._pool.switch_to(generation, on_probation=wanted.watch_s > 0 and self._pool.model is not None)
        try:
            while True:
                if self._pool.gave_back is not None:
                    raise _failed(self._pool.gave_back)
                verdict = watch.verdict(self._clock.monotonic_s())
                if verdict == "slow":
                    raise _too_slow(watch.p50_ms, watch.longest_ms or 0.0)
                if verdict == "kept":
                    self._pool.keep()
                    return
                await self._clock.sleep(LOOK_EVERY_S)
        finally:
            self._pool.give_back()  # where it was kept, there is none to give it back for
            self._watched = None

    def _longest_ms(self, wanted: ModelConfig) -> float | None:
        now_s = self._clock.monotonic_s()
        return longest_ms(
            wanted.slowest_ms,
            workers=self._pool.workers,
            frames_per_s=self._lately.fps(now_s),
            old_p50_ms=self._lately.p50_ms(now_s),
        )


def _failed(exc: Exception) -> ModelError:
    if isinstance(exc, ModelError):
        return ModelError(f"it failed on a live frame: {exc}", code=exc.code)
    return ModelError(
        f"it failed on a live frame: unexpected {type(exc).__name__}; the log has the details", code="internal"
    )


def _too_slow(p50_ms: float, limit_ms: float) -> ModelError:
    return ModelError(
        f"it takes {p50_ms:.0f} ms for a frame in the median; {limit_ms:.0f} ms are possible (model.slowestMs, else "
        "what the cameras' rates leave)",
        code="model-too-slow",
    )
