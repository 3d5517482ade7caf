"""A package's way from its address to its being in use, and back: each phase, and a restart in each."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from safetygear.clock import FakeClock
from safetygear.errors import ModelError
from safetygear_inference.last_model import LastModelFile, ModelMemory, OnTrial
from safetygear_inference.model_change import package_store
from safetygear_inference.model_change.change import MOST_ENDS
from safetygear_inference.model_change.config import ModelConfig
from safetygear_inference.model_change.refusals import LATER_S
from support.hub import eventually
from support.model_keeping import Keeping, Watching, keeping
from support.model_packages import LABELS, digest, golden, network, package, red_picture, wanting

GREY, WHITE = 110, 250
NAMED = ModelConfig(name="named")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Where packages lie that the twin names by `file:`; a model by name is there too."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "named.onnx").write_bytes(network("named"))
    (folder / "named.labels.txt").write_text("\n".join(LABELS))
    return folder


def kept(models: Path) -> set[str]:
    """Digests of the packages on the disk."""
    return {path.name for path in models.iterdir() if package_store.DIGEST.fullmatch(path.name)}


async def test_a_package_by_address_takes_over_and_is_remembered(tmp_path: Path, models: Path) -> None:
    path = package(models / "site.zip", network("v4"))
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        await module.want(wanting(path), "ok")
        state = module.keeper.state
        assert state.in_use is not None
        assert state.in_use.identity.name == "site"
        assert (state.in_use.package, state.wanted_package, state.reason) == (digest(path), None, None)
        path.unlink()  # what is in use is a copy
        await eventually(lambda: LastModelFile(tmp_path).load().before == NAMED)
    async with keeping(tmp_path) as module:
        config = msgspec.structs.replace(wanting(package(models / "site.zip", network("v4"))), uri="file:///gone.zip")
        await module.want(config, "ok")
        assert module.keeper.state.in_use is not None
        assert module.keeper.state.in_use.package == config.sha256, "it is not fetched again"


async def test_the_last_two_that_worked_are_kept_on_the_disk(tmp_path: Path, models: Path) -> None:
    paths = [package(models / f"{name}.zip", network(name)) for name in ("a", "b", "c")]
    async with keeping(tmp_path) as module:
        for path in paths:
            await module.want(wanting(path), "ok")
        await eventually(lambda: kept(models) == {digest(paths[1]), digest(paths[2])})


async def test_going_back_needs_no_comparison(tmp_path: Path, models: Path) -> None:
    first, second = (package(models / f"{name}.zip", network(name)) for name in "ab")
    async with keeping(tmp_path) as module:
        await module.want(wanting(first), "ok")
        await module.want(wanting(second), "ok")
        await module.want(wanting(first, shadow_s=3600), "ok")
        assert module.keeper.state.in_use is not None
        assert module.keeper.state.in_use.package == digest(first)


async def test_other_thresholds_change_no_model(tmp_path: Path, models: Path) -> None:
    path = package(models / "a.zip", network("a"))
    async with keeping(tmp_path) as module:
        await module.want(wanting(path), "ok")
        opened = module.pool.model
        other = wanting(path, thresholds={"red": 0.9}, shadow_s=3600)
        await module.want(other, "ok")
        await eventually(lambda: LastModelFile(tmp_path).load().good == other)
        assert module.pool.model is opened


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "cut short": (lambda path: _cut(package(path, network())), "model-zip"),
    "no zip": (lambda path: _written(path, b"PK\x03\x04 and no more"), "model-zip"),
    "points out of it": (lambda path: package(path, network(), **{"../evil.txt": b"x"}), "model-zip"),
    "no network in it": (lambda path: _written(path, b"PK\x05\x06" + bytes(18)), "model-refused"),
    "damaged network": (lambda path: package(path, network()[:-200]), "model-unreadable"),
    "other labels": (lambda path: package(path, network(), settings={"labels": ["red"]}), "model-labels"),
    "unknown setting": (lambda path: package(path, network(), settings={"lables": []}), "model-settings"),
    "mapping of an unknown label": (
        lambda path: package(path, network(), settings={"labelMapping": {"hat": "helmet"}}),
        "model-settings",
    ),
    "golden picture missing": (lambda path: package(path, network(), settings={"golden": [golden()]}), "model-golden"),
    "golden picture is none": (
        lambda path: package(path, network(), settings={"golden": [golden()]}, **{"golden.jpg": b"JFIF"}),
        "model-golden",
    ),
    "golden picture seen otherwise": (
        lambda path: package(
            path, network(), settings={"golden": [golden(label="green")]}, **{"golden.jpg": red_picture()}
        ),
        "golden-differs",
    ),
}


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _cut(path: Path) -> Path:
    return _written(path, path.read_bytes()[:-100])


@pytest.mark.parametrize(("make", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_can_not_be_used_is_refused_by_name_and_for_good(
    tmp_path: Path, models: Path, make: Callable[[Path], Path], code: str
) -> None:
    wanted = wanting(make(models / "x.zip"))
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        await module.want(wanted, "refused")
        assert module.keeper.state.code == code, module.keeper.state.reason
        assert module.keeper.state.identity is not None
        assert module.keeper.state.identity.name == "named"
        assert module.keeper.state.wanted_package == wanted.sha256
        await eventually(lambda: not kept(models))
    async with keeping(tmp_path) as module:
        await module.want(wanted, "refused")
        assert module.keeper.state.code == code, "it is not tried again after a restart"
        assert module.keeper.state.identity is not None
        assert module.keeper.state.identity.name == "named"


async def test_a_golden_picture_that_is_seen_as_expected(tmp_path: Path, models: Path) -> None:
    files = {"golden.jpg": red_picture()}
    path = package(models / "x.zip", network(), settings={"golden": [golden()]}, **files)
    mapped = package(
        models / "y.zip",
        network(),
        settings={"golden": [golden(label="helmet")], "labelMapping": {"red": "helmet"}},
        **files,
    )
    async with keeping(tmp_path) as module:
        await module.want(wanting(path), "ok")
        await module.want(wanting(mapped), "ok")
        assert module.pool.model is not None
        assert module.pool.model.labels == ("helmet", "green", "blue")


async def test_a_package_that_was_refused_is_tried_again_when_somebody_asks(tmp_path: Path, models: Path) -> None:
    wanted = wanting(package(models / "x.zip", network()), least_agreement=0.0)
    async with keeping(tmp_path) as module:
        await module.desk.rejected(wanted, ModelError("not that one"), rolled_back=False)
        await module.want(wanted, "refused")
        module.keeper.reload()
        await module.until("ok")
    assert LastModelFile(tmp_path).load().rejected is None


@pytest.mark.parametrize("outside", ["elsewhere", "link"])
async def test_a_file_elsewhere_on_the_machine_is_not_read(tmp_path: Path, models: Path, outside: str) -> None:
    secret = package(tmp_path / "elsewhere" / "x.zip", network())
    if outside == "link":
        (models / "x.zip").symlink_to(secret)
        wanted = msgspec.structs.replace(wanting(secret), uri=(models / "x.zip").as_uri())
    else:
        wanted = wanting(secret)
    async with keeping(tmp_path) as module:
        await module.want(wanted, "refused")
        assert module.keeper.state.code == "download-refused"
        assert digest(secret)[:12] not in str(module.keeper.state.reason)


async def test_a_pipe_is_no_file(tmp_path: Path, models: Path) -> None:
    os.mkfifo(models / "x.zip")
    assert stat.S_ISFIFO((models / "x.zip").stat().st_mode)
    async with keeping(tmp_path) as module:
        await module.want(ModelConfig(uri=(models / "x.zip").as_uri(), sha256="0" * 64), "refused")
        assert module.keeper.state.code == "model-missing"


async def test_a_wrong_digest_is_looked_at_again_later(tmp_path: Path, models: Path) -> None:
    path = package(models / "x.zip", network("old"))
    right = package(models / "y.zip", network("new"))
    clock = FakeClock()
    async with keeping(tmp_path, clock=clock) as module:
        await module.want(msgspec.structs.replace(wanting(path), sha256=digest(right)), "refused")
        assert module.keeper.state.code == "download-hash"
        right.replace(path)
        await clock.advance(LATER_S)
        await module.until("ok")


async def test_a_package_that_changed_on_the_disk_is_not_used(tmp_path: Path, models: Path) -> None:
    path = package(models / "x.zip", network("x"))
    wanted = wanting(path)
    async with keeping(tmp_path) as module:
        await module.want(wanted, "ok")
    stored = models / digest(path) / "x.zip"
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    async with keeping(tmp_path) as module:
        await module.want(wanted, "ok")
        assert digest(stored) == wanted.sha256, "it was fetched again"


async def test_a_full_disk_leaves_what_works(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_store.PackageStore, "free_bytes", lambda store: 1000)
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        await module.want(wanting(package(models / "x.zip", network())), "refused")
        assert module.keeper.state.code == "data-full"
        assert "model" in module.problems.as_document()


async def changed(module: Keeping, wanted: ModelConfig, *phases: str, level: int = WHITE) -> Watching:
    """The change of a box whose camera shows one colour; what became of the frames."""
    async with Watching(module, level) as camera:
        await eventually(lambda: len(camera.seen) > 5)
        await module.want(wanted, *phases)
        frames = len(camera.seen)
        await eventually(lambda: len(camera.seen) > frames + 5)
    return camera


async def test_a_model_is_compared_on_live_frames(tmp_path: Path, models: Path) -> None:
    wanted = wanting(package(models / "x.zip", network("new")), shadow_s=0.6, watch_s=0.4)
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        camera = await changed(module, wanted, "ok")
        comparison = module.keeper.state.comparison
        assert comparison is not None
        assert comparison.frames > 2
        assert comparison.agreement == 1
        assert comparison.counts["red"][0] == comparison.counts["red"][1] > 0
    assert camera.lost == []
    switch = camera.seen.index("x")
    assert set(camera.seen[:switch]) == {"named"}
    assert set(camera.seen[switch:]) == {"x"}, "one change, between two frames"


@pytest.mark.parametrize("bad", ["fails", "nan"])
async def test_a_model_that_fails_beside_the_cameras_never_takes_over(tmp_path: Path, models: Path, bad: str) -> None:
    wanted = wanting(package(models / "x.zip", network("new", on_bright=bad)), shadow_s=5.0)
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        camera = await changed(module, wanted, "refused")
        assert module.keeper.state.code == "model-failed"
    assert (camera.lost, set(camera.seen)) == ([], {"named"})


@pytest.mark.parametrize("bad", ["fails", "nan"])
async def test_a_model_that_fails_after_it_took_over_is_given_back(tmp_path: Path, models: Path, bad: str) -> None:
    wanted = wanting(package(models / "x.zip", network("new", on_bright=bad)), watch_s=5.0)
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        camera = await changed(module, wanted, "rolled-back")
        assert module.keeper.state.code == "model-failed"
        assert module.keeper.state.identity is not None
        assert module.keeper.state.identity.name == "named"
        assert module.desk.used == NAMED
    assert (camera.lost, set(camera.seen)) == ([], {"named"}), "not one frame is missed"
    async with keeping(tmp_path) as module:
        await module.want(wanted, "rolled-back")
        assert module.keeper.state.code == "model-failed"


@pytest.mark.parametrize(("shadow_s", "phase"), [(0.6, "refused"), (0.0, "rolled-back")])
async def test_a_model_that_is_too_slow_does_not_stay(
    tmp_path: Path, models: Path, shadow_s: float, phase: str
) -> None:
    slow = package(models / "x.zip", network("new", rows=400))
    wanted = wanting(slow, shadow_s=shadow_s, watch_s=20.0, slowest_ms=0.001)
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        camera = await changed(module, wanted, phase, level=GREY)
        assert module.keeper.state.code == "model-too-slow"
    assert camera.lost == []
    assert camera.seen[-1] == "named"


async def test_a_model_that_disagrees_does_not_take_over_where_that_is_asked(tmp_path: Path, models: Path) -> None:
    path = package(models / "x.zip", network("new"), settings={"labelMapping": {"red": "green", "green": "red"}})
    wanted = wanting(path, shadow_s=0.4, least_agreement=0.9)
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        await changed(module, wanted, "refused")
        assert module.keeper.state.code == "model-disagrees"
        assert module.keeper.state.comparison is not None
        await changed(module, msgspec.structs.replace(wanted, least_agreement=0.0), "ok")


async def test_another_wish_during_the_watch_undoes_what_has_not_shown_itself(tmp_path: Path, models: Path) -> None:
    wanted = wanting(package(models / "x.zip", network("new")), watch_s=3600)
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        await module.want(wanted, "watching")
        assert module.pool.model is not None
        assert module.pool.model.identity.name == "x"
        await module.want(NAMED, "ok")
        assert module.pool.model.identity.name == "named"
        assert LastModelFile(tmp_path).load() == ModelMemory(good=NAMED)


@pytest.mark.parametrize("phase", ["shadowing", "watching"])
async def test_a_restart_during_a_trial_comes_up_with_what_worked(tmp_path: Path, models: Path, phase: str) -> None:
    wanted = wanting(
        package(models / "x.zip", network("new")), shadow_s=3600 if phase == "shadowing" else 0, watch_s=60
    )
    memory = ModelMemory(good=NAMED, on_trial=OnTrial(sha256=str(wanted.sha256), ends=MOST_ENDS - 2))
    LastModelFile(tmp_path).save(memory)
    async with keeping(tmp_path) as module:
        await module.want(wanted, phase)
        before = module.pool.model
        assert before is not None
        left = LastModelFile(tmp_path).load()
    LastModelFile(tmp_path).save(left)  # as a kill would have left it
    assert LastModelFile(tmp_path).load().on_trial == OnTrial(sha256=str(wanted.sha256), ends=MOST_ENDS - 1)
    async with keeping(tmp_path) as module:
        await module.want(wanted, "refused")
        assert module.keeper.state.code == "model-ends-module"
        assert module.keeper.state.identity is not None
        assert module.keeper.state.identity.name == "named"


async def test_an_orderly_end_during_a_trial_is_not_held_against_the_model(tmp_path: Path, models: Path) -> None:
    wanted = wanting(package(models / "x.zip", network("new")), watch_s=3600)
    for _ in range(MOST_ENDS + 1):
        async with keeping(tmp_path) as module:
            await module.want(wanted, "watching")
    assert LastModelFile(tmp_path).load().on_trial is None


async def test_where_nothing_works_the_first_package_is_used_without_a_comparison(tmp_path: Path, models: Path) -> None:
    wanted = wanting(package(models / "x.zip", network("new")), shadow_s=3600)
    async with keeping(tmp_path) as module:
        await module.want(wanted, "ok")


async def test_a_network_that_hangs_ends_the_module_and_is_not_tried_again(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safetygear_inference.model_change.package_check.CHECK_S", 0.1)

    async def never(self: object, path: Path) -> None:
        await asyncio.sleep(10)

    wanted = wanting(package(models / "x.zip", network("new")))
    async with keeping(tmp_path) as module:
        await module.want(NAMED, "ok")
        monkeypatch.setattr("safetygear_inference.analysis_pool.AnalysisPool.load", never)
        module.keeper.want(wanted)
        with pytest.raises(ModelError) as raised:
            await asyncio.wait_for(asyncio.shield(module.task), 10)
        assert raised.value.code == "model-hung"
    monkeypatch.undo()
    async with keeping(tmp_path) as module:
        await module.want(wanted, "refused")
        assert module.keeper.state.code == "model-hung"
