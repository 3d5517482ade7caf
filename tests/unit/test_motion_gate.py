"""The gate opens for whatever a person could be, and for little else; what it may never do it never does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.gating.config import MotionGateConfig
from safetygear_inference.gating.gate import (
    CHANGES_NEEDED,
    HOLD_S,
    LEAST_CHANGE,
    MOST_CHANGE,
    SKETCH_WIDTH,
    MotionGate,
    largest_change,
)
from safetygear_inference.gating.gates import BUSY_FOR_S, MotionGates
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import luma_sketch

Luma = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 360
FLOOR_S = 5.0
EVERY_S = 0.2


def yard(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.float32]:
    """A still scene with edges and texture, (height, width), 40..200."""
    rng = np.random.default_rng(7)
    coarse = rng.uniform(60, 180, (12, 20)).astype(np.float32)
    scene = np.kron(coarse, np.ones((-(-height // 12), -(-width // 20)), np.float32))[:height, :width]
    return scene + rng.normal(0, 6, (height, width)).astype(np.float32)


def shot(scene: NDArray[np.float32], rng: np.random.Generator, noise: float = 0.0) -> Luma:
    """The scene as a sensor takes it; `noise` is the standard deviation of each pixel."""
    taken = scene + rng.normal(0, noise, scene.shape) if noise else scene
    return np.clip(np.round(taken), 0, 255).astype(np.uint8)


def i420(luma: Luma) -> Picture:
    height, width = luma.shape
    chroma = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    return Picture((luma, chroma, chroma), width, height, "i420")


def with_person(scene: NDArray[np.float32], x: int, y: int, *, tall_px: int, contrast: float) -> NDArray[np.float32]:
    """Somebody 0.4 times as wide as tall, whose middle is at (x, y)."""
    seen = scene.copy()
    wide_px = max(1, round(0.4 * tall_px))
    left, top = x - wide_px // 2, y - tall_px // 2
    seen[max(0, top) : top + tall_px, max(0, left) : left + wide_px] += contrast
    return seen


class Watch:
    """A gate that is asked about one picture after the other, and told what became of them."""

    def __init__(self, floor_s: float = FLOOR_S) -> None:
        self.gate, self.now_s, self.floor_s = MotionGate(), 100.0, floor_s

    def looks(self, luma: Luma) -> bool:
        """Whether the picture is analysed."""
        self.now_s += EVERY_S
        if self.gate.closes(luma_sketch(i420(luma)), self.now_s, self.floor_s):
            return False
        self.gate.analysed(self.now_s, nobody=True)
        return True

    def settle(self, pictures: Iterator[Luma], seconds: float = 8.0) -> list[bool]:
        return [self.looks(next(pictures)) for _ in range(round(seconds / EVERY_S))]


def still(rng: np.random.Generator, noise: float) -> Iterator[Luma]:
    scene = yard()
    while True:
        yield shot(scene, rng, noise)


def flickering(rng: np.random.Generator) -> Iterator[Luma]:
    """What an encoder makes of it: every macroblock is a little off, anew with each key frame."""
    scene, number = yard(), 0
    off: NDArray[np.float32] = np.zeros((HEIGHT, WIDTH), np.float32)
    while True:
        if number % 10 == 0:
            blocks = rng.normal(0, 1.5, (-(-HEIGHT // 16), -(-WIDTH // 16)))
            off = np.kron(blocks, np.ones((16, 16)))[:HEIGHT, :WIDTH].astype(np.float32)
        number += 1
        yield shot(scene + off, rng, 1.5)


def exposing(rng: np.random.Generator) -> Iterator[Luma]:
    """Clouds: the whole picture 2 levels up or down from one frame to the next."""
    scene, level, step = yard(), 0.0, 2.0
    while True:
        level += step
        step = -step if abs(level) >= 30 else step
        yield shot(scene + level, rng, 2.0)


def raining(rng: np.random.Generator) -> Iterator[Luma]:
    """120 streaks, each 1 pixel wide and 25 tall, elsewhere in each picture."""
    scene = yard()
    while True:
        wet = scene.copy()
        for x, y in zip(rng.integers(0, WIDTH, 120), rng.integers(0, HEIGHT - 25, 120), strict=True):
            wet[y : y + 25, x] += 45
        yield shot(wet, rng, 3.0)


def darkening(rng: np.random.Generator) -> Iterator[Luma]:
    """The camera goes over to infrared after 4 s: all is grey in another way, and the sensor noisier."""
    scene, number = yard(), 0
    while True:
        number += 1
        yield shot(scene, rng, 2.0) if number <= 20 else shot(200 - 0.6 * scene, rng, 6.0)


@pytest.mark.parametrize(
    ("what", "pictures", "most"),
    [
        ("a still scene", lambda rng: still(rng, 0.0), 6),
        ("a sensor's noise", lambda rng: still(rng, 3.0), 6),
        ("a noisy night", lambda rng: still(rng, 9.0), 6),
        ("an encoder's flicker", flickering, 6),
        ("clouds", exposing, 6),
        ("day to night", darkening, 6),
        ("heavy rain", raining, 30),
    ],
)
def test_what_is_nobody_leaves_little_but_the_floor(
    what: str, pictures: Callable[[np.random.Generator], Iterator[Luma]], most: int
) -> None:
    """Of 150 pictures in 30 s, of which the floor alone takes 5 or 6."""
    watch, seen = Watch(), pictures(np.random.default_rng(3))
    watch.settle(seen, 12.0)
    analysed = watch.settle(seen, 30.0)
    assert 5 <= sum(analysed) <= most, what


@pytest.mark.parametrize(("noise", "contrast"), [(0.0, 20), (0.0, -20), (3.0, 25), (6.0, -30)])
@pytest.mark.parametrize("tall_px", [20, 40, 120])
@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (704, 576)])
def test_somebody_small_opens_it_wherever_he_appears(
    noise: float, contrast: float, tall_px: int, size: tuple[int, int]
) -> None:
    """`tall_px` of the 640 pixels that a detector's input is wide."""
    rng = np.random.default_rng(11)
    scale = size[0] / 640
    scene = yard(*size)
    empty = luma_sketch(i420(shot(scene, rng, noise)))
    for x, y in zip(rng.integers(12, 628, 6), rng.integers(12, size[1] / scale - 12, 6), strict=True):
        seen = with_person(scene, round(x * scale), round(y * scale), tall_px=round(tall_px * scale), contrast=contrast)
        assert largest_change(empty, luma_sketch(i420(shot(seen, rng, noise)))) > LEAST_CHANGE, (x, y)


def test_somebody_far_away_who_creeps_opens_it_before_he_has_gone_his_own_width() -> None:
    """20 pixels tall, a third of a pixel from one frame to the next: what counts is the last analysed frame."""
    rng = np.random.default_rng(5)
    scene, watch = yard(), Watch(floor_s=60.0)
    standing = (shot(with_person(scene, 300, 200, tall_px=20, contrast=30), rng, 2.0) for _ in range(1000))
    watch.settle(standing)
    for step in range(1, 25):
        if watch.looks(shot(with_person(scene, 300 + step // 3, 200, tall_px=20, contrast=30), rng, 2.0)):
            break
    assert step <= 3 * 8


def test_in_the_rain_somebody_of_clear_contrast_still_opens_it() -> None:
    rng = np.random.default_rng(9)
    watch, rain = Watch(), raining(rng)
    watch.settle(rain, 20.0)
    assert LEAST_CHANGE < watch.gate.threshold <= MOST_CHANGE
    assert watch.settle(rain, 1.0).count(True) <= 1
    somebody = with_person(next(rain).astype(np.float32), 330, 180, tall_px=24, contrast=-40)
    assert watch.looks(shot(somebody, rng))


def test_after_the_rain_the_threshold_comes_down_again() -> None:
    rng = np.random.default_rng(9)
    watch = Watch()
    watch.settle(raining(rng), 20.0)
    wet = watch.gate.threshold
    watch.settle(still(rng, 2.0), 20.0)
    assert watch.gate.threshold == LEAST_CHANGE < wet


def test_people_teach_it_nothing() -> None:
    gate, rng = MotionGate(), np.random.default_rng(1)
    for number in range(5 * CHANGES_NEEDED):
        luma = shot(with_person(yard(), 60 + 8 * number, 180, tall_px=100, contrast=50), rng)
        assert not gate.closes(luma_sketch(i420(luma)), 100.0 + number * EVERY_S, FLOOR_S)
        gate.analysed(100.0 + number * EVERY_S, nobody=False)
    assert gate.threshold == LEAST_CHANGE


def test_it_stays_open_for_a_while_after_the_last_movement() -> None:
    rng = np.random.default_rng(2)
    watch, scene = Watch(floor_s=60.0), yard()
    watch.settle(still(rng, 2.0))
    somebody = with_person(scene, 320, 180, tall_px=60, contrast=40)
    analysed = [watch.looks(shot(somebody, rng, 2.0)) for _ in range(40)]
    assert analysed.index(False) == pytest.approx(HOLD_S / EVERY_S, abs=1)
    assert not any(analysed[analysed.index(False) :]), "he stands still, and was looked at"


def test_another_picture_size_is_looked_at() -> None:
    rng, watch = np.random.default_rng(2), Watch()
    watch.settle(still(rng, 2.0))
    assert watch.looks(shot(yard(704, 576), rng))


def test_a_frame_whose_analysis_failed_is_not_what_the_next_is_compared_with() -> None:
    rng, watch = np.random.default_rng(2), Watch(floor_s=60.0)
    watch.settle(still(rng, 1.0))
    somebody = luma_sketch(i420(shot(with_person(yard(), 320, 180, tall_px=60, contrast=40), rng, 1.0)))
    for _ in range(100):
        watch.now_s += EVERY_S
        assert not watch.gate.closes(somebody, watch.now_s, watch.floor_s)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.floats(0.02, 4.0), st.integers(0, 3), st.booleans()), max_size=120), st.floats(1.0, 60.0))
def test_the_floor_holds_whatever_happens(frames: list[tuple[float, int, bool]], floor_s: float) -> None:
    """(seconds since the last frame, which of four pictures, whether its analysis succeeds)."""
    rng = np.random.default_rng(4)
    pictures = [rng.integers(0, 255, (90, SKETCH_WIDTH), dtype=np.uint8) for _ in range(4)]
    gate, now_s = MotionGate(), 0.0
    analysed_s: float | None = None
    for passed_s, which, succeeds in frames:
        now_s += passed_s
        if gate.closes(pictures[which], now_s, floor_s):
            assert analysed_s is not None
            assert now_s - analysed_s < floor_s
        elif succeeds:
            gate.analysed(now_s, nobody=True)
            analysed_s = now_s


def test_every_format_makes_the_same_sketch() -> None:
    luma = shot(yard(), np.random.default_rng(0))
    grey = np.repeat(((luma.astype(np.float32) - 16) * 255 / 219).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    nv12 = Picture((luma, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)), WIDTH, HEIGHT, "nv12")
    sketch = luma_sketch(i420(luma))
    assert sketch.shape == (90, SKETCH_WIDTH)
    assert np.array_equal(luma_sketch(nv12), sketch)
    assert np.abs(luma_sketch(Picture.from_bgr(grey)).astype(int) - sketch).max() <= 2


class Site:
    """Cameras of which some are quiet."""

    def __init__(self, **config: object) -> None:
        self.quiet = True
        self.gates = MotionGates(lambda _: self.quiet)
        self.gates.config = MotionGateConfig(**({"enabled": True} | config))  # type: ignore[arg-type]  # by name
        self.now_s = 0.0

    def analysed(self, camera: str = "gate", *, always: bool = False) -> bool:
        self.now_s += EVERY_S
        look = self.gates.look(camera, self.now_s, always=always)
        if look is not None and look.closes(i420(shot(yard(), np.random.default_rng(0)))):
            return False
        self.gates.analysed(camera, self.now_s)
        return True

    def gated(self, frames: int = 60, **options: bool) -> int:
        return sum(not self.analysed(**options) for _ in range(frames))


def test_while_somebody_is_followed_every_frame_is_analysed() -> None:
    site = Site()
    assert site.gated() > 40
    site.quiet = False
    assert site.gated() == 0
    site.quiet = True
    assert [site.analysed() for _ in range(9)] == [True] * 9, "and for a while after"
    assert site.gated() > 40


def test_whoever_looks_sees_every_frame() -> None:
    site = Site()
    assert site.gated(always=True) == 0


def test_a_camera_may_have_none_or_be_the_only_one_with_it() -> None:
    site = Site(cameras={"crane": False})
    assert (site.gated() > 0, sum(not site.analysed("crane") for _ in range(60))) == (True, 0)
    site = Site(enabled=False, cameras={"crane": True})
    assert (site.gated(), sum(not site.analysed("crane") for _ in range(60)) > 0) == (0, True)


def test_of_a_camera_on_call_every_frame_is_wanted_while_it_is_not_quiet() -> None:
    site = Site(enabled=False)
    site.gates.on_call = {"gate", "yard"}
    assert site.gates.wanted(0.0) == []
    assert site.gated(5) == 0, "without a gate of its own all that comes is analysed"
    assert site.gates.wanted(site.now_s) == ["gate"], "its first picture may show anything"
    site.gated(60)
    assert site.gates.wanted(site.now_s) == []
    site.quiet = False
    assert site.gates.wanted(site.now_s) == ["gate", "yard"]
    site.analysed()
    site.quiet = True
    assert site.gates.wanted(site.now_s + BUSY_FOR_S - 0.1) == ["gate"]
    assert site.gates.wanted(site.now_s + BUSY_FOR_S) == []
    site.gates.forget("gate")
    assert site.gates.on_call == {"yard"}


def test_something_that_moves_wakes_a_camera_on_call() -> None:
    site = Site(enabled=False)
    site.gates.on_call = {"gate"}
    site.gated(80)
    assert site.gates.wanted(site.now_s) == []
    look = site.gates.look("gate", site.now_s + 2.0, always=False)
    assert look is not None
    somebody = with_person(yard(), 320, 180, tall_px=40, contrast=40)
    assert not look.closes(i420(shot(somebody, np.random.default_rng(0))))
    assert site.gates.wanted(site.now_s + 2.0) == ["gate"]


def test_a_camera_that_was_removed_begins_anew() -> None:
    site = Site()
    site.gated()
    site.gates.forget("gate")
    assert site.analysed()


def test_the_twin_names_each_wrong_field() -> None:
    wanted = {"motionGate": {"enabled": "yes", "floorS": 0.5, "cameras": {"gate": False, "yard": 1}}}
    reading = read_desired(InferenceTwin, wanted, last_good=None)
    assert sorted((error.path, error.code) for error in reading.errors) == [
        ("motionGate.cameras", "wrong-type"),
        ("motionGate.enabled", "wrong-type"),
        ("motionGate.floorS", "out-of-range"),
    ]
    assert reading.config.motion_gate == MotionGateConfig()
