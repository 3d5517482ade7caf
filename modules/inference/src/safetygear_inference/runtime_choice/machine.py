"""What a choice holds for: this processor and these versions."""

from __future__ import annotations

import platform
import re
from pathlib import Path

from safetygear_inference.detectors.runtimes.onnx import runtime_version
from safetygear_inference.detectors.runtimes.openvino import openvino_version

CPU_INFO = Path("/proc/cpuinfo")


def cpu_name(cpu_info: str) -> str:
    """The processor's name in /proc/cpuinfo (proc(5)); ARM's has none there, and what the system says is taken."""
    found = re.search(r"^model name\s*: (.+)$", cpu_info, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def read_cpu_info() -> str:
    """Empty where the system has no such file."""
    try:
        return CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def machine() -> str:
    """One line that changes where another choice may be right: processor, its instructions, runtimes' versions."""
    info = read_cpu_info()
    flags = re.search(r"^(?:flags|Features)\s*: (.+)$", info, re.MULTILINE)
    said = sorted(set(flags[1].split()) if flags else ())
    matters = [flag for flag in said if flag.startswith(("avx", "amx", "asimd", "i8mm", "bf16"))]
    runtimes = f"onnxruntime {runtime_version()}, openvino {openvino_version() or 'none'}"
    return f"{cpu_name(info)} ({' '.join(matters)}); {runtimes}"
