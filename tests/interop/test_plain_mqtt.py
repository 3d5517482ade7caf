"""Modules on plain MQTT clients, Eclipse Paho's for Python and MQTT.js, with no Azure SDK between them and the hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from support.plain_mqtt import PlainModule
from support.runtime import RunningRuntime, minimal_manifest, start_runtime, wait_until

pytestmark = pytest.mark.scenario

HERE = Path(__file__).parent
ROUTES = {
    "up": "FROM /messages/modules/sut/outputs/up INTO $upstream",
    "loop": "FROM /messages/modules/sut/outputs/loop INTO BrokeredEndpoint('/modules/sut/inputs/back')",
}
TWIN = ("$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#", "$iothub/methods/POST/#")


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RunningRuntime]:
    with start_runtime(tmp_path, minimal_manifest(ROUTES, {"sut": {"colour": "red"}})) as started:
        yield started


def test_a_module_needs_no_sdk(runtime: RunningRuntime) -> None:
    sut = PlainModule(runtime, "sut")
    assert (sut.return_code, sut.session_present) == (0, False)
    own = f"{sut.root}/inputs/#"
    assert sut.subscribe(own, *TWIN, "devices/other/modules/x/#", qos=2) == [1, 1, 1, 1, 0x80]
    sut.publish("$iothub/twin/GET/?$rid=1")
    assert json.loads(sut.answer("$iothub/twin/res/200/?$rid=1").payload)["desired"]["colour"] == "red"
    sut.publish("$iothub/twin/PATCH/properties/reported/?$rid=2", '{"seen": true}', qos=0)
    sut.answer("$iothub/twin/res/204/?$rid=2&$version=")
    assert runtime.twin("sut")["reported"]["seen"] is True
    runtime.patch_desired("sut", {"colour": "blue"})
    assert json.loads(sut.answer("$iothub/twin/PATCH/properties/desired/?$version=").payload)["colour"] == "blue"
    sut.client.message_callback_add(
        "$iothub/methods/POST/#",
        lambda client, _, message: client.publish(
            f"$iothub/methods/res/201/?$rid={message.topic.rpartition('=')[2]}", message.payload
        ),
    )
    assert runtime.call_method("sut", "echo", {"x": 1}) == {"status": 201, "payload": {"x": 1}}
    sut.publish(f"{sut.root}/messages/events/%24.on=loop&%24.ct=application%2Fjson&odd=%C3%BC%20%26&flag", b"{}")
    assert "odd=%C3%BC%20%26&flag=" in sut.answer(f"{sut.root}/inputs/back/").topic
    sut.close()


def test_wills_and_retained_messages_are_what_iot_hub_makes_of_them(runtime: RunningRuntime) -> None:
    events = "devices/stand-in/modules/sut/messages/events/%24.on=up"
    sut = PlainModule(runtime, "sut", will=(f"{events}&why=lost", b'"gone"'))
    sut.publish(events, b'"kept"', retain=True)
    sut.lose()
    kept, will = wait_until(lambda: len(found := runtime.upstream()) == 2 and found, 10, "both upstream")
    assert (kept["body"], kept["properties"]) == ("kept", {"mqtt-retain": "true"})
    assert (will["body"], will["properties"]) == ("gone", {"why": "lost", "iothub-MessageType": "Will"})
    again = PlainModule(runtime, "sut", will=(events, b'"gone again"'))
    again.close()
    last = PlainModule(runtime, "sut")
    last.publish(events, b'"last"')
    last.close()
    wait_until(lambda: len(runtime.upstream()) > 2, 10, "the last upstream")
    assert runtime.upstream()[2]["body"] == "last"


def test_a_session_is_kept_where_it_is_not_to_be_clean(runtime: RunningRuntime) -> None:
    first = PlainModule(runtime, "sut", clean_session=False)
    first.subscribe(f"{first.root}/#")
    first.close()
    sender = PlainModule(runtime, "sut", clean_session=False)
    assert sender.session_present
    sender.publish(f"{sender.root}/messages/events/%24.on=loop", b"to itself")
    assert sender.answer(f"{sender.root}/inputs/back/").payload == b"to itself"
    sender.close()
    clean = PlainModule(runtime, "sut", clean_session=True)
    clean.close()
    assert not PlainModule(runtime, "sut", clean_session=False).session_present


@pytest.mark.parametrize(("protocol", "expected"), [(paho.MQTTv31, 1), (paho.MQTTv5, 132)], ids=["MQTT 3.1", "MQTT 5"])
def test_other_versions_are_refused_in_words_their_clients_know(
    runtime: RunningRuntime, protocol: int, expected: int
) -> None:
    sut = PlainModule(runtime, "sut", protocol=protocol)
    assert sut.return_code == expected
    sut.wait_for_the_end()
    with_a_bad_token = PlainModule(runtime, "sut", token="SharedAccessSignature sr=x&sig=x&se=1")
    assert with_a_bad_token.return_code == 5
    assert PlainModule(runtime, "sut").return_code == 0


def test_what_iot_hub_does_not_offer_ends_the_connection(runtime: RunningRuntime) -> None:
    for topic, qos in (("devices/stand-in/modules/sut/messages/events/", 2), ("devices/stand-in/elsewhere", 0)):
        sut = PlainModule(runtime, "sut")
        sut.publish(topic, b"x", qos=qos)
        sut.wait_for_the_end()
    assert PlainModule(runtime, "sut").return_code == 0, "the hub goes on"


def test_mqtt_js_is_a_module_like_any_other(runtime: RunningRuntime, tmp_path: Path) -> None:
    program = shutil.which("node")
    if program is None or not (HERE / "node_modules" / "mqtt").is_dir():
        message = "node or its packages are not installed; `make interop` puts them into tests/interop/node_modules"
        if os.environ.get("SAFETYGEAR_CI"):
            pytest.fail(message)
        pytest.skip(message)
    environment = runtime.process_env("sut", "connection-string")
    command = [program, str(HERE / "plain.js")]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, timeout=60, text=True)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said == [
        {"granted": [1, 1]},
        {"twin": "red"},
        {"received": "{}", "retain": False},
        {"refused": True},
        {"version5": 1},
    ]
    records = wait_until(lambda: len(found := runtime.upstream()) == 2 and found, 10, "both upstream")
    assert [record["properties"] for record in records] == [{"mqtt-retain": "true"}, {"iothub-MessageType": "Will"}]
