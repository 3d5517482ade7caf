"""Downloads over https, from a server that does what servers and lines do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from safetygear.clock import SystemClock
from safetygear.errors import ModelError
from safetygear.redact import Redactor
from safetygear.secret_references import SecretResolver
from safetygear_inference.model_change import download, download_plan
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.download import Downloads
from safetygear_inference.model_change.package_store import PARTIAL, PackageStore
from support.hub import eventually
from support.model_server import Answer, ModelServer, cut_after, drip, other, serving, status

DATA = bytes(range(256)) * 16_000  # 4 MB
SHA256 = hashlib.sha256(DATA).hexdigest()
TOKEN = "sv=2025-01-05&se=2027-01-01&sig=a%2Bsecret%3D"


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with serving(tmp_path / "pki") as made:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        made.files["/site.zip"] = DATA
        yield made


class Fetching:
    """Downloads into a folder of the test's."""

    def __init__(self, folder: Path, uri: str, **changes: str) -> None:
        self.store = PackageStore(folder / "models")
        secrets = SecretResolver({"SAFETYGEAR_SECRET_SAS": TOKEN}, folder, Redactor())
        self.config = ModelConfig(uri=uri, sha256=SHA256, **changes)  # type: ignore[arg-type]  # texts only
        self.progress: list[tuple[int, int | None]] = []
        self._downloads = Downloads(self.store, (folder / "models",), secrets, SystemClock())
        self.partial = folder / "models" / SHA256 / PARTIAL

    async def fetch(self) -> Path:
        return await self._downloads.fetch(self.config, lambda have, total: self.progress.append((have, total)))

    async def fails(self) -> ModelError:
        with pytest.raises(ModelError) as raised:
            await self.fetch()
        assert "a%2Bsecret" not in str(raised.value)
        return raised.value


async def test_a_file_comes_whole_and_only_once(tmp_path: Path, server: ModelServer) -> None:
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    path = await fetching.fetch()
    assert (path.name, path.read_bytes() == DATA) == ("site.zip", True)
    assert fetching.progress[-1] == (len(DATA), len(DATA))
    assert await fetching.fetch() == path
    assert len(server.requests) == 1
    assert not fetching.partial.exists()


async def test_a_connection_that_is_cut_is_gone_on_with(tmp_path: Path, server: ModelServer) -> None:
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    server.answers = [cut_after(1_000_000), cut_after(1_500_000)]
    for _ in range(2):
        assert (await fetching.fails()).code == "download-cut"
    path = await fetching.fetch()
    assert path.read_bytes() == DATA
    asked = [int(part.removeprefix("bytes=").removesuffix("-") or 0) for _, part in server.requests]
    assert asked[0] == 0 < asked[1] < asked[2], "each goes on where the one before was cut"


async def test_a_restart_goes_on_with_what_is_there(tmp_path: Path, server: ModelServer) -> None:
    server.answers = [cut_after(2_000_000)]
    await Fetching(tmp_path, server.uri("/site.zip")).fails()
    again = Fetching(tmp_path, server.uri("/site.zip"))
    assert again.partial.stat().st_size > 0
    assert (await again.fetch()).read_bytes() == DATA
    assert server.requests[-1][1].startswith("bytes=")


async def test_a_server_that_knows_no_parts_sends_all_again(tmp_path: Path, server: ModelServer) -> None:
    server.answers = [cut_after(2_000_000), other(DATA, announced=len(DATA))]
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    await fetching.fails()
    assert (await fetching.fetch()).read_bytes() == DATA


async def test_parts_of_two_files_are_thrown_away(tmp_path: Path, server: ModelServer) -> None:
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    server.files["/site.zip"] = bytes(len(DATA))
    server.answers = [cut_after(2_000_000)]
    await fetching.fails()
    server.files["/site.zip"] = DATA
    assert (await fetching.fails()).code == "download-failed", "it may help to fetch it from its beginning"
    assert (await fetching.fetch()).read_bytes() == DATA


FAULTS: dict[str, tuple[Answer, str]] = {
    "shorter than announced": (other(DATA[:1000], announced=len(DATA)), "download-cut"),
    "empty": (other(b"", announced=0), "download-hash"),
    "other bytes": (other(b"x" * 1000), "download-hash"),
    "too large": (other(b"x", announced=download_plan.PACKAGE_BYTES + 1), "model-too-large"),
    "refused": (status(403), "download-refused"),
    "not there": (status(404), "download-not-found"),
    "busy": (status(503, Retry_After="7"), "download-failed"),
    "redirect to http": (status(302, Location="http://localhost/site.zip"), "download-redirect"),
    "redirect to a file": (status(302, Location="file:///etc/passwd"), "download-redirect"),
    "redirect to nowhere": (status(302), "download-redirect"),
    "redirect with a name in it": (status(307, Location="https://me:secret@localhost/x.zip"), "download-redirect"),
    "redirect to no URL": (status(302, Location="https://[x/site.zip"), "download-redirect"),
    "nonsense": (status(299), "download-refused"),
}


@pytest.mark.parametrize(("fault", "code"), FAULTS.values(), ids=FAULTS)
async def test_what_a_server_does_wrong_has_a_name(
    tmp_path: Path, server: ModelServer, fault: Answer, code: str
) -> None:
    server.answers = [fault]
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    error = await fetching.fails()
    assert error.code == code, error
    assert (await fetching.fetch()).read_bytes() == DATA, "and the next try has nothing of it"


async def test_a_file_of_unknown_length_has_a_limit_too(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_plan, "PACKAGE_BYTES", 1_000_000)
    server.answers = [other(DATA)]
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    assert (await fetching.fails()).code == "model-too-large"
    assert fetching.partial.stat().st_size < len(DATA)


async def test_a_redirect_to_https_is_followed_without_the_token(tmp_path: Path, server: ModelServer) -> None:
    server.files["/cdn/x.zip"] = DATA
    server.answers = [status(302, Location="/cdn/x.zip?signed=1")]
    fetching = Fetching(tmp_path, server.uri("/site.zip?snapshot=1"), sas="env:SAFETYGEAR_SECRET_SAS")
    path = await fetching.fetch()
    assert path.name == "site.zip"
    assert [asked for asked, _ in server.requests] == [f"/site.zip?snapshot=1&{TOKEN}", "/cdn/x.zip?signed=1"]


async def test_redirects_end(tmp_path: Path, server: ModelServer) -> None:
    server.answers = [status(302, Location=f"/site.zip?{number}") for number in range(10)]
    assert (await Fetching(tmp_path, server.uri("/site.zip")).fails()).code == "download-redirect"
    assert len(server.requests) == 4


async def test_a_secret_that_is_not_there_is_named(tmp_path: Path, server: ModelServer) -> None:
    error = await Fetching(tmp_path, server.uri("/site.zip"), sas="file:models-sas").fails()
    assert (error.code, "models-sas" in str(error)) == ("secret-missing", True)
    assert server.requests == []


@pytest.mark.parametrize("token", ["sv=1 HTTP/1.1", "sv=1\r\nHost: x", "sv=ä"])
async def test_a_token_that_is_none_goes_nowhere(tmp_path: Path, server: ModelServer, token: str) -> None:
    (tmp_path / "sas").write_bytes(token.encode())
    error = await Fetching(tmp_path, server.uri("/site.zip"), sas="file:sas").fails()
    assert (error.code, token in str(error), server.requests) == ("download-refused", False, [])


async def test_a_certificate_that_nobody_has_signed_is_not_trusted(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    error = await Fetching(tmp_path, server.uri("/site.zip"), sas="env:SAFETYGEAR_SECRET_SAS").fails()
    assert (error.code, "SSL_CERT_FILE" in str(error)) == ("download-certificate", True)


async def test_a_server_that_is_not_there(tmp_path: Path, server: ModelServer) -> None:
    uri = server.uri("/site.zip").replace(str(server.port), "1")
    error = await Fetching(tmp_path, uri, sas="env:SAFETYGEAR_SECRET_SAS").fails()
    assert (error.code, str(error)) == ("download-unreachable", "localhost: the server can't be reached")


async def test_a_server_that_falls_silent_is_given_up(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_S", 0.2)
    server.answers = [drip(every_s=5)]
    assert (await Fetching(tmp_path, server.uri("/site.zip")).fails()).code == "download-unreachable"


async def test_a_server_that_does_not_answer_is_given_up(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(request: object, data: bytes) -> object:
        await asyncio.sleep(5)
        raise ConnectionError

    monkeypatch.setattr(download, "ANSWER_S", 0.2)
    server.answers = [never]  # type: ignore[list-item]  # it answers nothing
    assert (await Fetching(tmp_path, server.uri("/site.zip")).fails()).code == "download-unreachable"


async def test_a_server_that_drips_is_let_go_of(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_plan, "SLOW_FOR_S", 0.3)
    server.answers = [drip(every_s=0.02)]
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    assert (await fetching.fails()).code == "download-slow"
    assert fetching.partial.stat().st_size > 0, "what has come is kept"
    assert (await fetching.fetch()).read_bytes() == DATA


async def test_a_download_that_is_called_off_keeps_what_has_come(tmp_path: Path, server: ModelServer) -> None:
    server.answers = [drip(every_s=0.02)]
    fetching = Fetching(tmp_path, server.uri("/site.zip"))
    task = asyncio.create_task(fetching.fetch())
    await eventually(lambda: server.requests)
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fetching.partial.stat().st_size > 0


async def test_a_proxy_of_the_environment_is_used(
    tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with listener:
        error = await Fetching(tmp_path, "https://models.example/site.zip").fails()
    assert (error.code, asked) == ("download-unreachable", [b"CONNECT models.example:443 HTTP/1.1\r\n"])
