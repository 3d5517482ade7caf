"""Class names: labels.txt as Custom Vision writes it, and the `names` in an ONNX file's metadata. Pure."""

from __future__ import annotations

import ast
import codecs
import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from safetygear.errors import ModelError

MAX_LABELS = 1000
MAX_LABEL_CHARACTERS = 128
"""As many as a threshold's name in the twin may have."""
BACKGROUND = "--bg--"
"""The name of no object in labels.json of AutoML's Faster R-CNN: class 0."""
BACKGROUNDS = (BACKGROUND, "__background__", "background", "bg", "???")
"""What a list that counts it begins with: AutoML's, torchvision's, many a script's, TensorFlow's labelmap.txt."""
NO_CLASS = ("N/A", "???")
"""In lists of COCO for numbers that stand for nothing; each may be there many times."""
GUID = re.compile(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")

NUMBERED = re.compile(r"([0-9]{1,4})(?:\s*[:,]\s*|\s+)(\S.*)")


def parse_labels_txt(data: bytes, *, name: str = "labels.txt") -> tuple[str, ...]:
    """One label a line, in the order of the class ids. Raises ModelError naming the line.

    Takes CRLF, a byte order mark (UTF-16 with one too, as Windows writes it), a missing final newline, a first line
    with the project's GUID, which is no label, and lines that are numbered from 0 on (`0 person`).
    """
    try:
        text = data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise _refused(f"{name}, line {line}, is not UTF-8: save it as UTF-8") from exc
    if text.count("\0") * 3 > len(text):
        raise _refused(f"{name} holds NUL characters, as UTF-16 without its mark does: save it as UTF-8")
    # Only these: str.splitlines would also split at characters a label may contain.
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    first = 1
    if lines and GUID.fullmatch(lines[0]):
        lines, first = lines[1:], 2
    for number, label in enumerate(lines, first):
        if not label:
            raise _refused(f"{name}, line {number}, is empty: each line is a class, in the order of the class ids")
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    if len(lines) > 1 and all(match and int(match[1]) == number for number, match in enumerate(numbered)):
        lines = [match[2] for match in numbered if match]
    return checked_labels(lines, name)


def parse_labels_json(data: bytes, *, name: str = "labels.json") -> tuple[str, ...]:
    """A JSON list of names in the order of the class ids, as Azure ML's AutoML writes it. Raises ModelError.

    A first name `--bg--` is the background and stays: the class ids count it.
    """
    try:
        labels = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=list[str])
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _refused(f"{name} is no JSON list of names: {exc}") from exc
    return checked_labels(labels, name)


def parse_names(text: str) -> tuple[str, ...]:
    """The metadata entry `names`: `person,helmet`, or Ultralytics' `{0: 'person', 1: 'helmet'}`. Raises ModelError."""
    where = "the entry `names` in the ONNX file's metadata"
    if not text.lstrip().startswith(("{", "[")):
        return checked_labels([part.strip() for part in text.split(",")], where)
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as exc:
        raise _refused(f"{where} can't be read") from exc
    if isinstance(value, dict):
        # JSON has no numbers as keys.
        value = {int(key) if isinstance(key, str) and key.isdecimal() else key: said for key, said in value.items()}
        if sorted(value, key=str) != sorted(range(len(value)), key=str):
            raise _refused(f"{where} does not number its classes 0 to {len(value) - 1}")
        value = [value[index] for index in range(len(value))]
    return checked_labels([str(part) for part in value], where)


def checked_labels(labels: Sequence[str], where: str) -> tuple[str, ...]:
    """Raises ModelError where they can't be a model's class names."""
    if not labels:
        raise _refused(f"{where} names no class")
    if len(labels) > MAX_LABELS:
        raise _refused(f"{where} names {len(labels)} classes; at most {MAX_LABELS} are possible")
    # Thresholds go by name, so that these get names of their own.
    again = {label for label in NO_CLASS if labels.count(label) > 1}
    labels = [f"{label} {number}" if label in again else label for number, label in enumerate(labels)]
    seen: set[str] = set()
    for number, label in enumerate(labels, 1):
        if not 0 < len(label) <= MAX_LABEL_CHARACTERS or not label.isprintable():
            raise _refused(f"{where}: class {number} must be 1 to {MAX_LABEL_CHARACTERS} printable characters")
        if label in seen:
            raise _refused(f"{where} names {label!r} twice: thresholds go by name")
        seen.add(label)
    return tuple(labels)


def without_background(labels: tuple[str, ...]) -> tuple[tuple[str, ...], Literal[0, 1]]:
    """The labels of things, and the number of the first of them: 1 where a name of the background stands before it."""
    first = labels[0].casefold().removesuffix(" 0")
    return (labels[1:], 1) if first in BACKGROUNDS else (labels, 0)


def mapped_labels(
    labels: Sequence[str], mapping: Mapping[str, str], where: str
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The names after `mapping`, each once, and for each class id the index of its name among them.

    Raises ModelError where `mapping` names a label that is not there.
    """
    for name in mapping:
        if name not in labels:
            raise ModelError(
                f"{where}: labelMapping.{name}: the model has no such label; it has: {', '.join(labels)}",
                code="model-settings",
            )
    names = [mapping.get(label, label) for label in labels]
    once = tuple(dict.fromkeys(names))
    return checked_labels(once, where), tuple(once.index(name) for name in names)


def _refused(message: str) -> ModelError:
    return ModelError(message, code="model-labels")
