"""A camera's host name is looked up, and nothing else of its URL is."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from safetygear.errors import CameraError
from safetygear_capture.host_names import look_up


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def getaddrinfo(host: str, *args: Any, **options: Any) -> list[Any]:
        names.append(host)
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("rtsp://cam1.site/stream1", ["cam1.site"]),
        ("rtsps://cam1.site:8554/?channel=1", ["cam1.site"]),
        ("rtsp://10.0.0.12/stream1", ["10.0.0.12"]),
        ("rtsp://[fe80::1]:554/stream1", ["fe80::1"]),
        ("rtsp://[fe80::1/stream1", []),
        ("rtsp:///stream1", []),
    ],
)
def test_the_host_is_asked_for(asked: list[str], url: str, names: list[str]) -> None:
    look_up(url)
    assert asked == names


def test_a_host_that_is_not_known(asked: list[str]) -> None:
    with pytest.raises(CameraError) as caught:
        look_up("rtsp://nowhere/stream1")
    assert caught.value.code == "host-unknown"


def test_a_name_that_can_be_none() -> None:
    with pytest.raises(CameraError) as caught:
        look_up(f"rtsp://{'a' * 70}.site/stream1")
    assert caught.value.code == "host-unknown"
