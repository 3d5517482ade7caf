"""What `make` would do; nothing is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("command", "installs"),
    [
        ("#!/bin/sh\nexit 0\n", False),
        ("#!/nowhere/bin/python\n", True),  # the clone was moved, or its Python removed
        (None, True),
    ],
)
def test_an_environment_that_does_not_start_is_made_anew(tmp_path: Path, command: str | None, installs: bool) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    if command is not None:
        (venv / "bin/safetygear").write_text(command)
        (venv / "bin/safetygear").chmod(0o755)
    (venv / ".installed").touch()
    given = ["make", "--dry-run", "demo", f"VENV={venv}", f"PYTHON={sys.executable}"]
    would = subprocess.run(given, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert ("pip" in would) is installs
    assert "simulate --demo" in would
