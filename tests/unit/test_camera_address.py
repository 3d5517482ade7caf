"""A camera's URL taken apart: credentials go, what remains is fit to be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import UserError
from safetygear_workbench.cameras.address import parse_camera_url


@pytest.mark.parametrize(
    ("text", "url", "username", "password"),
    [
        ("rtsp://10.0.0.12/stream1", "rtsp://10.0.0.12/stream1", None, None),
        ("RTSPS://cam.site:322/a?channel=1", "rtsps://cam.site:322/a?channel=1", None, None),
        ("rtsp://viewer@cam/1", "rtsp://cam/1", "viewer", None),
        ("rtsp://viewer:se%3Acret@cam:8554/1", "rtsp://cam:8554/1", "viewer", "se:cret"),
        ("rtsp://viewer:p@ss@cam/1", "rtsp://cam/1", "viewer", "p@ss"),
        ("rtsp://viewer:@cam/1", "rtsp://cam/1", "viewer", None),
        ("rtsp://viewer:secret@[fe80::1]:554/1", "rtsp://[fe80::1]:554/1", "viewer", "secret"),
    ],
)
def test_credentials_are_split_off(text: str, url: str, username: str | None, password: str | None) -> None:
    address = parse_camera_url(text)
    assert address.url == url
    assert (address.username and address.username.reveal()) == username
    assert (address.password and address.password.reveal()) == password


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10.0.0.12/stream1", "is no URL"),
        ("http://10.0.0.12/stream1", "is not RTSP"),
        ("rtsp:///stream1", "no valid host and port"),
        ("rtsp://cam:port/1", "no valid host and port"),
        ("rtsp://cam:99999/1", "no valid host and port"),
        ("rtsp://cam/a b", "write a space as %20"),
        ("rtsp://viewer:sesame/7@cam/1", "%2F"),
        ("rtsp://viewer:p@sesame/w@cam/1", "%2F"),
        ("rtsp://viewer:12/sesame@cam/1", "%2F"),
        ("rtsp://cam/user=admin_password=sesame_channel=1", "password or token in its path or query"),
        ("rtsp://cam/1?user=admin&password=sesame", "password or token in its path or query"),
    ],
)
def test_what_is_no_cameras_url_is_refused_without_its_secret(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        parse_camera_url(text)
    assert "sesame" not in str(refused.value)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_quoted_password_comes_back_whole_and_is_not_in_the_url(user: str, password: str) -> None:
    from urllib.parse import quote

    try:
        address = parse_camera_url(f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@cam.example/1")
    except UnicodeEncodeError:
        return  # a lone surrogate can't be typed
    assert address.url == "rtsp://cam.example/1"
    assert (address.username.reveal() if address.username else "") == user
    assert (address.password.reveal() if address.password else "") == password
