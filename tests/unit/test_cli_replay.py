"""`safetygear replay`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetygear_workbench.cli.main import main
from support.recordings import body, record, write_lines
from support.storyboards import START_S, stories

Output = pytest.CaptureFixture[str]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Somebody who carries the helmet and puts it on at 11 s; and a health message."""
    (story,) = (story for story in stories() if story.name == "helmet carried, then put on")
    messages: list[Any] = [
        record(body("gate", number, START_S + t_s, rows)) for number, (t_s, rows) in enumerate(story.frames(5), 1)
    ]
    messages.insert(3, record({"schema": "safetygear.health/1", "instance": "inference"}, output="health"))
    return write_lines(tmp_path / "detections.jsonl", messages)


def twin(folder: Path, desired: Any, name: str = "twin.json") -> str:
    path = folder / name
    path.write_text(json.dumps(desired))
    return str(path)


def test_json_has_the_shape_that_scripts_rely_on(recording: Path, tmp_path: Path, capsys: Output) -> None:
    config = twin(tmp_path, {"rules": {"severity": "high"}})
    assert main(["replay", str(recording), "--config", config, "--json"]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    content = json.loads(out.out)
    assert content["recording"] == {
        "cameras": ["gate"],
        "frames": 150,
        "seconds": 29.8,
        "duplicates": 0,
        "missing": 0,
    }
    (episode,) = content["episodes"]
    assert episode.pop("id").startswith("ep-")
    assert 0.5 < episode.pop("confidence") <= 1
    assert episode == {
        "camera": "gate",
        "zone": "default",
        "rule": "no-helmet",
        "severity": "high",
        "state": "closed",
        "track": "replay-1",
        "beganAt": "2026-11-25T08:00:03.200Z",
        "openedAt": "2026-11-25T08:00:05.200Z",
        "closedAt": "2026-11-25T08:00:11.600Z",
        "seconds": 6.4,
        "reason": "carried-helmet",
        "closeReason": "complied",
    }
    (hour,) = content["kpi"]
    assert hour == {
        "camera": "gate",
        "zone": "default",
        "hour": "2026-11-25T08:00:00.000Z",
        "secondsCompliant": 8.8,
        "secondsViolating": 8.4,
        "secondsIndeterminate": 1.2,
        "compliance": 0.5116,
    }


def test_the_tables_name_who_what_when_and_why(recording: Path, capsys: Output) -> None:
    assert main(["replay", str(recording)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "150 frames of gate in 29.8 s"
    assert lines[3].split() == [
        "gate", "default", "replay-1", "no-helmet", "medium", "2026-11-25", "08:00:05.2", "2026-11-25", "08:00:11.6",
        "6.4", "carried-helmet", "complied",
    ]  # fmt: skip
    assert lines[6].split() == ["gate", "default", "2026-11-25", "08:00", "8.8", "8.4", "1.2", "51.2%"]


def test_nothing_violated_is_a_result(recording: Path, tmp_path: Path, capsys: Output) -> None:
    config = twin(tmp_path, {"rules": {"requires": ["vest"]}})
    assert main(["replay", str(recording), "--config", config]) == 0
    assert "no episodes" in capsys.readouterr().out
    config = twin(tmp_path, {"rules": {"wholePicture": False}})
    assert main(["replay", str(recording), "--config", config]) == 0
    assert "nobody in a rule zone" in capsys.readouterr().out


def test_two_configurations_are_compared(recording: Path, tmp_path: Path, capsys: Output) -> None:
    late = twin(tmp_path, {"rules": {"minimumDurationS": 4}}, "late.json")
    vests = twin(tmp_path, {"rules": {"requires": ["vest"]}}, "vests.json")
    assert main(["replay", str(recording), "--against", late, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [one["openedAt"][17:21] for one in (*content["episodes"], *content["against"]["episodes"])] == [
        "05.2",
        "07.2",
    ]
    (changed,) = content["difference"]["changed"]
    assert changed["fields"] == ["openedAt"]
    assert main(["replay", str(recording), "--against", late]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "openedAt 2026-11-25T08:00:05.200Z 2026-11-25T08:00:07.200Z" in shown
    assert "the same under both: 0" in shown
    assert main(["replay", str(recording), "--config", vests, "--against", late]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "only under --config: 0 only under --against: 1 camera zone" in shown


@pytest.mark.parametrize(
    "wrap", [lambda desired: {"desired": desired, "reported": {}}, lambda desired: {"properties": {"desired": desired}}]
)
def test_what_twin_get_prints_is_a_configuration_too(
    recording: Path, tmp_path: Path, capsys: Output, wrap: Any
) -> None:
    config = twin(tmp_path, wrap({"$version": 4, "rules": {"severity": "low"}}))
    assert main(["replay", str(recording), "--config", config, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"][0]["severity"] == "low"


def test_a_label_that_the_recording_does_not_show_may_be_named(recording: Path, tmp_path: Path, capsys: Output) -> None:
    config = twin(tmp_path, {"rules": {"requires": ["gloves"]}})
    assert main(["replay", str(recording), "--config", config]) == 2
    assert "rules.requires the model has no 'gloves'" in capsys.readouterr().err
    assert main(["replay", str(recording), "--config", config, "--label", "gloves"]) == 0


BAD_CONFIGS: list[tuple[str, list[str]]] = [
    ("{", ["is not JSON: ", "line 1"]),
    ('{"rules": NaN}', ["rules must be an object"]),
    ("[1]", ["is no JSON object"]),
    ('{"desired": 3}', ["the desired properties must be an object"]),
    (
        '{"rules": {"minimumDurationS": -5, "requirez": []}, "zones": {"gate": {"a b": {}, "yard": {"polygon": 1}}}}',
        ["rules.minimumDurationS must be", "not -5", "rules.requirez unknown", "zones.gate.a b", "zones.gate.yard."],
    ),
    ('{"rules": {"calendar": "night"}}', ["rules.calendar no such id in calendars"]),
]


@pytest.mark.parametrize(("text", "wanted"), BAD_CONFIGS, ids=range(len(BAD_CONFIGS)))
@pytest.mark.parametrize("option", ["--config", "--against"])
def test_a_configuration_that_can_t_be_used_names_each_field(
    recording: Path, tmp_path: Path, capsys: Output, option: str, text: str, wanted: list[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert main(["replay", str(recording), option, str(path)]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert len(out.err.splitlines()) == 1
    assert "bad.json" in out.err
    for part in wanted:
        assert part in out.err


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda f: [str(f / "gone.jsonl")], "gone.jsonl can't be read: No such file"),
        (lambda f: [str(f)], "can't be read: Is a directory"),
        (lambda f: [str(f / "empty.jsonl")], "empty.jsonl: no detections in it"),
        (lambda f: [str(f / "notes.txt")], "notes.txt, line 1: is not JSON"),
        (lambda f: [str(f / "detections.jsonl"), "--config", str(f / "gone.json")], "gone.json can't be read"),
        (lambda f: [], "DETECTIONS.jsonl"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    recording: Path, tmp_path: Path, capsys: Output, make: Any, wanted: str
) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "notes.txt").write_text("what I saw\n")
    assert main(["replay", *make(recording.parent)]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert len(out.err.splitlines()) == 1
    assert wanted in out.err
