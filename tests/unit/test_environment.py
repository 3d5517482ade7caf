"""What both modules read from their environment; the lines about wrong values are tested with each module."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear.environment import Variables
from safetygear.errors import UserError
from safetygear.listen import Listen


def test_an_empty_variable_counts_as_unset() -> None:
    variables = Variables({"A": " ", "B": " b "})
    assert (variables.text("A", "a"), variables.text("B", "")) == ("a", "b")
    assert variables.folder("A", "/a") == Path("/a")
    assert (Variables({}).frames_transport(), Variables({}).log_level()) == ("ring", "INFO")


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"SAFETYGEAR_INSTANCE": "two", "IOTEDGE_MODULEID": "capture"}, "two"),
        ({"SAFETYGEAR_INSTANCE": "", "IOTEDGE_MODULEID": "capture"}, "capture"),
    ],
)
def test_an_instance_has_its_modules_name_unless_it_has_its_own(environ: dict[str, str], name: str) -> None:
    assert Variables(environ).instance() == name


def test_off_listens_nowhere_and_a_wrong_address_names_its_variable() -> None:
    variables = Variables({"OFF": "off", "HERE": "[::1]:80", "WRONG": "80"})
    assert variables.listen("OFF", "127.0.0.1:1") is None
    assert (variables.listen("HERE", "off"), variables.listen("NONE", "127.0.0.1:1")) == (
        Listen("::1", 80), Listen("127.0.0.1", 1),
    )  # fmt: skip
    with pytest.raises(UserError, match="WRONG"):
        variables.listen("WRONG", "off")


@pytest.mark.parametrize(
    ("environ", "owner"),
    [
        (
            {"IOTEDGE_DEVICEID": "site-07", "IOTEDGE_MODULEID": "capture", "SAFETYGEAR_INSTANCE": "two"},
            "site-07/capture",
        ),
        ({"IOTEDGE_MODULEID": "capture"}, "/capture"),
        ({}, "/"),
    ],
)
def test_a_data_folder_belongs_to_a_module_of_a_device_whatever_its_instance_is_called(
    environ: dict[str, str], owner: str
) -> None:
    assert Variables(environ).owner() == owner
