"""One violator goes out over the picture's edge, one comes in, who is told? `python tests/bench/bench_doorway.py`

Simulated bare heads on a yard seen from a mast, as a nano detector might see them, through the judging that runs live,
at 2 and 5 fps. `two`: the second crosses the edge up to 6 s after the first; each that is told when alone is due.
`one`: the same person goes out and comes back, or stands half out; told again counts against the judging. JSON out.
No assertions.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from safetygear.geometry import as_xyxy, iou  # the path above
from safetygear.twin.reading import read_desired
from safetygear_inference.config import InferenceTwin
from safetygear_inference.judging.judges import Judges
from safetygear_inference.judging.observation import LabelledBoxes
from support.simulated_walkers import (
    ASPECT,
    CAMERA_HEIGHT_M,
    CAMERA_TILT,
    FOCAL_PER_HEIGHT,
    area,
    project,
    visible_part,
)

RATES_FPS = (2, 5)
CROSSES_S = 6.5
"""When the first is half out; from when the second is half in, he is watched for as long."""
LATEST_S = 6.0
LIMITS = np.array([ASPECT, 1, ASPECT, 1])
Draw = np.random.Generator
Place = tuple[float, float]
Path_ = Callable[[float], Place]
"""Ground metres at a time: right of the camera, away from it."""


class Person:
    """Walks along a path; `misses_s` is until when the detector misses him while the edge cuts him."""

    def __init__(self, draw: Draw, path: Path_) -> None:
        self.path = path
        self.height_m = float(np.clip(draw.normal(1.73, 0.085), 1.5, 2.0))
        self.phase = float(draw.uniform(0, 7))
        self.misses_s = self.free_s = -1.0

    def body(self, at_s: float) -> NDArray[np.float64]:
        (x, away), (x_before, away_before) = self.path(at_s), self.path(at_s - 0.1)
        walks = math.hypot(x - x_before, away - away_before) > 0.03
        (middle, top), (_, bottom) = project(x, away, self.height_m), project(x, away, 0)
        half = 0.17 * (bottom - top) * (1 + 0.35 * abs(math.sin((at_s + self.phase) * 5)) * walks)
        return np.array([middle - half, top, middle + half, bottom])


@dataclass(frozen=True)
class Scene:
    people: list[Person]
    seconds: float
    cut_chance: tuple[float, float] = (0.8, 0.4)
    """Of a box when more than 40 % are visible, and more than 15 %."""
    long_misses: bool = False


def edge_m(away: float) -> float:
    """Metres to the right of the camera at which half a person is out of the picture."""
    depth = away * math.cos(CAMERA_TILT) + (CAMERA_HEIGHT_M - 0.9) * math.sin(CAMERA_TILT)
    return ASPECT / 2 * depth / FOCAL_PER_HEIGHT


def speed_m_per_s(draw: Draw) -> float:
    return float(np.clip(draw.normal(1.3, 0.25), 0.6, 2.0))


def over_edge(draw: Draw, away: float, crosses_s: float, way: int) -> Path_:
    """Straight, outwards (1) or inwards (-1)."""
    speed, angle = speed_m_per_s(draw), draw.normal(0, math.radians(15))
    vx, vy = way * speed * math.cos(angle), speed * math.sin(angle)
    return lambda at_s: (edge_m(away) + vx * (at_s - crosses_s), away + vy * (at_s - crosses_s))


def side(draw: Draw) -> Callable[[Path_], Path_]:
    """Half of the scenes at the left edge."""
    sign = int(draw.choice([-1, 1]))
    return lambda path: lambda at_s: (sign * path(at_s)[0], path(at_s)[1])


def two(draw: Draw, doorway: bool) -> Scene:
    away, turned = float(draw.uniform(8, 15)), side(draw)
    second_away = away + float(draw.normal(0, 0.35)) if doorway else float(draw.uniform(8, 15))
    second_s = CROSSES_S + float(draw.uniform(-0.5, LATEST_S))
    first = Person(draw, turned(over_edge(draw, away, CROSSES_S, 1)))
    second = Person(draw, turned(over_edge(draw, second_away, second_s, -1)))
    return Scene([first, second], second_s + CROSSES_S)


def two_below(draw: Draw) -> Scene:
    """Over the lower edge: towards the camera, and away from it."""
    x = float(draw.uniform(-2.5, 2.5))
    out, back = speed_m_per_s(draw), speed_m_per_s(draw)
    second_s = CROSSES_S + float(draw.uniform(-0.5, LATEST_S))
    second_x, drift, second_drift = x + float(draw.normal(0, 0.4)), draw.normal(0, 0.2), draw.normal(0, 0.2)
    first = Person(draw, lambda at_s: (x + drift * (at_s - CROSSES_S), max(1.5, 4.6 - out * (at_s - CROSSES_S))))
    second = Person(
        draw, lambda at_s: (second_x + second_drift * (at_s - second_s), max(1.5, 4.6 + back * (at_s - second_s)))
    )
    return Scene([first, second], second_s + CROSSES_S)


def turns(draw: Draw) -> Scene:
    """Slows down beyond the edge, may wait there, and comes back where he went out, within 0.2 m or so."""
    away, turned = float(draw.uniform(8, 15)), side(draw)
    out, back, slows = speed_m_per_s(draw), speed_m_per_s(draw), float(draw.uniform(0.9, 1.6))
    farthest = edge_m(away) + float(draw.uniform(0.3, 1.5))
    away_back = away + float(draw.normal(0, 0.2))
    waits_s = float(draw.uniform(0, 2.5)) * (draw.random() < 0.6)
    stops_s = 6.0 + out / slows
    turns_s = stops_s + waits_s
    walks_s = turns_s + back / slows

    def path(at_s: float) -> Place:
        if at_s < turns_s:
            slow_s = min(out / slows, max(0.0, stops_s - at_s))
            return farthest - slows * slow_s**2 / 2 - out * max(0.0, 6.0 - at_s), away
        fast_s = min(at_s, walks_s) - turns_s
        x = farthest - slows * fast_s**2 / 2 - back * max(0.0, at_s - walks_s)
        return x, away + (away_back - away) * min(1.0, at_s - turns_s)

    return Scene([Person(draw, turned(path))], walks_s + 5.5 / back)


def stands(draw: Draw) -> Scene:
    """Walks to the edge, stands there half out and sways, is missed for seconds, and comes back."""
    away, turned, speed = float(draw.uniform(8, 15)), side(draw), speed_m_per_s(draw)
    at_edge = edge_m(away) + float(draw.uniform(-0.35, 0.1))
    until_s = 6.0 + float(draw.uniform(1, 10))
    sways, period_s = float(draw.uniform(0, 0.25)), float(draw.uniform(2, 8))

    def path(at_s: float) -> Place:
        away_from = speed * (max(0.0, 6.0 - at_s) + max(0.0, at_s - until_s))
        swayed = sways * math.sin((at_s - 6.0) * 2 * math.pi / period_s) if 6.0 < at_s < until_s else 0.0
        return at_edge - away_from + swayed, away

    return Scene([Person(draw, turned(path))], until_s + 6.0, cut_chance=(0.7, 0.4), long_misses=True)


SCENES: dict[str, Callable[[Draw], Scene]] = {
    "two, anywhere along the edge": lambda draw: two(draw, doorway=False),
    "two, one doorway": lambda draw: two(draw, doorway=True),
    "two, over the lower edge": two_below,
    "one, turns round beyond the edge": turns,
    "one, stands half out": stands,
}


def detected(scene: Scene, people: Sequence[Person], at_s: float, fps: float, draw: Draw) -> LabelledBoxes:
    rows: list[tuple[NDArray[np.float64], str, float]] = []
    in_front: list[NDArray[np.float64]] = []
    for person in sorted(people, key=lambda one: one.path(at_s)[1]):
        body = person.body(at_s)
        inside = np.clip(body, 0, LIMITS)
        covers = list(in_front)
        in_front.append(body)
        if area(inside) <= 0:
            continue
        seen_box, seen = visible_part(body, inside, covers)
        if scene.long_misses and 0 < seen < 0.75 and at_s > person.free_s and draw.random() < 1 / fps:
            person.misses_s = at_s + float(draw.uniform(0.6, 4.0))
            person.free_s = person.misses_s + float(draw.uniform(0.5, 2.0))
        often, seldom = scene.cut_chance
        chance = 0.97 if seen > 0.7 else often if seen > 0.4 else seldom if seen > 0.15 else 0.0
        if (person.misses_s > at_s and seen < 0.75) or draw.random() >= chance:
            continue
        width, height = body[2] - body[0], body[3] - body[1]
        shaken = (seen_box if seen < 0.8 else inside) + draw.normal(0, 0.03, 4) * [width, height, width, height]
        rows.append((np.clip(shaken, 0, LIMITS) / LIMITS, "person", _probability(draw, 0.2 + 0.62 * seen)))
        middle = (body[0] + body[2]) / 2
        head = np.array([middle - 0.065 * height, body[1], middle + 0.065 * height, body[1] + 0.14 * height])
        uncut = np.clip(head, 0, LIMITS)
        if area(uncut) > 0.8 * area(head) and not any(_covers(box, head) for box in covers) and draw.random() < 0.9:
            shaken = uncut + draw.normal(0, 0.01, 4) * height
            rows.append((np.clip(shaken, 0, LIMITS) / LIMITS, "head", _probability(draw, 0.7)))
    return LabelledBoxes(
        as_xyxy([box for box, _, _ in rows]),
        tuple(label for _, label, _ in rows),
        np.array([probability for _, _, probability in rows], np.float32),
    )


def _probability(draw: Draw, mean: float) -> float:
    return float(np.clip(draw.normal(mean, 0.1), 0.1, 0.97))


def _covers(box: NDArray[np.float64], head: NDArray[np.float64]) -> bool:
    x, y = (head[0] + head[2]) / 2, (head[1] + head[3]) / 2
    return bool(box[0] < x < box[2] and box[1] < y < box[3])


def told(scene: Scene, people: Sequence[Person], fps: float, draw: Draw) -> Counter[int]:
    """Events that open, by the number of the person they open on."""
    judges = Judges(origin="bench", token="t")
    judges.configure(read_desired(InferenceTwin, {"rules": {"requires": ["helmet"]}}, last_good=None).config, now_s=0.0)
    judges.model(("person", "helmet", "vest", "head", "no-vest"))
    found: Counter[int] = Counter()
    for person in people:
        person.misses_s = person.free_s = -1.0
    for step in range(round(scene.seconds * fps)):
        at_s = step / fps
        judged = judges.judge(
            "gate",
            detected(scene, people, at_s, fps, draw),
            now_s=at_s,
            wall_s=1.79e9 + at_s,
            dark=False,
            frame_size_px=(1280, 720),
        )
        opened = {change.seen_as for change in judged.changes if change.state == "open"}
        bodies = as_xyxy([np.clip(person.body(at_s), 0, LIMITS) / LIMITS for person in people])
        for verdict in judged.people:
            if verdict.person.track in opened:
                found[int(iou(bodies, as_xyxy([verdict.person.xyxy_norm]))[:, 0].argmax())] += 1
    return found


def score(make: Callable[[Draw], Scene], fps: int, number: int) -> Counter[str]:
    """Of the person who comes last: told once, again, missed, or not due."""
    counts: Counter[str] = Counter()
    for seed in range(number):
        scene = make(np.random.default_rng(seed))
        last = len(scene.people) - 1
        events = told(scene, scene.people, fps, np.random.default_rng([seed, fps]))[last]
        if events == 0 and not told(scene, scene.people[last:], fps, np.random.default_rng([seed, fps])):
            counts["not due"] += 1
        else:
            counts["missed" if events == 0 else "once" if events == 1 else "again"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=40, help="of each kind")
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for name, make in SCENES.items():
        results[name] = {f"{fps} fps": dict(sorted(score(make, fps, given.scenes).items())) for fps in RATES_FPS}
        print(name, results[name], file=sys.stderr, flush=True)
    json.dump({"scenes": given.scenes, "results": results}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
