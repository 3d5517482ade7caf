"""Trying again what may pass by itself: limits of calls a second, a service that restarts, a line that is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from safetygear.backoff import Backoff
from safetygear_workbench.learn.training_service import TrainingServiceError

ATTEMPTS: Final = 8
"""With the pauses below that is some two minutes, in which a gateway's restart is over."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
LONGEST_ASKED_S: Final = 300.0
"""A service that asks for more is done for today; somebody may start the command again later."""
T = TypeVar("T")


class Patience:
    """Calls an action until it succeeds or fails for good. `told`: learns why it is waited, and for how long."""

    def __init__(
        self,
        sleep: Callable[[float], None],
        told: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._sleep = sleep
        self._told = told
        self._backoff = backoff or Backoff(first_s=FIRST_PAUSE_S, ceiling_s=LONGEST_PAUSE_S)

    def call(self, action: Callable[[bool], T]) -> T:
        """`action` learns whether it may be done already by an attempt before, of which only the answer was lost.

        Raises what the action raises: at once where it will not pass, the last one after ATTEMPTS.
        """
        self._backoff.reset()
        in_doubt = False
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return action(in_doubt)
            except TrainingServiceError as exc:
                if not exc.retryable or attempt == ATTEMPTS:
                    raise
                pause_s = self._backoff.next_s()
                if exc.retry_after_s is not None:
                    if exc.retry_after_s > LONGEST_ASKED_S:
                        raise
                    pause_s = max(pause_s, exc.retry_after_s)
                in_doubt = in_doubt or exc.in_doubt
                self._told(f"{exc}; again in {pause_s:.0f} s")
                self._sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")
