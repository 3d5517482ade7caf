"""The environment variables of the API, as the module and `serve` both read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from safetygear.environment import Variables
from safetygear.listen import Listen
from safetygear_inference.prediction.url_rules import UrlPolicy, read_policy

LISTEN: Final = "SAFETYGEAR_PREDICTION_LISTEN"
KEY: Final = "SAFETYGEAR_PREDICTION_KEY"
URLS: Final = "SAFETYGEAR_PREDICTION_URLS"


@dataclass(frozen=True)
class PredictionSettings:
    """Where to listen, whom to answer, and from where to fetch."""

    listen: Listen | None = None
    """None: no API."""
    key: str | None = None
    """A secret reference, not the key."""
    urls: UrlPolicy | None = None
    """None: no picture is fetched by its address."""


def read_settings(variables: Variables, *, listen: str) -> PredictionSettings:
    """`listen`: the default. Raises UserError."""
    return PredictionSettings(
        listen=variables.listen(LISTEN, listen),
        key=variables.text(KEY, "") or None,
        urls=read_policy(URLS, variables.text(URLS, "off")),
    )
