"""The generated pages: in step with the types, complete, and true of what the modules really send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.hub.fake import FakeHub
from safetygear.hub.methods import Methods
from safetygear.hub.port import HubHandlers, MethodRequest
from safetygear.messages.codec import Message, decode, encode
from safetygear.twin.desired import merged
from safetygear.twin.reading import read_desired
from safetygear_capture.handover import Handover, Mailbox, messages_of
from safetygear_workbench.reference.__main__ import main
from safetygear_workbench.reference.documents import FILES, documents
from safetygear_workbench.reference.fields import rows
from safetygear_workbench.reference.messages_catalogue import ENTRIES, MessageEntry
from safetygear_workbench.reference.methods_catalogue import ALIASES, METHODS
from safetygear_workbench.reference.schemas import message_schema, twin_schema
from safetygear_workbench.reference.twin_catalogue import MISTAKES, TWINS, TwinEntry
from safetygear_workbench.reference.twin_page import mistake, paths_of
from support.learning import example

REPO = Path(__file__).resolve().parents[2]
TEMPLATE = json.loads((REPO / "deployment.template.json").read_text())
BY_SCHEMA = {entry.schema: entry for entry in ENTRIES}

each_message = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.schema)
each_twin = pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.module)


def errors(schema: Mapping[str, Any], document: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def test_the_pages_are_in_step_with_the_types() -> None:
    assert main(["--root", str(REPO), "--check"]) == 0, "run `make docs`"
    published = {path.name for path in (REPO / "docs" / "schemas").iterdir()}
    assert published == {Path(name).name for name in documents(TEMPLATE) if name.startswith("schemas/")}


def test_checking_finds_a_page_that_is_out_of_step(tmp_path: Path) -> None:
    (tmp_path / "deployment.template.json").write_text(json.dumps(TEMPLATE))
    assert main(["--root", str(tmp_path)]) == 0
    assert main(["--root", str(tmp_path), "--check"]) == 0
    (tmp_path / "docs" / "twin.md").write_text("something else\n")
    assert main(["--root", str(tmp_path), "--check"]) == 1
    assert main(["--root", str(tmp_path / "docs"), "--check"]) == 2


def test_every_message_type_is_described() -> None:
    def leaves(kind: type[Message]) -> set[type[Message]]:
        return {kind}.union(*(leaves(below) for below in kind.__subclasses__()))

    versioned = {
        kind for kind in leaves(Message) if "schema" in kind.__struct_fields__ and "safetygear." in kind.__module__
    }
    assert versioned == {entry.kind for entry in ENTRIES} | set(FILES.values())


@pytest.mark.parametrize("name", FILES)
def test_the_schema_of_a_file_takes_what_is_written_and_nothing_else(name: str) -> None:
    schema = message_schema(FILES[name], name)
    written = json.loads(encode(example(1)))
    assert errors(schema, written) == []
    assert errors(schema, written | {"reasons": ["boredom"]}) != []
    assert errors(schema, written | {"perceptualHash": "12"}) != []


@each_message
def test_every_field_of_a_message_is_described(entry: MessageEntry) -> None:
    assert [row.path for row in rows(entry.kind) if not row.meaning] == []


@each_twin
def test_every_desired_property_is_described(twin: TwinEntry) -> None:
    assert [row.path for row in rows(twin.kind) if not row.meaning] == []


def test_a_field_without_a_description_is_noticed() -> None:
    class Bare(Message, frozen=True, kw_only=True):
        described: int
        """This one is."""
        bare: int

    assert [row.path for row in rows(Bare) if not row.meaning] == ["bare"]


@each_message
def test_an_example_is_valid_and_complete(entry: MessageEntry) -> None:
    document = msgspec.to_builtins(entry.example)
    schema = message_schema(entry.kind, entry.schema)
    assert errors(schema, document) == []
    assert decode(encode(entry.example), entry.kind) == entry.example
    for name in schema["$defs"][entry.kind.__name__]["required"]:
        without = {key: value for key, value in document.items() if key != name}
        assert errors(schema, without), f"{name} may be left out"
    assert errors(schema, document | {"schema": "safetygear.other/1"})


def test_a_schema_refuses_what_the_type_refuses() -> None:
    entry = BY_SCHEMA["safetygear.detections/1"]
    document = msgspec.to_builtins(entry.example)
    document["detections"][0]["probability"] = 1.5
    document["camera"] = "gate 2"
    found = errors(message_schema(entry.kind, entry.schema), document)
    assert len(found) == 2, found


def test_the_properties_are_those_capture_sends() -> None:
    frames = BY_SCHEMA["safetygear.frames/1"]
    (reference,), (key_frame,) = frames.example.references, frames.example.key_frames  # type: ignore[attr-defined]
    message, _ = messages_of(
        [
            Handover("default", reference, lambda outcome: None),
            Handover("default", key_frame, lambda outcome: None, stream="main"),
        ]
    )[0]
    assert (message.output, message.properties) == (frames.output, frames.properties)
    assert message.body == encode(frames.example)


async def test_the_properties_are_those_inference_sends() -> None:
    from safetygear_inference.publishing.budget import MessageBudget
    from safetygear_inference.publishing.detections import outgoing
    from safetygear_inference.publishing.publisher import Publisher

    detections, health = BY_SCHEMA["safetygear.detections/1"], BY_SCHEMA["safetygear.health/1"]
    message = outgoing(detections.example, run="3f9c2a10")  # type: ignore[arg-type]  # it is a DetectionsMessage
    assert (message.output, message.properties) == (detections.output, detections.properties)
    hub = FakeHub()
    publisher = Publisher(hub, FakeClock(), MessageBudget(), run="3f9c2a10")
    publisher.health(health.example, shard="default")  # type: ignore[arg-type]  # it is a HealthMessage
    queued, _ = publisher.sender._queue.take(FakeClock().monotonic_s(), lanes=("health",))
    assert queued is not None
    assert (queued.message.output, queued.message.properties) == (health.output, health.properties)


async def test_the_properties_are_those_of_the_status_and_of_the_heartbeat(tmp_path: Path) -> None:
    from safetygear.problems import Problems
    from safetygear_capture.publisher import Publisher
    from safetygear_capture.status_sender import StatusSender
    from safetygear_inference.heartbeat import Heartbeat

    cameras, readers = BY_SCHEMA["safetygear.cameras/1"], BY_SCHEMA["safetygear.readers/1"]
    hub, clock = FakeHub(), FakeClock()
    await hub.open(HubHandlers())
    shown = {"default": cameras.example.cameras}  # type: ignore[attr-defined]  # it is a CamerasMessage
    await StatusSender(
        Publisher(hub, Mailbox()), instance="capture", statuses=lambda: shown, missing=lambda shard: None, clock=clock
    ).send()
    await Heartbeat(
        folder=tmp_path, shards=("default",), instance="inference", transport="jpeg", hub=hub, problems=Problems(),
        clock=clock,
    ).beat()  # fmt: skip
    for message, entry in zip(hub.sent, (cameras, readers), strict=True):
        assert (message.output, message.properties) == (entry.output, entry.properties)


@each_twin
def test_an_example_is_taken_without_errors(twin: TwinEntry) -> None:
    assert read_desired(twin.kind, twin.example, last_good=None).errors == ()
    assert errors(twin_schema(twin.kind, twin.title), {**twin.example, "$version": 7}) == []


@each_twin
def test_the_patches_lead_to_what_is_taken(twin: TwinEntry) -> None:
    for wanted, patch in twin.patches:
        result = merged(twin.example, patch)
        assert read_desired(twin.kind, result, last_good=None).errors == (), wanted
        assert errors(twin_schema(twin.kind, twin.title), result) == [], wanted


def test_null_may_stand_anywhere_in_a_twin() -> None:
    for twin in TWINS:
        nothing = {info.encode_name: None for info in msgspec.structs.fields(twin.kind)}
        assert errors(twin_schema(twin.kind, twin.title), nothing) == []
    assert errors(twin_schema(TWINS[0].kind, TWINS[0].title), {"cameras": {"gate-2": None}}) == []


@pytest.mark.parametrize(("code", "kind", "desired"), MISTAKES, ids=lambda value: str(value)[:24])
def test_a_mistake_gives_the_error_that_is_shown(
    code: str, kind: type[msgspec.Struct], desired: Mapping[str, Any]
) -> None:
    error = mistake(kind, desired)
    assert error.code == code
    assert "pass" not in error.message.split("password")[0]


def test_the_schemas_find_the_mistakes_that_a_type_can_find() -> None:
    beyond_types = {
        "credentials-in-url", "secret-reference-invalid", "self-intersecting", "unknown-time-zone",
        "overlapping-shifts", "unknown-calendar",
    }  # fmt: skip
    kinds = {twin.kind: twin_schema(twin.kind, twin.title) for twin in TWINS}
    for code, kind, desired in MISTAKES:
        assert bool(errors(kinds[kind], desired)) == (code not in beyond_types), code


async def test_every_method_is_described_and_every_description_is_of_one(tmp_path: Path) -> None:
    for module, methods in answering(tmp_path).items():
        described = {method.name: method for method in METHODS[module]}
        for name in sorted({*methods.names, *described} - set(ALIASES)):
            assert name in methods.names, f"{module} has no method {name}"
            assert name in described, f"the method {name} of {module} is not in methods_catalogue.py"
            example = described[name].example
            if example is not None:
                answer = await methods(MethodRequest(name, example))
                assert answer.status != 400, f"the example of {name}: {answer.payload}"
        assert set(ALIASES) <= set(methods.names)


def answering(folder: Path) -> dict[str, Methods]:
    """Both modules' methods."""
    from safetygear.redact import Redactor
    from safetygear.secret_references import SecretResolver
    from safetygear.telemetry import ModuleMetrics
    from safetygear_capture.app import CaptureApp
    from safetygear_capture.environment import read_environment as read_capture_environment
    from safetygear_capture.metrics import CaptureMetrics
    from safetygear_capture.rtsp_fake import ScriptedCamera
    from safetygear_inference.app import InferenceApp
    from safetygear_inference.environment import read_environment as read_inference_environment
    from safetygear_inference.metrics import InferenceMetrics

    folders = {
        "SAFETYGEAR_FRAMES_DIR": str(folder), "SAFETYGEAR_DATA_DIR": str(folder / "data"), "MODELS_DIR": str(folder)
    }  # fmt: skip
    capture = CaptureApp(
        read_capture_environment(folders), FakeHub(), CaptureMetrics(ModuleMetrics("c_", {})), FakeClock(),
        open_source=ScriptedCamera(), resolver=SecretResolver({}, folder, Redactor()),
    )  # fmt: skip
    inference = InferenceApp(
        read_inference_environment(folders), FakeHub(), InferenceMetrics(ModuleMetrics("i_", {})), FakeClock()
    )
    inference.close()
    return {"capture": capture.methods, "inference": inference.methods}


@each_twin
def test_every_reported_property_is_described_and_every_description_is_of_one(twin: TwinEntry) -> None:
    found = set(paths_of(twin.reported, twin.reported_meanings))
    assert found == set(twin.reported_meanings)
    assert all(twin.reported_meanings.values())
