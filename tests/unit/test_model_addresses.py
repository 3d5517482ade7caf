"""Where a model may be fetched from, and what the twin's section `model` refuses."""

from __future__ import annotations

import pytest

from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.model_change.addresses import address_error, file_name, file_path, redirect_error, with_token
from safetygear_inference.model_change.config import ModelConfig

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("https://models.example/a/site-ppe-v4.zip", None),
        ("https://ppe.blob.core.windows.net/models/site%2Dppe.onnx?snapshot=2026-11-25", None),
        ("https://[fe80::1]:8443/m.tflite", None),
        ("file:///data/models/site.zip", None),
        ("file://localhost/data/models/site.zip", None),
        ("http://models.example/site.zip", "https"),
        ("ftp://models.example/site.zip", "https"),
        ("site.zip", "https"),
        ("https:///site.zip", "no host"),
        ("https://models.example:port/site.zip", "no URL"),
        ("https://[fe80/site.zip", "no URL"),
        ("file://server/share/site.zip", "absolute path"),
        ("file:site.zip", "absolute path"),
        ("https://models.example/", "file name"),
        ("https://models.example/model", "file name"),
        ("https://models.example/..%2Fmodel.zip", "file name"),
        ("https://models.example/a%20b.zip", "file name"),
        ("https://models.example/" + "a" * 130 + ".zip", "file name"),
        ("https://models.example/model.pt", "file name"),
        ("https://models.example/m.zip#part", "fragment"),
    ],
)
def test_what_an_address_may_be(uri: str, why: str | None) -> None:
    said = address_error(uri)
    assert (said is None) == (why is None)
    assert why is None or why in str(said)


def test_names_and_paths_are_unescaped() -> None:
    assert file_name("https://x.example/a/site%2Dppe.zip?v=1") == "site-ppe.zip"
    assert file_path("file:///data/models/site%2Dppe.zip") == "/data/models/site-ppe.zip"


def test_a_token_is_added_as_it_is() -> None:
    token = "?sv=2025-01-05&sig=a%2Bb%3D"
    assert with_token("https://x.example/m.zip", token) == "https://x.example/m.zip?sv=2025-01-05&sig=a%2Bb%3D"
    assert with_token("https://x.example/m.zip?snapshot=1", token).endswith("?snapshot=1&sv=2025-01-05&sig=a%2Bb%3D")


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        ("https://cdn.example/m.zip?sig=abc", True),
        ("http://cdn.example/m.zip", False),
        ("http://169.254.169.254/metadata", False),
        ("file:///etc/passwd", False),
        ("https://user:pass@cdn.example/m.zip", False),
        ("https:///m.zip", False),
        ("https://[x/m.zip", False),
    ],
)
def test_a_redirect_goes_to_https_only(location: str, followed: bool) -> None:
    assert (redirect_error(location) is None) == followed


@pytest.mark.parametrize(
    ("model", "path", "code"),
    [
        ({"uri": "https://x.example/m.zip"}, "model.sha256", "missing-field"),
        ({"sha256": DIGEST}, "model.uri", "missing-field"),
        ({"sas": "file:models-sas"}, "model.uri", "missing-field"),
        ({"uri": "https://x.example/m.zip", "sha256": DIGEST.upper()}, "model.sha256", "bad-format"),
        ({"uri": "https://x.example/m.zip", "sha256": DIGEST[:-1]}, "model.sha256", "bad-format"),
        ({"uri": "http://x.example/m.zip", "sha256": DIGEST}, "model.uri", "bad-format"),
        ({"uri": "https://me:pw@x.example/m.zip", "sha256": DIGEST}, "model.uri", "credentials-in-url"),
        ({"uri": "https://x.example/m.zip?sv=1&sig=s3cr3t", "sha256": DIGEST}, "model.uri", "credentials-in-url"),
        (
            {"uri": "https://x.example/m.zip", "sha256": DIGEST, "sas": "sv=1&sig=s3cr3t"},
            "model.sas",
            "secret-reference-invalid",
        ),
        ({"uri": "https://x.example/m.zip", "sha256": DIGEST, "slowestMs": 0}, "model.slowestMs", "out-of-range"),
    ],
)
def test_a_section_that_can_not_be_used_keeps_the_last_good_one(model: dict[str, object], path: str, code: str) -> None:
    good = InferenceTwin(model=ModelConfig(name="good"))
    reading = read_desired(InferenceTwin, {"model": model}, last_good=good)
    assert [(error.path, error.code) for error in reading.errors] == [(path, code)]
    assert "s3cr3t" not in reading.errors[0].message
    assert reading.config.model == good.model


def test_a_whole_section() -> None:
    model = {"uri": "https://x.example/m.zip", "sha256": DIGEST, "sas": "env:SAFETYGEAR_SECRET_SAS", "shadowS": 0}
    reading = read_desired(InferenceTwin, {"model": model}, last_good=None)
    assert (reading.errors, reading.config.model.package) == ((), DIGEST)
    assert ModelConfig(name="by-name").package is None
