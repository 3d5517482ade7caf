"""The API's OpenAPI 3.0 document, made from the table of routes. Pure."""

from __future__ import annotations

from typing import Any, Final

from safetygear_inference import __version__
from safetygear_inference.prediction.answers import LARGEST_IMAGE_BYTES
from safetygear_inference.prediction.picture_body import FIELD, FORM
from safetygear_inference.prediction.routes import PAGES, ROUTES, Page, Route

KEY_HEADER: Final = "Prediction-Key"
ERRORS: Final = {
    400: "The picture or its address is refused: BadRequestImageFormat, BadRequestImageSizeBytes (over "
    f"{LARGEST_IMAGE_BYTES >> 20} MB), BadRequestImageDimensions, BadRequestImageStream, BadRequestImageUrl, "
    "BadRequestInvalidIds, BadRequestNotSupported (the model does the other task), BadRequestRequiredParamIsNull",
    401: f"The header {KEY_HEADER} is missing or wrong",
    403: "Without a key, only this machine's own programs are answered",
    408: "The body took too long to come in",
    413: "The body is larger than any that is read",
    415: "The body is of another kind, or packed (Content-Encoding)",
    429: "Too many requests are under way; Retry-After says when to come again",
    500: "Unexpected; the server's log says more",
    503: "No model is in use yet, it failed on this picture, or too many connections are open",
}
"""Status by what it means; all have the body {code, message}."""

_SCHEMAS: Final[dict[str, Any]] = {
    "ImagePrediction": {
        "type": "object",
        "required": ["id", "project", "iteration", "created", "predictions"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "project": {"type": "string", "format": "uuid", "description": "As asked for"},
            "iteration": {"type": "string", "format": "uuid", "description": "Which weights answered"},
            "created": {"type": "string", "format": "date-time"},
            "predictions": {"type": "array", "items": {"$ref": "#/components/schemas/Prediction"}},
        },
    },
    "Prediction": {
        "type": "object",
        "required": ["probability", "tagId", "tagName", "tagType"],
        "properties": {
            "probability": {"type": "number", "minimum": 0, "maximum": 1},
            "tagId": {"type": "string", "format": "uuid"},
            "tagName": {"type": "string"},
            "tagType": {"type": "string", "enum": ["Regular"]},
            "boundingBox": {"$ref": "#/components/schemas/BoundingBox"},
        },
    },
    "BoundingBox": {
        "type": "object",
        "description": "Shares of the picture's width and height; not there from a classifier",
        "required": ["left", "top", "width", "height"],
        "properties": {side: {"type": "number"} for side in ("left", "top", "width", "height")},
    },
    "ImageUrl": {"type": "object", "required": ["Url"], "properties": {"Url": {"type": "string", "format": "uri"}}},
    "CustomVisionError": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    },
    "Status": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "string", "enum": ["ok", "no-model"]},
            "task": {"type": "string", "enum": ["detect", "classify"]},
            "labels": {"type": "array", "items": {"type": "string"}},
            "iteration": {"type": "string", "format": "uuid"},
        },
    },
}
_PARAMETERS: Final[dict[str, Any]] = {
    "projectId": {
        "name": "projectId",
        "in": "path",
        "required": True,
        "description": "Any UUID: one model answers",
        "schema": {"type": "string", "format": "uuid"},
    },
    "publishedName": {
        "name": "publishedName",
        "in": "path",
        "required": True,
        "description": "Any name: one model answers",
        "schema": {"type": "string"},
    },
    "application": {
        "name": "application",
        "in": "query",
        "description": "Taken and ignored",
        "schema": {"type": "string"},
    },
}
_PICTURE: Final = {"type": "string", "format": "binary"}
_BODIES: Final[dict[str, Any]] = {
    "image": {
        FORM: {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _PICTURE}}},
        "application/octet-stream": {"schema": _PICTURE},
        "image/*": {"schema": _PICTURE},
    },
    "url": {"application/json": {"schema": {"$ref": "#/components/schemas/ImageUrl"}}},
}


def document() -> dict[str, Any]:
    """The whole document, as JSON."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "SafetyGear prediction",
            "version": __version__,
            "description": "Custom Vision's prediction API 3.1 and the paths of its exported container. Nothing is "
            "stored, with or without nostore.",
        },
        "security": [{"predictionKey": []}],
        "paths": {
            **{page.path: {"get": _page(page)} for page in PAGES},
            **{route.path: {"post": _operation(route)} for route in ROUTES},
        },
        "components": {
            "securitySchemes": {"predictionKey": {"type": "apiKey", "in": "header", "name": KEY_HEADER}},
            "schemas": _SCHEMAS,
            "responses": {
                str(status): {"description": meaning, "content": _json("CustomVisionError")}
                for status, meaning in ERRORS.items()
            },
        },
    }


def summary(route: Route) -> str:
    """What it does, in a line."""
    does = {"detect": "Find objects", "classify": "Classify", None: "Whatever the model does"}[route.task]
    return f"{does}: a picture {'by its address' if route.source == 'url' else 'in the body'}"


def _operation(route: Route) -> dict[str, Any]:
    names = [name for name in _PARAMETERS if f"{{{name}}}" in route.path or name == "application"]
    return {
        "operationId": route.operation,
        "tags": [route.group],
        "summary": summary(route),
        "parameters": [_PARAMETERS[name] for name in names],
        "requestBody": {"required": True, "content": _BODIES[route.source]},
        "responses": {
            "200": {"description": "Most probable first", "content": _json("ImagePrediction")},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in ERRORS},
        },
    }


def _page(page: Page) -> dict[str, Any]:
    content = {
        "status": _json("Status"),
        "openapi": {"application/json": {"schema": {"type": "object"}}},
        "docs": {"text/html": {"schema": {"type": "string"}}},
    }[page.kind]
    return {
        "operationId": page.kind,
        "tags": ["about"],
        "summary": page.summary,
        "security": [],
        "responses": {"200": {"description": page.summary, "content": content}},
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
