"""Direct methods: which there are, and how what is wrong with a call is answered.

Statuses: 200 done; 400 an argument is wrong, named in `field`; 404 no such method, or what it names is not here; 409
not possible now; 503 try again. Every other answer than 200 is {"error", "code", "field"?}.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec

from safetygear.errors import SafetyGearError
from safetygear.hub.port import Json, MethodRequest, MethodResponse
from safetygear.twin.wire_types import wire_type

T = TypeVar("T", bound=msgspec.Struct)
Method = Callable[[Json], Awaitable[Json]]
"""Takes the call's payload and gives that of the answer with status 200. Raises MethodError."""

log = logging.getLogger(__name__)


class MethodError(SafetyGearError):
    """A call that is answered with another status than 200. `field`: the argument at fault, if one is."""

    default_code = "method-failed"

    def __init__(self, message: str, *, status: int, code: str | None = None, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message, code=code)
        self.status = status
        self.field = field


class MethodArgumentError(MethodError):
    """An argument of a direct method can't be used; `field` is its name."""

    default_code = "bad-argument"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, status=400, field=field)


class Methods:
    """The methods of one module, by name. Calling it answers a request, whatever happens."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def add(self, name: str, method: Method) -> None:
        """Raises ValueError for a second method of the same name."""
        if name in self._methods:
            raise ValueError(f"there is a method {name} already")
        self._methods[name] = method

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._methods)

    async def __call__(self, request: MethodRequest) -> MethodResponse:
        method = self._methods.get(request.name)
        if method is None:
            known = ", ".join(self._methods)
            return MethodResponse(
                404, {"error": f"no method {request.name}; there are {known}", "code": "unknown-method"}
            )
        try:
            return MethodResponse(200, await method(request.payload))
        except MethodError as exc:
            answer = {"error": str(exc), "code": exc.code} | ({"field": exc.field} if exc.field else {})
            return MethodResponse(exc.status, answer)
        except SafetyGearError as exc:
            return MethodResponse(503, {"error": str(exc), "code": exc.code})
        except Exception:
            # A caller must not have to wait for his timeout, and the module goes on.
            log.exception("method %s: unexpected error", request.name)
            return MethodResponse(500, {"error": f"{request.name} failed; the log says why", "code": "internal"})


def read_arguments(kind: type[T], payload: Json) -> T:
    """The payload as `kind`, whose fields are the arguments. Null counts as {} where no argument is required.

    Raises MethodArgumentError naming the field and what would be right.
    """
    infos = {info.encode_name: info for info in msgspec.structs.fields(kind)}
    known = ", ".join(infos)
    if payload is None and not any(info.required for info in infos.values()):
        payload = {}
    if not isinstance(payload, Mapping):
        raise MethodArgumentError("", f"the payload must be an object with {known}" if known else "takes no arguments")
    for name in payload:
        if name not in infos:
            raise MethodArgumentError(str(name)[:40], f"unknown; there are {known}" if known else "takes no arguments")
    for name, info in infos.items():
        if name not in payload:
            if info.required:
                raise MethodArgumentError(name, f"is missing: {wire_type(info.type).sentence()}")
            continue
        try:
            msgspec.convert(payload[name], info.type)
            # Half a surrogate pair is a text to JSON, and to no file, URL or database.
            msgspec.json.encode(payload[name])
        except (msgspec.ValidationError, RecursionError, UnicodeEncodeError) as exc:
            raise MethodArgumentError(name, f"must be {wire_type(info.type).sentence()}") from exc
    return msgspec.convert(payload, kind)
