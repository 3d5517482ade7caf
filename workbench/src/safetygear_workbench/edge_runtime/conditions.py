"""The WHERE part of a route: IoT Hub's message routing query language, as far as edgeHub has it.

Source: Microsoft, "IoT Hub message routing query syntax" and "Declare routes in IoT Edge". Comparing a string with a
number is undefined and never true; a condition counts only where it is exactly true. `$body` is defined only where the
message says that it is JSON: contentType application/json, contentEncoding utf-8, utf-16 or utf-32.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from safetygear_workbench.edge_runtime.condition_functions import FUNCTIONS, TYPE_TESTS, UNDEFINED, Value, is_number

Expression = Callable[["RoutedMessage"], Value]


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
    _parsed: list[Value] = field(default_factory=list, repr=False)

    def json_body(self) -> Value:
        """The body as JSON, parsed once; undefined where it is none."""
        if not self._parsed:
            self._parsed.append(self._parse())
        return self._parsed[0]

    def _parse(self) -> Value:
        encoding = self.system_properties.get("contentEncoding", "").lower()
        is_json = self.system_properties.get("contentType", "").lower() == "application/json"
        if not is_json or encoding not in _ENCODINGS:
            return UNDEFINED
        try:
            return json.loads(self.body.decode(encoding))
        except (ValueError, RecursionError):
            return UNDEFINED


_ENCODINGS = ("utf-8", "utf-16", "utf-32")
_DEEPEST = 50
"""Parentheses, NOT and calls within each other."""
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<system>\{?\$[A-Za-z][\w.\-\[\]]*\}?)
    |(?P<name>[A-Za-z_][\w\-]*)|(?P<symbol><=|>=|<>|!=|\|\||[-+*/%<>=(),]))""",
    re.VERBOSE,
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod,
}  # fmt: skip


def parse_condition(text: str) -> Callable[[RoutedMessage], bool]:
    """A predicate for the condition `text`. Raises ConditionError."""
    expression = _Parser(text).parse()
    return lambda message: expression(message) is True


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise ConditionError(f"can't read the condition from {text[position:].strip()!r} on")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        expression = self._or()
        if self._at != len(self._tokens):
            raise ConditionError(f"did not expect {self._tokens[self._at][1]!r}")
        return expression

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise ConditionError("the condition ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, *words: str) -> str | None:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind in ("symbol", "name") and text.upper() in words:
                self._at += 1
                return text.upper()
        return None

    def _expect(self, word: str) -> None:
        if self._accept(word) is None:
            raise ConditionError(f"expected {word!r}")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ConditionError(f"the condition is nested more than {_DEEPEST} deep")

    def _or(self) -> Expression:
        self._deeper()
        left = self._and()
        while self._accept("OR"):
            left = _either(left, self._and())
        self._depth -= 1
        return left

    def _and(self) -> Expression:
        left = self._not()
        while self._accept("AND"):
            left = _both(left, self._not())
        return left

    def _not(self) -> Expression:
        if self._accept("NOT"):
            self._deeper()
            inner = self._not()
            self._depth -= 1
            return lambda m: not value if isinstance(value := inner(m), bool) else UNDEFINED
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        sign = self._accept(*_COMPARISONS)
        return left if sign is None else _compare(sign, left, self._sum())

    def _sum(self) -> Expression:
        left = self._product()
        while sign := self._accept("+", "-", "||"):
            left = _combine(sign, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._operand()
        while sign := self._accept("*", "/", "%"):
            left = _combine(sign, left, self._operand())
        return left

    def _operand(self) -> Expression:
        kind, text = self._next()
        match kind:
            case "number":
                return _constant(float(text))
            case "string":
                return _constant(re.sub(r"\\(.)", r"\1", text[1:-1]))
            case "system":
                return _reference(text.strip("{}")[1:])
            case "name":
                return self._named(text)
            case _ if text == "(":
                inner = self._or()
                self._expect(")")
                return inner
            case _ if text == "-":
                self._deeper()
                operand = self._operand()
                self._depth -= 1
                return _combine("-", _constant(0.0), operand)
            case _:
                raise ConditionError(f"did not expect {text!r}")

    def _named(self, text: str) -> Expression:
        match text.upper():
            case "TRUE" | "FALSE":
                return _constant(text.upper() == "TRUE")
            case "NULL":
                return _constant(None)
        if not self._accept("("):
            return lambda m: m.properties.get(text, UNDEFINED)
        function = FUNCTIONS.get(text.lower())
        if function is None:
            raise ConditionError(f"there is no function {text}; known: {', '.join(sorted(FUNCTIONS))}")
        arguments: list[Expression] = []
        while not self._accept(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._or())
        if not function.least <= len(arguments) <= function.most:
            raise ConditionError(f"{text} takes {function.arity} arguments, not {len(arguments)}")
        return _call(text.lower(), function.run, arguments)


def _constant(value: Value) -> Expression:
    return lambda _: value


def _either(left: Expression, right: Expression) -> Expression:
    return lambda m: left(m) is True or right(m) is True


def _both(left: Expression, right: Expression) -> Expression:
    return lambda m: left(m) is True and right(m) is True


def _reference(name: str) -> Expression:
    if name != "body" and not name.startswith(("body.", "body[")):
        return lambda m: m.system_properties.get(name, UNDEFINED)
    path = [part for part in re.split(r"[.\[\]]", name)[1:] if part]

    def look(message: RoutedMessage) -> Value:
        value = message.json_body()
        for part in path:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                return UNDEFINED
        try:
            return float(value) if is_number(value) else value
        except OverflowError:
            return UNDEFINED

    return look


def _call(name: str, function: Callable[..., Value], arguments: list[Expression]) -> Expression:
    def run(message: RoutedMessage) -> Value:
        values = [argument(message) for argument in arguments]
        if name not in TYPE_TESTS and any(value is UNDEFINED for value in values):
            return UNDEFINED
        try:
            return function(*values)
        except (TypeError, ValueError, AttributeError, ArithmeticError):
            return UNDEFINED

    return run


def _compare(sign: str, left: Expression, right: Expression) -> Expression:
    test = _COMPARISONS[sign]

    def run(message: RoutedMessage) -> Value:
        a, b = left(message), right(message)
        if a is UNDEFINED or b is UNDEFINED:
            return UNDEFINED
        if type(a) is not type(b) and not (a is None or b is None):
            return UNDEFINED  # '50' = 50 is not true: nothing is converted
        try:
            return test(a, b)
        except TypeError:
            return UNDEFINED

    return run


def _combine(sign: str, left: Expression, right: Expression) -> Expression:
    def run(message: RoutedMessage) -> Value:
        a, b = left(message), right(message)
        if sign == "||":
            return a + b if isinstance(a, str) and isinstance(b, str) else UNDEFINED
        if not (is_number(a) and is_number(b)):
            return UNDEFINED
        try:
            return _ARITHMETIC[sign](a, b)
        except ArithmeticError:
            return UNDEFINED

    return run
