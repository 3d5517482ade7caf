"""No secret survives, in any form in which it may show."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from safetygear import redact
from safetygear.redact import MASK, SHORTEST_KNOWN_SECRET, Redactor, has_credentials, redact_url

# A secret of asterisks can't be told from the mask.
secrets = st.text(min_size=SHORTEST_KNOWN_SECRET, max_size=24).filter(lambda text: "*" not in text)
surroundings = st.text(max_size=20)


def shown(secret: str) -> list[str]:
    """The secret as it may stand in a log, a URL, a JSON document, a header."""
    return [
        secret,
        quote(secret, safe="", errors="replace"),
        quote(secret, errors="replace"),
        quote(secret, safe="", errors="replace").lower(),
        quote_plus(secret, errors="replace"),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        repr(secret),
        base64.b64encode(secret.encode(errors="surrogatepass")).decode(),
        secret.upper() if len(secret.upper()) == len(secret) and secret.isascii() else secret,
        f"rtsp://user:{secret}@cam/1",
    ]


@given(secrets, surroundings, surroundings)
@example("p@ss/w:rd?", "rtsp://u:", "@cam/1")
@example('quo"te\\', "", "")
@example("ümläut", "", "")
@example("\ud800abc", "", "")
def test_a_registered_secret_never_survives(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    for form in shown(secret):
        clean = redactor.redact(f"{before}{form}{after}")
        assert secret.lower() not in clean.lower()
        inner = form.strip("'\"")
        assert inner not in clean or inner in before + after


@given(st.lists(secrets, min_size=2, max_size=5))
def test_several_secrets_also_within_each_other(several: list[str]) -> None:
    redactor = Redactor()
    for secret in [*several, several[0] + several[1]]:
        redactor.add(secret)
    clean = redactor.redact(" | ".join([*several, several[0] + several[1]]))
    assert not any(secret in clean for secret in several if secret.strip(" |"))


def test_of_a_longer_secret_nothing_is_left_where_a_shorter_one_begins_it() -> None:
    redactor = Redactor()
    for secret in ("abc", "abcdef"):
        redactor.add(secret)
    assert redactor.redact("abcdef abc") == "*** ***"


@given(st.text(max_size=60))
def test_no_text_makes_it_raise_and_twice_is_once(text: str) -> None:
    redactor = Redactor()
    redactor.add("topsecret")
    clean = redactor.redact(text)
    assert redactor.redact(clean) == clean
    assert isinstance(has_credentials(text), bool)


@pytest.mark.parametrize(
    "text", ["", "frame 17 of gate-2", "house=1", "passes=4", "rtsp://cam:554/stream?channel=1", "a:b@c"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor().redact(text) == text


def test_a_short_secret_would_blank_ordinary_text() -> None:
    redactor = Redactor()
    redactor.add("ab")
    assert redactor.redact("about rtsp://u:ab@cam") == f"about rtsp://{MASK}@cam"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("rtsp://u:p@cam/1", "rtsp://***@cam/1"),
        ("open rtsp://u:p@cam/1, retry", "open rtsp://***@cam/1, retry"),
        ("rtsp://u@cam", "rtsp://***@cam"),
        ("rtsp://u:p@ss/w@cam:554/1", "rtsp://***@cam:554/1"),
        ("rtsp://u:p/w@cam/1", "rtsp://***@cam/1"),
        ("rtsp://cam/user=admin_password=tlJwpbo6_channel=1", "rtsp://cam/user=admin_password=***"),
        ("https://x/y?sig=abc%2F&se=5", "https://x/y?sig=***&se=***"),
        ("https://x/y?Password=a&b=1", "https://x/y?Password=***&b=1"),
        ("rtsp://[::1]:554/a@b", "rtsp://[::1]:554/a@b"),
        ("HostName=h;SharedAccessKey=abc=;x=1", "HostName=h;SharedAccessKey=***;x=1"),
        ("SharedAccessSignature sr=h&sig=a&se=1", "SharedAccessSignature ***"),
        ("AccountKey=abc==;EndpointSuffix=x", "AccountKey=***;EndpointSuffix=x"),
        ("Authorization: Basic dTpw", "Authorization: Basic ***"),
        ('authorization="Digest username=u, response=1"', 'authorization="Digest ***"'),
        ("password%3Dabc", "password%3D***"),
    ],
)  # fmt: skip
def test_credentials_go_by_their_form(text: str, clean: str) -> None:
    assert Redactor().redact(text) == clean


def test_the_rest_of_a_url_stays_readable() -> None:
    assert redact_url("rtsp://admin:pw@192.0.2.4:554/Streaming/101?x=1") == "rtsp://***@192.0.2.4:554/Streaming/101?x=1"
    assert redact_url("no url") == "no url"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://cam/1", False),
        ("rtsp://cam:554/1?channel=2", False),
        ("rtsp://u@cam", True),
        ("rtsp://u:p@cam", True),
        ("rtsp://u:p/w@cam", True),
        ("https://x?sig=1", True),
        ("rtsp://cam/password=1", True),
        ("https://x?sr=1&se=2", False),
    ],
)
def test_urls_with_credentials_are_known(url: str, expected: bool) -> None:
    assert has_credentials(url) is expected


def test_a_secret_that_is_added_while_another_is_being_added_stays_known(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    forms_of = redact._forms_of

    def interrupted(secret: str) -> frozenset[str]:
        if secret == "opensesame":
            redactor.add("shibboleth")  # as another camera's thread would
        return forms_of(secret)

    monkeypatch.setattr(redact, "_forms_of", interrupted)
    redactor.add("opensesame")
    assert redactor.redact("opensesame shibboleth") == f"{MASK} {MASK}"
