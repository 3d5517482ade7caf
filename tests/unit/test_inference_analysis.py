"""One frame from its slot to its boxes: of one frame, or of none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from safetygear.errors import FrameError
from safetygear.frames.ring import FrameRingReader
from safetygear.geometry import as_xyxy
from safetygear_inference.analysis import Analysed, PictureWanted, Unchanged, analyse
from safetygear_inference.detectors import Detector, Model, open_model
from safetygear_inference.evidence.config import Faces
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.gating.gate import MotionGate
from safetygear_inference.gating.gates import GateLook
from safetygear_inference.intake import Arrival
from safetygear_inference.judging.observation import LookWish
from safetygear_inference.picture import DetectedBoxes, Picture
from safetygear_inference.pixels import decode_jpeg, detail, encode_jpeg, to_bgr
from safetygear_inference.second_look.looking import SecondLook
from safetygear_inference.second_look.network import SecondLookNetwork
from support.frame_source import HEIGHT, WIDTH, FrameSource
from support.onnx_models import colour_meter
from support.pictures import plain
from support.second_look import write_network

COLOUR = (51, 102, 204)
LABELS = ("red", "green", "blue")


ALL = np.zeros(8, np.float32)
"""Every box is shown."""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "meter.onnx").write_bytes(colour_meter())
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\n")
    return open_model(tmp_path / "meter.onnx")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[FrameSource]:
    luma, u, v = plain(WIDTH, HEIGHT, COLOUR).planes
    frames = FrameSource(tmp_path, "gate", "north", planes=(luma, u, v), slots=2)
    yield frames
    frames.close()


def colours(boxes: DetectedBoxes) -> list[float]:
    by_class = dict(zip(boxes.class_id.tolist(), boxes.probability.tolist(), strict=True))
    return [by_class[index] * 255 for index in (2, 1, 0)]


def test_boxes_numbers_and_picture_are_of_the_frame(tmp_path: Path, model: Model, source: FrameSource) -> None:
    arrival = Arrival("north", source.reference(), 0.0)
    detector = model.detector(default_threshold=0.0)
    reader = FrameRingReader(tmp_path)
    wanted = PictureWanted(max_width_px=320, quality=90)
    analysed = analyse(
        arrival, detector, reader, labels=LABELS, shown_from=ALL, with_visibility=True, picture_wanted=wanted
    )
    assert colours(analysed.boxes) == pytest.approx(COLOUR, abs=4)
    assert analysed.visibility is not None
    assert analysed.visibility.mean_luma == pytest.approx(source_luma(source), abs=1)
    assert analysed.jpeg is not None
    shown = decode_jpeg(analysed.jpeg)
    assert (shown.width, shown.height) == (320, 180)
    assert np.abs(shown.planes[0].astype(int) - np.array(COLOUR)).max() <= 8

    plainly = analyse(
        arrival, detector, reader, labels=LABELS, shown_from=ALL, with_visibility=False, picture_wanted=None
    )
    assert (plainly.visibility, plainly.jpeg) == (None, None)


def test_nobody_sees_what_is_private(tmp_path: Path, model: Model, source: FrameSource) -> None:
    arrival, left_half = Arrival("north", source.reference(), 0.0), ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    wanted = PictureWanted(max_width_px=320, quality=90, black_out=(left_half,))
    detector, reader = model.detector(default_threshold=0.0), FrameRingReader(tmp_path)
    analysed = analyse(
        arrival, detector, reader, labels=LABELS, shown_from=ALL, with_visibility=False, picture_wanted=wanted
    )
    assert analysed.jpeg is not None
    shown = decode_jpeg(analysed.jpeg).planes[0].astype(int)
    assert shown[:, :152].max() <= 8
    assert np.abs(shown[:, 176:] - np.array(COLOUR)).max() <= 8
    assert colours(analysed.boxes) == pytest.approx(COLOUR, abs=4), "the detector still sees it"


class Sees(Detector):
    """One person with a bare head, or nobody."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self._boxes = boxes

    def detect(self, picture: Picture) -> DetectedBoxes:
        number = len(self._boxes)
        return DetectedBoxes(as_xyxy(self._boxes), np.arange(number), np.full(number, 0.9, np.float32))


PERSON, HEAD = (0.4, 0.2, 0.5, 0.8), (0.43, 0.2, 0.47, 0.28)


@pytest.mark.parametrize("seen", [(PERSON, HEAD), (PERSON,), ()], ids=["head found", "no head found", "missed"])
@pytest.mark.parametrize("faces", ["blurred", "clear"])
def test_the_page_shows_no_face_unless_the_twin_says_so(
    tmp_path: Path, seen: tuple[tuple[float, float, float, float], ...], faces: Faces
) -> None:
    noise = np.random.default_rng(1).integers(16, 236, (HEIGHT, WIDTH), np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    source = FrameSource(tmp_path, "gate", "north", planes=(noise, chroma, chroma), slots=2)
    arrival = Arrival("north", source.reference(), 0.0)
    wanted = PictureWanted(max_width_px=WIDTH, quality=95, faces=faces, expected_norm=as_xyxy([PERSON]))
    analysed = analyse(
        arrival, Sees(*seen), FrameRingReader(tmp_path), labels=("Worker", "bare_head"), shown_from=ALL,
        with_visibility=False,
        picture_wanted=wanted,
    )  # fmt: skip
    assert analysed.jpeg is not None
    shown = decode_jpeg(analysed.jpeg).planes[0]
    left, top, right, bottom = (round(value * side) for value, side in zip(HEAD, (WIDTH, HEIGHT) * 2, strict=True))
    assert (detail(shown[top:bottom, left:right]) > RECOGNISABLE_ABOVE) == (faces == "clear")
    assert detail(shown[: HEIGHT // 8, : WIDTH // 8]) > RECOGNISABLE_ABOVE, "the rest stays"
    source.close()


def test_what_does_not_reach_its_threshold_is_weak_and_its_face_is_covered_all_the_same(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(16, 236, (HEIGHT, WIDTH), np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    source = FrameSource(tmp_path, "gate", "north", planes=(noise, chroma, chroma), slots=2)
    arrival = Arrival("north", source.reference(), 0.0)
    wanted = PictureWanted(max_width_px=WIDTH, quality=95)
    analysed = analyse(
        arrival, Sees(PERSON), FrameRingReader(tmp_path), labels=("person",), shown_from=np.array([0.95], np.float32),
        with_visibility=False, picture_wanted=wanted,
    )  # fmt: skip
    assert (len(analysed.boxes), len(analysed.weak)) == (0, 1)
    assert analysed.jpeg is not None
    left, top, right, bottom = (round(value * side) for value, side in zip(HEAD, (WIDTH, HEIGHT) * 2, strict=True))
    shown = decode_jpeg(analysed.jpeg).planes[0]
    assert detail(shown[top:bottom, left:right]) <= RECOGNISABLE_ABOVE
    source.close()


def test_a_second_look_is_at_the_frame_s_own_pixels_and_at_weak_people_too(tmp_path: Path) -> None:
    source = FrameSource(tmp_path, "gate", "north", planes=plain(WIDTH, HEIGHT, (0, 255, 0)).planes, slots=2)
    look = SecondLook(SecondLookNetwork(write_network(tmp_path)), [LookWish("1", "helmet", as_xyxy([PERSON])[0], True)])
    for least in (0.5, 0.95):
        analysed = analyse(
            Arrival("north", source.reference(), 0.0), Sees(PERSON), FrameRingReader(tmp_path), labels=("person",),
            shown_from=np.array([least], np.float32), with_visibility=False, picture_wanted=None, second_look=look,
        )  # fmt: skip
        assert isinstance(analysed, Analysed)
        assert [(one.gear, one.answer) for one in analysed.looked.looks] == [("helmet", "yes")]
    source.close()


def source_luma(source: FrameSource) -> float:
    return float(source._planes[0].mean())


class WritesMeanwhile(Detector):
    """While it looks, the writer comes round to the slot again."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    def detect(self, picture: Picture) -> DetectedBoxes:
        for _ in range(2):
            self._source.reference()
        return DetectedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))


def test_a_slot_written_over_meanwhile_gives_no_boxes(tmp_path: Path, source: FrameSource) -> None:
    arrival = Arrival("north", source.reference(), 0.0)
    with pytest.raises(FrameError) as raised:
        analyse(
            arrival, WritesMeanwhile(source), FrameRingReader(tmp_path), labels=(), shown_from=ALL,
            with_visibility=False, picture_wanted=None,
        )  # fmt: skip
    assert raised.value.code == "overwritten"


def test_a_picture_in_the_message(tmp_path: Path, model: Model, source: FrameSource) -> None:
    jpeg = encode_jpeg(to_bgr(plain(320, 240, COLOUR)), 90)
    detector = model.detector(default_threshold=0.0)
    reader = FrameRingReader(tmp_path / "no ring here")
    arrival = Arrival("north", source.reference(), 0.0, jpeg)
    analysed = analyse(
        arrival, detector, reader, labels=LABELS, shown_from=ALL, with_visibility=True, picture_wanted=None
    )
    assert colours(analysed.boxes) == pytest.approx(COLOUR, abs=6)
    with pytest.raises(FrameError) as raised:
        broken = Arrival("north", source.reference(), 0.0, b"\xff\xd8 and no more")
        analyse(broken, detector, reader, labels=LABELS, shown_from=ALL, with_visibility=False, picture_wanted=None)
    assert raised.value.code == "jpeg-invalid"


def test_a_gate_spares_the_network_and_not_the_check_of_the_slot(
    tmp_path: Path, model: Model, source: FrameSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival, reader, detector = Arrival("north", source.reference(), 0.0), FrameRingReader(tmp_path), model.detector()
    gate = MotionGate()

    def look(now_s: float) -> Analysed | Unchanged:
        return analyse(
            arrival, detector, reader, labels=LABELS, shown_from=ALL, with_visibility=True, picture_wanted=None,
            gate=GateLook(gate, now_s, 60.0),
        )  # fmt: skip

    assert isinstance(look(0.0), Analysed)
    gate.analysed(0.0, nobody=True)

    def unreachable(picture: Picture) -> DetectedBoxes:
        raise AssertionError("it was to be spared")

    monkeypatch.setattr(detector, "detect", unreachable)
    unchanged = look(10.0)
    assert isinstance(unchanged, Unchanged)
    assert unchanged.visibility is not None

    def written_over_meanwhile(*args: object) -> bool:
        source.reference()
        source.reference()
        return True

    monkeypatch.setattr(gate, "closes", written_over_meanwhile)
    with pytest.raises(FrameError) as raised:
        look(11.0)
    assert raised.value.code == "overwritten"
