"""The live page in a real Chromium, fed with messages and pictures by the test."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from safetygear.messages.detections import (
    DetectionsMessage,
    Status,
)
from safetygear.messages.frames import CamerasMessage
from safetygear.messages.health import BudgetHealth, LearningDrift, LearningHealth
from safetygear_inference.compliance.kpi import KpiHour
from safetygear_inference.live import LiveState
from safetygear_inference.pixels import decode_picture
from safetygear_inference.web.viewers import Limits
from support.browser import Findings, ServedPage, open_page, served_page
from support.live_scene import Feed, Scene, event
from support.runtime import wait_until

pytestmark = pytest.mark.browser

TOKEN = "correct horse battery staple"
WAIT_MS = 15_000
"""Generous: the browser shares two cores with everything else."""


@pytest.fixture
def served() -> Iterator[ServedPage]:
    with served_page() as page:
        yield page


@pytest.fixture
def feeds(served: ServedPage) -> Iterator[Any]:
    made: list[Feed] = []

    def feed(*scenes: Scene) -> Feed:
        made.append(Feed(served, *scenes))
        return made[-1]

    yield feed
    for each in made:
        each.stop()


def tile(page: Page, camera: str = "gate") -> Locator:
    return page.locator(f'.tile[data-camera="{camera}"]')


def expect_box(page: Page, camera: str = "gate") -> None:
    expect(tile(page, camera).locator(".box").first).to_be_visible(timeout=WAIT_MS)


def clean(findings: Findings) -> None:
    assert findings.console_errors == []
    assert findings.foreign_requests == []


def marked(page: Page, camera: str) -> tuple[float, float, float, float]:
    """Left, top, right, bottom (CSS px of the window) of the mark in what is really painted on the screen."""
    stage = tile(page, camera).locator(".stage")
    # Only the picture: the box would hide the mark's edges.
    stage.locator(".layer").evaluate("layer => { layer.hidden = true; }")
    png = stage.screenshot()
    pixels = decode_picture(png).planes[0].astype(int)
    ys, xs = np.nonzero((pixels[..., 0] > 180) & (pixels[..., 1] < 90) & (pixels[..., 2] > 180))
    assert len(xs), "the mark is not in the picture"
    place = stage.bounding_box()
    assert place is not None
    return (
        place["x"] + xs.min(), place["y"] + ys.min(), place["x"] + xs.max() + 1, place["y"] + ys.max() + 1
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "viewport"),
    [((640, 360), (1280, 800)), ((640, 480), (1280, 800)), ((360, 640), (1280, 800)), ((1920, 400), (390, 844))],
    ids=["16:9", "4:3", "upright", "wide on a phone"],
)
@pytest.mark.parametrize("mark", [(0.25, 0.25, 0.25, 0.5), (0.0, 0.6, 0.3, 0.4)], ids=["inside", "corner"])
def test_boxes_lie_where_the_picture_says(
    browser: Browser, served: ServedPage, feeds: Any, size: tuple[int, int], viewport: tuple[int, int],
    mark: tuple[float, float, float, float],
) -> None:  # fmt: skip
    feeds(Scene(size=size, mark=mark))
    window = {"width": viewport[0], "height": viewport[1]}
    with open_page(browser, served.url, viewport=window) as (page, findings):
        expect_box(page)
        layer = tile(page).locator(".layer")
        place = layer.evaluate("layer => layer.querySelector('.box').getBoundingClientRect().toJSON()")
        drawn = (place["left"], place["top"], place["right"], place["bottom"])
        assert drawn == pytest.approx(marked(page, "gate"), abs=3)
        clean(findings)


def test_boxes_are_those_of_the_picture_that_is_shown(browser: Browser, served: ServedPage, feeds: Any) -> None:
    """The mark jumps with every frame: a box of another frame than the picture's would miss it."""
    places = [(x / 10, y / 10, 0.15, 0.2) for x in range(0, 8, 2) for y in range(0, 8, 3)]
    scenes = [Scene(mark=place) for place in places]
    jpegs = [scene.jpeg() for scene in scenes]
    feeds(replace(scenes[0], sends_frames=False))
    stopping = threading.Event()

    def jump() -> None:
        sequence = 1000
        while not stopping.wait(0.04):
            sequence += 1
            number = sequence % len(scenes)

            def change(live: LiveState, now_s: float, number: int = number, sequence: int = sequence) -> None:
                live.analysed(scenes[number].message(sequence), now_s)
                if live.wants_picture("gate", now_s):
                    live.picture("gate", sequence, jpegs[number], now_s)

            served.do(change)

    thread = threading.Thread(target=jump)
    thread.start()
    try:
        with open_page(browser, served.url, viewport={"width": 900, "height": 700}) as (page, findings):
            expect_box(page)
            # One task of the page's: what it reads belongs to one moment.
            samples = page.evaluate(
                """async () => {
                    const samples = [];
                    while (samples.length < 60) {
                        await new Promise((done) => requestAnimationFrame(done));
                        const tile = document.querySelector(".tile");
                        const canvas = tile.querySelector("canvas");
                        const box = tile.querySelector(".box").getBoundingClientRect();
                        const stage = canvas.getBoundingClientRect();
                        const x = (box.x + box.width / 2 - stage.x) / stage.width * canvas.width;
                        const y = (box.y + box.height / 2 - stage.y) / stage.height * canvas.height;
                        const pixel = canvas.getContext("2d").getImageData(x, y, 1, 1).data;
                        samples.push([tile.dataset.sequence, pixel[0], pixel[1], pixel[2]]);
                    }
                    return samples;
                }"""
            )
            clean(findings)
    finally:
        stopping.set()
        thread.join()
    assert len({sequence for sequence, *_ in samples}) > 5, "the picture stands still"
    assert [sample for sample in samples if not (sample[1] > 180 and sample[2] < 90 and sample[3] > 180)] == []


def test_a_tile_says_what_it_sees(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene(labels=("person", "head", "no-vest")), Scene("yard", labels=("helmet", "vest", "person")))
    served.do(lambda live, _: live.model({"state": "ok", "name": "site-v3", "version": "3", "sha256": "0"}))
    served.do(
        lambda live, _: live.budget(BudgetHealth(daily_blocks=1000, used_blocks=400, shedding=True, shed_messages=12))
    )
    with open_page(browser, served.url, viewport={"width": 1920, "height": 1000}) as (page, findings):
        expect_box(page)
        expect(page.locator("#summary")).to_have_text("All 2 cameras watched")
        expect(page.locator("#model")).to_have_text("site-v3")
        expect(page.locator("#budget")).to_have_text("400 used · 600 left · 12 shed")
        expect(page.locator("#problems")).to_contain_text("detections are not sent to IoT Hub")
        expect(tile(page).locator(".figures")).to_contain_text("42 ms")
        expect(tile(page).locator(".coverage")).to_contain_text("watched")
        expect(tile(page).locator(".box span")).to_contain_text(["person 90%", "bare head 90%", "no vest 90%"])
        line = page.locator("#sightings li").filter(has_text="gate").first
        expect(line).to_contain_text("1 bare head", timeout=WAIT_MS)
        looks = page.evaluate(
            """() => [...document.querySelectorAll(".layer .box")].map((box) => {
                const style = getComputedStyle(box);
                return [box.dataset.label, style.borderTopColor, style.borderTopStyle];
            })"""
        )
        assert len({colour for _, colour, _ in looks}) == len({label for label, _, _ in looks}) == 5
        assert {label for label, _, style in looks if style == "dashed"} == {"head", "no-vest"}
        clean(findings)


JUDGED: tuple[tuple[Status, str], ...] = (
    ("compliant", "all-worn"),
    ("violation", "carried-helmet"),
    ("indeterminate", "too-small"),
    ("violation", "missing-ear-muffs"),
)


def test_people_look_as_their_status_says(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene(labels=("vest",), mark=(0.1, 0.25, 0.8, 0.5), people=JUDGED))
    with open_page(browser, served.url, viewport={"width": 1280, "height": 860}) as (page, findings):
        expect_box(page)
        people = tile(page).locator(".box[data-status]")
        expect(people).to_have_count(4)
        said = people.evaluate_all(
            "boxes => Object.fromEntries(boxes.map(box => [box.dataset.track, [box.dataset.status, box.textContent]]))"
        )
        assert said == {
            "t0": ["compliant", "\u2713 compliant"],
            "t1": ["violation", "\u2715 carried helmet"],
            "t2": ["indeterminate", "? too small to tell"],
            "t3": ["violation", "\u2715 missing ear muffs"],
        }
        looks = people.evaluate_all(
            """boxes => boxes.map((box) => {
                const { borderTopColor, borderTopStyle, borderTopWidth } = getComputedStyle(box);
                return [box.dataset.status, borderTopColor, `${borderTopStyle} ${borderTopWidth}`];
            })"""
        )
        assert len({colour for _, colour, _ in looks}) == len({line for *_, line in looks}) == 3
        # A small tile says what is wrong and nothing else.
        page.set_viewport_size({"width": 390, "height": 844})
        expect(people.locator("span")).to_have_text(["\u2715 carried helmet", "\u2715 missing ear muffs"])
        clean(findings)


def test_a_person_whose_box_is_not_told_is_drawn_all_the_same(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feed = feeds(replace(Scene(people=JUDGED[:1]), sends_frames=False))
    message = Scene(people=(("violation", "missing-vest"),)).message(5)
    with open_page(browser, served.url) as (page, findings):
        expect(tile(page)).to_be_visible(timeout=WAIT_MS)
        page.wait_for_timeout(1500)  # until it has looked

        def frame(live: LiveState, now_s: float) -> None:
            live.analysed(replace_detections(message), now_s)
            live.look("gate", now_s)
            live.picture("gate", 5, Scene().jpeg(), now_s)

        served.do(frame)
        expect(tile(page).locator(".box[data-status='violation']")).to_have_count(1, timeout=WAIT_MS)
        feed.stop()
        clean(findings)


def replace_detections(message: DetectionsMessage) -> DetectionsMessage:
    return msgspec.structs.replace(message, detections=[])


def test_a_violation_is_listed_while_it_is_open_and_after(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene())
    began_s = time.time() - 3700
    with open_page(browser, served.url, viewport={"width": 1280, "height": 860}) as (page, findings):
        count, still, over = page.locator("#episodes-count"), page.locator("#episodes-open li"), page.locator(
            "#episodes-closed li"
        )  # fmt: skip
        expect(count).to_have_text("Nothing open.", timeout=WAIT_MS)
        served.do(lambda live, _: live.event(event("one", began_s)))
        expect(count).to_have_text("1 open", timeout=WAIT_MS)
        expect(still).to_contain_text("no helmet")
        expect(still).to_contain_text("gate \u00b7 zone dock")
        expect(still).to_contain_text("high severity")
        expect(still).to_contain_text("carried helmet")
        duration = still.locator(".duration")
        expect(duration).to_have_text(re.compile(r"^1 h 1 min$"))
        # A minute and more is told in seconds, and they run without another event.
        served.do(lambda live, _: live.event(event("two", time.time() - 70)))
        expect(count).to_have_text("2 open", timeout=WAIT_MS)
        shown = still.first.locator(".duration").text_content()
        expect(still.first.locator(".duration")).not_to_have_text(shown or "", timeout=WAIT_MS)
        served.do(lambda live, _: live.event(event("one", began_s, began_s + 83, "complied")))
        expect(count).to_have_text("1 open", timeout=WAIT_MS)
        expect(still).to_have_count(1)
        expect(over.locator(".duration")).to_have_text("1 min 23 s")
        expect(over).to_contain_text("gear put on")
        page.wait_for_timeout(1200)
        expect(over.locator(".duration")).to_have_text("1 min 23 s")
        clean(findings)


def test_examples_are_told_where_they_are_kept(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene())
    with open_page(browser, served.url, viewport={"width": 1280, "height": 860}) as (page, findings):
        expect_box(page)
        expect(page.locator("#learning")).to_be_hidden()
        drift = [
            LearningDrift(camera="gate", label="helmet", stability_index=0.3),
            LearningDrift(camera="gate", label="vest", stability_index=0.2),
        ]
        health = LearningHealth(
            examples=1143, bytes=1, awaiting_verdict=0, taken={"random": 2, "drift": 5}, refused={}, failed={},
            evicted={}, drift=drift,
        )  # fmt: skip
        served.do(lambda live, _: live.learning(health))
        expect(page.locator("#examples")).to_have_text("1,143 \u00b7 7 new \u00b7 1 drifting", timeout=WAIT_MS)
        expect(page.locator("#examples")).to_have_attribute("title", "gate: helmet")
        clean(findings)


def test_the_outbox_and_the_hour_are_told(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene())
    with open_page(browser, served.url, viewport={"width": 1280, "height": 860}) as (page, findings):
        expect_box(page)
        expect(page.locator("#outbox")).to_have_text("\u2013")
        expect(page.locator("#hour-section")).to_be_hidden()
        row = KpiHour(camera="gate", zone="dock", hour_s=0, compliant_s=90, violating_s=30, indeterminate_s=0)
        served.do(lambda live, _: live.outbox(3, 127))
        served.do(lambda live, _: live.compliance([row]))
        expect(page.locator("#outbox")).to_have_text("3 \u00b7 newest #127", timeout=WAIT_MS)
        expect(page.locator("#hour")).to_contain_text("gate \u00b7 dock")
        expect(page.locator("#hour .minutes span")).to_have_text(
            ["\u2713 1.5 compliant", "\u2715 0.5 violation", "? 0.0 can't tell"]
        )
        served.do(lambda live, _: setattr(live, "precision_of", lambda camera, zone: 0.75))
        expect(page.locator("#hour .minutes")).to_contain_text("events judged right: 75%", timeout=WAIT_MS)
        widths = page.locator("#hour .bar-of-hour span").evaluate_all(
            "parts => parts.map(part => part.getBoundingClientRect().width)"
        )
        assert widths[0] == pytest.approx(3 * widths[1], rel=0.05)
        assert widths[2] == 0
        clean(findings)


def test_a_camera_that_stalls_shows_it_and_recovers(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feed = feeds(Scene(), Scene("yard"))
    with open_page(browser, served.url) as (page, findings):
        expect_box(page)
        feed.show(Scene(state="stalled", reason="stall", sends_frames=False))
        veil = tile(page).locator(".veil")
        expect(veil).to_be_visible(timeout=WAIT_MS)
        expect(veil).to_contain_text("Not watching: stalled")
        expect(veil).to_contain_text("no picture within the stall budget")
        expect(veil).to_contain_text("since")
        expect(tile(page).locator(".figures")).to_have_text("stall budget 10 s")
        expect(tile(page).locator(".box").first).to_be_hidden()
        expect(page.locator("#summary")).to_have_text("1 of 2 not watched")
        expect(page).to_have_title("(!) 1 of 2 not watched · SafetyGear")
        expect(tile(page, "yard").locator(".veil")).to_be_hidden()
        feed.show(Scene())
        expect(veil).to_be_hidden(timeout=WAIT_MS)
        expect_box(page)
        expect(page.locator("#summary")).to_have_text("All 2 cameras watched")
        clean(findings)


def test_a_main_stream_is_shown_beside_what_is_watched(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feed = feeds(Scene(main=("streaming", "ok")), Scene("yard"))
    with open_page(browser, served.url) as (page, findings):
        expect_box(page)
        main = tile(page).locator(".main")
        expect(main).to_have_text("main 1920\u00d71080", timeout=WAIT_MS)
        expect(main).to_have_attribute("title", re.compile("for pictures of violations: streaming since"))
        expect(tile(page, "yard").locator(".main")).to_be_hidden()
        feed.show(Scene(main=("refused", "auth-failed")))
        expect(main).to_have_text("main stream \u2013 the camera refuses user name or password", timeout=WAIT_MS)
        expect(main).to_have_attribute("data-level", "note")
        expect(tile(page)).to_have_attribute("data-level", "ok")
        expect(tile(page).locator(".veil")).to_be_hidden()
        expect(page.locator("#summary")).to_have_text("All 2 cameras watched")
        feed.show(Scene(main=("connecting", "starting")))
        expect(main).to_have_text("main stream connecting", timeout=WAIT_MS)
        feed.show(Scene())
        expect(main).to_be_hidden(timeout=WAIT_MS)
        feed.show(Scene(main=("streaming", "ok")))
        expect(main).to_be_visible(timeout=WAIT_MS)
        feed.capture_runs = False
        expect(main).to_have_text("main stream \u2013 the capture module sends nothing any more", timeout=WAIT_MS)
        served.stop()
        expect(main).to_be_hidden(timeout=WAIT_MS)
        assert findings.foreign_requests == []


def test_a_late_picture_dims_its_tile_and_is_no_alarm_before_the_stall_budget(
    browser: Browser, served: ServedPage, feeds: Any
) -> None:
    feed = feeds(Scene(stall_budget_s=120.0), Scene("yard"))
    with open_page(browser, served.url) as (page, findings):
        expect_box(page)
        feed.show(Scene(stall_budget_s=120.0, sends_frames=False))
        veil = tile(page).locator(".veil")
        expect(veil).to_be_visible(timeout=WAIT_MS)
        expect(veil).to_contain_text("Not watching: late")
        expect(page.locator("#summary")).to_have_text("1 of 2 not watched")
        expect(page.locator("#summary")).to_have_attribute("data-level", "note")
        expect(page).to_have_title("SafetyGear")
        clean(findings)


def test_a_label_that_javascript_knows_is_a_label_like_any_other(
    browser: Browser, served: ServedPage, feeds: Any
) -> None:
    feeds(Scene(labels=("constructor", "toString")))
    with open_page(browser, served.url) as (page, findings):
        expect_box(page)
        expect(tile(page).locator(".box span")).to_contain_text(["constructor 90%", "toString 90%"])
        clean(findings)


def test_a_capture_that_is_gone_shows_within_the_stall_budget(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feed = feeds(Scene(stall_budget_s=2.0))
    with open_page(browser, served.url) as (page, findings):
        expect_box(page)
        feed.capture_runs = False
        veil = tile(page).locator(".veil")
        expect(veil).to_be_visible(timeout=WAIT_MS)
        expect(veil).to_contain_text("no new picture has been analysed")
        expect(veil).to_contain_text("the capture module sends nothing any more", timeout=WAIT_MS)
        clean(findings)


def test_a_lost_module_is_unmistakable_and_found_again(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feed = feeds(Scene(stall_budget_s=2.0))
    with open_page(browser, served.url) as (page, _):
        expect_box(page)
        feed.capture_runs = False
        served.stop()
        expect(page.get_by_role("alert")).to_contain_text("No connection to the module since", timeout=WAIT_MS)
        expect(page.locator("#summary")).to_have_text("Module lost")
        veil = tile(page).locator(".veil")
        expect(veil).to_be_visible()
        expect(veil).to_contain_text("module lost")
        expect(veil).to_contain_text("since")
        served.start()
        feed.capture_runs = True
        expect(page.locator("#lost")).to_be_hidden(timeout=WAIT_MS)
        expect(veil).to_be_hidden(timeout=WAIT_MS)
        shown = tile(page).get_attribute("data-sequence")
        expect(tile(page)).not_to_have_attribute("data-sequence", shown or "", timeout=WAIT_MS)


def test_a_removed_camera_goes_and_no_camera_is_told(browser: Browser, served: ServedPage, feeds: Any) -> None:
    with open_page(browser, served.url) as (page, findings):
        expect(page.locator("#none")).to_be_visible(timeout=WAIT_MS)
        feed = feeds(Scene())
        expect_box(page)
        expect(page.locator("#none")).to_be_hidden()
        feed.stop()
        empty = CamerasMessage(shard="default", sent_at="x", started_at="x", cameras=[])
        served.do(lambda live, now_s: live.cameras(empty, now_s))
        expect(tile(page)).to_have_count(0, timeout=WAIT_MS)
        expect(page.locator("#none")).to_be_visible()
        clean(findings)


def test_pictures_are_wanted_only_while_the_page_is_looked_at(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene())
    wanted: list[bool] = []

    def ask(live: LiveState, now_s: float) -> None:
        wanted.append(live.wants_picture("gate", now_s))

    served.do(ask)
    with open_page(browser, served.url) as (page, _):
        expect_box(page)
        served.do(ask)
    assert wanted == [False, True]


def test_a_page_in_the_background_asks_for_nothing(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene())
    with open_page(browser, served.url) as (page, findings):
        expect_box(page)

        def hide(yes: bool) -> None:
            page.evaluate(
                """hidden => {
                    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
                    document.dispatchEvent(new Event("visibilitychange"));
                }""",
                yes,
            )

        def viewers() -> int:
            return int(page.request.get(f"{served.url}/api/state").json()["state"]["page"]["viewers"])

        hide(True)
        wait_until(lambda: viewers() == 0, 10, "the stream to end")
        page.wait_for_timeout(3500)  # longer than a silence that means that the module is lost
        shown = tile(page).get_attribute("data-sequence")
        page.evaluate(
            """() => {
                window.alarms = 0;
                const lost = document.getElementById("lost");
                new MutationObserver(() => { window.alarms += !lost.hidden; }).observe(lost, { attributes: true });
            }"""
        )
        # A module that takes a moment to answer.
        busy = threading.Thread(target=lambda: served.do(lambda *_: time.sleep(0.4)))
        busy.start()
        hide(False)
        expect(tile(page)).not_to_have_attribute("data-sequence", shown or "", timeout=WAIT_MS)
        busy.join()
        assert viewers() == 1
        assert page.evaluate("window.alarms") == 0
        clean(findings)


def test_the_keyboard_enlarges_a_tile_and_leaves_it(browser: Browser, served: ServedPage, feeds: Any) -> None:
    feeds(Scene(), Scene("yard"))
    with open_page(browser, served.url, viewport={"width": 1280, "height": 800}) as (page, findings):
        expect_box(page)
        expect_box(page, "yard")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Enlarge gate")).to_be_focused()
        page.keyboard.press("Enter")
        expect(tile(page, "yard")).to_be_hidden()
        expect(page.get_by_role("button", name="Show all cameras")).to_be_focused()
        page.keyboard.press("Escape")
        expect(tile(page, "yard")).to_be_visible()
        clean(findings)


@pytest.mark.parametrize("count", [1, 4, 9, 16])
def test_nothing_is_wider_than_the_window(browser: Browser, served: ServedPage, feeds: Any, count: int) -> None:
    feeds(*(Scene(f"camera-with-a-rather-long-name-{number}") for number in range(count)))
    with open_page(browser, served.url) as (page, findings):
        expect(page.locator(".tile")).to_have_count(count, timeout=WAIT_MS)
        for width, columns in ((390, 1), (820, min(2, count)), (1280, round(count**0.5)), (1920, round(count**0.5))):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            lefts = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.getBoundingClientRect().x)")
            assert len(set(lefts)) == columns
        clean(findings)


def test_each_of_twenty_tiles_says_which_camera_it_is_and_why_it_is_blind(browser: Browser, served: ServedPage) -> None:
    scenes = [Scene(f"cam-{number:02}", state="stalled", reason="stall") for number in range(20)]
    statuses = [scene.status() for scene in scenes]
    message = CamerasMessage(shard="default", sent_at="x", started_at="x", cameras=statuses)
    served.do(lambda live, now_s: live.cameras(message, now_s))
    with open_page(browser, served.url, viewport={"width": 1280, "height": 800}) as (page, findings):
        expect(page.locator(".tile .veil:visible")).to_have_count(20, timeout=WAIT_MS)
        cut = """tiles => tiles.flatMap(tile => [...tile.querySelectorAll("h3, .veil, .veil > :not(.icon), .coverage")]
            .filter(part => part.checkVisibility())
            .filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0
                || part.scrollHeight > part.clientHeight + 1 && part.clientHeight > 0
                || part.getBoundingClientRect().right > tile.getBoundingClientRect().right)
            .map(part => part.textContent))"""
        assert page.locator(".tile").evaluate_all(cut) == []
        assert page.locator("h3").evaluate_all("names => names.filter(name => name.clientWidth < 40).length") == 0
        expect(page.get_by_role("button", name="Enlarge cam-19")).to_be_in_viewport(ratio=1)
        inside = """buttons => buttons.every(button => button.getBoundingClientRect().right
            <= button.closest(".tile").getBoundingClientRect().right)"""
        assert page.locator(".tile .enlarge:visible").evaluate_all(inside)
        clean(findings)


def test_who_hears_the_page_finds_its_parts(browser: Browser, served: ServedPage) -> None:
    message = CamerasMessage(shard="default", sent_at="x", started_at="x", cameras=[Scene().status()])
    served.do(lambda live, now_s: live.cameras(message, now_s))
    with open_page(browser, served.url) as (page, findings):
        expect(page.get_by_role("heading", name="gate", level=3)).to_be_visible(timeout=WAIT_MS)
        levels = page.locator(":is(h1, h2, h3):visible").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
        assert all(after <= before + 1 for before, after in pairwise(levels)), levels
        regions = page.locator("section, [role=region]").evaluate_all(
            "all => all.filter(one => one.checkVisibility()).map(one => one.ariaLabel"
            " ?? document.getElementById(one.getAttribute('aria-labelledby')).textContent)"
        )
        assert len(set(regions)) == len(regions), regions
        terms = page.locator("dl > div > :not(dt, dd)")
        expect(terms).to_have_count(0)
        expect(page.locator(":is(ul, ol)[role]")).to_have_count(0)  # a list with another role is none
        clean(findings)


def test_signing_in_and_out(browser: Browser) -> None:
    with served_page(token=TOKEN) as served, open_page(browser, served.url) as (page, findings):
        expect(page.get_by_role("main").get_by_label("Page token")).to_be_focused()
        feed = Feed(served, Scene())
        try:
            expect(page).to_have_url(f"{served.url}/login")
            page.get_by_label("Page token").fill("wrong")
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("alert")).to_have_text("That is not the token.")
            findings.console_errors.clear()  # the browser's own line about the 401
            page.get_by_label("Page token").fill(TOKEN)
            page.keyboard.press("Enter")
            expect(page).to_have_url(f"{served.url}/")
            expect_box(page)
            page.get_by_role("button", name="Sign out").click()
            expect(page).to_have_url(f"{served.url}/login")
            page.goto(served.url)
            expect(page).to_have_url(f"{served.url}/login")
            clean(findings)
        finally:
            feed.stop()


def test_too_many_pages_is_told(browser: Browser) -> None:
    with served_page(limits=Limits(viewers=1)) as served, open_page(browser, served.url) as (first, _):
        expect(first.locator("#none")).to_be_visible(timeout=WAIT_MS)
        with open_page(browser, served.url) as (second, _):
            expect(second.get_by_role("alert")).to_contain_text("Too many pages are open", timeout=WAIT_MS)
