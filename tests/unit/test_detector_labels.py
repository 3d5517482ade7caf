"""Class names as exporters write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.errors import ModelError
from safetygear_inference.detectors import ultralytics_metadata
from safetygear_inference.detectors.labels import parse_labels_json, parse_labels_txt, parse_names

GUID = "0b1e6c4a-1f3d-4c7e-9a53-2f1f1a7d9e10"


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (b"helmet\nvest\n", ("helmet", "vest")),
        (b"helmet\r\nvest\r\n", ("helmet", "vest")),
        (b"helmet\r\nvest", ("helmet", "vest")),
        (b"helmet\rvest", ("helmet", "vest")),
        (b"\xef\xbb\xbfhelmet\nvest", ("helmet", "vest")),
        (GUID.encode() + b"\r\nhelmet\r\nvest\r\n", ("helmet", "vest")),
        (b"{" + GUID.upper().encode() + b"}\nhelmet", ("helmet",)),
        (b"helmet\nvest\n\n\n", ("helmet", "vest")),
        (b"  hard hat  \nGilet jaune \xc3\xa9\n", ("hard hat", "Gilet jaune é")),
        ("\ufeffhelmet\r\nvest\r\n".encode("utf-16-le"), ("helmet", "vest")),
        ("\ufeffhelmet\nvest é".encode("utf-16-be"), ("helmet", "vest é")),
        (b"0 person\n1 hard hat\n2 vest", ("person", "hard hat", "vest")),
        (b"0: person\n1: vest", ("person", "vest")),
        (b"1 person\n2 vest", ("1 person", "2 vest")),  # who counts from 1 may count a background
        (b"3 point harness", ("3 point harness",)),
        # Only the first line can be the project's.
        (b"helmet\n" + GUID.encode() + b"\n", ("helmet", GUID)),
    ],
)
def test_labels_as_they_come(data: bytes, labels: tuple[str, ...]) -> None:
    assert parse_labels_txt(data) == labels


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "names no class"),
        (GUID.encode() + b"\n", "names no class"),
        (b"helmet\n\nvest\n", "line 2, is empty"),
        (GUID.encode() + b"\n\nvest\n", "line 2, is empty"),
        (b"helmet\nvest\nhelmet\n", "'helmet' twice"),
        (b"helmet\n\xff\xfe\n", "line 2, is not UTF-8"),
        (b"hel\x00met\n", "class 1 must be"),
        ("helmet\nvest\n".encode("utf-16-le"), "as UTF-16 without its mark does: save it as UTF-8"),
        (b"a" * 129, "class 1 must be"),
        (b"\n".join(b"l%d" % number for number in range(1001)), "1001 classes"),
    ],
)
def test_a_refusal_names_the_line(data: bytes, why: str) -> None:
    with pytest.raises(ModelError, match=why) as raised:
        parse_labels_txt(data)
    assert raised.value.code == "model-labels"


names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=20)


@given(
    st.lists(names, min_size=1, max_size=8, unique=True),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_every_way_of_writing_them_reads_the_same(
    labels: list[str], newline: str, final_newline: bool, guid: bool, mark: bool
) -> None:
    text = newline.join(([GUID] if guid else []) + labels) + (newline if final_newline else "")
    assert parse_labels_txt(text.encode("utf-8-sig" if mark else "utf-8")) == tuple(labels)


@given(st.binary(max_size=200))
def test_any_bytes_are_labels_or_a_refusal(data: bytes) -> None:
    try:
        labels = parse_labels_txt(data)
    except ModelError:
        return
    assert labels
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("person,helmet, vest", ("person", "helmet", "vest")),
        ("{0: 'person', 1: 'helmet'}", ("person", "helmet")),
        ("{1: 'helmet', 0: 'person'}", ("person", "helmet")),
        ("['person', 'helmet']", ("person", "helmet")),
    ],
)
def test_names_in_the_metadata(text: str, labels: tuple[str, ...]) -> None:
    assert parse_names(text) == labels


@pytest.mark.parametrize(
    "text", ["", "{0: 'person', 2: 'helmet'}", "{0: 'person'", "{'a': 1}", "[" * 500, "person,,vest", "{0: open}"]
)
def test_names_that_can_not_be_read(text: str) -> None:
    with pytest.raises(ModelError):
        parse_names(text)


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (b'["--bg--", "helmet"]', ("--bg--", "helmet")),
        (b'\xef\xbb\xbf["helmet"]\n', ("helmet",)),
        (b'{"helmet": 0}', None),
        (b"[1, 2]", None),
        (b"[]", None),
        (b'["a", "a"]', None),
        (b'["\xff"]', None),
        (b"helmet\nvest", None),
    ],
)
def test_labels_json(data: bytes, labels: tuple[str, ...] | None) -> None:
    if labels is not None:
        assert parse_labels_json(data) == labels
        return
    with pytest.raises(ModelError, match=r"labels\.json"):
        parse_labels_json(data)


SAID = st.one_of(
    st.text(max_size=40),
    st.recursive(st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner, max_size=3)).map(str),
    st.dictionaries(st.sampled_from(["nms", "half"]), st.booleans()).map(str),
    st.just("'\\d'"),
    st.just("[" * 300),
)


@given(SAID, SAID, SAID)
def test_any_metadata_says_something_or_nothing(size: str, arguments: str, end_to_end: str) -> None:
    entries = {"task": "detect", "stride": "32", "names": "{}", "imgsz": size, "args": arguments, "end2end": end_to_end}
    found = ultralytics_metadata.declared_size(entries)
    assert found is None or all(1 <= side <= 4096 for side in found)
    assert ultralytics_metadata.suppresses_by_itself(entries) in (True, False, None)


@pytest.mark.parametrize(
    ("text", "size"),
    [("[384, 640]", (640, 384)), ("640", (640, 640)), ("(384, 640)", (640, 384)), ("[0, 640]", None), ("[640]", None)],
)
def test_the_size_an_export_was_made_for_is_height_first(text: str, size: tuple[int, int] | None) -> None:
    assert ultralytics_metadata.declared_size({"imgsz": text}) == size
