"""Shared access signatures: made, read, refused."""

from __future__ import annotations

import base64

import pytest
from azure.iot.device.common.auth.sastoken import NonRenewableSasToken
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.edge_runtime import sas

KEY = base64.b64encode(b"k" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()
RESOURCE = "hub.example/devices/d/modules/m"
TOKEN = sas.make_token(KEY, RESOURCE, 2000)


def test_a_known_signature() -> None:
    # From the HMAC itself (RFC 4231, test case 2), so that maker and checker can't be wrong together.
    key = base64.b64encode(b"Jefe").decode()
    expected = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert base64.b64decode(sas.sign(key, b"what do ya want for nothing?")) == expected


def test_the_devices_sdk_reads_our_tokens() -> None:
    token = NonRenewableSasToken(sas.make_token(KEY, RESOURCE, 4_000_000_000))
    assert (token.resource_uri, token.expiry_time) == (RESOURCE, 4_000_000_000)


@pytest.mark.parametrize(
    ("token", "key", "now_s", "reason"),
    [
        (TOKEN, KEY, 1999.9, None),
        (TOKEN, KEY, 2000.0, "expired"),
        (TOKEN, OTHER, 1000.0, "wrong signature"),
        (TOKEN.replace("se=2000", "se=9000"), KEY, 3000.0, "wrong signature"),
        (TOKEN.replace("%2Fm&", "%2Fn&"), KEY, 1000.0, "wrong signature"),
        (TOKEN.replace("se=2000", "se=x"), KEY, 1000.0, "wrong signature"),
        (TOKEN.partition("&se=")[0], KEY, 1000.0, "not a shared access signature"),
        ("", KEY, 1000.0, "not a shared access signature"),
        ("Bearer x", KEY, 1000.0, "not a shared access signature"),
    ],
)
def test_refusals(token: str, key: str, now_s: float, reason: str | None) -> None:
    assert sas.refusal(token, key, now_s) == reason


def test_the_resource_and_its_parts() -> None:
    assert sas.resource(TOKEN) == ["hub.example", "devices", "d", "modules", "m"]
    assert sas.resource(sas.make_token(KEY, "hub.example:8443", 1, "owner")) == ["hub.example:8443"]
    assert sas.fields(sas.make_token(KEY, "h", 1, "owner"))["skn"] == "owner"
    assert sas.resource("no token") == [""]


@given(st.text(max_size=60))
def test_no_text_makes_it_raise_or_is_accepted(text: str) -> None:
    for token in (text, sas.PREFIX + text, f"{sas.PREFIX}sr=a&sig={text}&se={text}"):
        assert sas.refusal(token, KEY, 1000.0) is not None
        assert sas.expiry_s(token) >= 0 or "-" in token
        assert sas.resource(token)
