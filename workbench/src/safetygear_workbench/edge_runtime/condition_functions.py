"""The functions of the route language. Pure; each is given arguments that are defined, except the type tests.

Source: Microsoft, "IoT Hub query language: expressions and conditions", the functions for routes. A wrong type makes a
function's value undefined; a wrong number of arguments is refused when the route is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Value = Any
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_MANY = 100


class _Undefined:
    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = _Undefined()


@dataclass(frozen=True)
class Function:
    """`run` raises TypeError or ValueError for what makes its value undefined."""

    run: Callable[..., Value]
    least: int = 1
    most: int = 1

    @property
    def arity(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


def is_number(value: Value) -> bool:
    """A JSON number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _number(value: Value) -> float:
    if not is_number(value):
        raise TypeError("not a number")
    return float(value)


def _as_number(value: Value) -> float:
    if isinstance(value, str):
        if _NUMBER.fullmatch(value) is None:
            raise ValueError("not a number")
        return float(value)
    return _number(value)


def _substring(text: Value, start: Value, length: Value = math.inf) -> str:
    first, count = _number(start), _number(length)
    if first < 0 or count < 0:
        raise ValueError("a substring begins and ends within the text")
    return _text(text)[int(first) :][: None if math.isinf(count) else int(count)]


def _on_number(function: Callable[[float], float]) -> Function:
    return Function(lambda a: float(function(_number(a))))


def _on_texts(function: Callable[[str, str], Value]) -> Function:
    return Function(lambda a, b: function(_text(a), _text(b)), 2, 2)


TYPE_TESTS: Final[dict[str, Function]] = {
    "is_defined": Function(lambda a: a is not UNDEFINED),
    "is_null": Function(lambda a: a is None),
    "is_string": Function(lambda a: isinstance(a, str)),
    "is_number": Function(is_number),
    "is_bool": Function(lambda a: isinstance(a, bool)),
    "is_array": Function(lambda a: isinstance(a, list)),
    "is_object": Function(lambda a: isinstance(a, dict)),
    "is_primitive": Function(lambda a: a is None or isinstance(a, str | int | float)),
}
"""They answer for what is undefined too."""

FUNCTIONS: Final[dict[str, Function]] = {
    **TYPE_TESTS,
    "as_number": Function(_as_number),
    "lower": Function(lambda a: _text(a).lower()),
    "upper": Function(lambda a: _text(a).upper()),
    "length": Function(lambda a: float(len(_text(a)))),
    "concat": Function(lambda *parts: "".join(map(_text, parts)), 2, _MANY),
    "substring": Function(_substring, 2, 3),
    "index_of": _on_texts(lambda a, b: float(a.find(b))),
    "starts_with": _on_texts(str.startswith),
    "ends_with": _on_texts(str.endswith),
    "contains": _on_texts(lambda a, b: b in a),
    "abs": _on_number(abs),
    "exp": _on_number(math.exp),
    "power": Function(lambda a, b: math.pow(_number(a), _number(b)), 2, 2),
    "square": _on_number(lambda a: a * a),
    "sqrt": _on_number(math.sqrt),
    "sign": _on_number(lambda a: (a > 0) - (a < 0)),
    "floor": _on_number(math.floor),
    "ceiling": _on_number(math.ceil),
}
