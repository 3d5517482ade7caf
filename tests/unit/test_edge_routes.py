"""Routes: FROM, WHERE, INTO, priority and time to live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.condition_terms import RoutedMessage
from safetygear_workbench.edge_runtime.deployments import parse_deployment
from safetygear_workbench.edge_runtime.routes import DEFAULT_PRIORITY, Sink, parse_route, parse_routes
from support.runtime import minimal_manifest

REPO = Path(__file__).resolve().parents[2]
SYSTEM = {"contentType": "application/json", "contentEncoding": "utf-8"}


def matches(source: str, module: str = "capture", output: str = "frames", **properties: str) -> bool:
    route = parse_route("r", f"FROM {source} INTO $upstream")
    return route.matches(RoutedMessage(module, output, properties, SYSTEM, b"{}"))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/*", True),
        ("/messages", True),
        ("/messages/*", True),
        ("/messages/modules/*", True),
        ("/messages/modules/capture", True),
        ("/messages/modules/capture/*", True),
        ("/messages/modules/capture/outputs/*", True),
        ("/messages/modules/capture/outputs/frames", True),
        ("/messages/modules/Capture/Outputs/FRAMES", True),
        ("/messages/modules/capture/outputs/frame*", False),
        ("/messages/modules/capt*", False),
        ("/messages*", True),
        ("/messages/modules/capture/outputs/frame", False),
        ("/messages/modules/capture/outputs/framesets", False),
        ("/messages/modules/cap", False),
        ("/messages/modules/captureXoutputs/frames", False),
        ("/messages/modules/inference/*", False),
        ("/twinChangeNotifications", False),
    ],
)
def test_sources(source: str, expected: bool) -> None:
    assert matches(source) is expected


@pytest.mark.parametrize(
    ("text", "sink"),
    [
        ("FROM /messages/* INTO $upstream", Sink("$upstream")),
        ("from /messages/* into $UPSTREAM", Sink("$upstream")),
        ("SELECT * FROM /messages/* INTO $upstream", Sink("$upstream")),
        (' FROM /messages/*\n INTO BrokeredEndpoint("/modules/m/inputs/i") ', Sink("m", "i")),
        ("FROM /messages/* INTO BrokeredEndpoint('/modules/m/inputs/i/')", Sink("m", "i")),
        ("FROM /messages/* WHERE a = ' INTO $upstream' INTO BrokeredEndpoint('modules/m/inputs/i')", Sink("m", "i")),
    ],
)
def test_sinks(text: str, sink: Sink) -> None:
    assert parse_route("r", text).sink == sink


def test_a_condition_belongs_to_its_route() -> None:
    route = parse_route("r", "FROM /messages/* WHERE severity = 'high' AND $body.n > 1 INTO $upstream")
    yes = RoutedMessage("m", "o", {"severity": "high"}, SYSTEM, b'{"n": 2}')
    assert route.matches(yes)
    assert not route.matches(RoutedMessage("m", "o", {"severity": "low"}, SYSTEM, b'{"n": 2}'))
    assert not route.matches(RoutedMessage("m", "o", {"severity": "high"}, {}, b'{"n": 2}'))


@pytest.mark.parametrize(
    ("options", "priority", "ttl_s"),
    [
        ({}, DEFAULT_PRIORITY, None),
        ({"priority": 0, "timeToLiveSecs": 5}, 0, 5),
        ({"priority": 9, "timeToLiveSecs": 0}, 9, None),
        ({"timeToLiveSecs": None}, DEFAULT_PRIORITY, None),
    ],
)
def test_priority_and_time_to_live(options: dict[str, Any], priority: int, ttl_s: float | None) -> None:
    route = parse_route("r", {"route": "FROM /messages/* INTO $upstream", **options})
    assert (route.priority, route.time_to_live_s) == (priority, ttl_s)


GOOD = "FROM /messages/* INTO $upstream"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "FROM /messages/*",
        "FROM messages/* INTO $upstream",
        "INTO $upstream",
        "FROM /messages/* INTO $downstream",
        "FROM /messages/* INTO BrokeredEndpoint(/modules/m/inputs/i)",
        "FROM /messages/* INTO BrokeredEndpoint('/modules/m/outputs/i')",
        "FROM /messages/modules/*/outputs/frames INTO $upstream",
        "FROM /*/capture/* INTO $upstream",
        "FROM /messages/* WHERE INTO $upstream",
        "FROM /messages/* WHERE a == 1 INTO $upstream",
        "FROM /messages/* WHERE lower() = 'a' INTO $upstream",
        7,
        [],
        {},
        {"route": None},
        {"route": GOOD, "priority": 10},
        {"route": GOOD, "priority": -1},
        {"route": GOOD, "priority": True},
        {"route": GOOD, "priority": 1.0},
        {"route": GOOD, "priority": None},
        {"route": GOOD, "priority": []},
        {"route": GOOD, "timeToLiveSecs": "5"},
        {"route": GOOD, "timeToLiveSecs": -1},
        {"route": GOOD, "timeToLiveSecs": 2**32},
        {"route": GOOD, "timeToLiveSecs": True},
    ],
)
def test_a_bad_route_is_refused_with_a_line_that_names_it(value: Any) -> None:
    with pytest.raises(UserError) as caught:
        parse_routes({"routes": {"good": GOOD, "framesToNowhere": value}})
    assert "route framesToNowhere" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_message_without_an_output_comes_from_its_module_alone() -> None:
    assert matches("/messages/modules/capture/*", output="")
    assert matches("/messages/*", output="")
    assert not matches("/messages/modules/capture/outputs/*", output="")


def test_routes_are_in_the_order_of_priority() -> None:
    routes = {"last": GOOD, "five": {"route": GOOD, "priority": 5}, "first": {"route": GOOD, "priority": 0},
              "also-five": {"route": GOOD, "priority": 5}}  # fmt: skip
    assert [route.name for route in parse_routes({"routes": routes})] == ["first", "five", "also-five", "last"]


def test_null_removes_a_route_and_routes_must_be_an_object() -> None:
    assert [route.name for route in parse_routes({"routes": {"a": GOOD, "b": None}})] == ["a"]
    assert parse_routes({}) == ()
    with pytest.raises(UserError, match="routes must be an object"):
        parse_routes({"routes": [GOOD]})


def test_the_deployments_own_routes_are_read() -> None:
    for name in ("deployment.template.json", "deployment.demo.template.json"):
        deployment = parse_deployment(json.loads((REPO / name).read_text()))
        assert {"framesToInference", "eventsToIoTHub", "detectionsToIoTHub"} <= {r.name for r in deployment.routes}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda m: m.pop("modulesContent"), "no modulesContent"),
        (lambda m: m["modulesContent"].pop("$edgeHub"), "$edgeHub.properties.desired"),
        (lambda m: m["modulesContent"]["$edgeAgent"]["properties.desired"].update(modules=[]), "modules must be"),
        (lambda m: m["modulesContent"].update(a={"properties.desired": []}), "modulesContent.a.properties.desired"),
        (lambda m: m["modulesContent"].update(a={"properties.desired": {"k": "x" * 4097}}), "module a's desired"),
        (lambda m: m["modulesContent"].update(a={"properties.desired": {"a.b": 1}}), "'a.b'"),
        (lambda m: m["modulesContent"]["$edgeHub"]["properties.desired"].update(
            storeAndForwardConfiguration={"timeToLiveSecs": "a"}), "timeToLiveSecs is 'a'"),
    ],
)  # fmt: skip
def test_a_bad_deployment_is_refused_with_one_line(change: Any, part: str) -> None:
    manifest = minimal_manifest({"r": GOOD}, {"a": {}, "b": None})
    assert parse_deployment(manifest).desired == {"a": {}, "b": None}
    change(manifest)
    with pytest.raises(UserError) as caught:
        parse_deployment(manifest)
    assert part in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("manifest", [None, [], "x", 3, {"modulesContent": 3}, {"modulesContent": {"$edgeAgent": 1}}])
def test_what_is_no_manifest_is_refused(manifest: Any) -> None:
    with pytest.raises(UserError):
        parse_deployment(manifest)
