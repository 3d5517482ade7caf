"""A network thread of the MQTT client that ends by an exception is noticed; anybody else's is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from safetygear.hub.network_thread import watch_network_thread


def loop_in(name: str) -> ModuleType:
    """A module of that name with a function that fails as paho's loop does."""
    module = ModuleType(name)
    exec("def loop():\n    raise OSError('EOF occurred')\n", module.__dict__)
    return module


@pytest.fixture
def quiet() -> Iterator[None]:
    before, threading.excepthook = threading.excepthook, lambda _: None
    yield
    threading.excepthook = before


@pytest.mark.parametrize(("name", "noticed"), [("paho.mqtt.client", ["OSError"]), ("pahoehoe", []), ("site", [])])
@pytest.mark.usefixtures("quiet")
def test_only_the_clients_own_thread_is_noticed(name: str, noticed: list[str]) -> None:
    found: list[str] = []
    stop = watch_network_thread(found.append)
    for _ in range(2):
        thread = threading.Thread(target=loop_in(name).loop)
        thread.start()
        thread.join()
        stop()  # the second one is nobody's business any more
    assert found == noticed
