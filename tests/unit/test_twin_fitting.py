"""A large site's reported properties fit IoT Hub's 32 KB, and say what they had to leave out."""

from __future__ import annotations

from typing import Any

import pytest

from safetygear.twin.fitting import CALM_BYTES, ERRORS_KEPT, MAX_REPORTED_BYTES, Fitting
from safetygear.twin.reading import FieldError
from safetygear.twin.reported import config_report
from safetygear_workbench.edge_runtime.twins import TwinDocument

SINCE = "2026-11-25T08:59:14.102Z"
LONG_ERROR = FieldError(path=f"cameras.{'x' * 64}.url", code="credentials-in-url", message="x" * 300)


def name(number: int, length: int = 64) -> str:
    return f"{number:03}".ljust(length, "x")


def site(cameras: int, *, failing: int = 0, errors: int = 0, length: int = 64) -> dict[str, Any]:
    return {
        **config_report(7, [LONG_ERROR] * errors),
        "cameras": {
            name(number, length): {
                "state": "backing-off" if number < failing else "streaming",
                "reason": "timestamps-stand-still" if number < failing else "ok",
                "since": SINCE,
            }
            for number in range(cameras)
        },
    }


@pytest.mark.parametrize(
    ("cameras", "failing", "errors", "left_out", "cameras_left_out"),
    [
        (12, 12, 20, None, None),
        (256, 0, 0, "camera-details", 0),
        (256, 100, 20, "camera-details, errors", 0),
        (400, 100, 20, "camera-details, errors, cameras-well", 300),
        (1000, 1000, 20, "camera-details, errors, cameras-well, cameras", None),
    ],
)
def test_a_site_of_any_size_fits_the_hub(
    cameras: int, failing: int, errors: int, left_out: str | None, cameras_left_out: int | None
) -> None:
    document = site(cameras, failing=failing, errors=errors)
    fitted = Fitting().fit(document)
    TwinDocument().patch_reported(fitted)  # raises where the hub would refuse it
    assert fitted.get("shortened", {}).get("leftOut") == left_out
    if left_out is None:
        assert fitted == document
        return
    shortened = fitted["shortened"]
    assert len(fitted["cameras"]) + shortened["camerasLeftOut"] == cameras
    if cameras_left_out is not None:
        assert shortened["camerasLeftOut"] == cameras_left_out
    assert fitted["config"]["errorCount"] == errors
    assert fitted["cameras"][name(0)] == {key: document["cameras"][name(0)][key] for key in ("state", "reason")}


def test_even_the_fullest_site_keeps_some_errors_and_as_many_cameras_as_fit() -> None:
    fitted = Fitting().fit(site(1000, failing=1000, errors=20))
    assert len(fitted["config"]["errors"]) == ERRORS_KEPT
    assert 200 < len(fitted["cameras"]) < 300


def test_at_the_limit_a_change_does_not_send_everything_again() -> None:
    fitting = Fitting()
    assert "shortened" not in fitting.fit(site(216))
    assert "shortened" in fitting.fit(site(256)), "above the limit"
    assert "shortened" in fitting.fit(site(216)), "below it, but not by much"
    assert "shortened" not in fitting.fit(site(150))
    assert CALM_BYTES < MAX_REPORTED_BYTES


def test_what_has_no_cameras_and_is_no_site_is_left_alone() -> None:
    assert Fitting().fit({"version": "1"}) == {"version": "1"}
