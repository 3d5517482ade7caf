"""What a container of pictures does: the fake that the tests use, and Azure Storage's emulator by the real SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from safetygear.secret_references import Secret
from safetygear_inference.evidence.blob_container import AzureBlobContainer, BlobContainer, UploadError
from safetygear_inference.evidence.upload_policy import after
from support.azurite import Azurite, running_azurite
from support.blob_container import FakeBlobContainer

JPEG = b"\xff\xd8 a picture"


class Subject(Protocol):
    container: BlobContainer

    def make(self, name: str) -> str: ...

    def sas(self, name: str, permission: str = "cw", *, hours: float = 1) -> str: ...

    def blobs(self, name: str) -> dict[str, bytes]: ...


class OnAzurite:
    def __init__(self, azurite: Azurite) -> None:
        self.container: BlobContainer = AzureBlobContainer()
        self._azurite = azurite
        self.make, self.sas, self.blobs = azurite.container, azurite.sas, azurite.blobs


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running_azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(params=["fake", "azurite"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "fake":
        return FakeBlobContainer()
    return OnAzurite(request.getfixturevalue("azurite"))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Another container for each test: the emulator is shared."""
    return "t" + "".join(letter for letter in request.node.name if letter.isalnum()).lower()[-50:]


async def refusal(subject: Subject, url: str, sas: str) -> UploadError:
    with pytest.raises(UploadError) as caught:
        await subject.container.put(url, JPEG, Secret(sas))
    assert "sig=" not in str(caught.value)
    return caught.value


async def test_a_picture_arrives_whole_and_is_not_replaced(subject: Subject, name: str) -> None:
    url = subject.make(name)
    for jpeg in (JPEG, b"another one"):
        await subject.container.put(f"{url}/device/a.jpg", jpeg, Secret(subject.sas(name)))
    await subject.container.put(f"{url}/device/b.jpg", JPEG, Secret("?" + subject.sas(name)))
    assert subject.blobs(name) == {"device/a.jpg": JPEG, "device/b.jpg": JPEG}


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("read-only", "upload-refused"),
        ("ended", "upload-refused"),
        ("nonsense", "upload-refused"),
        ("no container", "upload-container-missing"),
    ],
)
async def test_a_refusal_says_what_somebody_has_to_change(subject: Subject, name: str, what: str, code: str) -> None:
    url = subject.make(name)
    good = subject.sas(name)
    sas: dict[str, Any] = {
        "read-only": subject.sas(name, "r"), "ended": subject.sas(name, hours=-2),
        "nonsense": "sv=2024-11-04&sr=c&sig=bm9uc2Vuc2U%3D", "no container": subject.sas(f"{name}none"),
    }  # fmt: skip
    target = f"{url}none/a.jpg" if what == "no container" else f"{url}/a.jpg"
    refused = await refusal(subject, target, sas[what])
    assert refused.code == code
    assert after(refused.status) == "after-change"
    await subject.container.put(f"{url}/a.jpg", JPEG, Secret(good))


async def test_a_server_that_is_not_there_may_come_back(subject: Subject, name: str) -> None:
    refused = await refusal(subject, "http://127.0.0.1:1/devstoreaccount1/c/a.jpg", "sv=2024-11-04&sig=x")
    assert (refused.code, after(refused.status)) == ("upload-unreachable", "again")


async def test_a_name_that_can_not_be_is_an_error_of_ours(subject: Subject) -> None:
    refused = await refusal(subject, "no address", "sv=2024-11-04&sig=x")
    assert refused.code in ("upload-unreachable", "upload-failed")
