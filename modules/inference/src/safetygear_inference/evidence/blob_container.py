"""Azure Blob Storage. The only file that imports azure.storage.blob."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobClient

from safetygear.errors import SafetyGearError
from safetygear.redact import redact_url
from safetygear.secret_references import Secret

CONNECT_S: Final = 10
READ_S: Final = 30
JPEG: Final = "image/jpeg"

# At INFO it tells of every request.
logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)


class UploadError(SafetyGearError):
    """A file was not taken. `status`: HTTP's; None where there was no answer."""

    default_code = "upload-failed"

    def __init__(self, message: str, *, code: str, status: int | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


class BlobContainer(Protocol):
    """Takes pictures, and what belongs to them."""

    async def put(self, url: str, data: bytes, sas: Secret, content_type: str = JPEG) -> None:
        """Store `data` at `url`, unless there is something already. Raises UploadError."""
        ...


class AzureBlobContainer:
    """Azure Storage, IoT Edge's blob module, or Azurite."""

    async def put(self, url: str, data: bytes, sas: Secret, content_type: str = JPEG) -> None:
        """Store `data` at `url`, unless there is something already: a name is never another picture's. Raises
        UploadError."""
        shown = redact_url(url.rpartition("/")[0])
        try:
            # Retries are ours: they outlive the process, and the SAS may be a new one by then.
            async with BlobClient.from_blob_url(
                url,
                credential=AzureSasCredential(sas.reveal().lstrip("?")),
                retry_total=0,
                connection_timeout=CONNECT_S,
                read_timeout=READ_S,
            ) as blob:
                await blob.upload_blob(
                    data, overwrite=False, content_settings=ContentSettings(content_type=content_type)
                )
        except ResourceExistsError as exc:
            if _said(exc) != "BlobAlreadyExists":
                raise _error(exc, shown) from exc
        except HttpResponseError as exc:
            raise _error(exc, shown) from exc
        except (AzureError, OSError, ValueError) as exc:
            raise UploadError(f"{shown} can't be reached: {type(exc).__name__}", code="upload-unreachable") from exc


def _error(exc: HttpResponseError, shown: str) -> UploadError:
    status = exc.status_code
    code = {401: "upload-refused", 403: "upload-refused", 404: "upload-container-missing"}.get(
        status or 0, "upload-failed"
    )
    return UploadError(f"{shown}: {status} {_said(exc)}", code=code, status=status)


def _said(exc: HttpResponseError) -> str:
    """Storage's own code for it, which the SDK adds to the exception."""
    return str(getattr(exc, "error_code", None) or exc.reason or "no reason given")
