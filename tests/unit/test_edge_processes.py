"""The small parts around processes: leash, logs, the folder in memory, certificates, the hub's arguments."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime import hub, leash
from safetygear_workbench.edge_runtime.hub_control import find_hub, read_ready
from safetygear_workbench.edge_runtime.log_file import LogFile
from safetygear_workbench.edge_runtime.memory_folder import MemoryFolder, remove_abandoned
from safetygear_workbench.edge_runtime.pki import ensure_certificates

NOW_S = 1_764_000_000.0


def test_logs_stay_within_their_limit(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "m.log"
    log = LogFile(path, most_bytes=10)
    log.write(b"first line\n")
    log.write(b"second line\n\n")
    assert log.last_line == "second line"
    assert path.with_name("m.log.1").read_bytes() == b"first line\n"
    log.write(b"\xff third\n")
    log.close()
    assert path.read_bytes() == b"\xff third\n"
    assert path.with_name("m.log.1").read_bytes() == b"second line\n\n"
    again = LogFile(path, most_bytes=1000)
    again.write(b"fourth\n")
    assert path.read_bytes() == b"\xff third\nfourth\n"


def test_a_full_disk_loses_log_lines_only(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "m.log")
    log._file.close()
    log._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115  # the log closes it
    log.write(b"why it ended\n")
    assert log.last_line == "why it ended"
    assert "No space left" in log.broken
    log.close()


def test_the_folder_in_memory_is_private_and_goes(tmp_path: Path) -> None:
    folder = MemoryFolder(tmp_path)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    (folder.path / "ring").write_bytes(b"x")
    assert remove_abandoned(tmp_path) == []
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_owner_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    prefix = f"safetygear-{os.getuid()}-"
    abandoned, young, old, other = (tmp_path / name for name in (f"{prefix}a", f"{prefix}b", f"{prefix}c", "other"))
    for folder in (abandoned, young, old, other):
        folder.mkdir()
    (abandoned / ".lock").touch()
    now_s = young.stat().st_mtime
    os.utime(old, (now_s - 61, now_s - 61))
    assert sorted(remove_abandoned(tmp_path, now_s)) == [abandoned, old]
    assert sorted(tmp_path.iterdir()) == [other, young]


def test_certificates_name_the_hosts_and_keys_are_private(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path / "pki", ("127.0.0.5", "172.17.0.1", "edgeHub"), NOW_S)
    server = x509.load_pem_x509_certificate(made.server.read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.5", "172.17.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["edgeHub"]
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(made.authority.read_bytes()))
    for key in (tmp_path / "pki").glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(list((tmp_path / "pki").glob("*.key"))) == 2
    # A module that is running trusts the authority: it must be the same at the hub's next start.
    authority, first_server = made.authority.read_bytes(), made.server.read_bytes()
    again = ensure_certificates(tmp_path / "pki", ("127.0.0.6",), NOW_S)
    assert again.authority.read_bytes() == authority
    assert again.server.read_bytes() != first_server


DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("damage", "now_s"),
    [
        (lambda folder: (folder / "authority.pem").write_bytes(b"-----BEGIN CERT"), NOW_S),
        (lambda folder: (folder / "authority.key").write_bytes(b""), NOW_S),
        (lambda folder: shutil.copy(folder / "server.key", folder / "authority.key"), NOW_S),
        # The clock was wrong when it was made, or is now; or ten years are over.
        (lambda folder: None, NOW_S - 2 * DAY_S),
        (lambda folder: None, NOW_S + 3300 * DAY_S),
    ],
)
def test_an_authority_that_nobody_could_trust_is_made_anew(tmp_path: Path, damage: Any, now_s: float) -> None:
    before = ensure_certificates(tmp_path, ("127.0.0.5",), NOW_S).authority.read_bytes()
    damage(tmp_path)
    made = ensure_certificates(tmp_path, ("127.0.0.5",), now_s)
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    server = x509.load_pem_x509_certificate(made.server.read_bytes())
    server.verify_directly_issued_by(authority)
    for certificate in (authority, server):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        assert begin.timestamp() < now_s < end.timestamp()
    assert server.not_valid_after_utc <= authority.not_valid_after_utc
    assert made.authority.read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "authority.key", "authority.pem", "server.key", "server.pem",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--address", "0.0.0.0"], "--address 0.0.0.0 is not on loopback"),
        (["--address", "192.0.2.1"], "not on loopback"),
        (["--address", "some.host"], "not on loopback"),
        (["--rest-port", "70000"], "--rest-port is 70000"),
    ],
)
def test_the_hub_listens_on_loopback_unless_it_is_told(arguments: list[str], part: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        hub.parse_arguments(["--state", str(tmp_path), *arguments])
    assert part in str(caught.value)


def test_a_further_address_is_listened_on_and_in_the_certificate(tmp_path: Path) -> None:
    assert hub.parse_arguments(["--state", str(tmp_path)]).hosts == ("127.0.0.1", "localhost", "edgeHub")
    options = hub.parse_arguments(["--state", str(tmp_path), "--listen", "172.17.0.1", "--listen", "192.0.2.7"])
    assert options.listen == ("172.17.0.1", "192.0.2.7")
    assert options.hosts == ("127.0.0.1", "172.17.0.1", "192.0.2.7", "localhost", "edgeHub")


def test_the_socket_folder_is_short_private_and_the_same_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    deep = tmp_path / ("d" * 100)
    first = hub._socket_folder(deep)
    assert first == hub._socket_folder(deep) != hub._socket_folder(tmp_path / ("e" * 100))
    assert len(str(first)) < len(str(deep))
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    first.parent.chmod(0o755)
    with pytest.raises(UserError, match="belongs to somebody else"):
        hub._socket_folder(deep)
    assert hub._socket_folder(Path("/s")) == Path("/s/workload")


def run_hub(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "safetygear_workbench.edge_runtime.hub", *arguments],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_what_a_person_can_mend_is_one_line(tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.mkdir()
    with (occupied / hub.LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (occupied / hub.READY_FILE).write_text("{}")
        code, error = run_hub("--state", str(occupied))
    assert code == 2 and "used by another hub" in error and error.count("\n") == 1
    assert (occupied / hub.READY_FILE).exists(), "it is the other hub's"
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"modulesContent": {"$edgeAgent": {"properties.desired": {}}}}))
    code, error = run_hub("--state", str(tmp_path / "s"), "--manifest", str(broken))
    assert code == 2 and "$edgeHub" in error and error.count("\n") == 1
    (tmp_path / "file").touch()
    code, error = run_hub("--state", str(tmp_path / "file"))
    assert code == 2 and "can't be used" in error and error.count("\n") == 1


def test_a_hub_is_found_where_it_runs(tmp_path: Path) -> None:
    ready = {
        "pid": os.getpid(), "address": "127.0.0.1", "control": "c", "controlToken": "t", "rest": "r",
        "serviceConnectionString": "s", "authority": "/a", "upstream": "/u", "device": "d",
    }  # fmt: skip
    assert find_hub(tmp_path) is None
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "ready.json").write_text(json.dumps(ready))
    found = find_hub(tmp_path)
    assert found is not None and found == find_hub(tmp_path / "hub") and found.device == "d"
    for content in ("", "[]", "{}", "3", json.dumps({**ready, "authority": None})):
        (tmp_path / "hub" / "ready.json").write_text(content)
        assert read_ready(tmp_path / "hub") is None
    ended = subprocess.Popen(["true"])
    ended.wait()
    (tmp_path / "hub" / "ready.json").write_text(json.dumps({**ready, "pid": ended.pid}))
    assert find_hub(tmp_path) is None, "left behind by a hub that was killed"


@pytest.fixture
def own_signals() -> Iterator[None]:
    """The leash takes this process's signal handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("{mark}; time.sleep(60)", -signal.SIGTERM),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN); {mark}; time.sleep(60)", -signal.SIGKILL),
        ("raise SystemExit(3)", 3),
    ],
)
@pytest.mark.usefixtures("own_signals")
def test_the_leash_without_the_kernels_help(
    code: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    # The starter dies as soon as the program has come so far.
    monkeypatch.setattr(leash.os, "getppid", lambda: 6 if mark.exists() else 5)
    program = f"import signal, time; {code.replace('{mark}', f'open({str(mark)!r}, chr(119))')}"
    assert leash.run_watching([sys.executable, "-c", program], 5, poll_s=0.01, grace_s=0.2) == expected


def test_a_program_that_cannot_be_started_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    command = leash.leashed(["/no/such/program"], starter_pid=os.getpid(), death_signal=signal.SIGKILL)
    assert subprocess.run(command, check=False).returncode == leash.EXIT_NOT_STARTED
    assert capfd.readouterr().err == "can't start /no/such/program: No such file or directory\n"


def test_a_starter_that_is_gone_already_starts_nothing() -> None:
    command = leash.leashed([sys.executable, "-c", "print(1)"], starter_pid=1, death_signal=signal.SIGKILL)
    done = subprocess.run(command, check=False, capture_output=True)
    assert (done.returncode, done.stdout) == (leash.EXIT_NOT_STARTED, b"")


def test_a_service_connection_string_names_no_port_that_every_client_knows() -> None:
    assert hub.service_host("127.0.0.2", 8443) == "127.0.0.2:8443"
    assert hub.service_host("127.0.0.2", 443) == "127.0.0.2"
