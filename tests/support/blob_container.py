"""A container in memory that refuses as Azure Storage does."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from safetygear.secret_references import Secret
from safetygear_inference.evidence.blob_container import UploadError


class FakeBlobContainer:
    """`down`: nobody answers. A SAS is `fake=<container>.<permission>.<hours left>`."""

    def __init__(self) -> None:
        self.container = self
        self.down = False
        self.status: int | None = None
        """What every upload is answered with, where it is not None."""
        self.calls: list[str] = []
        self._containers: dict[str, dict[str, bytes]] = {}

    def make(self, name: str) -> str:
        self._containers[name] = {}
        return f"https://fake.blob.core.windows.net/{name}"

    def sas(self, name: str, permission: str = "cw", *, hours: float = 1) -> str:
        return f"fake={name}.{permission}.{hours:g}&sig=secret"

    def blobs(self, name: str) -> dict[str, bytes]:
        return dict(self._containers[name])

    async def put(self, url: str, data: bytes, sas: Secret, content_type: str = "image/jpeg") -> None:
        self.calls.append(url)
        parts = urlsplit(url)
        if self.down or parts.hostname != "fake.blob.core.windows.net":
            raise UploadError(f"{url} can't be reached", code="upload-unreachable")
        container, _, blob = parts.path.removeprefix("/").partition("/")
        named, permission, hours = (parse_qs(sas.reveal().lstrip("?")).get("fake", ["..-1"])[0]).split(".", 2)
        if self.status is not None:
            raise UploadError(f"{url}: {self.status}", code="upload-failed", status=self.status)
        if "c" not in permission or float(hours) < 0 or named != container:
            raise UploadError(f"{url}: 403 AuthenticationFailed", code="upload-refused", status=403)
        if container not in self._containers:
            raise UploadError(f"{url}: 404 ContainerNotFound", code="upload-container-missing", status=404)
        self._containers[container].setdefault(blob, data)
