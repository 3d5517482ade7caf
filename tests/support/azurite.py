"""Azurite, Azure Storage's emulator: the real program, on a free port, with a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from support.runtime import wait_until

HERE = Path(__file__).parents[1] / "azurite"
MAIN = HERE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, the same everywhere: its documentation prints it."""
START_S = 40.0


@dataclass(frozen=True)
class Azurite:
    """A running emulator with the containers that a test has made."""

    url: str

    def service(self) -> BlobServiceClient:
        return BlobServiceClient(self.url, credential=KEY, retry_total=0)

    def container(self, name: str) -> str:
        """Make it; its address."""
        self.service().create_container(name).close()
        return f"{self.url}/{name}"

    def sas(self, container: str, permission: str = "cw", *, hours: float = 1) -> str:
        """A token for a container: `c` may create blobs, `w` also write those that are there."""
        return generate_container_sas(
            ACCOUNT, container, account_key=KEY, permission=ContainerSasPermissions.from_string(permission),
            start=datetime.now(UTC) - timedelta(hours=24), expiry=datetime.now(UTC) + timedelta(hours=hours),
        )  # fmt: skip

    def blobs(self, container: str) -> dict[str, bytes]:
        """What is in it, by name."""
        with self.service().get_container_client(container) as client:
            return {blob.name: client.download_blob(blob.name).readall() for blob in client.list_blobs()}


def node_program() -> str:
    """Skips where node or Azurite isn't installed (in CI that is a failure)."""
    program = shutil.which("node")
    if program is not None and MAIN.is_file():
        return program
    message = "node or Azurite is not installed; `make interop` puts it into tests/azurite/node_modules"
    if os.environ.get("SAFETYGEAR_CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextlib.contextmanager
def running_azurite(folder: Path, *, port: int = 0) -> Iterator[Azurite]:
    """`port`: the one of an earlier run over the same folder; 0: a free one."""
    program = node_program()
    if not port:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        program, str(MAIN), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder),
        "--disableTelemetry", "--skipApiVersionCheck", "--silent",
    ]  # fmt: skip
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    try:
        azurite = Azurite(f"http://127.0.0.1:{port}/{ACCOUNT}")

        def answers() -> bool:
            assert process.poll() is None, (folder / "output.txt").read_text()
            try:
                with azurite.service() as service:
                    service.get_account_information()
            except AzureError:
                return False
            return True

        wait_until(answers, START_S, "Azurite to answer")
        yield azurite
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
