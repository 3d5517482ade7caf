"""When edgeAgent starts a module again, and when it gives up. Pure: time is an argument, in monotonic seconds.

Source: iotedge, edge-agent RestartPolicyManager and HealthRestartPlanner: the pause is 10 s times two to the number of
restarts, at most 5 minutes; with 20 restarts on the counter the module is `failed` for good; ten healthy minutes
("intensive care time") clear the counter. A container that ended with 0 is `stopped`, with anything else `failed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from safetygear_workbench.edge_runtime.module_specs import RestartPolicy

Decision = Literal["restart", "stay-stopped", "give-up"]


@dataclass(frozen=True)
class RestartSettings:
    """edgeAgent's numbers. `simulate` uses a shorter `first_pause_s`, so that a kill shows its recovery at once."""

    first_pause_s: float = 10.0
    longest_pause_s: float = 300.0
    most_restarts: int = 20
    healthy_after_s: float = 600.0

    def __post_init__(self) -> None:
        if self.first_pause_s < 0 or self.longest_pause_s < 0 or self.most_restarts < 1 or self.healthy_after_s <= 0:
            raise ValueError(f"not usable as restart settings: {self}")


class RestartCounter:
    """One process's account."""

    def __init__(self, policy: RestartPolicy, settings: RestartSettings) -> None:
        self._policy = policy
        self._settings = settings
        self._started_s: float | None = None
        self._due_s: float | None = None
        self.restarts = 0
        """Since the counter was cleared."""

    def started(self, now_s: float) -> None:
        """The process runs."""
        self._started_s = now_s
        if self._due_s is not None:
            self.restarts += 1
            self._due_s = None

    def look(self, now_s: float) -> None:
        """Clear the counter of a process that has run long enough."""
        if self._started_s is not None and now_s - self._started_s >= self._settings.healthy_after_s:
            self.restarts = 0

    def ended(self, exit_code: int, now_s: float) -> Decision:
        """The process has ended; for `restart`, `due_s` says when to start it."""
        self.look(now_s)
        self._started_s = None
        if self._policy == "never" or (self._policy in ("on-failure", "on-unhealthy") and exit_code == 0):
            return "stay-stopped"
        if self.restarts >= self._settings.most_restarts:
            return "give-up"
        self._due_s = now_s + self.pause_s
        return "restart"

    @property
    def pause_s(self) -> float:
        """The pause before the next restart."""
        return float(min(self._settings.first_pause_s * 2.0**self.restarts, self._settings.longest_pause_s))

    @property
    def due_s(self) -> float | None:
        """When the process is to be started again; None while it runs or stays down."""
        return self._due_s
