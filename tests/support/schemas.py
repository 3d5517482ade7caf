"""Schema validation against the published IoT Edge schemas, which lie beside a development checkout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
import referencing.jsonschema

REPO = Path(__file__).resolve().parents[2]
SCHEMAS = REPO.parent / "shared" / "schemas"


def edge_schema_errors(document: Any, name: str) -> list[str]:
    """What the published schema `name` (such as azure-iot-edge-deployment-2.0) finds wrong in `document`."""
    if not SCHEMAS.is_dir():
        pytest.skip("the published IoT Edge schemas (../shared/schemas) are not part of the repository")
    contents = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    registry: referencing.Registry[Any] = referencing.Registry().with_resources(
        (
            f"https://json.schemastore.org/{file_name}",
            referencing.Resource.from_contents(content, referencing.jsonschema.DRAFT4),
        )
        for file_name, content in contents.items()
    )
    validator = jsonschema.Draft4Validator(contents[f"{name}.json"], registry=registry)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(document)]
