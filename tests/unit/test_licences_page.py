"""Whatever our packages ask pip for has its licence said on the licences' page."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("libs/safetygear", "modules/capture", "modules/inference", "workbench")


def asked_for(package: str) -> set[str]:
    """Names of the packages, those of the extras too, without our own."""
    project = tomllib.loads((REPOSITORY / package / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project.get("optional-dependencies", {}).values() for name in extra),
    ]
    names = {re.split(r"[^A-Za-z0-9._-]", wish, maxsplit=1)[0] for wish in wanted}
    return {name for name in names if not name.startswith("safetygear")}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_dependency_is_named(package: str) -> None:
    page = (REPOSITORY / "docs" / "licences.md").read_text()
    first_column = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("|"))
    assert {
        name for name in asked_for(package) if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", first_column)
    } == set()
