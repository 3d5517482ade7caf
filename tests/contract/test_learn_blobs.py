"""Examples into a blob container: Azure Storage's emulator and the fake, by the command's own parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from safetygear.clock import SystemClock
from safetygear.errors import SafetyGearError, UserError
from safetygear.secret_references import Secret
from safetygear_inference.evidence.blob_container import UploadError
from safetygear_workbench.cli.main import main
from safetygear_workbench.learn import blob_push
from safetygear_workbench.learn.blob_push import BlobPush
from safetygear_workbench.learn.journal import Journal
from safetygear_workbench.learn.stored_examples import StoredExample, read_examples
from support.azurite import Azurite, running_azurite
from support.blob_container import FakeBlobContainer
from support.stored_examples import write_examples

Output = pytest.CaptureFixture[str]
COUNT = 12


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running_azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    write_examples(tmp_path / "examples", COUNT)
    return tmp_path / "examples"


def stored(folder: Path) -> tuple[StoredExample, ...]:
    return read_examples(folder, lambda *_: None).whole


def test_examples_lie_there_as_they_are(
    azurite: Azurite, examples: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    url = azurite.container("examples")
    monkeypatch.setenv("SAFETYGEAR_BLOB_SAS", azurite.sas("examples"))
    arguments = ["learn", "push", str(examples), "--blob", f"{url}/site-a"]
    assert main([*arguments, "--dry-run"]) == 0
    assert azurite.blobs("examples") == {}
    assert main(arguments) == 0
    assert f"{url}/site-a has {COUNT} more examples; 0 were sent before." in capsys.readouterr().out
    files = [path for path in examples.iterdir() if path.suffix in (".jpg", ".json")]
    assert azurite.blobs("examples") == {f"site-a/{path.name}": path.read_bytes() for path in files}
    with azurite.service().get_container_client("examples") as client:
        kinds = {blob.name.rpartition(".")[2]: blob.content_settings.content_type for blob in client.list_blobs()}
    assert kinds == {"jpg": "image/jpeg", "json": "application/json"}
    assert main(arguments) == 0
    assert f"has 0 more examples; {COUNT} were sent before." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("container", "permission", "said"),
    [("refused", "r", "the SAS in SAFETYGEAR_BLOB_SAS is refused"), ("missing", "cw", "there is no such container")],
)
def test_what_a_person_can_mend(
    azurite: Azurite,
    examples: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    container: str,
    permission: str,
    said: str,
) -> None:
    if container == "refused":
        azurite.container(container)
    monkeypatch.setenv("SAFETYGEAR_BLOB_SAS", azurite.sas(container, permission))
    assert main(["learn", "push", str(examples), "--blob", f"{azurite.url}/{container}"]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "sig=" not in printed


class Failing(FakeBlobContainer):
    """Nobody answers after so many files."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    async def put(self, url: str, data: bytes, sas: Secret, content_type: str = "image/jpeg") -> None:
        self.down = len(self.calls) >= self.after
        await super().put(url, data, sas, content_type)


class Unhurried(SystemClock):
    async def sleep(self, seconds: float) -> None:
        return


async def test_a_push_whose_line_is_down_half_way_is_gone_on_with(examples: Path) -> None:
    container = Failing(9)
    url = container.make("c")
    push = BlobPush(container, Unhurried(), lambda _: None)
    sas = Secret(container.sas("c"))
    with Journal(examples, url) as journal, pytest.raises(UploadError):
        await push.run(stored(examples), url, sas, journal, lambda *_: None)
    before = set(container.blobs("c"))
    # A description is there only where its picture is.
    assert {name.removesuffix(".json") for name in before if name.endswith(".json")} <= {
        name.removesuffix(".jpg") for name in before if name.endswith(".jpg")
    }
    container.after = 10_000
    with Journal(examples, url) as journal:
        result = await push.run(stored(examples), url, sas, journal, lambda *_: None)
    assert result.added + result.sent_before == COUNT
    assert result.sent_before > 0
    assert len(container.blobs("c")) == 2 * COUNT


async def test_a_refusal_ends_it_at_once(examples: Path) -> None:
    container = FakeBlobContainer()
    url = container.make("c")
    push = BlobPush(container, Unhurried(), lambda _: None)
    with Journal(examples, url) as journal, pytest.raises(UserError):
        await push.run(stored(examples), url, Secret("fake=c.r.1&sig=x"), journal, lambda *_: None)
    assert len(container.calls) <= blob_push.AT_ONCE


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/c", "http://a.blob.core.windows.net/c", "https://a.blob.core.windows.net", "https:///c",
        "https://user:word@a/c", "https://a/c?x=1", "https://a/c#x", "https://a:port/c",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(SafetyGearError) as caught:
        blob_push.container_url(url)
    assert "word" not in str(caught.value)
