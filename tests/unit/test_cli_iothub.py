"""`safetygear twin` and `safetygear method`: what a person gives, and what is said when it can't be."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from safetygear.errors import SafetyGearError, UserError
from safetygear_workbench.cli.json_input import MOST_CHARACTERS, read_json
from safetygear_workbench.cli.main import main
from safetygear_workbench.cli.twin import _shown, check_patch
from safetygear_workbench.iothub_service import refusal
from safetygear_workbench.iothub_target import (
    CONNECTION_STRING_VARIABLE,
    HubTarget,
    choose_target,
    parse_connection_string,
)

KEY = "c2VjcmV0IGtleSBvZiB0aGUgaHVi"
REAL = f"HostName=site.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey={KEY}"
TARGET = HubTarget("site.azure-devices.net", "service", KEY, "gate")
STAND_IN = HubTarget("127.0.0.1:8443", "iothubowner", KEY, "stand-in", Path("/a.pem"))


def test_a_real_hub_is_chosen_by_its_connection_string(tmp_path: Path) -> None:
    assert choose_target({CONNECTION_STRING_VARIABLE: REAL}, state=None, device="gate") == TARGET
    assert not TARGET.is_stand_in and STAND_IN.is_stand_in
    assert KEY not in repr(TARGET)
    with pytest.raises(UserError, match="--device"):
        choose_target({CONNECTION_STRING_VARIABLE: REAL}, state=None, device=None)
    with pytest.raises(UserError, match="no stand-in runtime runs"):
        choose_target({CONNECTION_STRING_VARIABLE: REAL}, state=tmp_path, device="gate")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("HostName=h", "has no SharedAccessKeyName"),
        (KEY, "has no HostName"),
        (f"HostName=h;SharedAccessKeyName=s;SharedAccessKey={KEY}!", "not base64"),
        (f"HostName=h/x?y;SharedAccessKeyName=s;SharedAccessKey={KEY}", "HostName that is no host"),
        (f"HostName=h@evil;SharedAccessKeyName=s;SharedAccessKey={KEY}", "HostName that is no host"),
        (f"HostName=h;SharedAccessKeyName=a&b;SharedAccessKey={KEY}", "no policy's name"),
        (f"HostName=h;DeviceId=d;SharedAccessKey={KEY}", "has no SharedAccessKeyName"),
    ],
)
def test_a_connection_string_that_cannot_be_used_is_not_shown(text: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_connection_string(text)
    assert part in str(caught.value)
    assert KEY not in str(caught.value) and "evil" not in str(caught.value)


def test_a_connection_string_in_any_order() -> None:
    text = f" SharedAccessKey={KEY}=; HostName=h.example:8443 ;SharedAccessKeyName=s;"
    assert parse_connection_string(text.replace(f"{KEY}=", KEY)) == ("h.example:8443", "s", KEY)


def test_json_comes_from_the_argument_a_file_or_standard_input(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('﻿{"a": 1}', encoding="utf-8")
    assert read_json('{"a": "@x"}', "PATCH", io.StringIO()) == {"a": "@x"}
    assert read_json(f"@{tmp_path / 'p.json'}", "PATCH", io.StringIO()) == {"a": 1}
    assert read_json("-", "PATCH", io.StringIO("[1]")) == [1]


@pytest.mark.parametrize(
    ("argument", "stdin", "part"),
    [
        ("{'a': 'topsecret'}", "", "PATCH is not JSON: Expecting property name"),
        ("", "", "PATCH is not JSON: Expecting value at line 1, column 1"),
        ("-", '{\n"a": }', "PATCH on standard input is not JSON: Expecting value at line 2"),
        ("@/no/such", "", "can't be read: No such file or directory: /no/such"),
        ("@/", "", "can't be read: Is a directory"),
        ("{" + '"a":{' * 100_000, "", "PATCH is not JSON"),
        ('{"a": NaN}', "", "JSON has no NaN"),
        ("1" * 5000, "", "PATCH is not JSON"),
        ("-", "x" * (MOST_CHARACTERS + 5), "more than 1048576 characters"),
    ],
)
def test_what_is_no_json_is_one_line_without_the_text(argument: str, stdin: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        read_json(argument, "PATCH", io.StringIO(stdin))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value) and "topsecret" not in str(caught.value)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        read_json(f"@{tmp_path / 'p'}", "PATCH", io.StringIO())


@pytest.mark.parametrize(
    ("patch", "part"),
    [
        ([], "no JSON object"),
        ("x", "no JSON object"),
        (None, "no JSON object"),
        ({"properties": {"desired": {}}}, "whole twin"),
        ({"desired": {"a": 1}}, "whole twin"),
        ({"cameras": {"gate": {"url": "rtsp://u:topsecret@cam/1"}}}, "credentials in cameras.gate.url"),
        ({"a": [{"b": "https://x/y?sig=topsecret"}]}, "credentials in a[0].b"),
        ({"cameras": {"old": None, "gate": {"password": "topsecret"}}}, "credentials in cameras.gate.password"),
    ],
)
def test_a_patch_that_is_not_sent(patch: Any, part: str) -> None:
    with pytest.raises(UserError) as caught:
        check_patch(patch)
    assert part in str(caught.value) and "topsecret" not in str(caught.value)


def test_a_patch_that_is_sent() -> None:
    patch = {"cameras": {"gate": {"url": "rtsp://cam/1", "password": "env:SAFETYGEAR_SECRET_GATE"}, "old": None}}
    assert check_patch(patch) == patch
    assert check_patch({}) == {}
    removed = {"cameras": {"gate": {"password": None}, "yard": {"password": "file:yard"}}}
    assert check_patch(removed) == removed


def test_what_is_shown_has_no_passwords_and_no_bookkeeping() -> None:
    twin = {"cameras": {"a": {"url": "rtsp://u:topsecret@cam/1"}}, "list": ["x", 1, None], "$metadata": {"x": 1}}
    assert _shown(twin) == {"cameras": {"a": {"url": "rtsp://***@cam/1"}}, "list": ["x", 1, None]}
    assert _shown({"password": "topsecret"}) == {"password": "***"}
    assert _shown({"password": "file:gate"}) == {"password": "file:gate"}


@pytest.mark.parametrize(
    ("target", "status", "text", "kind", "part"),
    [
        (TARGET, 401, "", UserError, f"refused the token. Check {CONNECTION_STRING_VARIABLE}."),
        (STAND_IN, 401, "", UserError, "127.0.0.1:8443 refused the token. Start"),
        (TARGET, 404, '{"Message":"ErrorCode:ModuleNotFound;x"}', UserError, "no module 'm' on device 'gate'"),
        (TARGET, 404, '{"Message":"{\\"errorCode\\":404103,\\"message\\":\\"x\\"}"}', SafetyGearError, "not connected"),
        (STAND_IN, 404, '{"Message": "ErrorCode:DeviceNotOnline;x"}', SafetyGearError, "m of device stand-in is not"),
        (TARGET, 504, "", SafetyGearError, "did not answer in time"),
        (TARGET, 400, '{"Message":"ErrorCode:ArgumentInvalid;too\\nlarge."}', UserError, "ArgumentInvalid;too"),
        (TARGET, 403, '{"Message":"ErrorCode:IotHubQuotaExceeded"}', SafetyGearError, "IotHubQuotaExceeded"),
        (TARGET, 500, "<html>\nlong", SafetyGearError, "answered 500: <html>"),
        (TARGET, 503, "", SafetyGearError, "answered 503: no reason given"),
        (TARGET, 503, "[]", SafetyGearError, "answered 503: []"),
    ],
)
def test_refusals_are_told_apart(
    target: HubTarget, status: int, text: str, kind: type[SafetyGearError], part: str
) -> None:
    error = refusal(target, "m", status, text)
    assert part in str(error) and "\n" not in str(error)
    assert isinstance(error, UserError) is (kind is UserError)


@pytest.mark.parametrize(
    ("arguments", "environ", "part"),
    [
        (["twin", "get", "m", "--state", "{tmp}"], {}, "no stand-in runtime runs with the state folder"),
        (["twin", "set", "m", "{", "--state", "{tmp}"], {}, "PATCH is not JSON"),
        (["twin", "set", "m"], {}, "Missing argument"),
        (["twin", "get", "m"], {CONNECTION_STRING_VARIABLE: REAL}, "Name one with --device."),
        (["twin", "get", "m"], {CONNECTION_STRING_VARIABLE: "HostName=x"}, "has no SharedAccessKeyName"),
        (["method", "call", "m", "f", "{", "--state", "{tmp}"], {}, "PAYLOAD is not JSON"),
        (["method", "call", "m", "f", "--state", "{tmp}"], {}, "no stand-in runtime runs"),
        (["method", "call", "m", "f", "--timeout", "1"], {}, "--timeout"),
        (["method", "call", "m", "f" * 101], {}, "1 to 100 characters"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], environ: dict[str, str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.delenv(CONNECTION_STRING_VARIABLE, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main([argument.replace("{tmp}", str(tmp_path)) for argument in arguments]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1
    assert part in error and KEY not in error


def test_a_hub_that_cannot_be_reached_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Port 1 on loopback: nobody listens there.
    monkeypatch.setenv(CONNECTION_STRING_VARIABLE, REAL.replace("site.azure-devices.net", "127.0.0.1:1"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert main(["twin", "get", "m", "--device", "d"]) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1:1 can't be reached" in error and error.count("\n") == 1 and KEY not in error
    assert main(["method", "call", "m", "f", json.dumps({"a": 1}), "--device", "d"]) == 1
