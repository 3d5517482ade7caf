"""A model's own class names to the names that the judging knows. Pure.

An export is labelled by whoever tagged the pictures: `Hard hat`, `hardhat` and `helmet` are one thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

PERSON: Final = "person"

_SAME: Final[Mapping[str, str]] = {
    "people": PERSON,
    "worker": PERSON,
    "human": PERSON,
    "pedestrian": PERSON,
    "hardhat": "helmet",
    "hard-hat": "helmet",
    "safety-helmet": "helmet",
    "with-helmet": "helmet",
    "no-hardhat": "no-helmet",
    "no-hard-hat": "no-helmet",
    "no-safety-helmet": "no-helmet",
    "nohelmet": "no-helmet",
    "without-helmet": "no-helmet",
    "bare-head": "head",
    "safety-vest": "vest",
    "hi-vis": "vest",
    "hi-vis-vest": "vest",
    "high-vis-vest": "vest",
    "high-visibility-vest": "vest",
    "reflective-vest": "vest",
    "with-vest": "vest",
    "no-safety-vest": "no-vest",
    "no-reflective-vest": "no-vest",
    "novest": "no-vest",
    "without-vest": "no-vest",
}


def canonical(label: str) -> str:
    """`Hard_Hat` is `helmet`; a name that is nothing special stays, in small letters, its words joined by `-`."""
    plain = "-".join(label.casefold().replace("_", " ").replace("-", " ").split())
    return _SAME.get(plain, plain)


def canonical_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """All of a model's class names, in their order."""
    return tuple(canonical(label) for label in labels)
