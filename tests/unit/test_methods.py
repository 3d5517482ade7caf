"""A call is always answered: what is wrong has a status, a code and the argument's name."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from safetygear.errors import SafetyGearError
from safetygear.hub.methods import MethodArgumentError, MethodError, Methods, read_arguments
from safetygear.hub.port import Json, MethodRequest, MethodResponse


class Nothing(msgspec.Struct):
    """A method without arguments."""


class Camera(msgspec.Struct, rename="camel"):
    """One argument that must be given, one that need not."""

    camera: Annotated[str, Meta(min_length=1)]
    with_boxes: bool = False


async def answer(payload: Json) -> Json:
    if payload == "argument":
        raise MethodArgumentError("camera", "is missing")
    if payload == "gone":
        raise MethodError("there is no frame yet", status=409, code="no-frame")
    if payload == "disk":
        raise SafetyGearError("the disk is full", code="outbox-disk")
    if payload == "surprise":
        raise KeyError(payload)
    return {"got": payload}


@pytest.mark.parametrize(
    ("name", "payload", "status", "said"),
    [
        ("ask", 7, 200, {"got": 7}),
        ("ask", "argument", 400, {"error": "camera: is missing", "code": "bad-argument", "field": "camera"}),
        ("ask", "gone", 409, {"error": "there is no frame yet", "code": "no-frame"}),
        ("ask", "disk", 503, {"error": "the disk is full", "code": "outbox-disk"}),
        ("ask", "surprise", 500, {"error": "ask failed; the log says why", "code": "internal"}),
        ("tell", None, 404, {"error": "no method tell; there are ask", "code": "unknown-method"}),
    ],
)
async def test_every_call_is_answered(name: str, payload: Json, status: int, said: Json) -> None:
    methods = Methods()
    methods.add("ask", answer)
    assert await methods(MethodRequest(name, payload)) == MethodResponse(status, said)


def test_a_name_is_given_once() -> None:
    methods = Methods()
    methods.add("ask", answer)
    with pytest.raises(ValueError, match="ask"):
        methods.add("ask", answer)


def test_null_is_no_arguments() -> None:
    assert isinstance(read_arguments(Nothing, None), Nothing)
    assert read_arguments(Camera, {"camera": "gate", "withBoxes": True}).with_boxes


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (None, ""),
        ([], ""),
        ({}, "camera"),
        ({"camera": ""}, "camera"),
        ({"camera": "gate", "x": 1}, "x"),
        ({"camera": "\ud800"}, "camera"),
    ],
)
def test_a_bad_argument_is_named(payload: Json, field: str) -> None:
    with pytest.raises(MethodArgumentError) as caught:
        read_arguments(Camera, payload)
    assert caught.value.field == field
