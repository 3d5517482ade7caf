"""A run that was stopped, or that two processes shared, is bit for bit the run that went through."""

import multiprocessing
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt: torch is no part of the product")

from safetygear_training import train  # noqa: E402 - only where torch is there
from safetygear_training.collection import Collection  # noqa: E402
from safetygear_training.config import config_from  # noqa: E402
from safetygear_training.labels import CLASSES, HEAD, NO_VEST, PERSON, class_mask  # noqa: E402
from safetygear_training.network import Detector  # noqa: E402
from safetygear_training.pictures import Picture  # noqa: E402
from safetygear_training.state import (  # noqa: E402
    CheckpointError,
    gradients,
    make_optimiser,
    parameters,
    resume,
    save,
    start,
)
from safetygear_training.weights import delivered, read_delivered  # noqa: E402

SHORT = Path(__file__).parents[2] / "training" / "short.toml"
STEPS, CHECKPOINT = 4, 2


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def config():
    table = tomllib.loads(SHORT.read_text())
    table["schedule"] |= {
        "steps": STEPS, "warmup_steps": 1, "decay_steps": 2, "plain_steps": 1, "sizes": [[64, 96]],
        "final_size": [64, 96],
    }  # fmt: skip
    table["network"] |= {"bfloat16": False}
    table["batches"] = {"workers": 1, "parts_per_step": 2, "pictures_per_part": 2}
    table["evaluation"] |= {"every_steps": 3, "size": [64, 96], "checkpoint_every_steps": CHECKPOINT}
    table["framing"]["newcomer"] = 0.5
    table["learning"] = {"centre_radius": 2.5, "score_focus": 2.0}
    return config_from(table)


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(4)

    def picture(number):
        left = 10 + 2 * number
        person, head = (left, 8, left + 14, 50, PERSON), (left + 4, 9, left + 10, 15, HEAD)
        boxes = [person, head, (left + 2, 18, left + 12, 34, NO_VEST)]
        pixels = random.integers(0, 255, (64, 96, 3)).astype(np.uint8)
        return Picture(f"p{number}", pixels, np.array(boxes, np.float32), class_mask(list(CLASSES)))

    each = [picture(number) for number in range(7)]
    return Collection(each[:6], np.linspace(1 / 6, 1, 6), {"half": each[6:]})


@pytest.fixture(scope="module")
def start_from(tmp_path_factory):
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("start") / "start.pth"
    torch.save(delivered(Detector(silu=True).state_dict()), path)
    return path


def ran(config, pictures, start_from, out):
    """Everything that the run has kept in the end, by file."""
    out.mkdir(exist_ok=True)
    shared = train.share(multiprocessing.get_context("fork"), config)
    train.work(0, shared, config, pictures, start_from, out)
    return everything(out)


def everything(out):
    return {path.name: torch.load(path, weights_only=True) for path in sorted(out.glob("*.pth"))}


@pytest.fixture(scope="module")
def through(config, pictures, start_from, tmp_path_factory):
    return ran(config, pictures, start_from, tmp_path_factory.mktemp("run") / "through")


def same(one, other):
    """Whether two trees of tensors and numbers are bit for bit the same."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(part, other[name]) for name, part in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def stop_after(step, monkeypatch):
    """The run ends with StoppedError when it has done so many steps."""
    keep = train.keep_record

    def keep_and_stop(run, *more):
        keep(run, *more)
        if run.step == step:
            raise StoppedError

    monkeypatch.setattr(train, "keep_record", keep_and_stop)


def test_a_run_that_was_stopped_goes_on_as_if_it_were_not(config, pictures, start_from, through, tmp_path, monkeypatch):
    out = tmp_path / "stopped"
    with monkeypatch.context() as until, pytest.raises(StoppedError):
        stop_after(CHECKPOINT + 1, until)
        ran(config, pictures, start_from, out)
    assert everything(out)["last.pth"]["step"] == CHECKPOINT
    got = ran(config, pictures, start_from, out)
    assert {"last.pth", "step-00003.pth", "step-00004.pth"} <= got.keys()
    assert same(got, through)
    assert got["last.pth"]["step"] == STEPS
    first = parameters(read_delivered(start_from, silu=True))
    assert not torch.equal(got["last.pth"]["average_parameters"], first)


def test_the_number_of_processes_changes_nothing(config, pictures, start_from, through, tmp_path):
    two = replace(config, batches=replace(config.batches, workers=2))
    context = multiprocessing.get_context("fork")
    shared = train.share(context, two)
    workers = [
        context.Process(target=train.work, args=(rank, shared, two, pictures, start_from, tmp_path)) for rank in (0, 1)
    ]
    for worker in workers:
        worker.start()
    assert train.supervise(workers) == 0
    got = everything(tmp_path)
    assert got.keys() == through.keys()
    for name in ("average_parameters", "average_statistics", "optimiser", "history", "best"):
        assert same(got["last.pth"][name], through["last.pth"][name]), name
    assert same(got["step-00004.pth"], through["step-00004.pth"])


def first_gradients(config, pictures, start_from, out):
    detector, _, _ = train.begin(config, start_from, out)
    detector.train()
    for part in range(config.batches.parts_per_step):
        train.train_part(detector, config, pictures, 0, part)
        yield gradients(detector)


def test_another_seed_or_lever_gives_other_gradients(config, pictures, start_from, tmp_path):
    """So that the tests above compare what depends on them."""
    mine, again = (torch.cat([*first_gradients(config, pictures, start_from, tmp_path)]) for _ in range(2))
    assert torch.equal(mine, again)
    for name, changed in {
        "seed": replace(config, seed=config.seed + 1),
        "radius": replace(config, learning=replace(config.learning, centre_radius=1.5)),
        "focus": replace(config, learning=replace(config.learning, score_focus=0.0)),
        "newcomer": replace(config, framing=replace(config.framing, newcomer=0.0)),
    }.items():
        other = torch.cat([*first_gradients(changed, pictures, start_from, tmp_path)])
        assert not torch.equal(mine, other), name


def test_the_configuration_decides_over_the_checkpoint(config, tmp_path):
    detector = Detector(silu=True)
    optimiser = make_optimiser(detector, replace(config.optimiser, weight_decay=0.1))
    run = start(detector)
    run.step = 3
    save(tmp_path / "last.pth", run, detector, optimiser)
    optimiser = make_optimiser(detector, replace(config.optimiser, weight_decay=0.5))
    assert resume(tmp_path / "last.pth", detector, optimiser).step == 3
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.5, 0.0]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_what_is_no_checkpoint_is_one_line_and_stays(content, config, start_from, tmp_path, caplog):
    out, last = tmp_path / "out", tmp_path / "out" / "last.pth"
    out.mkdir()
    if content is None:
        torch.save({"step": 3}, last)
    else:
        last.write_bytes(content)
    before = last.read_bytes()
    detector = Detector(silu=True)
    with pytest.raises(CheckpointError, match=r"last\.pth: no checkpoint of this run"):
        resume(last, detector, make_optimiser(detector, config.optimiser))
    given = [str(SHORT), "--data", str(tmp_path), "--start", str(start_from), "--teacher", "t.onnx", "--out", str(out)]
    assert train.main(given) == 2
    assert "no checkpoint of this run" in caplog.text
    assert last.read_bytes() == before
