"""How a download goes on, and what a server's answer means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_inference.model_change.download_plan import (
    PACKAGE_BYTES,
    SLOW_FOR_S,
    SLOWEST_BYTES_PER_S,
    SPARED_BYTES,
    Body,
    DownloadError,
    Speed,
    check_end,
    check_size,
    judge_answer,
    request_headers,
)
from safetygear_inference.model_change.refusals import cure


def test_only_what_is_missing_is_asked_for() -> None:
    assert request_headers(0) == {"Accept-Encoding": "identity"}
    assert request_headers(100)["Range"] == "bytes=100-"


@pytest.mark.parametrize(
    ("status", "headers", "have", "body"),
    [
        (200, {"Content-Length": "500"}, 0, Body(0, 500)),
        (200, {}, 0, Body(0, None)),
        (200, {"Content-Length": "5e2"}, 0, Body(0, None)),
        (200, {"Content-Length": "500"}, 100, Body(0, 500)),
        (206, {"Content-Range": "bytes 100-499/500"}, 100, Body(100, 500)),
        (206, {"Content-Range": "bytes 100-499/*"}, 100, Body(100, None)),
        (416, {"Content-Range": "bytes */100"}, 100, Body(100, 100, complete=True)),
    ],
)
def test_an_answer_with_a_file(status: int, headers: dict[str, str], have: int, body: Body) -> None:
    assert judge_answer(status, headers, have_bytes=have) == body


@pytest.mark.parametrize(
    ("status", "headers", "have", "code", "start_over"),
    [
        (206, {"Content-Range": "bytes 0-499/500"}, 100, "download-failed", True),
        (206, {"Content-Range": "100-499"}, 100, "download-failed", True),
        (206, {}, 100, "download-failed", True),
        (416, {"Content-Range": "bytes */50"}, 100, "download-failed", True),
        (416, {}, 0, "download-refused", False),
        (401, {}, 0, "download-refused", False),
        (403, {}, 0, "download-refused", False),
        (407, {}, 0, "download-refused", False),
        (404, {}, 0, "download-not-found", False),
        (410, {}, 0, "download-not-found", False),
        (204, {}, 0, "download-refused", False),
        (500, {}, 0, "download-failed", False),
        (503, {}, 0, "download-failed", False),
        (429, {}, 0, "download-failed", False),
    ],
)
def test_an_answer_without_one(status: int, headers: dict[str, str], have: int, code: str, start_over: bool) -> None:
    with pytest.raises(DownloadError) as raised:
        judge_answer(status, headers, have_bytes=have)
    assert (raised.value.code, raised.value.start_over) == (code, start_over)


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("86400", 900.0), ("soon", None), ("", None)])
def test_what_a_busy_server_asks_for_is_kept_within_limits(text: str, seconds: float | None) -> None:
    with pytest.raises(DownloadError) as raised:
        judge_answer(503, {"Retry-After": text}, have_bytes=0)
    assert raised.value.retry_after_s == seconds


@given(
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["Content-Length", "Content-Range", "Retry-After"]), st.text(max_size=40)),
    st.integers(0, 2**40),
)
def test_any_answer_is_a_body_or_a_named_refusal(status: int, headers: dict[str, str], have: int) -> None:
    try:
        body = judge_answer(status, headers, have_bytes=have)
    except DownloadError as exc:
        assert exc.code.startswith("download-")
    else:
        assert body.offset_bytes in (0, have)


def test_a_file_must_fit() -> None:
    check_size(PACKAGE_BYTES, have_bytes=0, free_bytes=PACKAGE_BYTES + SPARED_BYTES)
    check_size(None, have_bytes=10, free_bytes=SPARED_BYTES)
    for total, have, free, code in (
        (PACKAGE_BYTES + 1, 0, 2**50, "model-too-large"),
        (100, 0, SPARED_BYTES + 99, "data-full"),
        (None, 0, SPARED_BYTES - 1, "data-full"),
    ):
        with pytest.raises(DownloadError) as raised:
            check_size(total, have_bytes=have, free_bytes=free)
        assert raised.value.code == code
    check_size(100, have_bytes=50, free_bytes=SPARED_BYTES + 50)


def test_the_end_of_a_body() -> None:
    check_end(100, 100)
    check_end(100, None)
    with pytest.raises(DownloadError, match="cut"):
        check_end(99, 100)
    with pytest.raises(DownloadError, match="more than") as raised:
        check_end(101, 100)
    assert raised.value.start_over


def test_a_server_that_drips_is_let_go_of() -> None:
    speed, now_s = Speed(1000.0), 1000.0
    with pytest.raises(DownloadError) as raised:
        while now_s < 1200:
            now_s += 5
            speed.took(1, now_s)
    assert raised.value.code == "download-slow"
    assert now_s == 1000 + SLOW_FOR_S


def test_a_slow_line_is_not_a_server_that_drips() -> None:
    speed = Speed(0.0)
    for second in range(1, 1000):
        speed.took(int(SLOWEST_BYTES_PER_S) + 1, float(second))


def test_a_fast_beginning_does_not_excuse_a_drip() -> None:
    speed = Speed(0.0)
    speed.took(10**9, 1.0)
    with pytest.raises(DownloadError):
        for second in range(2, 200):
            speed.took(10, float(second))


@pytest.mark.parametrize(
    ("code", "help_comes"),
    [
        ("download-cut", "soon"),
        ("download-failed", "soon"),
        ("download-hash", "later"),
        ("data-full", "later"),
        ("secret-missing", "later"),
        ("golden-differs", "never"),
        ("model-zip", "never"),
        ("model-too-slow", "never"),
        ("anything else", "never"),
    ],
)
def test_what_helps(code: str, help_comes: str) -> None:
    assert cure(code) == help_comes
