"""Which runtime and precision a model gets: what may be chosen, and what is, from given milliseconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import UserError
from safetygear_inference.detectors.runtimes.choice import (
    LEAST_GAIN,
    PLAIN,
    SIMPLEST_FIRST,
    Variant,
    WantedPrecision,
    WantedRuntime,
    Wish,
    fastest,
    offered,
    why_fastest,
)
from safetygear_inference.detectors.settings import Int8Twin
from safetygear_inference.environment import read_environment
from safetygear_inference.runtime_choice.timing import LEAST_ROUNDS, MOST_ROUNDS, WARM_UP, medians_ms

ORT, ORT8, OV, OV8 = SIMPLEST_FIRST  # ONNX Runtime and OpenVINO, as given and in int8


def twin(mean: float = 0.0, worst: float = -0.027) -> Int8Twin:
    return Int8Twin(network="ppe_int8.onnx", sha256="0" * 64, mean_difference=mean, worst_difference=worst)


@pytest.mark.parametrize(
    ("runtime", "precision", "openvino", "int8", "candidates"),
    [
        ("auto", "auto", "2026.4", twin(), (ORT, ORT8, OV, OV8)),
        ("auto", "auto", None, twin(), (ORT, ORT8)),
        ("auto", "auto", "2026.4", None, (ORT, OV)),
        ("auto", "auto", None, None, (ORT,)),
        ("auto", "float", "2026.4", twin(), (ORT, OV)),
        ("auto", "int8", "2026.4", twin(), (ORT8, OV8)),
        ("auto", "int8", "2026.4", None, (ORT, OV)),
        ("onnxruntime", "auto", "2026.4", twin(), (ORT, ORT8)),
        ("openvino", "auto", "2026.4", twin(), (OV, OV8)),
        ("openvino", "int8", "2026.4", twin(), (OV8,)),
        ("openvino", "auto", None, twin(), (ORT,)),
        ("openvino", "int8", None, None, (ORT,)),
        ("auto", "auto", None, twin(mean=-0.011), (ORT,)),
        ("auto", "int8", None, twin(worst=-0.031), (ORT,)),
        ("auto", "auto", None, twin(mean=-0.01, worst=-0.03), (ORT, ORT8)),
    ],
)
def test_what_may_be_chosen(
    runtime: WantedRuntime, precision: WantedPrecision, openvino: str | None, int8: Int8Twin | None,
    candidates: tuple[Variant, ...],
) -> None:  # fmt: skip
    offer = offered(Wish(runtime, precision), openvino=openvino, int8=int8, int8_missing=None)
    assert offer.candidates == candidates
    assert set(offer.passed_over) == set(SIMPLEST_FIRST) - set(candidates), "each that is not there has its reason"


def test_why_something_may_not_be_chosen_is_said() -> None:
    offer = offered(Wish("auto", "auto"), openvino=None, int8=twin(worst=-0.08), int8_missing=None)
    assert offer.passed_over[OV] == "the optional extra `openvino` is not installed"
    assert "-0.080 for one class" in offer.passed_over[ORT8]
    missing = offered(Wish(), openvino=None, int8=twin(), int8_missing="ppe_int8.onnx is not beside it")
    assert missing.passed_over[ORT8] == "ppe_int8.onnx is not beside it"
    other = offered(Wish("openvino", "auto"), openvino="2026.4", int8=None, int8_missing=None)
    assert other.passed_over[ORT] == "SAFETYGEAR_RUNTIME is openvino"


@pytest.mark.parametrize(
    ("ms", "used"),
    [
        ({ORT: 9.0}, ORT),
        ({ORT: 9.0, ORT8: 6.0}, ORT8),
        ({ORT: 9.0, ORT8: 8.2}, ORT),
        ({ORT: 9.0, ORT8: 8.1}, ORT),
        ({ORT: 9.0, ORT8: 8.0}, ORT8),
        ({ORT: 9.0, ORT8: 6.0, OV: 7.0, OV8: 4.3}, OV8),
        ({ORT: 9.0, ORT8: 4.5, OV: 7.0, OV8: 4.3}, ORT8),
        ({ORT: 9.0, ORT8: 12.0, OV: 6.9, OV8: 14.0}, OV),
        ({OV: 7.0, OV8: 4.3}, OV8),
        ({ORT8: 5.0, OV8: 5.0}, ORT8),
    ],
)
def test_near_ties_go_to_the_simpler_one(ms: dict[Variant, float], used: Variant) -> None:
    assert fastest(ms) == used
    assert why_fastest(used, ms)


@given(st.dictionaries(st.sampled_from(SIMPLEST_FIRST), st.floats(0.01, 1000), min_size=1))
def test_what_is_chosen_is_nearly_as_fast_as_any_and_no_simpler_one_is(ms: dict[Variant, float]) -> None:
    used, best = fastest(ms), min(ms.values())
    assert ms[used] * (1 - LEAST_GAIN) <= best
    simpler = SIMPLEST_FIRST[: SIMPLEST_FIRST.index(used)]
    assert all(ms[variant] * (1 - LEAST_GAIN) > best for variant in simpler if variant in ms)


def test_nothing_measured_is_no_choice() -> None:
    with pytest.raises(ValueError, match="empty"):
        fastest({})


class Turns:
    """A clock that only the timed work moves; each piece takes as long as its list says, one entry a round."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def piece(self, *took_ms: float) -> Callable[[], None]:
        left = list(took_ms)

        def work() -> None:
            self.now_s += (left.pop(0) if len(left) > 1 else left[0]) / 1000

        return work


def test_a_slow_first_run_and_a_hiccup_do_not_decide() -> None:
    turns = Turns()
    work = {PLAIN: turns.piece(500, 400, 9, 9, 300, 9), ORT8: turns.piece(100, 90, 6)}
    assert medians_ms(work, until_s=102.0, monotonic_s=lambda: turns.now_s, used_s=lambda: turns.now_s) == {
        PLAIN: 9.0,
        ORT8: 6.0,
    }


@pytest.mark.parametrize(
    ("ms", "rounds"), [(1.0, WARM_UP + MOST_ROUNDS), (5000.0, WARM_UP + LEAST_ROUNDS), (200.0, 10)]
)
def test_rounds_end_with_the_time(ms: float, rounds: int) -> None:
    turns, ran = Turns(), []

    def piece() -> None:
        ran.append(1)
        turns.now_s += ms / 1000

    medians_ms({PLAIN: piece}, until_s=102.0, monotonic_s=lambda: turns.now_s, used_s=lambda: turns.now_s)
    assert len(ran) == rounds


@pytest.mark.parametrize(
    ("environ", "wish"),
    [
        ({}, Wish()),
        ({"SAFETYGEAR_RUNTIME": "OpenVINO", "SAFETYGEAR_PRECISION": "int8"}, Wish("openvino", "int8")),
        ({"SAFETYGEAR_PRECISION": "float"}, Wish("auto", "float")),
    ],
)
def test_the_environment_says_what_is_wished(environ: dict[str, str], wish: Wish) -> None:
    assert read_environment(environ, cores=1).wish == wish


@pytest.mark.parametrize(("name", "value"), [("SAFETYGEAR_RUNTIME", "tensorrt"), ("SAFETYGEAR_PRECISION", "fp16")])
def test_another_word_is_refused_with_what_would_be_right(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{name} is '{value}': use auto, "):
        read_environment({name: value}, cores=1)
