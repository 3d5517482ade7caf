"""The functions of the route language that edgeHub has. Pure; each is given what is defined, but for the type tests.

Source: Microsoft, "IoT Hub query language: expressions and conditions", and edgeHub's own list, which lacks is_array,
is_object and is_primitive. A wrong number or kind of arguments is refused when the route is read; of the body only the
message tells the kind, and a wrong one makes the value undefined.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

Value = Any
Kind = Literal["text", "number", "bool", "null", "undefined", "any"]
"""What an expression gives, as far as the route alone tells: any stands for what comes from the body."""
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
    gives: Kind
    takes: tuple[Kind, ...] = ("text",)
    """The kinds of its arguments; the last holds for all that follow."""
    least: int = 1
    most: int = 1

    def wanted(self, index: int) -> Kind:
        """The kind of the argument at `index`."""
        return self.takes[min(index, len(self.takes) - 1)]

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


def _substring(text: Value, start: Value, length: Value = None) -> str:
    """Undefined where it would reach beyond the text, as in edgeHub."""
    whole, first = _text(text), _number(start)
    count = len(whole) - first if length is None else _number(length)
    if not (0 <= first <= len(whole) and 0 <= count <= len(whole) - first):
        raise ValueError("a substring begins and ends within the text")
    return whole[int(first) : int(first) + int(count)]


def _test(function: Callable[[Value], bool]) -> Function:
    return Function(function, "bool", ("any",))


def _of_number(function: Callable[[float], float]) -> Function:
    return Function(lambda a: float(function(_number(a))), "number", ("number",))


def _of_text(function: Callable[[str], Value], gives: Kind = "text") -> Function:
    return Function(lambda a: function(_text(a)), gives)


def _of_texts(function: Callable[[str, str], Value], gives: Kind = "bool") -> Function:
    return Function(lambda a, b: function(_text(a), _text(b)), gives, least=2, most=2)


TYPE_TESTS: Final[dict[str, Function]] = {
    "is_defined": _test(lambda a: a is not UNDEFINED),
    "is_null": _test(lambda a: a is None),
    "is_string": _test(lambda a: isinstance(a, str)),
    "is_number": _test(is_number),
    "is_bool": _test(lambda a: isinstance(a, bool)),
}
"""They answer for what is undefined too."""

FUNCTIONS: Final[dict[str, Function]] = {
    **TYPE_TESTS,
    "as_number": Function(_as_number, "number", ("any",)),
    "lower": _of_text(str.lower),
    "upper": _of_text(str.upper),
    "length": _of_text(lambda a: float(len(a)), "number"),
    "concat": Function(lambda *parts: "".join(map(_text, parts)), "text", least=2, most=_MANY),
    "substring": Function(_substring, "text", ("text", "number"), 2, 3),
    "index_of": _of_texts(lambda a, b: float(a.find(b)), "number"),
    "starts_with": _of_texts(str.startswith),
    "ends_with": _of_texts(str.endswith),
    "contains": _of_texts(lambda a, b: b in a),
    "abs": _of_number(abs),
    "exp": _of_number(math.exp),
    "power": Function(lambda a, b: math.pow(_number(a), _number(b)), "number", ("number",), 2, 2),
    "square": _of_number(lambda a: a * a),
    "sqrt": _of_number(math.sqrt),
    "sign": _of_number(lambda a: (a > 0) - (a < 0)),
    "floor": _of_number(math.floor),
    "ceiling": _of_number(math.ceil),
}
