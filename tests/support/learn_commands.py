"""`safetygear learn`, called as a person calls it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from safetygear_workbench.cli.main import main
from support.model_packages import fixed_boxes
from support.training_project import TrainingProject
from support.training_server import TrainingServer

Output = pytest.CaptureFixture[str]


def an_export(project: TrainingProject, iteration: str) -> bytes:
    """A zip as the service makes it: General (compact) [S1], with the tags that were trained."""
    labels = project.trained_tags[iteration]
    manifest = {"DomainType": "ObjectDetection", "Platform": "ONNX", "IterationId": iteration, "SchemaVersion": "1.0"}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(
            "model.onnx", fixed_boxes([[0.1, 0.1, 0.4, 0.5]] * len(labels), range(len(labels)), [0.9] * len(labels))
        )
        archive.writestr("labels.txt", "\r\n".join(labels))
        archive.writestr("cvexport.manifest", json.dumps(manifest))
    return data.getvalue()


def pushed(server: TrainingServer, examples: Path) -> list[str]:
    """The arguments that name the project, which has the examples now."""
    assert main(["learn", "push", str(examples), "--project", server.project.id]) == 0
    return ["--project", server.project.id]


def trained(server: TrainingServer, examples: Path, capsys: Output) -> list[str]:
    arguments = pushed(server, examples)
    assert main(["learn", "train", *arguments]) == 0
    capsys.readouterr()
    return arguments


def assert_one_line(capsys: Output, said: str) -> str:
    """The last line of stderr, the only one that is not a note on waiting."""
    output = capsys.readouterr()
    lines = [line for line in output.err.splitlines() if "; again in " not in line]
    assert (len(lines), output.out) == (1, "")
    assert said in lines[0]
    return output.err
