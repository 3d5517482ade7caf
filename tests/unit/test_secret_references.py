"""Secrets by reference: what can be named, and what never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import TwinError
from safetygear.redact import Redactor
from safetygear.secret_references import MAX_SECRET_BYTES, Secret, SecretResolver, check_reference

ENVIRON = {
    "SAFETYGEAR_SECRET_GATE": "opensesame\r\n",
    "SAFETYGEAR_SECRET_EMPTY": "",
    "SAFETYGEAR_SECRET_BREAK": "\n",
    "PATH": "/bin",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.mkdir()
    (tmp_path / "outside").write_text("not yours")
    return made


def resolver(folder: Path, redactor: Redactor | None = None) -> SecretResolver:
    return SecretResolver(ENVIRON, folder, redactor or Redactor())


def code(folder: Path, reference: str) -> str:
    with pytest.raises(TwinError) as caught:
        resolver(folder).resolve(reference)
    assert "\n" not in str(caught.value) and "not yours" not in str(caught.value)
    return caught.value.code


def test_values_come_without_their_last_line_break_and_are_made_known_to_the_redactor(folder: Path) -> None:
    redactor = Redactor()
    (folder / "page-token").write_text("pä ss\nword\n")
    assert resolver(folder, redactor).resolve("env:SAFETYGEAR_SECRET_GATE").reveal() == "opensesame"
    assert resolver(folder, redactor).resolve("file:page-token").reveal() == "pä ss\nword"
    assert redactor.redact("opensesame, pä ss\\nword") == "***, ***"


@pytest.mark.parametrize(
    "reference",
    [
        "", "opensesame", "env:PATH", "env:SAFETYGEAR_SECRET_", "env:SAFETYGEAR_SECRET_gate",
        "env:safetygear_secret_GATE", "ENV:SAFETYGEAR_SECRET_GATE", "env:SAFETYGEAR_SECRET_GATE\n",
        " env:SAFETYGEAR_SECRET_GATE", "env:SAFETYGEAR_SECRET_A=B", f"env:SAFETYGEAR_SECRET_{'A' * 65}",
        "file:", "file:..", "file:.hidden", "file:../outside", "file:a/b", "file:/etc/passwd", "file:a\\b",
        "file:a\x00", f"file:{'a' * 65}", "file:ü", "file://a",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_not_repeated(folder: Path, reference: str) -> None:
    assert code(folder, reference) == "secret-reference-invalid"
    with pytest.raises(TwinError) as caught:
        check_reference(reference)
    # It may be a password that somebody put there by mistake.
    assert reference in ("", "file:", "env:SAFETYGEAR_SECRET_") or reference not in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_reaches_another_variable_or_a_path(text: str) -> None:
    class Watched(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            assert name.startswith("SAFETYGEAR_SECRET_")
            return super().__getitem__(name)

    for reference in (text, f"env:{text}", f"file:{text}", f"env:SAFETYGEAR_SECRET_{text}"):
        with pytest.raises(TwinError):
            SecretResolver(Watched(), Path("/nowhere/at/all"), Redactor()).resolve(reference)


@pytest.mark.parametrize("reference", ["env:SAFETYGEAR_SECRET_NONE", "env:SAFETYGEAR_SECRET_EMPTY",
                                       "env:SAFETYGEAR_SECRET_BREAK", "file:none", "file:empty"])  # fmt: skip
def test_what_is_missing_or_empty(folder: Path, reference: str) -> None:
    (folder / "empty").write_text("\n")
    assert code(folder, reference) == "secret-missing"


def test_only_regular_files_of_the_folder_count(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "large").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    (folder / "latin").write_bytes(b"p\xe4ss")
    for name in ("link", "dangling", "folder", "fifo", "large", "latin"):
        assert code(folder, f"file:{name}") == "secret-unreadable", name
    (folder / "limit").write_bytes(b"x" * MAX_SECRET_BYTES)
    assert len(resolver(folder).resolve("file:limit").reveal()) == MAX_SECRET_BYTES


def test_nothing_stays_open(folder: Path) -> None:
    (folder / "folder").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        code(folder, "file:folder")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    assert code(tmp_path / "nothing", "file:a") == "secret-missing"


def test_a_secret_shows_itself_only_on_request() -> None:
    secret = Secret("opensesame")
    assert "opensesame" not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret("opensesame") and secret != Secret("other") and secret != "opensesame"
    assert len({secret, Secret("opensesame")}) == 1
    with pytest.raises(AttributeError):
        secret.other = 1  # type: ignore[attr-defined]  # that it can't be set
