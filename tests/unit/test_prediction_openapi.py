"""The API's description is made from the same table as its routes, is valid, and what it says holds."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, validate

from safetygear_inference.detectors import open_model
from safetygear_inference.prediction.docs_page import page
from safetygear_inference.prediction.model_source import fixed
from safetygear_inference.prediction.openapi import ERRORS, KEY_HEADER, document
from safetygear_inference.prediction.routes import PAGES, ROUTES
from support.prediction import MODEL, PATH, PROJECT, scene_jpeg, serving


def test_it_is_valid() -> None:
    validate(document(), cls=OpenAPIV30SpecValidator)


async def test_every_route_is_in_it_and_nothing_else() -> None:
    async with serving(fixed(open_model(MODEL))) as api:
        routes = {
            (route.method, route.resource.canonical)
            for route in api.service.application().router.routes()
            if route.resource is not None and route.method not in ("*", "HEAD")
        }
    described = {(method.upper(), path) for path, item in document()["paths"].items() for method in item}
    assert described == routes
    assert len(ROUTES) + len(PAGES) == len(described)


async def test_every_described_path_answers_as_described() -> None:
    described, picture = document(), scene_jpeg()
    schemas = {"components": described["components"]}
    async with serving(fixed(open_model(MODEL))) as api:
        for path, item in described["paths"].items():
            for method, operation in item.items():
                called = path.replace("{projectId}", PROJECT).replace("{publishedName}", "site")
                answer = await api.send(method.upper(), called, picture if method == "post" else None)
                wrong_task = "/classify/" in path
                expected = 400 if wrong_task or path.endswith(("url", "url/nostore")) else 200
                assert answer.status == expected, (path, answer)
                response = operation["responses"][str(answer.status)]
                if "$ref" in response:
                    response = described["components"]["responses"][str(answer.status)]
                if "application/json" in response["content"]:
                    schema = {**schemas, **response["content"]["application/json"]["schema"]}
                    jsonschema.Draft4Validator(schema).validate(answer.content)


async def test_it_is_served_to_programs_and_to_people_without_a_key() -> None:
    async with serving(fixed(open_model(MODEL))) as api:
        served = await api.send("GET", "/openapi.json", Prediction_Key="wrong")
        assert served.content == json.loads(json.dumps(document()))
        shown = await api.send("GET", "/docs", Prediction_Key="wrong")
        assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
        assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert (await api.send("HEAD", "/docs")).status == 200


def test_the_page_names_every_path_and_error_and_loads_nothing() -> None:
    text = page()
    for route in (*ROUTES, *PAGES):
        assert f"<code>{route.path}</code>" in text
    for status in ERRORS:
        assert f"<td>{status}</td>" in text
    assert KEY_HEADER in text
    assert not re.search(r"<(script|link|img|iframe)|@import|url\(", text)


@pytest.mark.parametrize("prefix", ["v3.0/Prediction", "v3.0/prediction", "v3.1/Prediction", "v3.1/prediction"])
def test_the_services_spellings_are_among_its_routes(prefix: str) -> None:
    template = PATH.replace(PROJECT, "{projectId}").replace("/site/", "/{publishedName}/")
    assert template.replace("v3.1/prediction", prefix) in {route.path for route in ROUTES}
