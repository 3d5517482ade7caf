"""Environment variables: one clear line names the variable and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetygear.errors import UserError
from safetygear_inference.environment import cores_of_quota, read_environment


def test_defaults_are_the_containers_paths() -> None:
    environment = read_environment({"IOTEDGE_MODULEID": "inference"}, cores=4)
    assert environment.frames_dir == Path("/frames")
    assert environment.data_dir == Path("/data")
    assert environment.shards == ("default",)
    assert (environment.instance, environment.workers, environment.transport) == ("inference", 4, "ring")
    assert environment.page_listen is not None
    assert environment.page_listen.is_loopback


def test_values_are_read() -> None:
    environment = read_environment(
        {
            "SAFETYGEAR_SHARDS": "north, south,north",
            "SAFETYGEAR_INSTANCE": "inference-2",
            "SAFETYGEAR_WORKERS": "3",
            "SAFETYGEAR_PAGE_LISTEN": "off",
            "SAFETYGEAR_PAGE_HOSTS": "site.example, 10.0.0.5",
            "SAFETYGEAR_FRAMES_TRANSPORT": "jpeg",
            "SAFETYGEAR_LOG_LEVEL": "debug",
        },
        cores=1,
    )
    assert environment.shards == ("north", "south")
    assert (environment.instance, environment.workers, environment.transport) == ("inference-2", 3, "jpeg")
    assert environment.page_listen is None
    assert environment.page_hosts == ("site.example", "10.0.0.5")
    assert environment.log_level == "DEBUG"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SAFETYGEAR_FRAMES_TRANSPORT", "pigeon", "ring or jpeg"),
        ("SAFETYGEAR_SHARDS", "a/b", "separated by commas"),
        ("SAFETYGEAR_SHARDS", ",", "separated by commas"),
        ("SAFETYGEAR_INSTANCE", "a b", "A-Z a-z 0-9"),
        ("SAFETYGEAR_WORKERS", "many", "one per core"),
        ("SAFETYGEAR_WORKERS", "-1", "one per core"),
        ("SAFETYGEAR_LOG_LEVEL", "LOUD", "DEBUG, INFO"),
        ("SAFETYGEAR_METRICS_LISTEN", "nowhere", "Or write off"),
        ("SAFETYGEAR_PAGE_LISTEN", "0.0.0.0:http", "Or write off"),
        ("SAFETYGEAR_PREDICTION_LISTEN", "8081", "Or write off"),
        ("SAFETYGEAR_PREDICTION_URLS", "https://a.example", "use off, public, or hosts"),
        ("SAFETYGEAR_PAGE_HOSTS", "http://site.example", "separated by commas"),
    ],
)
def test_a_wrong_value_is_one_clear_line(name: str, value: str, says: str) -> None:
    with pytest.raises(UserError) as raised:
        read_environment({name: value}, cores=1)
    line = str(raised.value)
    assert says in line
    assert name in line and value in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("", None),
        ("5 0", None),
    ],
)
def test_a_containers_cpu_quota_bounds_the_workers(cpu_max: str, cores: int | None) -> None:
    assert cores_of_quota(cpu_max) == cores
