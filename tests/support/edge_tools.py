"""Where the real iotedgedev and iotedgehubdev are: an environment of their own, since their pins fight with ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


def edge_tool(name: str) -> Path:
    """The tool's path; skips the test where it isn't installed (in CI that is a failure)."""
    folder = Path(os.environ.get("SAFETYGEAR_EDGE_TOOLS", REPO / ".venv-edge-tools"))
    tool = folder / "bin" / name
    if not tool.exists():
        message = f"{name} is not installed; `make edge-tools` puts it into .venv-edge-tools"
        if os.environ.get("SAFETYGEAR_CI"):
            pytest.fail(message)
        pytest.skip(message)
    return tool


def quiet_home(folder: Path) -> dict[str, str]:
    """An environment in which the tools find their settings below `folder` and send no telemetry."""
    settings = "[DEFAULT]\nfirsttime = no\ncollect_telemetry = no\n"
    for place in (".iotedgedev", ".iotedgehubdev", ".iotedgehubdev/config"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "setting.ini").write_text(settings)
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "SSL_CERT_FILE") if key in os.environ}
    return {**kept, "HOME": str(folder)}
