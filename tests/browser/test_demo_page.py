"""The whole solution behind the page: real cameras, real modules, and a camera that dies while somebody looks."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from safetygear.geometry import as_xyxy, iou
from safetygear_workbench.edge_runtime.hub_control import HubControl, find_hub
from safetygear_workbench.simulation.options import DEMO_CLIP
from support.browser import open_page
from support.camera import RunningCamera, start_camera
from support.simulation import RunningSimulation, run, simulating

pytestmark = [pytest.mark.browser, pytest.mark.scenario]

TRUTH = DEMO_CLIP.with_suffix(".truth.json")
STALL_BUDGET_S = 10.0
"""The cameras' default."""
SEES = "[...document.querySelectorAll('.tile[data-camera=\"%s\"] .box')].map(box => box.dataset.label)"


@pytest.fixture(scope="module")
def cameras() -> Iterator[RunningCamera]:
    with start_camera({"gate": DEMO_CLIP, "yard": DEMO_CLIP}) as running:
        yield running


@pytest.fixture(scope="module")
def simulation(cameras: RunningCamera, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulation]:
    given = [part for name in ("gate", "yard") for part in ("--camera", f"{name}={cameras.url(name)}")]
    with simulating(tmp_path_factory.mktemp("page"), *given) as running:
        running.until_detections(3)
        yield running


@pytest.fixture
def page(browser: Browser, simulation: RunningSimulation) -> Iterator[Page]:
    address = re.search(r"http://localhost:\d+", simulation.output)
    assert address is not None, simulation.everything()
    with open_page(browser, address[0], viewport={"width": 1280, "height": 900}) as (opened, findings):
        yield opened
        assert findings.foreign_requests == []


def _labels(page: Page, camera: str) -> set[str]:
    return set(page.evaluate(SEES % camera))


def _until(page: Page, seen: Any, timeout_s: float, what: str) -> None:
    give_up_s = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < give_up_s, f"the page never showed {what}"
        page.wait_for_timeout(100)


def test_boxes_of_people_helmets_and_vests_appear(page: Page) -> None:
    seen: dict[str, set[str]] = {"gate": set(), "yard": set()}

    def all_seen() -> bool:
        for camera, labels in seen.items():
            labels |= _labels(page, camera)
        return all(labels >= {"person", "helmet", "vest"} for labels in seen.values())

    # The clip lasts forty seconds and begins with somebody who wears both.
    _until(page, all_seen, 60, f"person, helmet and vest of both cameras, only {seen}")


def test_a_violation_of_the_clip_is_listed_and_drawn(page: Page) -> None:
    """The clip takes 40 s, and somebody without a helmet walks through it."""
    listed = page.locator("#episodes-open li, #episodes-closed li").filter(has_text="no helmet")
    drawn: set[str] = set()

    def both() -> bool:
        drawn.update(
            page.evaluate("[...document.querySelectorAll('.box[data-status=violation]')].map(b => b.textContent)")
        )
        return listed.count() > 0 and any("missing helmet" in words for words in drawn)

    _until(page, both, 60, f"a person without a helmet, only {drawn}")
    expect(page.locator("#hour li").first).to_contain_text("violation", timeout=15_000)
    expect(page.locator("#outbox")).to_contain_text("newest #", timeout=15_000)


def test_a_verdict_reaches_the_module_and_stays(page: Page, simulation: RunningSimulation) -> None:
    line = page.locator("#episodes-open li, #episodes-closed li").first
    expect(line).to_be_visible(timeout=60_000)
    name = line.get_attribute("data-episode") or ""
    said = page.locator(f'li[data-episode="{name}"]').get_by_role("button", name="Right")
    said.click()
    expect(said).to_have_attribute("aria-pressed", "true", timeout=15_000)
    page.reload()
    expect(said).to_have_attribute("aria-pressed", "true", timeout=30_000)
    refused = run("method", "call", "inference", "acknowledge", '{"eventId": 7}', "--state", str(simulation.state))
    assert "eventId" in refused.stdout + refused.stderr, "as the hub's own calls are"


def test_every_person_found_is_one_of_the_clip(simulation: RunningSimulation) -> None:
    clip = json.loads(TRUTH.read_text())
    size = np.array([clip["width"], clip["height"]] * 2)
    truth = np.array([person["box"] for frame in clip["frames"] for person in frame["persons"]]) / size
    boxes = [
        found["boundingBox"]
        for record in simulation.messages("detections")
        for found in record["body"]["detections"]
        if found["label"] == "person"
    ]
    found = as_xyxy([(b["left"], b["top"], b["left"] + b["width"], b["top"] + b["height"]) for b in boxes])
    assert len(found) > 10
    # Which frame of the loop a message is of is not known here; a box in the wrong place fits no frame's people.
    assert (iou(found, as_xyxy(truth)).max(axis=1) > 0.5).mean() > 0.9


def test_a_camera_that_dies_shows_it_and_the_other_one_goes_on(page: Page, cameras: RunningCamera) -> None:
    yard, gate = page.locator('.tile[data-camera="yard"]'), page.locator('.tile[data-camera="gate"]')
    expect(yard).to_have_attribute("data-state", "streaming", timeout=30_000)
    cameras.fault("yard", stall=True)
    died_s = time.monotonic()
    try:
        # The stall budget, and what the page and a busy machine need on top.
        expect(yard).to_have_class(re.compile(r"\bblind\b"), timeout=(STALL_BUDGET_S + 5) * 1000)
        assert time.monotonic() - died_s < STALL_BUDGET_S + 5
        before = int(gate.get_attribute("data-sequence") or 0)
        _until(page, lambda: int(gate.get_attribute("data-sequence") or 0) > before + 3, 30, "the other one")
        expect(gate).to_have_attribute("data-state", "streaming")
    finally:
        cameras.clear("yard")
    expect(yard).to_have_attribute("data-state", "streaming", timeout=60_000)
    expect(yard).not_to_have_class(re.compile(r"\bblind\b"), timeout=30_000)


def test_applied_zones_are_judged_by_and_stay_when_the_manifest_is_deployed_again(
    page: Page, simulation: RunningSimulation
) -> None:
    page.get_by_role("button", name="Zones of yard").click(timeout=30_000)
    editor = page.locator("#zones")
    expect(editor.locator("canvas")).to_have_attribute("width", re.compile(r"^[1-9]"), timeout=30_000)
    page.get_by_role("button", name="Add a rectangle").click()
    name = page.get_by_label("Id", exact=True)
    name.fill("dock")
    name.press("Tab")
    page.get_by_role("button", name="Apply").click()
    expect(editor.locator("[data-part=said]")).to_have_text(
        "Applied: the module judges by these zones now.", timeout=30_000
    )

    def twin() -> dict[str, Any]:
        done = run("twin", "get", "inference", "--json", "--state", str(simulation.state))
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    corners = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]
    assert twin()["desired"]["zones"] == {"yard": {"dock": {"polygon": corners}}}
    manifest = json.loads((simulation.state / "deployment.json").read_text())
    assert "zones" not in manifest["modulesContent"]["inference"]["properties.desired"]
    manifest["modulesContent"]["inference"]["properties.desired"]["healthIntervalS"] = 11

    async def deploy() -> None:
        hub = find_hub(simulation.state)
        assert hub is not None
        async with HubControl(hub) as control:
            await control.deploy(manifest)

    with ThreadPoolExecutor(1) as elsewhere:  # Playwright has an event loop running in this thread
        elsewhere.submit(asyncio.run, deploy()).result(30)
    deployed = twin()["desired"]
    assert (deployed["healthIntervalS"], set(deployed["zones"]["yard"])) == (11, {"dock"})
    version = deployed["$version"]
    simulation.until(lambda: twin()["reported"]["config"]["desiredVersion"] == version, 30, "the module taking it")
    assert twin()["reported"]["config"]["status"] == "ok"
    address = re.search(r"http://localhost:\d+", simulation.output)
    assert address is not None
    told = page.request.get(f"{address[0]}/api/zones").json()
    assert told["zones"] == {"yard": {"dock": {"polygon": corners}}}
