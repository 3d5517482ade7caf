"""What somebody does on the page beside looking, in a real Chromium: verdicts on violations, zones that he draws."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from safetygear.hub.port import MethodResponse
from safetygear.messages.event import Evidence
from safetygear_inference.pixels import decode_picture
from support.browser import Findings, ServedPage, open_page, served_page
from support.live_scene import Feed, Scene, event
from support.page_actions import Actions

pytestmark = pytest.mark.browser

WAIT_MS = 15_000
EPISODE = "ep-0123456789abcdef01234567"
VIEWPORT = {"width": 1280, "height": 860}
CLIPBOARD = ["clipboard-read", "clipboard-write"]
PICTURE = f"{EPISODE}-1"
DOCK = [[0.1, 0.5], [0.6, 0.5], [0.6, 0.9], [0.1, 0.9]]
DESIRED = {
    "zones": {
        "gate": {
            "dock": {"polygon": DOCK, "requires": ["helmet"], "severity": "high", "anchor": "overlap",
                     "minimumOverlap": 0.3},
        },
        "yard": {"all": {"polygon": DOCK}},
    }
}  # fmt: skip


@dataclass
class Stage:
    """A page with actions, opened."""

    page: Page
    served: ServedPage
    actions: Actions
    findings: Findings

    @property
    def surface(self) -> Locator:
        return self.page.locator("#zones .surface")

    def open_editor(self, camera: str = "gate") -> None:
        self.page.get_by_role("button", name=f"Zones of {camera}").click(timeout=WAIT_MS)
        expect(self.page.locator("#zones")).to_be_visible(timeout=WAIT_MS)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A point of the picture in px of the window."""
        box = self.surface.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def click(self, *points: tuple[float, float]) -> None:
        for x, y in points:
            self.page.mouse.click(*self.place(x, y))

    def part(self, name: str) -> Locator:
        return self.page.locator(f"#zones [data-part={name}]")

    def fragment(self) -> Any:
        """The patch of the camera `gate`; None: there is none."""
        text = self.part("fragment").input_value()
        return json.loads(text)["zones"]["gate"] if text else None


@pytest.fixture
def stage(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Stage]:
    actions = Actions(DESIRED, **getattr(request, "param", {}))
    picture = Scene().jpeg()

    async def stored(name: str) -> bytes | None:
        return picture if name == PICTURE else None

    with (
        served_page(actions=actions.of_page, stored_picture=stored) as served,
        open_page(browser, served.url, viewport=VIEWPORT, permissions=CLIPBOARD) as (page, findings),
    ):
        feed = Feed(served, Scene(), Scene("yard"))
        try:
            yield Stage(page, served, actions, findings)
        finally:
            feed.stop()


def near(points: Any, expected: list[list[float]]) -> None:
    assert len(points) == len(expected)
    for point, other in zip(points, expected, strict=True):
        assert point == pytest.approx(other, abs=0.004)


def test_a_verdict_is_taken_shown_and_kept(stage: Stage) -> None:
    stage.served.do(lambda live, _: setattr(live, "verdict_of", stage.actions.verdicts.get))
    stage.served.do(lambda live, _: live.event(event(EPISODE, time.time() - 60)))
    line = stage.page.locator("#episodes-open li")
    right, wrong = line.get_by_role("button", name="Right"), line.get_by_role("button", name="Wrong")
    expect(right).to_have_attribute("aria-pressed", "false", timeout=WAIT_MS)
    wrong.click()
    expect(wrong).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    expect(wrong).to_be_focused()
    assert stage.actions.verdicts == {EPISODE: "false"}
    right.click()
    expect(right).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    expect(wrong).to_have_attribute("aria-pressed", "false")
    stage.page.wait_for_timeout(1500)  # the state comes each second, and tears nothing away
    expect(right).to_be_focused()
    # Another page sees it, and a violation that is over keeps it.
    stage.served.do(lambda live, _: live.event(event(EPISODE, time.time() - 60, time.time(), "complied")))
    stage.page.reload()
    closed = stage.page.locator("#episodes-closed li").get_by_role("button", name="Right")
    expect(closed).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    assert stage.findings.console_errors == []


def test_a_verdict_that_is_not_kept_says_so(stage: Stage) -> None:
    stage.actions.refusal = MethodResponse(503, {"error": "no space left", "code": "data-full"})
    stage.served.do(lambda live, _: live.event(event(EPISODE, time.time() - 60)))
    line = stage.page.locator("#episodes-open li")
    line.get_by_role("button", name="Can't tell").click(timeout=WAIT_MS)
    expect(line.get_by_role("alert")).to_have_text("Not kept: no space left", timeout=WAIT_MS)
    expect(line.get_by_role("button", name="Can't tell")).to_have_attribute("aria-pressed", "false")


def test_the_stored_picture_is_shown_where_there_is_one(stage: Stage) -> None:
    def show(number: int) -> None:
        uri = f"https://account.blob.example/evidence/{EPISODE}-{number}.jpg"
        evidence = Evidence(uri=uri, sha256="0" * 64, blurred=True)
        stage.served.do(lambda live, _: live.event(event(EPISODE, time.time() - 60, evidence=evidence)))

    stage.served.do(lambda live, _: live.event(event(EPISODE, time.time() - 60)))
    thumbnail = stage.page.locator("#episodes-open li .thumbnail")
    expect(stage.page.locator("#episodes-open li")).to_have_count(1, timeout=WAIT_MS)
    expect(thumbnail).to_be_hidden()
    show(1)
    expect(thumbnail).to_be_visible(timeout=WAIT_MS)
    # From this device, wherever else it was uploaded.
    expect(thumbnail).to_have_attribute("href", f"/evidence/{PICTURE}.jpg")
    image = thumbnail.locator("img")
    expect(image).to_have_attribute("alt", "Picture of no helmet at gate; faces are blurred")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    show(2)  # which has made room for others
    expect(thumbnail).to_be_hidden(timeout=WAIT_MS)
    assert stage.findings.foreign_requests == []


def test_a_page_without_actions_offers_none(browser: Browser) -> None:
    with served_page() as served, open_page(browser, served.url) as (page, findings):
        feed = Feed(served, Scene())
        served.do(lambda live, _: live.event(event(EPISODE, time.time() - 60)))
        expect(page.locator("#episodes-open li")).to_have_count(1, timeout=WAIT_MS)
        expect(page.locator(".verdict")).to_be_hidden()
        expect(page.locator(".zones")).to_be_hidden()
        feed.stop()
        assert findings.console_errors == []


def test_a_zone_is_drawn_named_and_copied(stage: Stage) -> None:
    stage.open_editor()
    picture = stage.surface.locator("canvas")
    expect(picture).to_have_attribute("width", "640", timeout=WAIT_MS)
    assert decode_picture(stage.surface.screenshot()).planes[0].std() > 10, "the camera's picture is behind the zones"
    expect(stage.part("list").locator("button")).to_have_text(["dock"])
    assert stage.fragment() is None
    stage.part("draw").click()
    stage.click((0.2, 0.1), (0.5, 0.1), (0.5, 0.4))
    stage.click((0.2, 0.1))  # the first corner closes it
    stage.page.keyboard.type("roof")
    stage.page.keyboard.press("Tab")
    stage.page.get_by_label("vest").uncheck()
    stage.page.get_by_label("gloves").check()
    stage.page.get_by_label("Told after").fill("0.5")
    stage.page.get_by_label("Severity").select_option("low")
    patch = stage.fragment()
    assert set(patch) == {"roof"}
    near(patch["roof"].pop("polygon"), [[0.2, 0.1], [0.5, 0.1], [0.5, 0.4]])
    assert patch == {"roof": {"requires": ["helmet", "gloves"], "minimumDurationS": 0.5, "severity": "low"}}
    stage.part("copy").click()
    expect(stage.part("said")).to_have_text("Copied.")
    copied = json.loads(stage.page.evaluate("navigator.clipboard.readText()"))
    assert copied["zones"]["gate"]["roof"]["severity"] == "low"
    assert stage.findings.console_errors == []


def test_edges_that_cross_show_while_drawing_and_nothing_wrong_is_handed_out(stage: Stage) -> None:
    stage.open_editor()
    stage.part("draw").click()
    stage.click((0.2, 0.1), (0.5, 0.1), (0.2, 0.3))
    expect(stage.part("shape")).to_contain_text("Click the corners in their order")
    stage.click((0.3, 0.05))
    expect(stage.part("shape")).to_have_text("The edges 1\u20132 and 3\u20134 cross or touch")
    expect(stage.surface.locator("polyline")).to_have_class("wrong")
    stage.page.keyboard.press("Backspace")
    expect(stage.part("shape")).to_contain_text("Click the corners")
    stage.click((0.5, 0.3))
    stage.page.keyboard.press("Enter")
    expect(stage.part("shape")).to_have_text("The edges 2\u20133 and 4\u20131 cross or touch")
    expect(stage.part("copy")).to_be_disabled()
    expect(stage.part("apply")).to_be_disabled()
    expect(stage.part("errors")).to_contain_text(
        "zones.gate.zone-2.polygon: its edges 2-3 and 4-1 cross", timeout=WAIT_MS
    )
    # Two corners change places: put right by the keyboard.
    corners = stage.surface.locator(".corner")
    corners.nth(3).focus()
    for _ in range(7):
        stage.page.keyboard.press("Shift+ArrowLeft")
    corners.nth(2).focus()
    for _ in range(7):
        stage.page.keyboard.press("Shift+ArrowRight")
    expect(stage.part("shape")).to_have_text("")
    expect(stage.part("copy")).to_be_enabled()
    expect(stage.part("errors").locator("li")).to_have_count(0, timeout=WAIT_MS)
    near(stage.fragment()["zone-2"]["polygon"], [[0.2, 0.1], [0.5, 0.1], [0.55, 0.3], [0.15, 0.3]])


def test_corners_are_moved_added_and_taken_out(stage: Stage) -> None:
    stage.open_editor()
    mouse, corners = stage.page.mouse, stage.surface.locator(".corner")
    expect(corners).to_have_count(4)
    mouse.move(*stage.place(0.6, 0.5))
    mouse.down()
    mouse.move(*stage.place(0.7, 0.4), steps=3)
    mouse.move(*stage.place(0.8, 0.3), steps=3)
    mouse.up()
    near(stage.fragment()["dock"]["polygon"], [[0.1, 0.5], [0.8, 0.3], [0.6, 0.9], [0.1, 0.9]])
    stage.page.get_by_role("button", name="Add a corner after corner 3").click()
    near(stage.fragment()["dock"]["polygon"], [[0.1, 0.5], [0.8, 0.3], [0.6, 0.9], [0.35, 0.9], [0.1, 0.9]])
    corners.nth(1).focus()
    stage.page.keyboard.press("Delete")
    near(stage.fragment()["dock"]["polygon"], [[0.1, 0.5], [0.6, 0.9], [0.35, 0.9], [0.1, 0.9]])
    corners.nth(0).dblclick()
    expect(corners).to_have_count(3)
    corners.nth(0).focus()
    stage.page.keyboard.press("Delete")
    expect(corners).to_have_count(3)


def test_a_whole_zone_is_moved_within_the_picture(stage: Stage) -> None:
    stage.open_editor()
    stage.page.mouse.move(*stage.place(0.3, 0.7))
    stage.page.mouse.down()
    stage.page.mouse.move(*stage.place(0.5, 0.5), steps=4)
    stage.page.mouse.move(*stage.place(0.9, 0.9), steps=4)
    stage.page.mouse.up()
    # As far as its corners stay inside.
    near(stage.fragment()["dock"]["polygon"], [[0.5, 0.6], [1, 0.6], [1, 1], [0.5, 1]])


def test_what_is_taken_back_is_null_in_the_twin(stage: Stage) -> None:
    """A twin's objects are merged: what is only left out would stay."""
    stage.open_editor()
    stage.page.get_by_label("Severity").select_option("")
    assert stage.fragment() == {"dock": {"severity": None}}
    stage.page.get_by_label("Kind").select_option("privacy")
    assert stage.fragment() == {"dock": {"severity": None, "requires": None, "kind": "privacy"}}
    expect(stage.page.get_by_label("Severity")).to_be_hidden()
    name = stage.page.get_by_label("Id", exact=True)
    name.fill("shop floor")
    name.press("Tab")
    assert set(stage.fragment()) == {"dock"}, "no id"
    name.fill("window")
    name.press("Tab")
    assert stage.fragment() == {
        "dock": None, "window": {"polygon": DOCK, "kind": "privacy", "anchor": "overlap", "minimumOverlap": 0.3}
    }  # fmt: skip
    stage.page.get_by_role("button", name="Remove this zone").click()
    assert stage.fragment() == {"dock": None}
    expect(stage.part("none")).to_be_visible()


def test_two_zones_never_have_one_id(stage: Stage) -> None:
    stage.open_editor()
    stage.part("rectangle").click()
    name = stage.page.get_by_label("Id", exact=True)
    name.fill("dock")
    name.press("Tab")
    assert set(stage.fragment()) == {"zone-2"}
    assert name.evaluate("field => field.validationMessage") == "another zone has this id"


def test_applying_changes_the_twin_of_this_camera_only(stage: Stage) -> None:
    stage.open_editor()
    expect(stage.part("how")).to_have_text("Apply writes them into the twin of this simulation.")
    stage.part("rectangle").click()
    stage.part("apply").click()
    expect(stage.part("said")).to_have_text("Applied: the module judges by these zones now.", timeout=WAIT_MS)
    assert set(stage.actions.desired["zones"]["gate"]) == {"dock", "zone-2"}
    assert stage.actions.desired["zones"]["yard"] == DESIRED["zones"]["yard"]
    assert stage.actions.desired["zones"]["gate"]["dock"] == DESIRED["zones"]["gate"]["dock"]
    assert stage.fragment() is None, "what was applied is no change any more"
    stage.actions.applying_fails = True
    stage.part("rectangle").click()
    stage.part("apply").click()
    expect(stage.part("said")).to_contain_text("Not applied: the stand-in runtime does not answer", timeout=WAIT_MS)
    expect(stage.part("apply")).to_be_enabled()


@pytest.mark.parametrize("stage", [{"can_apply": False}], indirect=True)
def test_on_a_device_zones_are_copied_only(stage: Stage) -> None:
    stage.open_editor()
    expect(stage.part("apply")).to_be_hidden()
    expect(stage.part("how")).to_contain_text("Paste it into the desired properties of the module twin")


@pytest.mark.parametrize("stage", [{"labels": ("person", "helmet")}], indirect=True)
def test_what_the_model_can_not_tell_is_said(stage: Stage) -> None:
    stage.open_editor()
    stage.page.get_by_label("vest").check()
    expect(stage.part("errors")).to_contain_text("zones.gate.dock.requires: the model has no 'vest'", timeout=WAIT_MS)


def test_leaving_with_changes_is_asked_once(stage: Stage) -> None:
    stage.open_editor("yard")
    stage.page.keyboard.press("Escape")
    expect(stage.page.locator("#zones")).to_be_hidden()
    stage.open_editor("yard")
    stage.part("draw").click()
    stage.click((0.2, 0.1))
    stage.page.keyboard.press("Escape")  # ends the drawing
    expect(stage.page.locator("#zones")).to_be_visible()
    stage.part("rectangle").click()
    stage.part("close").click()
    expect(stage.part("left")).to_be_visible()
    stage.part("close").click()
    expect(stage.page.locator("#zones")).to_be_hidden()
    stage.open_editor("yard")
    expect(stage.part("list").locator("button")).to_have_text(["all"])


def test_the_editor_fits_a_small_window(stage: Stage) -> None:
    stage.open_editor()
    for width in (390, 820, 1280):
        stage.page.set_viewport_size({"width": width, "height": 700})
        box = stage.page.locator("#zones").bounding_box()
        assert box is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert stage.page.locator("#zones").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
