"""Models are found by name, the site's own first."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from safetygear.errors import ModelError
from safetygear_inference.model_store import find_model


def test_the_data_folder_comes_before_the_image(tmp_path: Path) -> None:
    data, image = tmp_path / "data", tmp_path / "image"
    for folder in (data, image):
        folder.mkdir()
        (folder / "ppe.onnx").touch()
    (image / "other.zip").touch()
    (image / "folder").mkdir()
    assert find_model("ppe", (data, image)) == data / "ppe.onnx"
    assert find_model("ppe.onnx", (data, image)) == data / "ppe.onnx"
    assert find_model("other", (data, image)) == image / "other.zip"
    assert find_model("folder", (data, image)) == image / "folder"


def test_a_missing_model_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "ppe.onnx").touch()
    (tmp_path / "README.txt").touch()
    (tmp_path / "second_look.onnx").touch()
    with pytest.raises(ModelError, match=r"no model 'pep' .* there is: ppe\.onnx$") as raised:
        find_model("pep", (tmp_path / "gone", tmp_path))
    assert raised.value.code == "model-missing"


def test_a_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exists(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", exists)
    with pytest.raises(ModelError, match="ppe can't be looked at: Permission denied") as raised:
        find_model("ppe", (tmp_path,))
    assert raised.value.code == "model-unreadable"
