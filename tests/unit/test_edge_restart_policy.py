"""edgeAgent's restart policy."""

from __future__ import annotations

import pytest

from safetygear_workbench.edge_runtime.module_specs import RestartPolicy
from safetygear_workbench.edge_runtime.restart_policy import Decision, RestartCounter, RestartSettings


@pytest.mark.parametrize(
    ("policy", "exit_code", "decision"),
    [
        ("always", 0, "restart"),
        ("always", 1, "restart"),
        ("always", -9, "restart"),
        ("on-failure", 0, "stay-stopped"),
        ("on-failure", 1, "restart"),
        ("on-failure", -9, "restart"),
        ("on-unhealthy", 0, "stay-stopped"),
        ("on-unhealthy", 2, "restart"),
        ("never", 0, "stay-stopped"),
        ("never", 1, "stay-stopped"),
    ],
)
def test_whether_it_comes_again(policy: RestartPolicy, exit_code: int, decision: Decision) -> None:
    counter = RestartCounter(policy, RestartSettings())
    counter.started(0.0)
    assert counter.ended(exit_code, 1.0) == decision
    assert (counter.due_s is not None) is (decision == "restart")


def test_pauses_double_from_10_s_to_5_minutes_and_the_21st_end_is_the_last() -> None:
    counter, now_s, pauses = RestartCounter("always", RestartSettings()), 0.0, []
    counter.started(now_s)
    while counter.ended(1, now_s) == "restart":
        assert counter.due_s is not None
        pauses.append(counter.due_s - now_s)
        now_s = counter.due_s
        counter.started(now_s)
    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, *[300.0] * 15]
    assert (counter.restarts, counter.due_s) == (20, None)


def test_ten_healthy_minutes_clear_the_counter() -> None:
    counter = RestartCounter("always", RestartSettings())
    counter.started(0.0)
    counter.ended(1, 0.0)
    counter.started(10.0)
    counter.look(609.9)
    assert counter.restarts == 1
    counter.ended(1, 610.0)
    assert (counter.restarts, counter.due_s) == (0, 620.0)


def test_a_first_start_is_no_restart() -> None:
    counter = RestartCounter("always", RestartSettings())
    counter.started(0.0)
    assert counter.restarts == 0


@pytest.mark.parametrize(
    "wrong", [{"first_pause_s": -1}, {"longest_pause_s": -1}, {"most_restarts": 0}, {"healthy_after_s": 0}]
)
def test_settings_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="restart settings"):
        RestartSettings(**wrong)  # type: ignore[arg-type]  # a table
