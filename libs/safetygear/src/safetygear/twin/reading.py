"""Desired properties into one typed config: each field judged alone, with the last good value behind it.

A mistake in one field, or in one camera, never takes the others down: it becomes a FieldError, and what worked before
goes on. Nothing here raises for any JSON.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from safetygear.hub.port import Json
from safetygear.messages.codec import Message
from safetygear.redact import redact_url
from safetygear.twin.describing import FieldDescription, describe
from safetygear.twin.wire_types import (
    default_of,
    entry_dict_of,
    entry_struct_of,
    examples,
    has_unfit_text,
    struct_of,
    wire_type,
)

__all__ = ["ID_PATTERN", "FieldDescription", "FieldError", "Reading", "describe", "read_desired", "read_in_force"]

T = TypeVar("T", bound=msgspec.Struct)

# Ids of cameras, zones, shifts: they become file names, metric labels and routing properties.
ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

# JSON numbers beyond this lose digits on their way through IoT Hub (twins keep integers up to 2^53).
_MAX_WHOLE_NUMBER = 2**53
_LONGEST_SHOWN = 40
_SENSITIVE_NAME = re.compile(r"(?i)pass|secret|token|key|url|uri|user|credential")


class FieldError(Message, frozen=True, kw_only=True):
    """One thing wrong with the desired properties. `message` holds no value of a text field: it may be a secret."""

    path: str
    """Where, by wire names: `cameras.gate.analysedFps`."""
    code: str
    """unknown-field, missing-field, wrong-type, out-of-range, unknown-value, bad-format, invalid-id, or what a
    config's own check says."""
    message: str
    """What would be right."""


@dataclass(frozen=True)
class Reading(Generic[T]):
    """A usable config, whatever was wrong, and what was wrong."""

    config: T
    errors: tuple[FieldError, ...]
    stays: frozenset[str] = frozenset()
    """Paths of what has its last good value: a property, or an entry of one, as a whole."""


class _Refused:
    """Marks a value that can't be used; why is in the errors."""


_REFUSED: Final = _Refused()


class _Notes:
    """What is found on the way."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.stays: set[str] = set()

    def wrong(self, path: str, code: str, message: str) -> None:
        self.errors.append(FieldError(path=path, code=code, message=message))


def read_desired(kind: type[T], desired: Json, *, last_good: T | None) -> Reading[T]:
    """`desired` as a `kind`, a frozen struct whose fields all have defaults.

    Each top-level field is judged alone: a bad one keeps `last_good`'s value, else the default; an absent or null one
    takes the default. In a field of type `dict[str, Struct]` each key is judged alone: a bad entry keeps that key's
    last good one, else it is absent; null removes it; in a `dict[str, dict[str, Struct]]` so is each inner key. Unknown
    fields are errors, and otherwise ignored.
    A struct may have `check(self) -> Iterable[(path, code, message)]`: its findings count like the rest.
    """
    notes = _Notes()
    config = _read_fields(kind, desired, last_good, notes)
    findings = _findings(config, "")
    if findings:
        notes.errors += findings
        config = _without(config, findings, last_good, notes)
    return Reading(config, tuple(notes.errors), frozenset(notes.stays))


def read_in_force(kind: type[T], config: Json) -> Reading[T]:
    """The config that `config`, its JSON form, was made of; what another version of `kind` can't use is left out, which
    is in the errors.

    As `read_desired`, but whether the fields fit one another is not asked: a last good value may contradict what was
    changed after it, and is in force all the same.
    """
    notes = _Notes()
    return Reading(_read_fields(kind, config, None, notes), tuple(notes.errors))


def _read_fields(kind: type[T], desired: Json, last_good: T | None, notes: _Notes) -> T:
    if not isinstance(desired, Mapping):
        notes.wrong("", "wrong-type", "the desired properties must be an object")
        desired = {}
    infos = {info.encode_name: info for info in msgspec.structs.fields(kind)}
    _note_unknown(desired, infos, "", notes)
    values: dict[str, Any] = {}
    for name, info in infos.items():
        before = getattr(last_good, info.name) if last_good is not None else default_of(info)
        value = desired.get(name)
        read = default_of(info) if value is None else _read(info.type, value, name, before, notes)
        if isinstance(read, _Refused):
            read = before
            if last_good is not None:
                notes.stays.add(name)
        values[info.name] = read
    return kind(**values)


def _read(kind: Any, value: Json, path: str, before: Any, notes: _Notes) -> Any:
    """`value` as `kind`, or _REFUSED with the reasons in `notes`."""
    struct = struct_of(kind)
    if struct is not None:
        return _read_struct(struct, value, path, before, notes)
    entry = entry_struct_of(kind) or entry_dict_of(kind)
    if entry is not None:
        return _read_keyed(entry, value, path, before, notes)
    return _read_leaf(kind, value, path, notes)


def _read_struct(kind: type[msgspec.Struct], value: Json, path: str, before: Any, notes: _Notes) -> Any:
    if not isinstance(value, Mapping):
        notes.wrong(path, "wrong-type", "must be an object")
        return _REFUSED
    infos = {info.encode_name: info for info in msgspec.structs.fields(kind)}
    _note_unknown(value, infos, f"{path}.", notes)
    values: dict[str, Any] = {}
    refused = False
    for name, info in infos.items():
        inner = f"{path}.{name}"
        if value.get(name) is None:
            values[info.name] = default_of(info)
            if info.required:
                notes.wrong(inner, "missing-field", f"is missing: {wire_type(info.type).sentence()}")
                refused = True
            continue
        inner_before = getattr(before, info.name, None) if isinstance(before, kind) else None
        read = _read(info.type, value[name], inner, inner_before, notes)
        refused = refused or isinstance(read, _Refused)
        values[info.name] = read
    if refused:
        return _REFUSED
    result = kind(**values)
    findings = _findings(result, f"{path}.")
    notes.errors += findings
    return _REFUSED if findings else result


def _read_keyed(kind: Any, value: Json, path: str, before: Any, notes: _Notes) -> Any:
    if not isinstance(value, Mapping):
        notes.wrong(path, "wrong-type", "must be an object whose keys are ids")
        return _REFUSED
    entries: dict[str, Any] = {}
    known = before if isinstance(before, Mapping) else {}
    for key, entry in value.items():
        if not ID_PATTERN.fullmatch(key):
            notes.wrong(f"{path}.{_shown_name(key)}", "invalid-id", "an id has 1 to 64 of A-Z a-z 0-9 _ -")
            continue
        if entry is None:
            continue
        read = _read(kind, entry, f"{path}.{key}", known.get(key), notes)
        if not isinstance(read, _Refused):
            entries[key] = read
        elif key in known:
            entries[key] = known[key]
            notes.stays.add(f"{path}.{key}")
    return entries


def _read_leaf(kind: Any, value: Json, path: str, notes: _Notes) -> Any:
    expected = wire_type(kind)
    shown = _shown_value(path, value, expected.name)
    if not _is_finite(value):
        notes.wrong(path, "out-of-range", f"must be {expected.sentence()}{shown}")
        return _REFUSED
    if (isinstance(value, str) and not value.isprintable()) or has_unfit_text(value):
        # A pattern's $ lets a final line break through, and these texts become file names, URLs and labels.
        message = f"must be {expected.sentence()}, without line breaks and other control characters"
        notes.wrong(path, "bad-format", message)
        return _REFUSED
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as exc:
        example = "".join(f", e.g. {example}" for example in examples(kind)[:1])
        notes.wrong(path, _code_of(str(exc)), f"must be {expected.sentence()}{example}{shown}")
        return _REFUSED


def _code_of(validation_message: str) -> str:
    """msgspec's wording to our codes; its messages are the only place that says which constraint failed."""
    if "Invalid enum value" in validation_message:
        return "unknown-value"
    if "matching regex" in validation_message:
        return "bad-format"
    if re.search(r"(>=|<=|>|<) |multiple of|of length|out of range", validation_message):
        return "out-of-range"
    return "wrong-type"


def _findings(config: msgspec.Struct, prefix: str) -> list[FieldError]:
    check: Callable[[], Iterable[tuple[str, str, str]]] | None = getattr(config, "check", None)
    if check is None:
        return []
    return [FieldError(path=f"{prefix}{path}", code=code, message=message) for path, code, message in check()]


def _without(config: T, findings: list[FieldError], last_good: T | None, notes: _Notes) -> T:
    """`config` with what the findings name put back to the last good value, else to the default (entries: left out)."""
    replaced: dict[str, Any] = {}
    for info in msgspec.structs.fields(type(config)):
        paths = [found.path.split(".") for found in findings if found.path.split(".")[0] == info.encode_name]
        if not paths:
            continue
        value = getattr(config, info.name)
        before = getattr(last_good, info.name) if last_good is not None else default_of(info)
        if isinstance(value, dict) and all(len(path) > 1 for path in paths):
            inner = [path[1:] for path in paths]
            replaced[info.name] = _entries_without(value, before, inner, f"{info.encode_name}.", notes)
        else:
            replaced[info.name] = before
            if last_good is not None:
                notes.stays.add(info.encode_name)
    return msgspec.structs.replace(config, **replaced)


def _entries_without(
    value: Mapping[str, Any], before: Mapping[str, Any], paths: list[list[str]], prefix: str, notes: _Notes
) -> dict[str, Any]:
    """`value` with the entries that `paths` name put back to `before`'s, else left out; keyed by two ids, only the
    inner ones."""
    entries = dict(value)
    for key in {path[0] for path in paths}:
        below = [path[1:] for path in paths if path[0] == key]
        if isinstance(value.get(key), dict) and all(below):
            entries[key] = _entries_without(value[key], before.get(key, {}), below, f"{prefix}{key}.", notes)
        elif key in before:
            entries[key] = before[key]
            notes.stays.add(f"{prefix}{key}")
        else:
            entries.pop(key, None)
    return entries


def _note_unknown(value: Mapping[str, Json], infos: Mapping[str, object], prefix: str, notes: _Notes) -> None:
    for name in value:
        if name in infos or (not prefix and name.startswith("$")):
            continue
        near = difflib.get_close_matches(name, infos, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(infos)}"
        notes.wrong(f"{prefix}{_shown_name(name)}", "unknown-field", f"unknown; {hint}")


def _is_finite(value: Json) -> bool:
    """No NaN, infinity or number that IoT Hub would round, at any depth."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, Mapping):
            rest += item.values()
        elif isinstance(item, list):
            rest += item
        elif (isinstance(item, float) and not math.isfinite(item)) or (
            isinstance(item, int) and abs(item) > _MAX_WHOLE_NUMBER
        ):
            return False
    return True


def _shown_value(path: str, value: Json, expected: str) -> str:
    """`, not 99`; nothing where the value may be a secret: in a text field, or by its name."""
    if expected.startswith("text") or _SENSITIVE_NAME.search(path.rpartition(".")[2]):
        return ""
    for kind, article, name in ((Mapping, "an", "object"), (list, "a", "list")):
        if isinstance(value, kind) and not expected.startswith(name):
            return f", not {article} {name}"
        if isinstance(value, kind) and "text" in expected:
            return ""
    return f", not {redact_url(json.dumps(value))[:_LONGEST_SHOWN]}"


def _shown_name(name: str) -> str:
    """A name as somebody wrote it, fit for one line of a log."""
    return json.dumps(redact_url(name))[1:-1][:_LONGEST_SHOWN]
