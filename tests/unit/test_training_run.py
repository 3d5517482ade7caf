import tomllib
from pathlib import Path

import numpy as np
import pytest

from safetygear_training.config import Learning, config_from, read_config
from safetygear_training.sampling import cumulative_chances, draw, held_back, repeat_factors
from safetygear_training.schedule import Schedule
from safetygear_training.toml_tables import ConfigError

CONFIG = Path(__file__).parents[2] / "training" / "config.toml"

SCHEDULE = Schedule(
    steps=100,
    warmup_steps=10,
    decay_steps=40,
    learning_rate=1.0,
    final_fraction=0.1,
    sizes=((32, 64), (64, 96)),
    final_size=(96, 160),
    mosaic=0.5,
    plain_steps=20,
)


def test_the_rate_rises_stays_and_falls():
    assert [SCHEDULE.learning_rate_at(step) for step in (0, 4, 9, 60)] == [0.1, 0.5, 1.0, 1.0]
    assert SCHEDULE.learning_rate_at(80) == pytest.approx(0.55)
    assert SCHEDULE.learning_rate_at(100) == pytest.approx(0.1)


def test_sizes_vary_until_the_rate_falls_and_follow_from_the_seed():
    early = [SCHEDULE.size_at(step, seed=7) for step in range(60)]
    assert set(early) == {(32, 64), (64, 96)}
    assert early == [SCHEDULE.size_at(step, seed=7) for step in range(60)]
    assert {SCHEDULE.size_at(step, seed=7) for step in range(60, 100)} == {(96, 160)}


def test_the_last_steps_see_whole_pictures():
    assert SCHEDULE.mosaic_at(79) == 0.5
    assert SCHEDULE.mosaic_at(80) == 0.0


def test_what_is_held_back_follows_from_the_names_alone():
    names = [f"picture-{k}" for k in range(50)]
    kept = {name for name, back in zip(names, held_back(names, 10), strict=True) if back}
    other_order = {name for name, back in zip(names[::-1], held_back(names[::-1], 10), strict=True) if back}
    assert len(kept) == 10
    assert kept == other_order


def test_rare_classes_lift_their_pictures():
    present = np.zeros((100, 2), bool)
    present[:, 0] = True
    present[:4, 1] = True
    factors = repeat_factors(present, enough=0.16)
    assert factors[:4] == pytest.approx([2.0] * 4)
    assert factors[4:] == pytest.approx([1.0] * 96)


def test_sources_are_drawn_by_weight():
    cumulative = cumulative_chances([0.75, 0.25], [np.ones(2), np.array([3.0, 1.0])])
    assert np.diff(cumulative, prepend=0) == pytest.approx([0.375, 0.375, 0.1875, 0.0625])
    random = np.random.default_rng(1)
    drawn = np.bincount([draw(cumulative, random) for _ in range(4000)], minlength=4) / 4000
    assert drawn == pytest.approx([0.375, 0.375, 0.1875, 0.0625], abs=0.03)


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="weight"):
        cumulative_chances([0.0], [np.ones(3)])


def test_the_shipped_configuration_reads():
    config = read_config(CONFIG)
    names = [source.name for source in config.sources]
    assert "rf100cs_train" in names
    assert "cppe_val" not in names


@pytest.mark.parametrize(
    ("section", "field", "value", "said"),
    [
        ("schedule", "steps", "many", "schedule.steps: 'many' is not int"),
        ("schedule", "steps", 100, "schedule.steps: 100 is less than"),
        ("schedule", "final_size", [384, 650], r"schedule.final_size: \[384, 650\] must be multiples of 32"),
        ("looks", "fog", 0.5, "looks: fog is unknown"),
        ("looks", "blur", None, "looks: blur is missing"),
        ("network", "channels", 20, "network.channels: 20 must be a multiple of 8"),
        ("network", "more_bottlenecks", -1, "network.more_bottlenecks: -1 is less than 0"),
        ("batches", "workers", True, "batches.workers: True is not int"),
        ("learning", "score_focus", 0.5, "learning.score_focus: 0.5 is neither 0 nor 1 or more"),
        ("learning", "centre_radius", 0.2, "learning.centre_radius: 0.2 leaves some boxes no anchor"),
        ("learning", "centre_radius", "1.5", "learning.centre_radius: '1.5' is not float"),
        ("learning", "centre_radius", 0.5, "learning.centre_radius: 0.5 leaves some boxes no anchor"),
        ("learning", "centre_radius", float("nan"), "learning.centre_radius: nan is no number"),
        ("learning", "focus", 2.0, "learning: focus is unknown; expected centre_radius, score_focus"),
        ("framing", "newcomer", 1.5, "framing.newcomer: 1.5 is not 0 to 1"),
        ("framing", "tile_scale", [2.0, 0.7], r"framing.tile_scale: \[2.0, 0.7\] must be a smallest and a largest"),
        ("framing", "tile_scale", [2.0], r"framing.tile_scale: \[2.0\] has 1 values; expected 2"),
        ("looks", "blur", -0.1, "looks.blur: -0.1 is not 0 to 1"),
        ("optimiser", "average", 99, "optimiser.average: 99.0 is not 0 to 1"),
        ("batches", "workers", 0, "batches.workers: 0 is not 1 or more"),
        ("evaluation", "every_steps", 0, "evaluation.every_steps: 0 is not 1 or more"),
        ("evaluation", "size", [384, 650], r"evaluation.size: \[384, 650\] must be multiples of 32"),
        ("schedule", "sizes", [], "schedule.sizes: there is none"),
        ("schedule", "sizes", [[320, 544], [384, "x"]], r"schedule.sizes\[1\]\[1\]: 'x' is not int"),
    ],
)
def test_a_wrong_field_is_named(section, field, value, said):
    table = tomllib.loads(CONFIG.read_text())
    if value is None:
        del table[section][field]
    else:
        table.setdefault(section, {})[field] = value
    with pytest.raises(ConfigError, match=said):
        config_from(table)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seed", "x", "seed: 'x' is not int"),
        ("seed", -1, "seed: -1 is not 0 or more"),
        ("enough", "all", "enough: 'all' is not float"),
        ("enough", 25, "enough: 25.0 is not 0 to 1"),
    ],
)
def test_a_wrong_number_of_the_run_is_named(field, value, said):
    with pytest.raises(ConfigError, match=said):
        config_from(tomllib.loads(CONFIG.read_text()) | {field: value})


@pytest.mark.parametrize(("field", "value"), [("weight", -0.1), ("held_back", -1), ("held_back_last", -1)])
def test_a_wrong_number_of_a_source_is_named(field, value):
    table = tomllib.loads(CONFIG.read_text())
    table["sources"]["minh_train"][field] = value
    with pytest.raises(ConfigError, match=rf"sources\.minh_train\.{field}: {value} is not 0 or more"):
        config_from(table)


def test_a_lever_that_a_file_does_not_name_is_as_it_ships():
    table = tomllib.loads(CONFIG.read_text())
    assert "learning" not in table
    assert config_from(table).learning == Learning(centre_radius=1.5, score_focus=0.0)
    assert config_from(table).framing.newcomer == 0.0
    table["learning"] = {"score_focus": 2}
    table["framing"]["newcomer"] = 0.5
    assert config_from(table).learning == Learning(centre_radius=1.5, score_focus=2.0)
    assert config_from(table).framing.newcomer == 0.5
    del table["framing"]
    with pytest.raises(ConfigError, match="the file: framing is missing"):
        config_from(table)


@pytest.mark.parametrize("name", ["config.toml", "larger.toml", "short.toml"])
def test_every_configuration_reads_and_learns_from_no_measured_picture(name):
    config = read_config(CONFIG.parent / name)
    assert "cppe_val" not in [source.name for source in config.sources]
    assert config.network.channels == (24 if name == "larger.toml" else 16)


def test_a_source_can_be_left_out():
    config = read_config(CONFIG)
    left = config.without(["hhw_train", "hhw_train2"])
    assert [s.name for s in left.sources] == [s.name for s in config.sources if not s.name.startswith("hhw")]
    assert left.schedule == config.schedule
    with pytest.raises(
        ConfigError, match="--without: cppe_val is no source of this run; expected one of rf100cs_train"
    ):
        config.without(["cppe_val"])
    with pytest.raises(ConfigError, match="no source is left"):
        config.without([source.name for source in config.sources])


def test_a_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / "x.toml").write_text("steps = ")
    with pytest.raises(ConfigError, match=r"x\.toml: not TOML"):
        read_config(tmp_path / "x.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "y.toml")
