"""`safetygear learn push` as a person calls it: what it prints, and what it says to input that is wrong."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from safetygear.secret_references import Secret
from safetygear_workbench.cli.main import main
from safetygear_workbench.evaluate.reading import open_truth
from safetygear_workbench.learn.patience import ATTEMPTS
from support.blob_container import FakeBlobContainer
from support.learn_commands import an_export, assert_one_line, pushed
from support.stored_examples import Box, jpeg, write_example, write_examples
from support.training_project import TrainingProject
from support.training_server import KEY, Fault, Handler, TrainingServer, cut_after, serving, status

Output = pytest.CaptureFixture[str]
BOXES = (Box("helmet"), Box("person", 0.1, 0.1, 0.3, 0.6))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingServer]:
    with serving(TrainingProject(), an_export) as server:
        monkeypatch.setenv("CUSTOM_VISION_TRAINING_KEY", KEY)
        monkeypatch.setenv("CUSTOM_VISION_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    folder = tmp_path / "examples"
    write_examples(folder, 16, BOXES)
    return folder


def test_a_push_says_what_it_did(server: TrainingServer, examples: Path, capsys: Output) -> None:
    arguments = ["learn", "push", str(examples), "--project", server.project.id, "--map", "helmet=hardhat"]
    assert main([*arguments, "--dry-run", "--json"]) == 0
    assert (server.calls("POST"), json.loads(capsys.readouterr().out)["pending"]) == (0, 16)
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "site gear has 16 more pictures with 32 boxes; new tags: hardhat, person." in printed
    assert "check each picture in the portal" in printed
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "examples": 16, "repeated": 0, "broken": {}, "added": 0, "there": 0, "sentBefore": 16, "boxes": 0,
        "boxesLeftOut": 0, "tags": {"created": []}, "refused": {}, "dryRun": False,
        "project": {"id": server.project.id, "name": "site gear", "domain": "General (compact) [S1]"},
    }  # fmt: skip


def test_a_dry_run_writes_nothing_and_knows_what_was_sent(
    server: TrainingServer, examples: Path, capsys: Output
) -> None:
    arguments = ["learn", "push", str(examples), "--project", server.project.id, "--json"]
    before = set(examples.iterdir())
    assert main([*arguments, "--dry-run"]) == 0
    assert set(examples.iterdir()) == before
    assert main(arguments) == 0
    capsys.readouterr()
    assert main([*arguments, "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["sentBefore"] == 16


def test_a_key_from_a_file(
    server: TrainingServer, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUSTOM_VISION_TRAINING_KEY")
    (tmp_path / "key").write_text(f"{KEY}\n")
    key = f"file:{tmp_path / 'key'}"
    assert main(["learn", "push", str(examples), "--project", server.project.id, "--key", key]) == 0


def test_one_picture_under_two_names_is_sent_once(server: TrainingServer, examples: Path) -> None:
    write_example(examples, 100, BOXES, picture=next(examples.glob("*.jpg")).read_bytes())
    pushed(server, examples)
    assert len(server.project.images) == 16


def test_a_copy_of_a_container_has_a_folder_for_each_device(
    server: TrainingServer, examples: Path, tmp_path: Path, capsys: Output
) -> None:
    copied = tmp_path / "container"
    shutil.copytree(examples, copied / "box-1")
    write_example(copied / "box-2", 200, BOXES)
    assert main(["learn", "push", str(copied), "--project", server.project.id]) == 0
    assert len(server.project.images) == 17
    write_example(copied / "box-2", 0, BOXES, picture=jpeg(999), id=sorted(examples.glob("*.jpg"))[0].stem)
    capsys.readouterr()
    assert main(["learn", "push", str(copied), "--coco", str(tmp_path / "coco")]) == 2
    assert_one_line(capsys, "another example has that id")


def test_refused_pictures_are_named(server: TrainingServer, examples: Path, capsys: Output) -> None:
    bad = write_example(examples, 50, BOXES, picture=b"\xff\xd8\xff no picture")
    assert main(["learn", "push", str(examples), "--project", server.project.id]) == 1
    assert f"refused: {bad.id}: ErrorImageFormat" in capsys.readouterr().out


def test_broken_examples_may_be_left_out(server: TrainingServer, examples: Path, capsys: Output) -> None:
    next(examples.glob("*.jpg")).unlink()
    assert main(["learn", "push", str(examples), "--project", server.project.id, "--skip-broken"]) == 0
    assert ".jpg is missing" in capsys.readouterr().err
    assert len(server.project.images) == 15


def test_a_device_that_makes_room_meanwhile(
    server: TrainingServer, examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is the device's own, and its oldest picture goes after it was looked at."""
    oldest = sorted(examples.glob("*.jpg"))[0]
    monkeypatch.setattr(
        "safetygear_workbench.learn.project_push.batches",
        lambda found: [oldest.unlink(missing_ok=True), list(found)][1:],
    )
    assert main(["learn", "push", str(examples), "--project", server.project.id]) == 2
    assert_one_line(capsys, "can't be read any more (No such file or directory). Push a copy.")


HALF_WAY: dict[str, tuple[Fault, int, str]] = {
    "the line is cut": (cut_after, 1, "the connection was cut. At least 64 of 70 pictures have arrived; "),
    "the key is withdrawn": (
        status(401),
        2,
        "a key of this very training resource. At least 64 of 70 pictures have arrived; ",
    ),
    "somebody ends it": (status(503), 130, "At least 64 of 70 pictures have arrived; "),
}


@pytest.mark.parametrize("name", HALF_WAY)
def test_a_push_that_ends_half_way_says_how_far_it_came_and_is_gone_on_with(
    server: TrainingServer, examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def works(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    def pause(_: float) -> None:
        if code == 130:
            raise KeyboardInterrupt

    fault, code, said = HALF_WAY[name]
    monkeypatch.setattr("safetygear_workbench.cli.learn.time.sleep", pause)
    write_examples(examples, 70, BOXES)
    server.faults = [("images/files", works), *[("images/files", fault)] * ATTEMPTS]
    arguments = ["learn", "push", str(examples), "--project", server.project.id]
    assert main(arguments) == code
    printed = assert_one_line(capsys, said)
    assert "the same command goes on with the others and sends none twice." in printed
    server.faults = []
    assert main(arguments) == 0
    assert "64 were sent before" in capsys.readouterr().out
    assert len(server.project.images) == 70
    assert all(len(image.regions) == len(BOXES) for image in server.project.images.values())


class Refusing(FakeBlobContainer):
    """Its SAS is withdrawn after so many files."""

    after = 9

    async def put(self, url: str, data: bytes, sas: Secret, content_type: str = "image/jpeg") -> None:
        self.status = 403 if len(self.calls) >= self.after else None
        await super().put(url, data, sas, content_type)


def test_a_container_that_refuses_half_way_is_gone_on_with(
    examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = Refusing()
    monkeypatch.setattr("safetygear_inference.evidence.blob_container.AzureBlobContainer", lambda: container)
    monkeypatch.setenv("SAFETYGEAR_BLOB_SAS", container.sas("c"))
    arguments = ["learn", "push", str(examples), "--blob", container.make("c")]
    assert main(arguments) != 0
    printed = assert_one_line(capsys, " of 16 pictures have arrived; the same command goes on with the others")
    arrived = sum(name.endswith(".json") for name in container.blobs("c"))
    assert 0 < arrived < 16
    assert f" {arrived} of 16" in printed
    container.after = 10_000
    assert main(arguments) == 0
    assert f"has {16 - arrived} more examples; {arrived} were sent before" in capsys.readouterr().out
    assert len(container.blobs("c")) == 32


def test_faces_need_a_word(server: TrainingServer, examples: Path, capsys: Output) -> None:
    clear = write_example(examples, 60, BOXES, faces_blurred=False)
    arguments = ["learn", "push", str(examples), "--project", server.project.id]
    assert main(arguments) == 2
    assert clear.id in capsys.readouterr().err
    assert server.requests == []
    assert main([*arguments, "--with-faces"]) == 0


def test_a_folder_gets_no_picture_that_was_changed_meanwhile(
    examples: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = sorted(examples.glob("*.jpg"))[0]
    monkeypatch.setattr(
        "safetygear_workbench.learn.coco_folder.coco_document",
        lambda *_: [oldest.write_bytes(b"\xff\xd8\xff another"), {"annotations": []}][1],
    )
    assert main(["learn", "push", str(examples), "--coco", str(tmp_path / "coco")]) == 2
    assert_one_line(capsys, f"{oldest} was changed while it was being used.")
    assert {path.name for path in tmp_path.iterdir()} == {"examples"}


def damaged(folder: Path) -> None:
    path = sorted(folder.glob("*.jpg"))[3]
    path.write_bytes(path.read_bytes()[:-9])


def fifo(folder: Path) -> None:
    path = sorted(folder.glob("*.jpg"))[3]
    path.unlink()
    os.mkfifo(path)


def a_socket(folder: Path) -> None:
    path = sorted(folder.glob("*.jpg"))[3]
    path.unlink()
    with socket.socket(socket.AF_UNIX) as one:
        # Its address may have 107 bytes only.
        one.bind(f"/proc/self/fd/{(inside := os.open(folder, os.O_RDONLY))}/{path.name}")
        os.close(inside)


def a_device(folder: Path) -> None:
    path = sorted(folder.glob("*.jpg"))[3]
    path.unlink()
    path.symlink_to("/dev/zero")


def no_picture(folder: Path) -> None:
    sorted(folder.glob("*.jpg"))[3].unlink()


def two_of_one_id(folder: Path) -> None:
    first, second = sorted(folder.glob("*.json"))[:2]
    shutil.copy(first, second)


def not_json(folder: Path) -> None:
    sorted(folder.glob("*.json"))[3].write_text("{")


def other_form(folder: Path) -> None:
    path = sorted(folder.glob("*.json"))[3]
    path.write_text(path.read_text().replace("safetygear.example/1", "safetygear.example/2"))


def stray(folder: Path) -> None:
    (folder / "notes.json").write_text("{}")


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


def two_cases(folder: Path) -> None:
    write_example(folder, 1000, [Box("vest"), Box("Vest")])


def many_tags(folder: Path) -> None:
    for number in range(600):
        write_example(folder, 1000 + number, [Box(f"class {number}")])


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "a damaged JPEG": (damaged, "is damaged: its SHA-256"),
    "a JSON without JPEG": (no_picture, ".jpg is missing"),
    "a FIFO for a JPEG": (fifo, ".jpg is no regular file"),
    "a socket for a JPEG": (a_socket, ".jpg is no regular file"),
    "a device for a JPEG": (a_device, ".jpg is no regular file"),
    "two of one id": (two_of_one_id, "says that it describes"),
    "no JSON": (not_json, "Example: "),
    "another form": (other_form, "safetygear.example/2"),
    "a stray JSON": (stray, "notes.json: it is not named as an example is"),
    "an empty folder": (empty, "holds no examples"),
    "no folder": (missing, "can't be read (No such file or directory)"),
    "one tag in two ways": (two_cases, "'Vest' and 'vest': they differ in their case only. Give --map vest=Vest"),
    "600 tags": (many_tags, "would have 602 tags; at most 500"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_examples_are_told_before_anything_is_sent(
    server: TrainingServer, examples: Path, capsys: Output, name: str
) -> None:
    make, said = BROKEN[name]
    make(examples)
    assert main(["learn", "push", str(examples), "--project", server.project.id]) == 2
    assert_one_line(capsys, said)
    assert server.calls("POST") == 0


WRONG: dict[str, tuple[list[str], dict[str, str], int, str]] = {
    "no place": ([], {}, 2, "Give one of --project, --blob, --coco, --label-studio"),
    "two places": (["--project", "ID", "--coco", "out"], {}, 2, "Give one of"),
    "no project's id": (["--project", "my project"], {}, 2, "'my project' is no project's id"),
    "another project": (["--project", str(uuid.uuid4())], {}, 2, "no such project (404 NotFoundProject"),
    "another key": (
        ["--project", "ID"],
        {"CUSTOM_VISION_TRAINING_KEY": "f" * 32},
        2,
        "refuses the key (401: Access denied",
    ),
    "no key": (["--project", "ID"], {"CUSTOM_VISION_TRAINING_KEY": ""}, 2, "KEY is not set"),
    "no such key": (["--project", "ID"], {"CUSTOM_VISION_TRAINING_KEY": "top secret"}, 2, "KEY holds no key"),
    "a key in the open": (["--project", "ID", "--key", KEY], {}, 2, "--key takes file:PATH"),
    "no key file": (["--project", "ID", "--key", "file:/nowhere"], {}, 2, "/nowhere can't be read"),
    "no endpoint": (["--project", "ID"], {"CUSTOM_VISION_ENDPOINT": ""}, 2, "no training resource is named"),
    "the key in clear": (["--project", "ID", "--endpoint", "http://site.example"], {}, 2, "over https only"),
    "an endpoint with a path": (["--project", "ID", "--endpoint", "https://site.example/x"], {}, 2, "has a path"),
    "nobody there": (["--project", "ID", "--endpoint", "http://127.0.0.1:9"], {}, 1, "it refuses connections"),
    "a label nobody has": (["--project", "ID", "--map", "hat=helmet"], {}, 2, "no example's model has that label"),
    "no pair": (["--project", "ID", "--map", "helmet"], {}, 2, "write NAME=OTHER"),
    "a SAS in the open": (["--blob", "https://a.blob.core.windows.net/c?sig=abcd"], {}, 2, "has a token or a query"),
    "boxes in blobs": (["--blob", "https://a.blob.core.windows.net/c", "--weak"], {}, 2, "go into --blob as they are"),
    "no SAS": (["--blob", "https://a.blob.core.windows.net/c"], {}, 2, "SAFETYGEAR_BLOB_SAS is not set"),
    "no container": (["--blob", "https://a.blob.core.windows.net/"], {}, 2, "can't be used"),
    "a folder that is there": (["--coco", "."], {}, 2, "is there already: name a folder that is new or empty"),
    "a folder in the examples": (["--coco", "examples/coco"], {}, 2, "lies in the folder of the examples"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(
    server: TrainingServer, examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given, environment, code, said = WRONG[name]
    monkeypatch.chdir(examples.parent)
    monkeypatch.setattr("safetygear_workbench.cli.learn.time.sleep", lambda _: None)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    arguments = [server.project.id if text == "ID" else text for text in given]
    assert main(["learn", "push", "examples", *arguments]) == code
    printed = assert_one_line(capsys, said)
    assert not any(secret in printed for secret in (KEY, "f" * 32, "top secret", "abcd"))


# Folders


def test_coco_is_what_evaluate_reads(examples: Path, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "coco"
    assert main(["learn", "push", str(examples), "--coco", str(out), "--map", "helmet=hardhat"]) == 0
    assert "has 16 pictures with 32 boxes" in capsys.readouterr().out
    truth = open_truth(out / "annotations.json", out / "images")
    assert truth.labels == ("hardhat", "person", "vest")
    picture = truth.pictures[0]
    assert (picture.size_px, picture.xywh.tolist()) == ((64, 48), [[16, 12, 32, 12], [6.4, 4.8, 19.2, 28.8]])
    assert "suggestions" in json.loads((out / "annotations.json").read_text())["info"]["note"]
    assert sorted(path.name for path in (out / "images").iterdir()) == sorted(
        path.name for path in examples.glob("*.jpg")
    )


def test_label_studio_gets_predictions(examples: Path, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "site & yard"
    assert main(["learn", "push", str(examples), "--label-studio", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["boxes"] == 32
    tasks = json.loads((out / "tasks.json").read_text())
    assert len(tasks) == 16
    name = sorted(path.name for path in examples.glob("*.jpg"))[0]
    assert tasks[0]["data"]["image"] == f"/data/local-files/?d=site%20%26%20yard/images/{name}"
    (prediction,) = tasks[0]["predictions"]
    assert prediction["model_version"] == "site 3"
    assert prediction["result"][0] == {
        "id": "1", "type": "rectanglelabels", "from_name": "label", "to_name": "image", "original_width": 64,
        "original_height": 48, "image_rotation": 0, "score": 0.75,
        "value": {
            "x": 25.0, "y": 25.0, "width": 50.0, "height": 25.0, "rotation": 0, "rectanglelabels": ["helmet"],
        },
    }  # fmt: skip
    configuration = (out / "labels.xml").read_text()
    assert '<Label value="vest"/>' in configuration
    assert 'name="label" toName="image"' in configuration


def test_folders_need_no_client(
    examples: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure.cognitiveservices.vision.customvision.training", None)
    monkeypatch.delitem(sys.modules, "safetygear_workbench.learn.custom_vision", raising=False)
    monkeypatch.setenv("CUSTOM_VISION_TRAINING_KEY", KEY)
    project = ["--project", str(uuid.uuid4()), "--endpoint", "https://site.example"]
    assert main(["learn", "push", str(examples), *project]) == 2
    assert_one_line(capsys, "pip install -c constraints.txt -e 'workbench[learn]'")
    assert main(["learn", "push", str(examples), "--coco", str(tmp_path / "coco")]) == 0


def test_a_folder_that_fails_is_not_there(
    examples: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    assert main(["learn", "push", str(examples), "--coco", str(tmp_path / "coco")]) == 2
    assert_one_line(capsys, "No space left on device")
    assert {path.name for path in tmp_path.iterdir()} == {"examples"}
