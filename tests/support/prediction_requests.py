"""Requests to the prediction API as hypothesis makes them up: right ones, wrong ones, and bytes that are none."""

from __future__ import annotations

import json
from functools import cache

import cv2
import numpy as np
from hypothesis import strategies as st

from safetygear_inference.prediction.routes import PAGES, ROUTES
from support.prediction import KEY, PROJECT

PATHS = tuple(route.path for route in ROUTES) + tuple(page.path for page in PAGES)
TYPES = (
    b"application/octet-stream",
    b"image/jpeg",
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"multipart/form-data",
    b"multipart/mixed; boundary=b",
    b"text/html; charset=latin-1",
    b";",
)
HEADERS = (
    b"Content-Encoding: gzip",
    b"Content-Encoding: br",
    b"Content-Encoding: identity",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Content-Length: -1",
    b"Content-Length: 5",
    b"Upgrade: websocket",
    b"Range: bytes=0-1",
    b"Accept: text/html",
    b"Cookie: a=b; c",
    b"Origin: https://elsewhere.example",
    b"X-Http-Method-Override: DELETE",
)
OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0")
SITE_ADDRESSES = ("http://10.0.0.1/", "http://169.254.169.254/metadata/instance", "http://192.168.1.1:8080/a.jpg")


class Request:
    """`whole`: it is HTTP, and ends where it says; else its sender hangs up after it.

    No dataclass: hypothesis would print megabytes of it.
    """

    def __init__(self, data: bytes, *, whole: bool, has_key: bool) -> None:
        self.data = data
        self.whole = whole
        self.has_key = has_key

    def __repr__(self) -> str:
        return f"Request({self.data[:300]!r}, of {len(self.data)} bytes, whole={self.whole}, has_key={self.has_key})"


@cache
def pictures() -> tuple[bytes, ...]:
    """Small ones of each kind, and a large one that is small while it is packed."""
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    small = tuple(bytes(cv2.imencode(kind, noise)[1]) for kind in (".jpg", ".png", ".bmp", ".webp", ".tiff", ".gif"))
    return (*small, bytes(cv2.imencode(".png", np.zeros((3000, 3000, 3), np.uint8))[1]))


def _seldom(one_in: int) -> st.SearchStrategy[bool]:
    return st.integers(1, one_in).map(lambda drawn: drawn == one_in)


@st.composite
def _changed(draw: st.DrawFn, data: bytes) -> bytes:
    """Some bytes of it are others, gone, or more."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(changed)))
        kind = draw(st.sampled_from(("flip", "cut", "insert", "end")))
        if kind == "flip" and at < len(changed):
            changed[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del changed[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            changed[at:at] = draw(st.binary(max_size=40))
        elif kind == "end":
            del changed[at:]
    return bytes(changed)


@st.composite
def _picture(draw: st.DrawFn) -> bytes:
    whole = draw(st.sampled_from(pictures()))
    return draw(st.one_of(st.just(whole), _changed(whole), st.binary(max_size=400)))


@st.composite
def _form(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from((b'"imageData"', b'"other"', b'""', b"imageData; filename=../../a", b"\xff")))
    head = b"Content-Disposition: form-data; name=" + name
    encoding = draw(st.sampled_from((b"", b"\r\nContent-Transfer-Encoding: base64", b"\r\nContent-Encoding: gzip")))
    form = b"--b\r\n" + head + encoding + b"\r\n\r\n" + draw(_picture()) + b"\r\n--b--\r\n"
    return draw(st.one_of(st.just(form), _changed(form)))


@st.composite
def _address(draw: st.DrawFn, port: int) -> bytes:
    own = st.sampled_from(OWN_HOSTS).map(lambda host: f"http://{host}:{port}/canary")
    address = draw(st.one_of(own, st.sampled_from(SITE_ADDRESSES), st.text(max_size=60)))
    name = draw(st.sampled_from(("Url", "url", "URL")))
    document = json.dumps({name: address}).encode()
    return draw(st.one_of(st.just(document), _changed(document)))


def _is_target(path: bytes) -> bool:
    return path.isascii() and path.decode().isprintable() and b" " not in path


@st.composite
def requests(draw: st.DrawFn, port: int) -> Request:
    """`port`: where a server of this machine listens that must never be asked for anything."""
    path = draw(st.sampled_from(PATHS))
    project = draw(st.sampled_from((PROJECT.upper(), "mine", "%00", "..", "a%2Fb"))) if draw(_seldom(6)) else PROJECT
    name = draw(st.text(alphabet="ab%/.é ", max_size=12)) if draw(_seldom(6)) else "site"
    filled = path.replace("{projectId}", project).replace("{publishedName}", name).encode()
    if draw(_seldom(5)):
        filled = draw(st.one_of(st.just(filled + b"?application=a"), _changed(filled)))
    method = draw(st.sampled_from((b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"))) if draw(_seldom(6)) else b"POST"
    key = draw(st.sampled_from((b"wrong", b"\xff\xfe", None))) if draw(_seldom(6)) else KEY.encode()
    if path.removesuffix("/nostore").endswith("/url") and not draw(_seldom(5)):
        body = draw(_address(port))
    else:
        body = bytes(5 << 20) if draw(_seldom(50)) else draw(st.one_of(_picture(), _picture(), _form()))
    lines = [method + b" " + filled.replace(b" ", b"+").replace(b"\n", b"") + b" HTTP/1.1", b"Host: 127.0.0.1"]
    lines += [] if key is None else [b"Prediction-Key: " + key]
    right = b"multipart/form-data; boundary=b" if body.startswith(b"--b") else b"image/jpeg"
    lines.append(b"Content-Type: " + (draw(st.sampled_from(TYPES)) if draw(_seldom(6)) else right))
    extra = [draw(st.sampled_from(HEADERS))] if draw(_seldom(5)) else []
    told = [] if any(line.startswith((b"Content-Length", b"Transfer")) for line in extra) else [len(body)]
    lines += [*extra, *(b"Content-Length: %d" % length for length in told), b"Connection: close"]
    data = b"\r\n".join(lines) + b"\r\n\r\n" + body
    whole = not draw(_seldom(5)) and bool(told) and filled.startswith(b"/") and _is_target(filled)
    sent = data if whole else draw(_changed(data[:4000]))
    return Request(sent, whole=whole, has_key=key == KEY.encode())
