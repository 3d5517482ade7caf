"""A folder of examples: what counts as one, what is refused, and names that are never a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetygear.clock import rfc3339
from safetygear.errors import UserError
from safetygear.learning.example import Example, example_id, is_example_id
from safetygear.learning.folder import complete_examples, picture_path, read_example
from safetygear.messages.codec import MessageError, encode
from support.learning import example


def test_only_a_picture_with_its_description_is_an_example(tmp_path: Path) -> None:
    older, newer = example(1), example(2)
    for one in (newer, older):
        (tmp_path / f"{one.id}.json").write_bytes(encode(one))
        picture_path(tmp_path, one.id).write_bytes(b"\xff\xd8")
    picture_path(tmp_path, example(3).id).write_bytes(b"\xff\xd8")
    (tmp_path / f"{example(4).id}.json").write_bytes(encode(example(4)))
    (tmp_path / "notes.json").write_bytes(b"{}")
    assert complete_examples(tmp_path) == [older.id, newer.id]
    assert read_example(tmp_path, older.id) == older


def test_a_description_of_another_picture_or_of_another_form_is_refused(tmp_path: Path) -> None:
    one, other = example(1), example(2)
    (tmp_path / f"{one.id}.json").write_bytes(encode(other))
    with pytest.raises(MessageError, match=other.id):
        read_example(tmp_path, one.id)
    (tmp_path / f"{one.id}.json").write_bytes(b'{"schema": "safetygear.example/2"}')
    with pytest.raises(MessageError, match="example/2"):
        read_example(tmp_path, one.id)
    with pytest.raises(UserError, match="nowhere"):
        complete_examples(tmp_path / "nowhere")


@given(st.floats(0, 4e9), st.floats(0, 4e9), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_ids_are_file_names_in_the_order_of_time(first_s: float, second_s: float, camera: str) -> None:
    times = sorted((rfc3339(first_s), rfc3339(second_s)))
    ids = [example_id(camera, at, "0123456789abcdef") for at in times]
    assert ids == sorted(ids)
    assert all(is_example_id(one) and len(one) < 128 for one in ids)


@pytest.mark.parametrize("text", ["", "..", "20261129T161244123Z-a/b-01234567", "20261129T161244123Z-a-0123456\n"])
def test_a_path_is_no_id(text: str) -> None:
    assert not is_example_id(text)


def test_an_example_has_a_reason() -> None:
    import msgspec

    with pytest.raises(msgspec.ValidationError, match="reasons"):
        msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(example(1), reasons=[])), type=Example)
