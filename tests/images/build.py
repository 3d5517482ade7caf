"""Build the three images as `iotedgedev build` names them: `python tests/images/build.py [--platform amd64]`.

The builder is `docker build` where an engine answers; else the program that IMAGE_BUILDER names, called as
`IMAGE_BUILDER CONTEXT DOCKERFILE TAG`. Only the standard library is used: no virtual environment is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
MANIFESTS = ("modules/capture/module.json", "modules/inference/module.json", "module.json")


@dataclass(frozen=True)
class Build:
    """What one `docker build` needs."""

    context: Path
    dockerfile: Path
    tag: str


def builds(platform: str, registry: str) -> list[Build]:
    """One per module.json, with the tag that `iotedgedev genconfig` writes into the deployment."""
    found = []
    for name in MANIFESTS:
        folder = (REPO / name).parent
        image = json.loads((REPO / name).read_text())["image"]
        repository = image["repository"].replace("${CONTAINER_REGISTRY_SERVER}", registry).lower()
        context = (folder / image["contextPath"]).resolve()
        dockerfile = (folder / image["tag"]["platforms"][platform]).resolve()
        found.append(Build(context, dockerfile, f"{repository}:{image['tag']['version']}-{platform}"))
    return found


def registry() -> str:
    """CONTAINER_REGISTRY_SERVER of the environment, of .env, or of .env.example."""
    if name := os.environ.get("CONTAINER_REGISTRY_SERVER"):
        return name
    for file in (REPO / ".env", REPO / ".env.example"):
        if file.exists() and (match := re.search(r"^CONTAINER_REGISTRY_SERVER=(\S+)", file.read_text(), re.MULTILINE)):
            return match[1]
    return "localhost:5000"


def builder() -> list[str] | None:
    """The program before CONTEXT DOCKERFILE TAG; None: Docker's own. Ends the script where there is neither."""
    if named := os.environ.get("IMAGE_BUILDER"):
        if shutil.which(named) is None:
            sys.exit(f"IMAGE_BUILDER is {named!r}, which is no program that can be run")
        return [named]
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        return None
    sys.exit(
        "no Docker engine answers: start one, or name a program in IMAGE_BUILDER that takes CONTEXT DOCKERFILE TAG "
        "(make images IMAGE_BUILDER=/path/to/build.sh)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="build the three images")
    parser.add_argument("--platform", default="amd64", choices=["amd64", "arm64v8"])
    platform = parser.parse_args().platform
    program = builder()
    for build in builds(platform, registry()):
        print(f"building {build.tag}", flush=True)
        started_s = time.monotonic()
        if program is None:
            command = ["docker", "build", "--file", str(build.dockerfile), "--tag", build.tag, str(build.context)]
        else:
            command = [*program, str(build.context), str(build.dockerfile), build.tag]
        done = subprocess.run(command, check=False)
        if done.returncode != 0:
            print(f"{build.tag} was not built: {command[0]} ended with {done.returncode}", file=sys.stderr)
            return 1
        print(f"built {build.tag} in {time.monotonic() - started_s:.0f} s", flush=True)
        if program is None:
            subprocess.run(
                ["docker", "image", "inspect", "--format", "{{.Size}} bytes unpacked", build.tag], check=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
