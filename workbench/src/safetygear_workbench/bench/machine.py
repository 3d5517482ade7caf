"""What a figure was measured on and with: without it, it says nothing."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("av", "azure-iot-device", "numpy", "onnxruntime", "opencv-python-headless", "openvino", "scipy")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8")


def machine() -> dict[str, Any]:
    """Processor, cores, load of the last minute (from other work too), system, versions."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "features": [flag for flag in _FLAGS if flag in _cpu_flags()],
        "load1": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def sha256(path: Path) -> str:
    """Of a clip or a model."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def _cpu_name() -> str:
    found = re.search(r"^model name\s*: (.+)$", _cpu_info(), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cpu_flags() -> frozenset[str]:
    found = re.search(r"^flags\s*: (.+)$", _cpu_info(), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
