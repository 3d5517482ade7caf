"""What a condition is made of: terms that a message gives a value, and what joins them. Pure.

Properties are texts, whatever the case of their names. What can never be compared is refused when the route is read, as
edgeHub refuses the deployment; where only the message tells, the value is undefined. `$body` is defined only where the
message says that it is JSON: contentType application/json, contentEncoding utf-8, utf-16 or utf-32.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from safetygear_workbench.edge_runtime.condition_functions import TYPE_TESTS, UNDEFINED, Kind, Value, is_number

_ENCODINGS = ("utf-8", "utf-16", "utf-32")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod,
}  # fmt: skip


class ConditionError(ValueError):
    """The condition can't be read; the message says where."""


@dataclass
class RoutedMessage:
    """What a route looks at."""

    module: str
    output: str
    properties: Mapping[str, str]
    system_properties: Mapping[str, str]
    body: bytes

    def property(self, name: str) -> Value:
        """The application property `name`, in lower case."""
        return self._folded[0].get(name, UNDEFINED)

    def system_property(self, name: str) -> Value:
        """The system property `name`, in lower case."""
        return self._folded[1].get(name, UNDEFINED)

    @cached_property
    def _folded(self) -> tuple[dict[str, str], dict[str, str]]:
        both = (self.properties, self.system_properties)
        application, system = ({name.lower(): value for name, value in some.items()} for some in both)
        return application, system

    @cached_property
    def json_body(self) -> Value:
        """The body as JSON; undefined where it is none."""
        encoding = self.system_properties.get("contentEncoding", "").lower()
        is_json = self.system_properties.get("contentType", "").lower() == "application/json"
        if not is_json or encoding not in _ENCODINGS:
            return UNDEFINED
        try:
            return json.loads(self.body.decode(encoding))
        except (ValueError, RecursionError):
            return UNDEFINED


@dataclass(frozen=True)
class Expression:
    """A part of a condition that has been read."""

    kind: Kind
    of: Callable[[RoutedMessage], Value]
    lacked_by: Callable[[RoutedMessage], bool] = lambda _: False
    """Whether it is a field that the message's body, which is JSON, does not have."""


_ABSENT = object()


WORDS: dict[Kind, str] = {
    "text": "a text", "number": "a number", "bool": "true or false", "null": "null", "undefined": "undefined",
    "any": "any value",
}  # fmt: skip


def alike(kind: Kind, other: Kind) -> bool:
    return kind == other or "any" in (kind, other)


def constant(kind: Kind, value: Value) -> Expression:
    return Expression(kind, lambda _: value)


def logic(word: str, left: Expression, right: Expression) -> Expression:
    """AND and OR: undefined unless the other side decides."""
    for side in (left, right):
        if side.kind in ("text", "number"):
            raise ConditionError(f"{word} stands between conditions, and one of its sides is {WORDS[side.kind]}")
    deciding = word == "OR"

    def run(message: RoutedMessage) -> Value:
        values = (left.of(message), right.of(message))
        if any(value is deciding for value in values):
            return deciding
        return not deciding if all(isinstance(value, bool) for value in values) else UNDEFINED

    return Expression("bool", run)


def negated(inner: Expression) -> Expression:
    if inner.kind in ("text", "number"):
        raise ConditionError(
            f"NOT belongs to what follows at once, which is {WORDS[inner.kind]}: write NOT (… = …), with parentheses"
        )
    return Expression("bool", lambda m: not value if isinstance(value := inner.of(m), bool) else UNDEFINED)


def first_defined(left: Expression, right: Expression) -> Expression:
    _refuse_unlike("??", left, right)
    kind = left.kind if left.kind != "any" else right.kind

    def run(message: RoutedMessage) -> Value:
        value = left.of(message)
        return right.of(message) if value is UNDEFINED else value

    return Expression(kind, run)


def _refuse_unlike(sign: str, left: Expression, right: Expression) -> None:
    if not alike(left.kind, right.kind):
        raise ConditionError(
            f"{sign} can't stand between {WORDS[left.kind]} and {WORDS[right.kind]}; nothing is converted: "
            "a property is a text, as_number(…) makes it a number"
        )


def reference(text: str) -> Expression:
    """`$name`: the application property that is called so, else the system property or the body's; `{$name}`: these."""
    braced, name = text.startswith("{"), text.strip("{}")
    found = _in_body(name) if name[:6].lower() in ("$body.", "$body[", "$body") else _in_system(name)
    if braced:
        return found
    own = name.lower()

    def look(message: RoutedMessage) -> Value:
        value = message.property(own)
        return found.of(message) if value is UNDEFINED else value

    return Expression(found.kind, look, lambda m: m.property(own) is UNDEFINED and found.lacked_by(m))


def _in_system(name: str) -> Expression:
    wanted = name[1:].lower()
    return Expression("text", lambda m: m.system_property(wanted))


def _in_body(name: str) -> Expression:
    path = [part for part in re.split(r"[.\[\]]", name)[1:] if part]

    def find(message: RoutedMessage) -> Value:
        value = message.json_body
        if not isinstance(value, dict):
            return UNDEFINED  # edgeHub reads a body that is an object
        for part in path:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                return _ABSENT
        return value

    def look(message: RoutedMessage) -> Value:
        value = find(message)
        if value is _ABSENT or isinstance(value, dict | list):
            return UNDEFINED
        try:
            return float(value) if is_number(value) else value
        except OverflowError:
            return UNDEFINED

    return Expression("any", look, lambda message: find(message) is _ABSENT)


def called(name: str, function: Callable[..., Value], arguments: list[Expression]) -> Callable[[RoutedMessage], Value]:
    def run(message: RoutedMessage) -> Value:
        values = [argument.of(message) for argument in arguments]
        if name not in TYPE_TESTS and any(value is UNDEFINED for value in values):
            return UNDEFINED
        try:
            return function(*values)
        except (TypeError, ValueError, AttributeError, ArithmeticError):
            return UNDEFINED

    return run


def compared(sign: str, left: Expression, right: Expression) -> Expression:
    _refuse_unlike(sign, left, right)
    test = _COMPARISONS[sign]
    with_null = "null" in (left.kind, right.kind)

    def run(message: RoutedMessage) -> Value:
        a, b = left.of(message), right.of(message)
        if with_null and (left.lacked_by(message) or right.lacked_by(message)):
            a = b = None  # edgeHub takes a field that the body lacks for null
        if a is UNDEFINED or b is UNDEFINED:
            return UNDEFINED
        if type(a) is not type(b) and not (a is None or b is None):
            return UNDEFINED  # '50' = 50 is not true: nothing is converted
        try:
            return test(a, b)
        except TypeError:
            return UNDEFINED

    return Expression("bool", run)


def combined(sign: str, left: Expression, right: Expression) -> Expression:
    wanted: Kind = "text" if sign == "||" else "number"
    for side in (left, right):
        if not alike(side.kind, wanted):
            raise ConditionError(f"{sign} takes {WORDS[wanted]} on each side, not {WORDS[side.kind]}")

    def run(message: RoutedMessage) -> Value:
        a, b = left.of(message), right.of(message)
        if sign == "||":
            return a + b if isinstance(a, str) and isinstance(b, str) else UNDEFINED
        if not (is_number(a) and is_number(b)):
            return UNDEFINED
        try:
            return _ARITHMETIC[sign](a, b)
        except ArithmeticError:
            return UNDEFINED

    return Expression(wanted, run)
