"""A model is opened as it runs fastest here, once measured, and never at the price of not being opened."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from safetygear.errors import ModelError
from safetygear_inference.analysis_pool import AnalysisPool
from safetygear_inference.detectors import Model, open_model
from safetygear_inference.detectors.runtimes.choice import PLAIN, SIMPLEST_FIRST, Runtime, Variant, Wish
from safetygear_inference.detectors.runtimes.providers import CPU_ONLY, Provider
from safetygear_inference.detectors.runtimes.session import Session
from safetygear_inference.model_change.package_check import open_and_check
from safetygear_inference.runtime_choice.choice_file import FILE_NAME, ChoiceFile
from safetygear_inference.runtime_choice.chooser import RuntimeChooser
from safetygear_inference.runtime_choice.trial import Clocks
from safetygear_inference.thread_priority import NICE
from support.onnx_models import colour_meter
from support.pictures import plain

ORT, ORT8, OV, OV8 = SIMPLEST_FIRST
LONG_S = 20.0


class Timed:
    """A session whose runs take a fixed time of a clock that only they move."""

    def __init__(self, real: Session, lab: Lab, variant: Variant) -> None:
        self.signature, self.placement = real.signature, real.placement
        self._real, self._lab, self._variant = real, lab, variant

    def run(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self._lab.now_s += self._lab.ms[self._variant] / 1000
        outputs = self._real.run(tensors)
        return {name: value + self._lab.off.get(self._variant, 0) for name, value in outputs.items()}


class Lab:
    """A machine on which each variant takes the time, and has the faults, that a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ppe.onnx"
        self.data = folder / "data"
        self.data.mkdir()
        self.int8 = folder / "ppe_int8.onnx"
        self.path.write_bytes(colour_meter())
        self.int8.write_bytes(colour_meter() + b"\x32\x00")  # a producer's domain that is empty: the same network
        (folder / "labels.txt").write_text("a\nb\nc")
        self.settings({})
        self.now_s = 0.0
        self.ms: dict[Variant, float] = {ORT: 9.0, ORT8: 6.0, OV: 7.0, OV8: 4.0}
        self.off: dict[Variant, float] = {}
        self.refused: dict[Variant, str] = {}
        self.opened: list[Variant] = []
        self.openvino: str | None = "2026.4"
        self.machine = "processor A"
        self.opening_s: dict[Variant, float] = {}
        self.hang: threading.Event | None = None
        self.hanging = threading.Event()
        self.nice: list[int] = []
        """Of the threads in which variants were tried."""

    def settings(self, more: dict[str, Any]) -> None:
        said = {"network": self.int8.name, "sha256": hashlib.sha256(self.int8.read_bytes()).hexdigest()}
        twin = {**said, "meanDifference": 0, "worstDifference": -0.02, **more}
        self.path.with_suffix(".json").write_text(json.dumps({"int8": twin}))

    def start(self, wish: Wish | None = None, **more: Any) -> RuntimeChooser:
        """As the module does after a restart."""
        self.opened.clear()
        return RuntimeChooser(
            self.data,
            wish=wish or Wish(),
            machine=lambda: self.machine,
            open_=self._open,
            openvino=lambda: self.openvino,
            clocks=Clocks(lambda: self.now_s, lambda: self.now_s),
            longest_s=more.pop("longest_s", LONG_S),
            **more,
        )

    def _open(self, path: Path, *, providers: Sequence[Provider] = CPU_ONLY, runtime: Runtime = "onnxruntime") -> Model:
        variant = Variant(runtime, "int8" if path == self.int8 else "given")
        self.opened.append(variant)
        self.now_s += self.opening_s.get(variant, 0)
        if threading.current_thread().name == "runtime-choice":
            self.nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        if variant != PLAIN and self.hang is not None:
            self.hanging.set()
            self.hang.wait(LONG_S)
        if variant in self.refused:
            raise ModelError(self.refused[variant])
        model = open_model(path, providers=providers)
        new_session = model._new_session
        return replace(model, _new_session=lambda: Timed(new_session(), self, variant))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    if made.hang is not None:
        made.hang.set()


def chosen(model: Model) -> Variant:
    assert model.choice is not None
    return model.choice.used


def test_the_fastest_is_used_and_its_reasons_are_told(lab: Lab) -> None:
    model = lab.start().open(lab.path)
    assert model.choice is not None
    assert chosen(model) == OV8
    assert model.identity.name == "ppe_int8"
    assert model.choice.ms == {ORT: 9.0, ORT8: 6.0, OV: 7.0, OV8: 4.0}
    assert model.choice.reason == "the fastest here"
    assert len(model.detector(default_threshold=0.0).detect(plain(320, 320, (9, 9, 9)))) == 3


def test_the_next_start_opens_what_was_chosen_and_measures_nothing(lab: Lab) -> None:
    first = lab.start().open(lab.path)
    lab.ms[ORT] = 0.1
    again = lab.start().open(lab.path)
    assert lab.opened == [OV8]
    assert again.choice == first.choice


@pytest.mark.parametrize("change", ["machine", "network", "openvino"])
def test_what_it_depends_on_is_measured_again_where_it_has_changed(lab: Lab, change: str) -> None:
    lab.start().open(lab.path)
    lab.ms = {ORT: 1.0, ORT8: 1.0, OV: 1.0, OV8: 1.0}
    if change == "machine":
        lab.machine = "processor B"
    elif change == "network":
        lab.path.write_bytes(colour_meter() + b"\x32\x00")
    else:
        lab.openvino = None
    assert chosen(lab.start().open(lab.path)) == ORT


def test_what_was_chosen_and_is_refused_now_is_measured_again(lab: Lab) -> None:
    lab.start().open(lab.path)
    lab.refused[OV8] = "another build"
    model = lab.start().open(lab.path)
    assert chosen(model) == ORT8
    assert model.choice is not None
    assert model.choice.passed_over[OV8] == "another build"


def test_a_variant_that_sees_something_else_is_not_used_however_fast(lab: Lab) -> None:
    lab.off[OV8] = lab.off[OV] = 0.5
    model = lab.start().open(lab.path)
    assert chosen(model) == ORT8
    assert model.choice is not None
    assert "its outputs are not those of ONNX Runtime" in model.choice.passed_over[OV8]


def test_an_int8_network_must_see_its_golden_picture(lab: Lab) -> None:
    cv2.imwrite(str(lab.int8.with_name("grey.png")), np.full((64, 64, 3), 114, np.uint8))
    box = {"label": "a", "probability": 0.99, "left": 0, "top": 0, "width": 1, "height": 1}
    lab.int8.with_suffix(".json").write_text(json.dumps({"golden": [{"picture": "grey.png", "boxes": [box]}]}))
    model = lab.start(Wish(runtime="onnxruntime")).open(lab.path)
    assert chosen(model) == ORT
    assert model.choice is not None
    assert "sees a golden picture otherwise here" in model.choice.passed_over[ORT8]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labelMapping": {"a": "helmet"}}, "its labels are a, b, c instead of helmet, b, c"),
        ({"thresholds": {"b": 0.75}}, "its threshold for b is 0.5 instead of 0.75"),
    ],
)
def test_an_int8_network_must_have_the_settings_of_the_model(lab: Lab, settings: Mapping[str, Any], said: str) -> None:
    """Else the same fleet would have other labels, and other boxes, on a processor that likes int8."""
    given, twin = lab.path.with_suffix(".json"), lab.int8.with_suffix(".json")
    given.write_text(json.dumps(json.loads(given.read_text()) | settings))
    model = lab.start().open(lab.path)
    assert chosen(model) == OV
    assert model.choice is not None
    assert said in model.choice.passed_over[ORT8]
    assert said in model.choice.passed_over[OV8]
    twin.write_text(json.dumps(settings))
    assert chosen(lab.start().open(lab.path)) == OV8
    twin.unlink()
    assert chosen(lab.start().open(lab.path)) == OV, "though it was chosen before"


async def test_what_is_put_in_use_is_held_to_its_own_golden_picture(lab: Lab) -> None:
    """The float network's boxes are not what its int8 twin has to see."""
    cv2.imwrite(str(lab.path.with_name("grey.png")), np.full((64, 64, 3), 255, np.uint8))
    box = {"label": "a", "probability": 0.1, "left": 0, "top": 0, "width": 0.1, "height": 0.1}
    said = json.loads(lab.path.with_suffix(".json").read_text())
    golden = {"golden": [{"picture": "grey.png", "boxes": [box]}]}
    lab.path.with_suffix(".json").write_text(json.dumps(said | golden))
    pool = AnalysisPool(1, lab.data, lab.start().open)
    try:
        assert chosen(await open_and_check(pool, lab.path)) == OV8
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lab: lab.int8.unlink(), "ppe_int8.onnx is not beside it"),
        (lambda lab: lab.int8.write_bytes(colour_meter()), "is not the file that was measured"),
        (lambda lab: lab.settings({"worstDifference": -0.2}), "measured to lose too much"),
    ],
)
def test_an_int8_network_that_is_not_the_measured_one_is_never_used(lab: Lab, spoil: Any, said: str) -> None:
    spoil(lab)
    model = lab.start().open(lab.path)
    assert chosen(model) == OV
    assert model.choice is not None
    assert said in model.choice.passed_over[ORT8]


def test_the_environment_goes_before_the_measurement(lab: Lab) -> None:
    assert chosen(lab.start(Wish("onnxruntime", "float")).open(lab.path)) == ORT
    assert lab.opened == [ORT], "nothing to choose from, nothing tried"
    assert chosen(lab.start(Wish("openvino", "float")).open(lab.path)) == OV


def test_what_is_asked_for_and_can_not_be_used_leaves_the_plain_one(lab: Lab) -> None:
    lab.refused = {OV: "no such processor", OV8: "no such processor"}
    model = lab.start(Wish(runtime="openvino")).open(lab.path)
    assert chosen(model) == ORT
    assert model.choice is not None
    assert model.choice.passed_over[OV] == "no such processor"


def test_named_hardware_leaves_no_choice(lab: Lab) -> None:
    model = lab.start(providers=("cuda",)).open(lab.path)
    assert model.choice is None
    assert model.placement.requested == ("cuda",)


def test_a_trial_that_takes_too_long_does_not_hold_up_the_box(lab: Lab) -> None:
    lab.hang, late = threading.Event(), threading.Event()
    chooser = lab.start(longest_s=0.05)
    chooser.on_late = late.set
    model = chooser.open(lab.path)
    assert chosen(model) == ORT
    assert model.choice is not None
    assert "still being tried" in model.choice.reason
    assert not late.is_set()
    lab.hang.set()
    assert late.wait(LONG_S), "it is told when the trial has ended after all"
    assert chosen(chooser.open(lab.path)) == OV8


def test_a_trial_that_nobody_waits_for_any_more_tries_everything(lab: Lab) -> None:
    lab.hang, late = threading.Event(), threading.Event()
    lab.opening_s[ORT8] = 60.0
    chooser = lab.start(longest_s=0.05)
    chooser.on_late = late.set
    assert chosen(chooser.open(lab.path)) == ORT
    lab.hang.set()
    assert late.wait(LONG_S)
    assert lab.opened == [ORT, ORT8, OV, OV8], "else a slow box would never come to its choice"
    assert chosen(chooser.open(lab.path)) == OV8


def test_variants_are_tried_in_the_time_that_cameras_leave(lab: Lab) -> None:
    assert chosen(lab.start().open(lab.path)) == OV8
    assert len(lab.nice) == 3
    assert set(lab.nice) == {NICE}


def test_one_model_is_tried_at_a_time_and_who_was_turned_away_comes_after(lab: Lab) -> None:
    """Whichever ended the process would be noted as what the other one tried."""
    other = lab.path.with_name("other.onnx")
    other.write_bytes(lab.path.read_bytes())
    other.with_suffix(".json").write_bytes(lab.path.with_suffix(".json").read_bytes())
    (other.with_name("labels.txt")).write_text("c\nb\na")
    lab.hang, late = threading.Event(), threading.Event()
    chooser = lab.start(longest_s=0.05)
    chooser.on_late = late.set
    assert chosen(chooser.open(lab.path)) == ORT
    assert lab.hanging.wait(LONG_S)
    noted = (lab.data / FILE_NAME).read_bytes()
    second = chooser.open(other)
    assert second.choice is not None
    assert (second.choice.used, second.choice.ms) == (ORT, {})
    assert "another model is still being tried" in second.choice.reason
    assert lab.opened == [ORT, ORT8, ORT], "nothing but what the first one tries"
    assert (lab.data / FILE_NAME).read_bytes() == noted
    lab.hang.set()
    assert late.wait(LONG_S), "to be opened again"
    assert chosen(chooser.open(other)) == OV8


def test_who_was_turned_away_gets_his_turn_even_where_the_trial_before_failed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChoiceFile, "keep", lambda *_: None)
    lab.hang, late = threading.Event(), threading.Event()
    chooser = lab.start(longest_s=0.05)
    chooser.on_late = late.set
    chooser.open(lab.path)
    assert lab.hanging.wait(LONG_S)
    chooser.open(lab.path)
    lab.hang.set()
    assert late.wait(LONG_S)


def test_a_model_that_can_not_be_opened_takes_nobody_s_turn(lab: Lab) -> None:
    chooser = lab.start()
    lab.refused[ORT] = "no"
    with pytest.raises(ModelError):
        chooser.open(lab.path)
    lab.refused.clear()
    assert chosen(chooser.open(lab.path)) == OV8


def test_a_late_choice_that_is_not_kept_is_not_told_of(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening the model again would begin the trial anew, and so without end."""
    monkeypatch.setattr(ChoiceFile, "keep", lambda *_: None)
    lab.hang, late = threading.Event(), threading.Event()
    chooser = lab.start(longest_s=0.05)
    chooser.on_late = late.set
    assert chosen(chooser.open(lab.path)) == ORT
    lab.hang.set()
    for thread in threading.enumerate():
        if thread.name == "runtime-choice":
            thread.join(LONG_S)
    assert not late.is_set()


def test_what_there_is_no_time_for_is_tried_at_the_next_start(lab: Lab) -> None:
    lab.opening_s[ORT8] = 2.0
    first = lab.start().open(lab.path)
    assert chosen(first) == ORT8
    assert first.choice is not None
    assert first.choice.passed_over[OV8] == "there was no time left to try it"
    lab.opening_s.clear()
    assert chosen(lab.start().open(lab.path)) == OV8


def test_a_variant_that_ends_the_process_is_not_tried_for_ever(lab: Lab) -> None:
    for _ in range(2):  # the process ends while this one is opened
        ChoiceFile(lab.data, lab.machine).trying(OV8)
    model = lab.start().open(lab.path)
    assert chosen(model) == ORT8
    assert model.choice is not None
    assert model.choice.passed_over[OV8] == "the module has ended while it was tried"


def test_a_choice_that_ends_the_process_at_later_starts_is_left(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(lab.start().open(lab.path)) == OV8
    opening, written = lab._open, []

    def watched(path: Path, **more: Any) -> Model:
        written.append(json.loads((lab.data / FILE_NAME).read_text())["trying"])
        return opening(path, **more)

    monkeypatch.setattr(lab, "_open", watched)
    assert chosen(lab.start().open(lab.path)) == OV8
    assert written == [str(OV8)], "written before it is opened, or the box would start for ever"
    for _ in range(2):
        ChoiceFile(lab.data, lab.machine).trying(OV8)
    model = lab.start().open(lab.path)
    assert chosen(model) == ORT8
    assert chosen(lab.start().open(lab.path)) == ORT8, "and so it stays"


def test_an_orderly_end_in_the_middle_of_a_trial_is_not_the_variant_s_fault(lab: Lab) -> None:
    lab.hang = threading.Event()
    chooser = lab.start(longest_s=0.05)
    chooser.open(lab.path)
    assert lab.hanging.wait(LONG_S)
    assert json.loads((lab.data / FILE_NAME).read_text())["trying"] == str(ORT8)
    chooser.close()
    written = json.loads((lab.data / FILE_NAME).read_text())
    assert (written["trying"], written["ends"]) == (None, {})


def test_one_end_may_be_chance(lab: Lab) -> None:
    ChoiceFile(lab.data, lab.machine).trying(OV8)
    assert chosen(lab.start().open(lab.path)) == OV8
    assert json.loads((lab.data / FILE_NAME).read_text())["ends"] == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"choices": 3}', b"\xff\xfe", b'{"choices": {"k": {"used": "x"}}}', b'{"x": ' + b"[" * 100_000],
)
def test_a_damaged_file_costs_a_measurement_and_no_more(lab: Lab, content: bytes) -> None:
    (lab.data / FILE_NAME).write_bytes(content)
    assert chosen(lab.start().open(lab.path)) == OV8
    assert chosen(lab.start().open(lab.path)) == OV8
    assert lab.opened == [OV8]


def test_without_a_folder_to_write_to_it_chooses_all_the_same(lab: Lab) -> None:
    lab.data.rmdir()
    assert chosen(lab.start().open(lab.path)) == OV8


def test_an_unforeseen_error_leaves_the_plain_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("safetygear_inference.runtime_choice.trial.medians_ms", fails)
    model = lab.start().open(lab.path)
    assert chosen(model) == ORT
    assert model.choice is not None
    assert model.choice.reason == "choosing failed; see the log"
