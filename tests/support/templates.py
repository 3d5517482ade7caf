"""The deployment templates as parsed JSON, and the parts that tests look at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
FLEET, DEMO = "deployment.template.json", "deployment.demo.template.json"
TEMPLATES = (FLEET, DEMO)


def load(name: str) -> dict[str, Any]:
    """A template of the repository."""
    content: dict[str, Any] = json.loads((REPO / name).read_text())
    return content


def agent(template: dict[str, Any]) -> dict[str, Any]:
    """edgeAgent's desired properties."""
    desired: dict[str, Any] = template["modulesContent"]["$edgeAgent"]["properties.desired"]
    return desired


def hub(template: dict[str, Any]) -> dict[str, Any]:
    """edgeHub's desired properties."""
    desired: dict[str, Any] = template["modulesContent"]["$edgeHub"]["properties.desired"]
    return desired


def variables(value: Any) -> Iterator[str]:
    """Names of the `$NAME` and `${NAME}` in a template; not the route language's `$upstream`."""
    if isinstance(value, dict):
        for item in value.values():
            yield from variables(item)
    elif isinstance(value, list):
        for item in value:
            yield from variables(item)
    elif isinstance(value, str):
        for match in re.finditer(r"\$\{?([A-Z][A-Z0-9_]*)\b(?![.<])", value):
            yield match[1]
