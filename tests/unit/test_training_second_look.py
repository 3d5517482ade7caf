"""The second look's crops: what answers, what can't, what is made of them. Small pictures by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from safetygear_training.labels import HEAD, HELMET, NO_VEST, PERSON, VEST, class_mask
from safetygear_training.pictures import Picture
from safetygear_training.second_look.calibration import least_chance
from safetygear_training.second_look.collection import pool_of
from safetygear_training.second_look.config import read_config
from safetygear_training.second_look.crops import AROUND, NO, UNCLEAR, YES, Crop, crops_of, places_without
from safetygear_training.second_look.dressing import dressed
from safetygear_training.second_look.samples import SIDE, make_sample, measured
from safetygear_training.toml_tables import ConfigError

CONFIG = Path(__file__).parents[2] / "training" / "second_look.toml"
BODY = (100, 40, 140, 140)  # 100 px tall: the head at 113..127 x 40..54, the torso at 55..87
ON_HEAD, ON_TORSO = (113, 38, 127, 52), (104, 56, 136, 88)


def picture(*rows: tuple[float, ...], labelled: tuple[str, ...] = ("person", "helmet", "vest")) -> Picture:
    pixels = np.random.default_rng(1).integers(0, 255, (200, 240, 3)).astype(np.uint8)
    return Picture("p", pixels, np.array(rows, np.float32).reshape(-1, 5), class_mask(list(labelled)))


def answers(*rows: tuple[float, ...], bodies: tuple[str, ...] = ()) -> list[tuple[int, int, bool]]:
    return sorted((crop.gear, crop.answer, crop.of_body) for crop in crops_of(picture(*rows), "s", bodies))


@pytest.mark.parametrize(
    ("rows", "bodies", "expected"),
    [
        ([(*BODY, PERSON)], (), []),
        ([(*BODY, PERSON)], ("helmet",), [(0, NO, True)]),
        ([(*BODY, PERSON)], ("helmet", "vest"), [(0, NO, True), (1, NO, True)]),
        ([(*BODY, PERSON), (*ON_HEAD, HELMET)], ("helmet",), [(0, YES, False), (0, YES, True)]),
        ([(*BODY, PERSON), (*ON_HEAD, HEAD)], (), [(0, NO, False), (0, NO, True)]),
        ([(*BODY, PERSON), (*ON_TORSO, VEST)], (), [(1, YES, False), (1, YES, True)]),
        ([(*BODY, PERSON), (*ON_TORSO, NO_VEST)], (), [(1, NO, False), (1, NO, True)]),
        ([(*BODY, PERSON), (*ON_HEAD, HELMET), (*ON_HEAD, HEAD)], (), [(0, NO, False), (0, YES, False)]),
        ([(100, 0, 140, 100, PERSON)], ("helmet",), []),
        ([(100, 40, 200, 140, PERSON)], ("helmet",), []),
        ([(*BODY, PERSON), (105, 38, 150, 150, PERSON)], ("helmet",), []),
    ],
    ids=[
        "helmets are not labelled", "they are: bare", "both are", "a helmet", "a bare head", "a vest", "no vest",
        "both on one head", "cut by the upper edge", "as wide as high", "two people on one place",
    ],
)  # fmt: skip
def test_what_a_person_answers(
    rows: list[tuple[float, ...]], bodies: tuple[str, ...], expected: list[tuple[int, int, bool]]
) -> None:
    assert answers(*rows, bodies=bodies) == expected


def test_a_square_holds_the_head_where_it_is_expected() -> None:
    shown = picture((*ON_HEAD, HELMET))
    shown.pixels[:] = 0
    shown.pixels[38:52, 113:127] = 255
    (crop,) = crops_of(shown, "s", ())
    assert crop.side_px == pytest.approx(2.4 * 14)
    size = crop.pixels.shape[0]
    assert size == round(AROUND * crop.side_px)
    rows, columns = np.nonzero(crop.pixels[..., 0] > 127)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(size / 2, abs=1)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(size / 2 - 0.35 * 14, abs=1)


def test_places_are_taken_only_where_nobody_is_known_to_be() -> None:
    random = np.random.default_rng(1)
    assert {crop.answer for crop in places_without(picture(), "s", random)} == {UNCLEAR}
    assert {crop.gear for crop in places_without(picture(labelled=("helmet", "head")), "s", random)} == {0}
    assert places_without(picture(labelled=("helmet",)), "s", random) == []
    everywhere = picture((0, 0, 240, 200, PERSON))
    assert places_without(everywhere, "s", random) == []


def pool() -> list[Crop]:
    random = np.random.default_rng(5)

    def crop(gear: int, answer: int) -> Crop:
        return Crop(random.integers(0, 255, (64, 64, 3)).astype(np.uint8), gear, answer, 40.0, 0.0, "s", False)

    return [crop(gear, answer) for gear in (0, 1) for answer in (NO, YES, UNCLEAR) for _ in range(3)]


def test_a_sample_follows_from_its_number_alone() -> None:
    draws = replace(read_config(CONFIG).draws, unclear=0.5)
    crops = pool_of(pool())
    seen = [make_sample(crops, draws, np.random.default_rng((1, number))) for number in range(60)]
    again = [make_sample(crops, draws, np.random.default_rng((1, number))) for number in range(60)]
    assert all((a[0] == b[0]).all() and a[1:] == b[1:] for a, b in zip(seen, again, strict=True))
    assert {pixels.shape for pixels, _, _ in seen} == {(SIDE, SIDE, 3)}
    assert {(gear, answer) for _, gear, answer in seen} == {(g, a) for g in (0, 1) for a in (NO, YES, UNCLEAR)}
    assert (measured(pool()[0], 8, 3) == measured(pool()[0], 8, 3)).all()


def test_something_is_put_on_the_head_and_beside_it_nothing_changes() -> None:
    crop = np.full((96, 96, 3), 128, np.uint8)
    for seed in range(20):
        changed = (dressed(crop, np.random.default_rng(seed)) != crop).any(axis=2)
        assert changed[35:42, 40:56].mean() > 0.2, seed
        assert not changed[:15].any() and not changed[:, :8].any(), seed


def test_the_least_chance_lets_five_in_a_hundred_be_wrong() -> None:
    chance = np.concatenate((np.full(100, 0.9), np.full(10, 0.705))).astype(np.float32)
    right = np.ones(110, bool)
    right[:5] = False
    assert least_chance(chance, right, np.ones(110)) == 0.55
    right[105] = False
    assert least_chance(chance, right, np.ones(110)) == 0.71


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("dressed =", "dresed =", r"draws: dresed is unknown"),
        ("bodies = []", 'bodies = "helmet"', r"sources\.\w+\.bodies: 'helmet' is not a list"),
        ("squeezed = false", "squeezed = 0", r"squeezed: 0 is not bool"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    changed = CONFIG.read_text().replace(right, wrong, 1)
    assert changed != CONFIG.read_text()
    (tmp_path / "x.toml").write_text(changed)
    with pytest.raises(ConfigError, match=said):
        read_config(tmp_path / "x.toml")
