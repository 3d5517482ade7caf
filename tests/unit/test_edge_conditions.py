"""The WHERE part of a route."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear_workbench.edge_runtime.condition_terms import ConditionError, RoutedMessage
from safetygear_workbench.edge_runtime.conditions import parse_condition

JSON_BODY = {"contentType": "application/json", "contentEncoding": "utf-8"}


def message(body: Any = None, *, system: dict[str, str] | None = None, **properties: str) -> RoutedMessage:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RoutedMessage("m", "out", properties, JSON_BODY if system is None else system, raw)


BODY = {"fps": 5, "label": "helmet", "ok": True, "none": None, "list": [1, {"x": "y"}], "deep": {"a": {"b": 2.5}}}
PROPERTIES = {
    "camera": "gate-2", "fps": "50", "odd-name": "1", "my.prop": "dotted", "$own": "mine", "$contentencoding": "mine",
    "$body.own": "mine",
}  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # Nothing is converted.
        ("fps = '50'", True),
        ("fps = $body.fps", False),
        ("NOT (fps = $body.fps)", False),
        ("as_number(fps) = 50", True),
        ("as_number(fps) = $body.fps * 10", True),
        # A property's name in any case; its value as it is.
        ("CAMERA = 'gate-2' AND Odd-Name = '1'", True),
        ("camera = 'GATE-2'", False),
        ("$CONTENTTYPE = 'application/json'", True),
        ("my.prop = 'dotted'", True),
        # A property that is called like the system's goes first; braces mean the system's.
        ("$own = 'mine'", True),
        ("$contentEncoding = 'mine'", True),
        ("{$contentEncoding} = 'utf-8'", True),
        ("as_number('nan') != 1", False),
        ("as_number('1_0') = 10", False),
        ("as_number(' 1.5e1 ') = 15", True),
        ("as_number(true) = 1", False),
        ("$body.ok = 1", False),
        # Comparisons.
        ("camera = 'gate-2'", True),
        ('camera <> "gate-2"', False),
        ("camera != 'dock'", True),
        ("camera > 'gate-1'", True),
        ("$body.fps >= 5 AND $body.fps < 6", True),
        ("$body.none = null", True),
        # To edgeHub, a field that a body lacks is null.
        ("$body.nowhere = null", True),
        ("null = {$body.label.x}", True),
        ("$body.own != null AND {$body.own} = null", True),
        ("$body.nowhere != null", False),
        ("NOT ($body.nowhere != null)", True),
        ("$body.fps != null AND $body.none = null AND NOT ($body.none != null)", True),
        ("$body.deep = null OR $body.list != null", False),
        ("$body.nowhere = $body.nothing", False),
        ("$body.nowhere > 5 OR $body.nowhere < 5", False),
        ("$body.none < 1", False),
        ("$body.ok = true", True),
        ("$body.ok", True),
        ("$body.fps", False),
        ("camera", False),
        ("odd-name = '1'", True),
        # Undefined is neither true nor false.
        ("missing = 'x'", False),
        ("missing != 'x'", False),
        ("NOT (missing = 'x')", False),
        ("missing = 'x' OR true", True),
        ("is_defined(missing)", False),
        ("NOT is_defined(missing)", True),
        ("is_defined(camera)", True),
        ("is_defined($body.nowhere)", False),
        ("NOT is_string(missing)", True),
        # Precedence: NOT, AND, OR; product, sum, comparison.
        ("true OR false AND false", True),
        ("(true OR false) AND false", False),
        ("NOT false AND false", False),
        ("NOT true OR true", True),
        ("2 + 3 * 4 = 14", True),
        ("(2 + 3) * 4 = 20", True),
        ("7 % 4 - -1 = 4", True),
        ("1 / 0 = 1", False),
        ("$body.label + 1 = 1", False),
        ("'a' || 'b' = 'ab'", True),
        ("'a' || $body.fps = 'a5'", False),
        ("1 < 2 = 2 > 1", True),
        ("NOT true = false", True),
        ("-2 * -3 = 6", True),
        ("0x1F = 31 AND .5 = 5e-1 AND 1.5E1 = 15", True),
        # Of three values: undefined unless the other side decides.
        ("NOT (missing = 'x' AND true)", False),
        ("NOT (missing = 'x' AND false)", True),
        ("NOT (missing = 'x' OR false)", False),
        ("undefined = undefined", False),
        ("NOT $body.label", False),
        ("(missing ?? 'x') = 'x'", True),
        ("(camera ?? 'x') = 'gate-2'", True),
        # Body.
        ("$body.deep.a.b = 2.5", True),
        ("$body.list[1].x = 'y'", True),
        ("$body.list[0] = 1", True),
        ("$body.list[2] = 1", False),
        ("$body.label.x = 1", False),
        ("{$body.label} = 'helmet'", True),
        # System properties.
        ("$contentType = 'application/json'", True),
        ("{$contentEncoding} = 'utf-8'", True),
        ("$connectionModuleId = 'x'", False),
        # Functions.
        ("is_null($body.none) AND is_bool($body.ok) AND is_number($body.fps)", True),
        ("is_defined($body.list)", False),
        ("is_number($body.ok)", False),
        ("length(camera) = 6", True),
        ("length($body.list) = 2", False),
        ("upper(lower(camera)) = 'GATE-2'", True),
        ("concat(camera, '/', fps) = 'gate-2/50'", True),
        ("concat(camera, $body.fps) = 'gate-25'", False),
        ("substring(camera, 1, 3) = 'ate'", True),
        ("substring(camera, 5) = '2'", True),
        ("substring(camera, 0 - 1) = '2'", False),
        ("substring(camera, 4, 9) = '-2'", False),
        ("substring(camera, 6) = ''", True),
        ("index_of(camera, '-') = 4", True),
        ("starts_with(camera, 'gate') AND ends_with(camera, '2') AND contains(camera, 'e-')", True),
        ("contains($body.list, 'x')", False),
        ("abs(0 - 2) = 2 AND sign(0 - 2) = 0 - 1 AND square(3) = 9 AND sqrt(16) = 4 AND power(2, 3) = 8", True),
        ("floor(1.5) = 1 AND ceiling(1.5) = 2 AND exp(0) = 1", True),
        ("sqrt(0 - 1) = 1", False),
        ("exp(1000) > 1", False),
        # Words in any case, escapes.
        ("Not False and True", True),
        (r"'it\'s' = 'it\'s'", True),
        (r"'\u00e4' = 'ä'", True),
    ],
)
def test_table(condition: str, expected: bool) -> None:
    assert parse_condition(condition)(message(BODY, **PROPERTIES)) is expected


@pytest.mark.parametrize(
    ("content_type", "encoding", "body", "expected"),
    [
        ("application/json", "utf-8", b'{"a":1}', True),
        ("Application/JSON", "UTF-8", b'{"a":1}', True),
        ("application/json", "utf-16", '{"a":1}'.encode("utf-16"), True),
        ("application/json", "", b'{"a":1}', False),
        ("application/json", "latin-1", b'{"a":1}', False),
        ("text/plain", "utf-8", b'{"a":1}', False),
        ("", "utf-8", b'{"a":1}', False),
        ("application/json", "utf-8", b"{a:1}", False),
        ("application/json", "utf-8", b"\xff\xfe", False),
        ("application/json", "utf-8", b"[" * 100_000, False),
        ("application/json", "utf-8", b"[1]", False),
    ],
)
def test_the_body_counts_only_where_the_message_says_json(
    content_type: str, encoding: str, body: bytes, expected: bool
) -> None:
    system = {"contentType": content_type, "contentEncoding": encoding}
    assert parse_condition("$body.a = 1")(message(body, system=system)) is expected


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("", "ends too early"),
        ("camera =", "ends too early"),
        ("camera = 'x", "can't read the condition from \"'x\""),
        ("(camera = 'x'", "expected ')'"),
        ("camera = 'x')", "did not expect ')'"),
        ("camera == 'x'", "did not expect '='"),
        ("camera 'x'", "did not expect"),
        ("nothing(camera)", "edgeHub has no function nothing"),
        ("is_array($body.list)", "edgeHub has no function is_array"),
        # edgeHub refuses a deployment with what can never be true.
        ("fps = 50", "= can't stand between a text and a number"),
        ("'50' != 50", "as_number(…) makes it a number"),
        ("$contentType < 5", "< can't stand between a text and a number"),
        ("true = 'true'", "between true or false and a text"),
        ("NOT camera = 'x'", "write NOT (… = …), with parentheses"),
        ("camera AND true", "one of its sides is a text"),
        ("true OR 1", "one of its sides is a number"),
        ("'a' + 'b' = 'ab'", "+ takes a number on each side, not a text"),
        ("'a' || 1 = 'a1'", "|| takes a text on each side, not a number"),
        ("-camera = 1", "- takes a number"),
        ("concat(camera, 1) = 'x'", "concat's argument 2 must be a text, not a number"),
        ("substring(camera, '1') = 'x'", "substring's argument 2 must be a number, not a text"),
        ("abs(fps) = 1", "abs's argument 1 must be a number, not a text"),
        ("camera ?? 1 = 1", "between a text and true or false"),
        ("lower()", "lower takes 1 arguments, not 0"),
        ("contains(camera)", "contains takes 2 arguments, not 1"),
        ("substring(camera, 1, 2, 3)", "substring takes 2 to 3 arguments"),
        ("lower(camera fps)", "expected ','"),
        ("(" * 1000 + "true" + ")" * 1000, "nested"),
        ("NOT " * 1000 + "true", "nested"),
        ("-" * 1000 + "1 = 1", "nested"),
    ],
)
def test_what_cannot_be_read_is_said(condition: str, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(condition)
    assert part in str(caught.value)


pieces = st.sampled_from(
    ["camera", "$body.a", "$body", "{$body.a}", "'x'", "1", "2.5", "null", "true", "undefined", "(", ")", ",", "=", "<",
     "!=", "+", "-", "*", "/", "%", "||", "??", "AND", "OR", "NOT", "length(", "as_number(", "substring(", "concat(",
     "power(", "is_defined("]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(pieces, max_size=12).map(" ".join), st.dictionaries(st.just("a"), json_values), st.text(max_size=5))
def test_any_condition_is_refused_or_says_yes_or_no_to_any_message(condition: str, body: Any, camera: str) -> None:
    try:
        predicate = parse_condition(condition)
    except ConditionError as exc:
        assert str(exc)
        return
    assert predicate(message(body, camera=camera)) in (True, False)


@given(json_values)
def test_no_body_makes_a_comparison_raise(value: Any) -> None:
    for condition in (
        "$body.a = 1",
        "$body.a < 'x'",
        "abs($body.a) >= 0",
        "$body.a * $body.a > 1",
        "power($body.a, 9) = 1",
    ):
        assert parse_condition(condition)(message({"a": value})) in (True, False)
