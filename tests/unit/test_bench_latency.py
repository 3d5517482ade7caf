"""A message is matched with the very picture it is about: by the number burnt into it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import rfc3339
from safetygear_workbench.bench.latency_figures import summary, travelled
from safetygear_workbench.bench.numbering import BITS, LABELS, number_in, square_xyxy_px, squares_of, stamp

BEGAN_S = 1_764_061_200.0
FPS, CLIP_S = 25, 28.0


def seen(luma: np.ndarray[Any, Any]) -> list[str]:
    """Labels of the squares that are white in a Y plane."""
    height, width = luma.shape
    return [
        label
        for square, label in enumerate(LABELS)
        for left, top, right, bottom in [square_xyxy_px(square, width, height)]
        if luma[top:bottom, left:right].mean() > 128
    ]


@given(st.integers(0, (1 << BITS) - 1), st.sampled_from([(360, 640), (1080, 1920)]))
def test_a_number_is_read_as_it_was_burnt_in(number: int, shape: tuple[int, int]) -> None:
    luma = np.full(shape, 90, np.uint8)
    stamp(luma, number)
    assert number_in(seen(luma)) == number


def test_a_misread_square_makes_no_other_number() -> None:
    white = [label for label, is_white in zip(LABELS, squares_of(5), strict=True) if is_white]
    assert number_in(white) == 5
    assert number_in([*white, "number-bit-9"]) is None
    assert number_in(white[1:]) is None, "without the mark nothing was read"
    assert number_in([]) is None
    with pytest.raises(ValueError, match="fit"):
        squares_of(1 << BITS)


def record(number: int, round_: int = 0, *, told: int | None = None, camera: str = "gate") -> dict[str, Any]:
    """A message about frame `number` of the clip's `round_`; `told`: another number than that in it."""
    taken_s = BEGAN_S + round_ * CLIP_S + number / FPS
    labels = [name for name, white in zip(LABELS, squares_of(number if told is None else told), strict=True) if white]
    return {
        "enqueuedAt": rfc3339(taken_s + 0.1),
        "body": {
            "camera": camera,
            "capturedAt": rfc3339(taken_s),
            "latencyMs": {"capture": 40.0, "queue": 10.0, "inference": 25.0, "total": 80.0},
            "detections": [{"label": label} for label in ("person", *labels)],
        },
    }


def test_stages_add_up_to_the_way_from_the_picture_to_the_hub() -> None:
    message = travelled(record(7))
    assert message.number == 7
    assert message.total_ms == pytest.approx(100, abs=1)
    assert sum(message.stages_ms.values()) == pytest.approx(message.total_ms)
    assert message.stages_ms["rules"] == pytest.approx(5)
    assert message.stages_ms["hub"] == pytest.approx(20, abs=1)


def test_messages_about_the_right_pictures_agree_over_rounds() -> None:
    messages = [travelled(record(number, round_)) for round_ in range(3) for number in range(0, 700, 5)]
    result = summary(messages, clip_s=CLIP_S, fps=FPS)
    assert result["numbers"] == {"read": 420, "unread": 0, "wrong_picture": 0, "off_ms_most": pytest.approx(0, abs=1)}
    assert result["p50_ms"] == pytest.approx(100, abs=1)
    assert not result["creep"]["distinguishable_from_0"]


def test_a_message_about_another_picture_is_found() -> None:
    messages = [travelled(record(number)) for number in range(0, 700, 5)]
    wrong = travelled(record(350, 1, told=349))
    result = summary([*messages, wrong], clip_s=CLIP_S, fps=FPS)
    assert result["numbers"]["wrong_picture"] == 1
    assert result["numbers"]["off_ms_most"] == pytest.approx(40, abs=1)
