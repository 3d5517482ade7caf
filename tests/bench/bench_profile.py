"""Where a module's processor time goes: `python tests/bench/bench_profile.py MODULE STREAM CAMERAS [MODEL]`, such as
`inference sub 4 v8n`.

Runs the solution and prints, in ms per analysed frame: processor time by thread (from /proc, exact), and the functions
that held the interpreter's lock most (py-spy, to be installed by hand; a thread that waits holds none, and neither does
one inside OpenCV, FFmpeg or ONNX Runtime).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from safetygear_workbench.bench.camera_site import CameraSite, alike
from safetygear_workbench.bench.cases import case
from safetygear_workbench.bench.processes import children, parse_stat
from safetygear_workbench.bench.solution import Solution

SECONDS, RATE, SHOWN = 20, 250, 12
PY_SPY = shutil.which("py-spy") or str(Path(sys.executable).parent / "py-spy")


def cpu_by_thread(pid: int) -> dict[int, float]:
    """Seconds since each thread's start."""
    return {
        int(task.name): parse_stat((task / "stat").read_text())[1].cpu_s for task in Path(f"/proc/{pid}/task").iterdir()
    }


def thread_names(pid: int) -> dict[int, str]:
    dump = subprocess.run([PY_SPY, "dump", "--pid", str(pid)], capture_output=True, text=True, check=True).stdout
    return {int(found[1]): found[2] for found in re.finditer(r'^Thread (\d+) \(\w+\): "(.*)"$', dump, re.MULTILINE)}


async def main(module: str, stream: str, cameras: int, model: str = "default") -> None:
    folder = Path(os.environ.get("BENCH_FOLDER", ".safetygear/bench"))
    wanted = case(stream, model, folder=folder, manifest=Path("deployment.template.json"), environ=os.environ)
    wanted = replace(wanted, cameras=cameras)
    raw = folder / f"profile-{module}.txt"
    with CameraSite(alike(wanted.clip, cameras), wanted.state.with_suffix(".cameras.log")) as site:
        async with Solution(site.urls, wanted.state, manifest=wanted.manifest, model=wanted.model) as solution:
            await solution.warm_up(5)
            pid = next(pid for pid, kind in children(os.getpid()).items() if kind == module)
            before = cpu_by_thread(pid)
            window = await solution.watch(SECONDS)
            after, names = cpu_by_thread(pid), thread_names(pid)
            command = [PY_SPY, "record", "--gil", "--pid", str(pid), "--duration", str(SECONDS), "--rate", str(RATE)]
            command += ["--format", "raw", "--output", str(raw), "--nolineno"]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            await asyncio.to_thread(subprocess.run, command, check=True, **quiet)
    frames = len(window.detections())
    used = {thread: (cpu_s - before.get(thread, 0)) / frames * 1000 for thread, cpu_s in after.items()}
    print(f"{module}, {stream}, {cameras} cameras, {frames} frames: {sum(used.values()):.1f} ms per analysed frame")
    for thread, ms in sorted(used.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"  {ms:5.1f} ms  {names.get(thread, 'native')}")
    counts: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        counts.update({frame: int(count) for frame in {name for name in stack.split(";") if "safetygear" in name}})
    print("of our own functions, with what they call, while they held the lock:")
    for frame, count in counts.most_common(SHOWN * 2):
        print(f"  {count / RATE / SECONDS / (frames / SECONDS) * 1000:5.2f} ms  {frame}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
