"""The WHERE part of a route: IoT Hub's message routing query language, as far as edgeHub has it.

Source: Microsoft, "IoT Hub message routing query syntax" and "Declare routes in IoT Edge", and edgeHub's grammar: NOT
and the sign bind closest, then products, sums, order, equality, AND, OR, `??`. A condition counts only where it is
exactly true: undefined is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from safetygear_workbench.edge_runtime.condition_functions import FUNCTIONS, UNDEFINED
from safetygear_workbench.edge_runtime.condition_terms import (
    WORDS,
    ConditionError,
    Expression,
    RoutedMessage,
    alike,
    called,
    combined,
    compared,
    constant,
    first_defined,
    logic,
    negated,
    reference,
)

_DEEPEST = 50
"""Parentheses, NOT and calls within each other."""
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<system>\{?\$[A-Za-z][\w.\-\[\]]*\}?)
    |(?P<name>[A-Za-z_][\w\-.]*)|(?P<symbol><=|>=|<>|!=|\|\||\?\?|[-+*/%<>=(),]))""",
    re.VERBOSE,
)
_EQUALITY = ("=", "!=", "<>")
_ORDER = ("<", "<=", ">", ">=")


def parse_condition(text: str) -> Callable[[RoutedMessage], bool]:
    """A predicate for the condition `text`. Raises ConditionError."""
    expression = _Parser(text).parse()
    return lambda message: expression.of(message) is True


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
        expression = self._whole()
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

    def _whole(self) -> Expression:
        self._deeper()
        left = self._or()
        while self._accept("??"):
            left = first_defined(left, self._or())
        self._depth -= 1
        return left

    def _or(self) -> Expression:
        left = self._and()
        while self._accept("OR"):
            left = logic("OR", left, self._and())
        return left

    def _and(self) -> Expression:
        left = self._equality()
        while self._accept("AND"):
            left = logic("AND", left, self._equality())
        return left

    def _equality(self) -> Expression:
        left = self._order()
        while sign := self._accept(*_EQUALITY):
            left = compared(sign, left, self._order())
        return left

    def _order(self) -> Expression:
        left = self._sum()
        while sign := self._accept(*_ORDER):
            left = compared(sign, left, self._sum())
        return left

    def _sum(self) -> Expression:
        left = self._product()
        while sign := self._accept("+", "-", "||"):
            left = combined(sign, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._unary()
        while sign := self._accept("*", "/", "%"):
            left = combined(sign, left, self._unary())
        return left

    def _unary(self) -> Expression:
        sign = self._accept("NOT", "-")
        if sign is None:
            return self._operand()
        self._deeper()
        inner = self._unary()
        self._depth -= 1
        return combined("-", constant("number", 0.0), inner) if sign == "-" else negated(inner)

    def _operand(self) -> Expression:
        kind, text = self._next()
        match kind:
            case "number":
                return constant("number", float(int(text, 16)) if text[:2].lower() == "0x" else float(text))
            case "string":
                return constant("text", _unescaped(text[1:-1]))
            case "system":
                return reference(text)
            case "name":
                return self._named(text)
            case _ if text == "(":
                inner = self._whole()
                self._expect(")")
                return inner
            case _:
                raise ConditionError(f"did not expect {text!r}")

    def _named(self, text: str) -> Expression:
        match text.upper():
            case "TRUE" | "FALSE":
                return constant("bool", text.upper() == "TRUE")
            case "NULL":
                return constant("null", None)
            case "UNDEFINED":
                return constant("undefined", UNDEFINED)
        if not self._accept("("):
            name = text.lower()
            return Expression("text", lambda m: m.property(name))
        function = FUNCTIONS.get(text.lower())
        if function is None:
            raise ConditionError(f"edgeHub has no function {text}; known: {', '.join(sorted(FUNCTIONS))}")
        arguments: list[Expression] = []
        while not self._accept(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._whole())
        if not function.least <= len(arguments) <= function.most:
            raise ConditionError(f"{text} takes {function.arity} arguments, not {len(arguments)}")
        for index, argument in enumerate(arguments):
            wanted = function.wanted(index)
            if not alike(argument.kind, wanted):
                raise ConditionError(
                    f"{text}'s argument {index + 1} must be {WORDS[wanted]}, not {WORDS[argument.kind]}"
                )
        return Expression(function.gives, called(text.lower(), function.run, arguments))


def _unescaped(text: str) -> str:
    text = re.sub(r"\\[uU]([0-9A-Fa-f]{4})", lambda match: chr(int(match[1], 16)), text)
    return re.sub(r"\\(.)", r"\1", text)
