"""`safetygear learn train` and `pull` as a person calls them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safetygear_inference.model_change.addresses import address_error
from safetygear_workbench.cli.main import main
from safetygear_workbench.learn import export_download, package_pull
from support.learn_commands import an_export, assert_one_line, pushed, trained
from support.stored_examples import Box, write_examples
from support.training_project import CLASSIFYING, GENERAL, Limits, TrainingProject
from support.training_server import KEY, Fault, TrainingServer, cut_after, cut_before, serving, status

Output = pytest.CaptureFixture[str]
BOXES = (Box("helmet"), Box("person", 0.1, 0.1, 0.3, 0.6))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safetygear_workbench.cli.learn.time.sleep", lambda _: None)


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


def test_a_classification_project_is_refused(examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOM_VISION_TRAINING_KEY", KEY)
    with serving(TrainingProject(domain=CLASSIFYING)) as server:
        project = ["--project", server.project.id, "--endpoint", server.endpoint]
        assert main(["learn", "push", str(examples), *project]) == 2
        assert_one_line(capsys, "is for classification; examples have boxes")
        assert main(["learn", "pull", *project, "-o", str(examples.parent / "out.zip")]) == 2
        assert_one_line(capsys, "it gives no detector to pull")


def test_a_training_is_waited_for(server: TrainingServer, examples: Path, capsys: Output) -> None:
    arguments = pushed(server, examples)
    capsys.readouterr()
    assert main(["learn", "train", *arguments, "--json"]) == 0
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert (document["changed"], document["iteration"]["trainingMinutes"]) == (True, 7)
    assert document["performance"]["tags"][0] == {
        "name": "helmet", "precision": 0.9, "recall": 0.8, "averagePrecision": 0.85,
    }  # fmt: skip
    assert "16 pictures of site gear came from `learn push`" in output.err
    assert server.project.iterations[0]["trainingType"] == "Regular"


def test_a_count_that_is_refused_holds_no_training_up(server: TrainingServer, examples: Path, capsys: Output) -> None:
    arguments = pushed(server, examples)
    server.faults = [("images/count", status(400, {"code": "BadRequestInvalid", "message": "No."}))]
    assert main(["learn", "train", *arguments]) == 0
    assert "came from `learn push`" not in capsys.readouterr().err


def test_a_training_without_figures_is_trained_all_the_same(
    server: TrainingServer, examples: Path, capsys: Output
) -> None:
    arguments = pushed(server, examples)
    server.faults = [("/performance", status(404, {"code": "NotFoundIterationPerformance", "message": "No."}))]
    assert main(["learn", "train", *arguments]) == 0
    assert "precision -  recall -  AP -" in capsys.readouterr().out


def test_nothing_changed(server: TrainingServer, examples: Path, capsys: Output) -> None:
    arguments = trained(server, examples, capsys)
    assert main(["learn", "train", *arguments]) == 0
    assert "Nothing has changed since Iteration 1 was trained" in capsys.readouterr().out
    assert main(["learn", "train", *arguments, "--force"]) == 0
    assert "Iteration 2 of site gear is trained in 7 min." in capsys.readouterr().out


def test_an_advanced_training_has_a_budget(server: TrainingServer, examples: Path) -> None:
    assert main(["learn", "train", *pushed(server, examples), "--budget-hours", "2"]) == 0
    iteration = server.project.iterations[0]
    assert (iteration["trainingType"], iteration["reservedBudgetInHours"]) == ("Advanced", 2)


def test_a_training_that_runs_is_joined(server: TrainingServer, examples: Path, capsys: Output) -> None:
    arguments = pushed(server, examples)
    server.project.looks = 3
    assert main(["learn", "train", *arguments, "--wait", "0"]) == 1
    assert "the same command waits for it again" in capsys.readouterr().err
    assert main(["learn", "train", *arguments]) == 0
    assert [one["status"] for one in server.project.iterations] == ["Completed"]


def test_an_answer_that_is_lost_begins_no_second_training(
    server: TrainingServer, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    arguments = pushed(server, examples)
    server.faults = [("/train?", cut_after), ("/iterations/", cut_before), ("/iterations/", status(429))]
    assert main(["learn", "train", *arguments]) == 0
    assert len(server.project.iterations) == 1


def test_trainings_that_fail(server: TrainingServer, examples: Path, capsys: Output) -> None:
    arguments = pushed(server, examples)
    capsys.readouterr()
    server.project.fails = "The data could not be read"
    assert main(["learn", "train", *arguments]) == 1
    assert "Iteration 1 failed: The data could not be read" in capsys.readouterr().err
    server.project.limits = Limits(images_a_tag=17)
    assert main(["learn", "train", *arguments]) == 2
    assert "At least 15 pictures must have each tag" in capsys.readouterr().err


def test_a_domain_that_cant_be_exported_is_not_trained(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOM_VISION_TRAINING_KEY", KEY)
    with serving(TrainingProject(domain=GENERAL)) as server:
        assert main(["learn", "train", "--project", server.project.id, "--endpoint", server.endpoint]) == 2
        assert server.calls("POST") == 0
    assert_one_line(capsys, "has the domain 'General', and what is trained in it can't be exported")


# Pull


def test_a_pull_makes_a_package_that_a_device_takes(
    server: TrainingServer, examples: Path, tmp_path: Path, capsys: Output
) -> None:
    arguments, out = trained(server, examples, capsys), tmp_path / "site-ppe.zip"
    golden = ["--golden", str(next(examples.glob("*.jpg")))]
    assert main(["learn", "pull", *arguments, "-o", str(out), *golden, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["export"] == {"platform": "ONNX", "flavor": None, "reused": False}
    assert document["golden"] == {"pictures": 1, "differences": []}
    assert document["model"]["labels"] == ["helmet", "person"]
    assert document["model"]["version"] == "Iteration 1"
    assert "| helmet | 0.900 | 0.800 | 0.850 |" in document["card"]
    wanted = document["twin"]["model"]
    assert wanted["sha256"] == document["sha256"]
    assert address_error(wanted["uri"]) is None
    assert main(["model", "verify", str(out), "--sha256", wanted["sha256"]]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"examples", "site-ppe.zip"}


def test_an_export_that_is_there_is_taken(
    server: TrainingServer, examples: Path, tmp_path: Path, capsys: Output
) -> None:
    arguments, out = trained(server, examples, capsys), str(tmp_path / "a.zip")
    assert main(["learn", "pull", *arguments, "-o", out]) == 0
    assert server.project.limits.exports == 0
    assert main(["learn", "pull", *arguments, "-o", out, "--reuse-only"]) == 0
    assert "its export was there" in capsys.readouterr().out
    assert server.calls("export?platform") == 1
    main(["learn", "train", *arguments, "--force"])
    capsys.readouterr()
    assert main(["learn", "pull", *arguments, "-o", out]) == 2
    assert_one_line(capsys, "exports of this month are used up")
    assert main(["learn", "pull", *arguments, "-o", out, "--reuse-only"]) == 2
    assert_one_line(capsys, "Iteration 2 has no ONNX export yet")
    assert main(["learn", "pull", *arguments, "-o", out, "--iteration", "Iteration 1"]) == 0


def test_an_answer_that_is_lost_costs_no_second_export(
    server: TrainingServer, examples: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:

    arguments = trained(server, examples, capsys)
    server.project.limits.exports = 2
    server.faults = [("export?platform", cut_after), ("/exports/", cut_before), ("/exports/", status(503))]
    assert main(["learn", "pull", *arguments, "-o", str(tmp_path / "a.zip")]) == 0
    assert server.project.limits.exports == 1


def test_an_export_that_somebody_else_orders_meanwhile(
    server: TrainingServer, examples: Path, tmp_path: Path, capsys: Output
) -> None:
    arguments = trained(server, examples, capsys)
    iteration = server.project.iterations[0]["id"]

    async def ordered_elsewhere(request: Any, handler: Any) -> Any:
        server.project.order_export(iteration, "ONNX", None)
        return await handler(request)

    server.faults = [("export?platform", ordered_elsewhere)]
    assert main(["learn", "pull", *arguments, "-o", str(tmp_path / "a.zip"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["export"]["reused"] is True


def test_an_iteration_without_figures_is_pulled(
    server: TrainingServer, examples: Path, tmp_path: Path, capsys: Output
) -> None:
    arguments, out = trained(server, examples, capsys), str(tmp_path / "a.zip")
    server.faults = [("/performance", status(404, {"code": "NotFoundIterationPerformance", "message": "No."}))]
    assert main(["learn", "pull", *arguments, "-o", out, "--json"]) == 0
    assert "| all | - | - | - |" in json.loads(capsys.readouterr().out)["card"]


def test_an_export_that_takes_long_is_taken_later(
    server: TrainingServer, examples: Path, tmp_path: Path, capsys: Output
) -> None:
    arguments, out = trained(server, examples, capsys), str(tmp_path / "a.zip")
    server.project.looks = 3
    assert main(["learn", "pull", *arguments, "-o", out, "--wait", "0"]) == 1
    assert_one_line(capsys, "the same command takes it when it is")
    assert main(["learn", "pull", *arguments, "-o", out]) == 0


PULLS: dict[str, tuple[list[str], int, str]] = {
    "no zip": (["-o", "model.onnx"], 2, "that ends in .zip"),
    "a name no twin takes": (["-o", "site ppe.zip"], 2, "A-Z a-z 0-9"),
    "no folder": (["-o", "nowhere/a.zip"], 2, "there is no folder nowhere"),
    "another iteration": (["-o", "a.zip", "--iteration", "Iteration 7"], 2, "It has: Iteration 1."),
    "a class nobody has": (["-o", "a.zip", "--map", "hat=helmet"], 1, "hat"),
    "no golden picture": (["-o", "a.zip", "--golden", "nowhere.jpg"], 2, "nowhere.jpg"),
}


@pytest.mark.parametrize("name", PULLS)
def test_wrong_pulls(
    server: TrainingServer, examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given, code, said = PULLS[name]
    monkeypatch.chdir(examples.parent)
    arguments = trained(server, examples, capsys)
    assert main(["learn", "pull", *arguments, *given]) == code
    assert_one_line(capsys, said)
    assert server.calls("export?platform") == (1 if code == 1 else 0)
    assert {path.name for path in examples.parent.iterdir()} == {"examples"}


def test_nothing_is_trained_yet(server: TrainingServer, tmp_path: Path, capsys: Output) -> None:
    assert main(["learn", "pull", "--project", server.project.id, "-o", str(tmp_path / "a.zip")]) == 2
    assert_one_line(capsys, "Run `safetygear learn train` first")


EXPORTS: dict[str, tuple[Callable[..., bytes], str]] = {
    "no zip": (lambda *_: b"no zip", "it is not a zip"),
    "half a zip": (lambda *given: an_export(*given)[:-200], "it is not a zip, or cut short"),
    "too large": (lambda *_: b"0" * 5000, "the export is larger than"),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_that_cant_be_used(
    server: TrainingServer, examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, said = EXPORTS[name]
    server.export = make
    if name == "too large":
        monkeypatch.setattr(export_download, "LARGEST_BYTES", 4000)
    arguments = trained(server, examples, capsys)
    assert main(["learn", "pull", *arguments, "-o", str(examples.parent / "a.zip")]) == 1
    assert_one_line(capsys, said)
    assert {path.name for path in examples.parent.iterdir()} == {"examples"}


def test_storage_that_is_busy_gets_time(
    server: TrainingServer, examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = trained(server, examples, capsys)
    pauses_s: list[float] = []
    monkeypatch.setattr("safetygear_workbench.cli.learn.time.sleep", pauses_s.append)
    server.faults = [("/exports/", status(503))] * 4
    assert main(["learn", "pull", *arguments, "-o", str(examples.parent / "a.zip")]) == 1
    assert_one_line(capsys, "the storage was busy while the export was fetched")
    assert tuple(pauses_s[-3:]) == export_download.PAUSES_S
    assert server.faults == []


@pytest.mark.parametrize("fault", [status(302, Location="http://127.0.0.1:9/"), status(403), status(404)])
def test_storage_that_says_no(server: TrainingServer, examples: Path, capsys: Output, fault: Fault) -> None:
    arguments = trained(server, examples, capsys)
    server.faults = [("/exports/", fault)]
    assert main(["learn", "pull", *arguments, "-o", str(examples.parent / "a.zip")]) == 1
    assert "sig" not in assert_one_line(capsys, "to the export's address; pull again")


def test_a_full_disk_leaves_nothing_behind(
    server: TrainingServer, examples: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = trained(server, examples, capsys)
    opened = Path.open

    def full(path: Path, mode: str = "r", **given: Any) -> Any:
        if path.name == "export.zip" and "w" in mode:
            path = Path("/dev/full")
        return opened(path, mode, **given)

    monkeypatch.setattr(Path, "open", full)
    assert main(["learn", "pull", *arguments, "-o", str(examples.parent / "a.zip")]) == 2
    assert_one_line(capsys, "the export can't be written (No space left on device)")
    assert {path.name for path in examples.parent.iterdir()} == {"examples"}


def test_where_an_export_may_come_from() -> None:
    check = package_pull.check_address
    assert check("https://a.blob.core.windows.net/m.zip?sig=x", local=False).endswith("sig=x")
    for uri, said in (
        ("http://a.blob.core.windows.net/m.zip?sig=x", "no https address"),
        (None, "no https address"),
        ("artifacts/m.zip", "in a virtual network"),
        ("http://127.0.0.1/m.zip", "no https address"),
    ):
        with pytest.raises(export_download.ExportDownloadError, match=said) as caught:
            check(uri, local=False)
        assert "sig" not in str(caught.value)
