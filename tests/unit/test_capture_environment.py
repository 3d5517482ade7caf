"""Environment variables: one clear line names the variable and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear.errors import UserError
from safetygear.listen import Listen
from safetygear_capture.environment import read_environment


def test_defaults_are_the_containers_paths() -> None:
    environment = read_environment({"IOTEDGE_MODULEID": "capture", "SAFETYGEAR_FRAMES_DIR": " "})
    assert (environment.frames_dir, environment.secrets_dir) == (Path("/frames"), Path("/secrets"))
    assert (environment.data_dir, environment.owner) == (Path("/data"), "/capture")
    assert (environment.instance, environment.transport, environment.log_level) == ("capture", "ring", "INFO")
    assert environment.metrics_listen == Listen("0.0.0.0", 9600)


def test_values_are_read() -> None:
    environment = read_environment(
        {
            "SAFETYGEAR_INSTANCE": "capture-2",
            "SAFETYGEAR_FRAMES_TRANSPORT": "jpeg",
            "SAFETYGEAR_LOG_LEVEL": "debug",
            "SAFETYGEAR_METRICS_LISTEN": "off",
        }
    )
    assert (environment.instance, environment.transport, environment.log_level) == ("capture-2", "jpeg", "DEBUG")
    assert environment.metrics_listen is None


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("SAFETYGEAR_FRAMES_TRANSPORT", "pigeon", "ring or jpeg"),
        ("SAFETYGEAR_LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
        ("SAFETYGEAR_INSTANCE", "a b", "A-Z a-z 0-9 _ . -"),
        ("SAFETYGEAR_METRICS_LISTEN", "9600", "127.0.0.1:8080"),
        ("SAFETYGEAR_METRICS_LISTEN", "localhost:99999", "off"),
    ],
)
def test_a_wrong_value_is_one_line_with_name_value_and_what_is_right(name: str, value: str, right: str) -> None:
    with pytest.raises(UserError) as caught:
        read_environment({name: value})
    line = str(caught.value)
    assert name in line
    assert value in line
    assert right in line
    assert "\n" not in line
