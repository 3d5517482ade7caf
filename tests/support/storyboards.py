"""Stories of a site in box space, with the episodes that are true of them: what perfect detections have to give.

A person is a box that walks: places are where the feet are, in px of 1280x720; boxes of head, helmet and vest keep the
proportions that were measured on rendered people. What somebody nearer or a wall hides is not seen.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from support.judged_clip import perfect_boxes
from support.recordings import SIZE_PX, Row
from support.site_scene import truth

Box = tuple[float, float, float, float]
Helmet = Literal["worn", "missing", "carried", "worn-and-carried"]
START_S = 1_795_593_600.0
"""2026-11-25T08:00:00Z, a Wednesday."""
WIDTH = 0.38
"""Of a person's box, per height."""
HEAD = 0.138
STEPS = 12
"""Points per side of a box at which it is looked at whether something hides it."""
LEAST_SEEN = 0.4
"""A thing of which less is visible is not detected, and neither is a person."""


@dataclass(frozen=True)
class Truth:
    """An episode as it has to come out. Times are seconds of the story."""

    rule: str
    reason: str
    since_s: float
    """From when on the violation can be seen."""
    until_s: float
    close_reason: str
    zone: str = "default"
    open_within_s: float = 4.0
    """After `since_s`: the vote, the minimum duration and two frames."""
    close_within_s: float = 2.0


@dataclass(frozen=True)
class Walker:
    """`path`: (t_s, x, y, height) of the feet and the box, straight in between, nobody before and after it.
    `helmet`: by time, from when on."""

    path: tuple[tuple[float, float, float, float], ...]
    helmet: tuple[tuple[float, Helmet], ...] = ((0.0, "worn"),)
    vest: bool = True
    sway_px: float = 0.0
    """Of the feet's x, once a second."""

    def box(self, t_s: float) -> Box | None:
        """The whole body's."""
        for (t0, *before), (t1, *after) in pairwise(self.path):
            if t0 <= t_s < t1:
                share = (t_s - t0) / (t1 - t0)
                x, y, height = (a + share * (b - a) for a, b in zip(before, after, strict=True))
                x += self.sway_px * (1 if int(t_s * 2) % 2 else -1)
                return (x - WIDTH * height / 2, y - height, x + WIDTH * height / 2, y)
        return None

    def rows(self, t_s: float, box: Box) -> list[Row]:
        """The person's gear, whatever hides it."""
        x0, y0, x1, y1 = box
        height, middle = y1 - y0, (x0 + x1) / 2
        helmet = [state for since_s, state in self.helmet if since_s <= t_s][-1]
        half = HEAD * height / 2
        on_head = (middle - half, y0, middle + half, y0 + 2 * half)
        hand = (x1 - 2 * half, y0 + 0.48 * height, x1, y0 + 0.48 * height + 1.6 * half)
        rows: list[Row] = [("helmet" if helmet.startswith("worn") else "head", on_head)]
        if helmet.endswith("carried"):
            rows.append(("helmet", hand))
        torso = (middle - 0.12 * height, y0 + 0.16 * height, middle + 0.12 * height, y0 + 0.54 * height)
        rows.append(("vest" if self.vest else "no-vest", torso))
        return rows


@dataclass(frozen=True)
class Storyboard:
    """One camera for `seconds`. `wall`: what hides what is behind it, nearer than everybody whose feet are above its
    lower edge."""

    name: str
    seconds: float
    walkers: tuple[Walker, ...]
    truths: tuple[Truth, ...]
    wall: Box | None = None
    twin: Mapping[str, Any] = field(default_factory=dict)

    def frames(self, fps: float) -> list[tuple[float, list[Row]]]:
        """(t_s, boxes) at `fps`."""
        return [(number / fps, self.rows(number / fps)) for number in range(int(self.seconds * fps))]

    def rows(self, t_s: float) -> list[Row]:
        """What a detector without faults sees at `t_s`."""
        here = [(walker, box) for walker in self.walkers if (box := walker.box(t_s)) is not None]
        rows: list[Row] = []
        for walker, box in here:
            nearer = [other for _, other in here if other[3] > box[3]]
            if self.wall is not None and box[3] < self.wall[3]:
                nearer.append(self.wall)
            body = _seen(box, nearer)
            if body is None:
                continue
            rows.append(("person", body))
            rows += [(label, seen) for label, part in walker.rows(t_s, box) if (seen := _seen(part, nearer))]
        return rows


def _seen(box: Box, nearer: Sequence[Box]) -> Box | None:
    """What is visible of a box, as a box; None where that is too little."""
    size = (box[2] - box[0]) * (box[3] - box[1])
    x0, y0, x1, y1 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], SIZE_PX[0]), min(box[3], SIZE_PX[1])
    if x0 >= x1 or y0 >= y1:
        return None
    nearer = [(a, b, c, d) for a, b, c, d in nearer if a < x1 and c > x0 and b < y1 and d > y0]
    if not nearer:
        return (x0, y0, x1, y1) if (x1 - x0) * (y1 - y0) >= LEAST_SEEN * size else None
    step_x, step_y = (x1 - x0) / STEPS, (y1 - y0) / STEPS
    xs, ys = x0 + (np.arange(STEPS) + 0.5) * step_x, y0 + (np.arange(STEPS) + 0.5) * step_y
    free = np.ones((STEPS, STEPS), bool)
    for a, b, c, d in nearer:
        free &= ~np.outer((b <= ys) & (ys <= d), (a <= xs) & (xs <= c))
    if free.mean() * (x1 - x0) * (y1 - y0) < LEAST_SEEN * size:
        return None
    columns, rows = np.flatnonzero(free.any(axis=0)), np.flatnonzero(free.any(axis=1))
    return (
        x0 + float(columns[0]) * step_x,
        y0 + float(rows[0]) * step_y,
        x0 + float(columns[-1] + 1) * step_x,
        y0 + float(rows[-1] + 1) * step_y,
    )


def across(start_s: float, seconds: float, *, y: float = 600, height: float = 250, back: bool = False) -> Any:
    """A walk through the whole picture, from outside to outside."""
    left, right = -60.0, SIZE_PX[0] + 60.0
    begin, end = (right, left) if back else (left, right)
    return ((start_s, begin, y, height), (start_s + seconds, end, y, height))


def entered_s(start_s: float, seconds: float, share: float = 0.7) -> float:
    """When `share` of the person is in the picture, on a walk `across` at the usual height."""
    width = WIDTH * 250
    return start_s + seconds * ((share - 0.5) * width + 60) / (SIZE_PX[0] + 120)


YARD = ((0.3, 0.5), (0.8, 0.5), (0.8, 1.0), (0.3, 1.0))
YARD_ONLY = {"zones": {"cam": {"yard": {"polygon": YARD}}}}
MORNING_SHIFT = {
    "zones": {"cam": {"yard": {"polygon": YARD, "calendar": "early"}}},
    # 09:00 in Berlin is 08:00 UTC, the story's begin.
    "calendars": {"early": {"timeZone": "Europe/Berlin", "week": {"wednesday": ["06:00-09:01"]}}},
}
IN = entered_s(1, 12)


def stories() -> tuple[Storyboard, ...]:
    """All of them, the site scene's truth excepted (`clip_truths`)."""
    bare: tuple[tuple[float, Helmet], ...] = ((0.0, "missing"),)
    crossing = (Walker(across(1, 12)), Walker(across(1, 12, y=640, height=265, back=True), helmet=bare))
    return (
        Storyboard("compliant walk-through", 20, (Walker(across(1, 12)),), ()),
        Storyboard(
            "bare head",
            25,
            (Walker(across(1, 12), helmet=bare),),
            (Truth("no-helmet", "missing-helmet", IN, 13, "left"),),
        ),
        Storyboard(
            "no vest", 25, (Walker(across(1, 12), vest=False),), (Truth("no-vest", "missing-vest", IN, 13, "left"),)
        ),
        Storyboard(
            "neither helmet nor vest",
            25,
            (Walker(across(1, 12), helmet=bare, vest=False),),
            (
                Truth("no-helmet", "missing-helmet", IN, 13, "left"),
                Truth("no-vest", "missing-vest", IN, 13, "left"),
            ),
        ),
        Storyboard(
            "helmet carried, then put on",
            30,
            (Walker(across(1, 20), helmet=((0.0, "carried"), (11.0, "worn"))),),
            (Truth("no-helmet", "carried-helmet", entered_s(1, 20), 11, "complied"),),
        ),
        Storyboard(
            "helmet worn, a second one carried",
            20,
            (Walker(across(1, 12), helmet=((0.0, "worn-and-carried"),)),),
            (),
        ),
        Storyboard(
            "two people crossing, one bare-headed",
            25,
            crossing,
            (Truth("no-helmet", "missing-helmet", IN, 13, "left"),),
        ),
        Storyboard(
            "two people crossing, one bare-headed and one without a vest",
            25,
            (Walker(across(1, 12), vest=False), crossing[1]),
            (
                Truth("no-vest", "missing-vest", IN, 13, "left"),
                Truth("no-helmet", "missing-helmet", IN, 13, "left"),
            ),
        ),
        Storyboard(
            "half behind a container",
            30,
            (Walker(across(1, 20), helmet=bare),),
            (Truth("no-helmet", "missing-helmet", entered_s(1, 20), 21, "left"),),
            wall=(400, 480, 900, 640),
        ),
        Storyboard(
            "compliant, half behind a container",
            30,
            (Walker(across(1, 20)),),
            (),
            wall=(400, 480, 900, 640),
        ),
        Storyboard(
            "wholly behind a container for two seconds",
            30,
            (Walker(across(1, 20), helmet=bare),),
            (Truth("no-helmet", "missing-helmet", entered_s(1, 20), 21, "left"),),
            wall=(650, 300, 790, 640),
        ),
        Storyboard(
            "along a zone's edge, inside",
            40,
            (
                Walker(
                    ((1, 300, 600, 250), (4, 420, 600, 250), (6, 396, 600, 250), (24, 396, 700, 260),
                     (27, 250, 700, 260), (35, 200, 700, 260)),
                    helmet=bare,
                    sway_px=15,
                ),
            ),
            (Truth("no-helmet", "missing-helmet", 3.2, 25.0, "left", zone="yard"),),
            twin=YARD_ONLY,
        ),
        Storyboard(
            "along a zone's edge, outside",
            30,
            (Walker(((1, 250, 600, 250), (4, 366, 600, 250), (24, 366, 700, 260), (26, 250, 700, 260)), helmet=bare,
                    sway_px=15),),
            (),
            twin=YARD_ONLY,
        ),
        Storyboard(
            "helmets carried outside the zone",
            30,
            (
                Walker(((1, 100, 600, 250), (29, 200, 600, 250)), helmet=((0.0, "carried"),)),
                Walker(((1, 1100, 640, 260), (29, 1200, 640, 260)), helmet=bare),
                Walker(((1, 600, 600, 250), (29, 700, 600, 250))),
            ),
            (),
            twin=YARD_ONLY,
        ),
        Storyboard(
            "shift ends while inside",
            80,
            (Walker(((50, 500, 600, 250), (79, 700, 600, 250)), helmet=bare),),
            (Truth("no-helmet", "missing-helmet", 50, 60, "shift-end", zone="yard"),),
            twin=MORNING_SHIFT,
        ),
        Storyboard("a busy yard", 60, _busy(), ()),
    )  # fmt: skip


def _busy() -> tuple[Walker, ...]:
    """Eight compliant people in three rows who pass each other all the time."""
    walkers = []
    for number in range(8):
        y, height = 460 + 80 * (number % 3), 190 + 35 * (number % 3)
        speed_s, ends = 9 + 2 * number, (120 + 60 * number, 1160 - 50 * number)
        path = [(speed_s * leg, ends[(leg + number) % 2], y, height) for leg in range(int(60 / speed_s) + 2)]
        walkers.append(Walker(tuple(path)))
    return tuple(walkers)


def clip_truths() -> tuple[Truth, ...]:
    """The site scene's."""
    found = []
    for event in truth()["events"]:
        gear = event["rule"].removeprefix("no-")
        state = "carried" if "carried" in event.get("helmet_state", ()) else "missing"
        put_on = state == "carried"
        found.append(
            Truth(
                event["rule"],
                f"{state}-{gear}",
                event["assessable_start_s"],
                event["end_s"],
                "complied" if put_on else "left",
            )
        )
    return tuple(found)


def clip_frames(fps: float) -> list[tuple[float, list[Row]]]:
    """The site scene's truth as perfect boxes in px; `fps`: 10 divided by a whole number."""
    clip = truth()
    step = round(clip["fps"] / fps)
    frames = []
    for frame in clip["frames"][::step]:
        boxes, _ = perfect_boxes(clip, frame)
        rows: list[Row] = [
            (label, (x0 * clip["width"], y0 * clip["height"], x1 * clip["width"], y1 * clip["height"]))
            for label, (x0, y0, x1, y1) in zip(boxes.label, boxes.xyxy_norm.tolist(), strict=True)
        ]
        frames.append((float(frame["t"]), rows))
    return frames


def quiet(seconds: float, seed: int) -> Storyboard:
    """Nothing to tell: six compliant people who go to and fro in the zone, two of them with a second helmet in hand,
    and three outside it without a helmet on, all of whom pass in front of and behind each other."""
    draw = random.Random(seed)
    walkers = []
    for number in range(9):
        outside = number >= 6
        # The zone's foot line is 360; right of 1024 + 64 px nobody inside ever stands.
        left, right = (1060, 1240) if outside else (420, 990)
        path: list[tuple[float, float, float, float]] = []
        t_s = draw.uniform(0, 2)
        while t_s < seconds + 10:
            y = draw.uniform(440, 700)
            # Nearer is lower and taller.
            path.append((t_s, draw.uniform(left, right), y, 120 + 0.35 * (y - 300)))
            t_s += draw.uniform(2, 8)
        helmet: Helmet = "worn"
        if number in (0, 1):
            helmet = "worn-and-carried"
        elif outside:
            helmet = "carried" if number == 6 else "missing"
        walkers.append(Walker(tuple(path), helmet=((0.0, helmet),), vest=number != 8))
    return Storyboard("quiet", seconds, tuple(walkers), (), twin=YARD_ONLY)
