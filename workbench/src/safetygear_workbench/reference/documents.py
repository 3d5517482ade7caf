"""Every generated file: path below docs/ and text. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from safetygear.learning.example import Example
from safetygear_workbench.reference.messages_catalogue import ENTRIES
from safetygear_workbench.reference.messages_page import messages_page, schema_file
from safetygear_workbench.reference.methods_catalogue import METHODS
from safetygear_workbench.reference.methods_page import methods_page
from safetygear_workbench.reference.metrics_page import metrics_page
from safetygear_workbench.reference.schemas import message_schema, twin_schema
from safetygear_workbench.reference.twin_catalogue import TWINS
from safetygear_workbench.reference.twin_page import twin_page, twin_schema_file

FILES = {"safetygear.example/1": Example}


def documents(template: Mapping[str, Any]) -> dict[str, str]:
    """`template`: the deployment template, for the routes that messages.md names."""
    schemas = {schema_file(entry.schema): message_schema(entry.kind, entry.schema) for entry in ENTRIES}
    schemas |= {twin_schema_file(entry.module): twin_schema(entry.kind, entry.title) for entry in TWINS}
    # Files that one module writes and others read: no messages, but as much of a contract.
    schemas |= {schema_file(name): message_schema(kind, name) for name, kind in FILES.items()}
    return {
        "messages.md": messages_page(template),
        "twin.md": twin_page(TWINS),
        "methods.md": methods_page(METHODS),
        "metrics.md": metrics_page(),
        **{f"schemas/{name}": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()},
    }
