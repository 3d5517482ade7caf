"""Random scenes to train on, each out of a number: cameras, light, things about and people are no story's. Pure.

Nothing of them is ever measured on. What keeps them apart from the stories: the yard's colours, bushes and stones
(`site_seed`), the lens's angle, and people who are all drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from safetygear_scenes.drawn_people import person
from safetygear_scenes.mesh import Vertices
from safetygear_scenes.projection import Lens, lens
from safetygear_scenes.story import Camera, Light, LightKind, Occluder, Person, Place, Story, StoryError

STILLS = 8
"""Of one scene: the same camera and light, other people in each."""
APART_S = 6
"""From one still to the next; nobody stays for the next one."""
FIRST_SITE_SEED = 1000
"""Below are the sites of stories."""
_FOV_DEG = ((38.0, 52.0), (60.0, 82.0))
"""Stories have lenses of 54 to 58 degrees: no camera here is one of theirs."""
_GROUND_M = (((-4.2, -7.0), (5.3, 6.8)), ((5.3, -7.0), (12.0, 3.8)), ((-8.2, -7.0), (-4.2, 2.0)))
"""Where the yard is free: corners of rectangles."""
_CONES_M = ((-4.4, 2.6), (-4.7, 5.2), (3.6, 5.7), (4.9, 3.4))
_LIGHTS: tuple[LightKind, ...] = ("day", "overcast", "dusk", "night-ir")
_SIZE_PX = (640, 360)
_NEAREST_M = 3.2
_BETWEEN_M = 0.6
_TRIES = 400


def frames() -> range:
    """Of a drawn scene, those that are its stills."""
    return range(APART_S * 10 - 10, STILLS * APART_S * 10, APART_S * 10)


def draw(number: int) -> Story:
    """The scene of that number, always the same. Raises StoryError for a number below 0."""
    if number < 0:
        raise StoryError(f"scene {number}: numbers begin with 0")
    chance = np.random.default_rng((number, 20261130))
    camera, light = _camera(chance), _light(chance)
    view = lens(camera, *_SIZE_PX)
    things = _things(chance, camera)
    people: list[Person] = []
    for still, frame in enumerate(frames()):
        for one, place in enumerate(_places(chance, view, things)):
            people.append(person(chance, f"s{still}p{one}", place, frame / 10))
    return Story(
        title="Drawn at random", use="training", seconds=STILLS * APART_S, camera=camera, light=light,
        people=tuple(people), site_seed=FIRST_SITE_SEED + number, occluders=things, name=f"drawn-{number:05d}",
    )  # fmt: skip


def _camera(chance: np.random.Generator) -> Camera:
    fov_deg = float(chance.uniform(*_FOV_DEG[int(chance.integers(2))]))
    while True:
        x, y = chance.uniform(-2, 4), chance.uniform(-1, 4)
        around, away_m = np.radians(chance.uniform(-105, 105)), float(np.exp(chance.uniform(np.log(5.0), np.log(17.0))))
        place = np.array([x + away_m * np.sin(around), y - away_m * np.cos(around)])
        # Neither in a container nor behind the fence.
        if -8.0 < place[0] < 12.5 and -16 < place[1] < 4.5:
            break
    height_m = float(np.exp(chance.uniform(np.log(1.7), np.log(8.5))))
    position = (round(float(place[0]), 2), round(float(place[1]), 2), round(height_m, 2))
    look_at = (round(float(x), 2), round(float(y), 2), round(float(chance.uniform(0.4, 1.4)), 2))
    return Camera(position_m=position, look_at_m=look_at, horizontal_fov_deg=round(fov_deg, 1))


def _light(chance: np.random.Generator) -> Light:
    kind = _LIGHTS[int(chance.choice(len(_LIGHTS), p=[0.52, 0.22, 0.13, 0.13]))]
    rain = float(chance.uniform(0.2, 1.0)) if kind == "overcast" and chance.random() < 0.45 else 0.0
    glare = float(chance.uniform(0.2, 0.9)) if kind == "day" and chance.random() < 0.15 else 0.0
    return Light(
        kind=kind, elevation_deg=float(chance.uniform(14, 68)), azimuth_deg=float(chance.uniform(-180, 180)),
        rain=round(rain, 2), glare=round(glare, 2),
    )  # fmt: skip


def _things(chance: np.random.Generator, camera: Camera) -> tuple[Occluder, ...]:
    """Low ones may stand before people, tall ones behind where the camera looks."""
    eye, target = np.array(camera.position_m[:2]), np.array(camera.look_at_m[:2])
    ahead = (target - eye) / np.linalg.norm(target - eye)
    found: list[Occluder] = []
    for _ in range(int(chance.integers(0, 5))):
        kind = str(chance.choice(["barrier", "pipes", "wall", "container"]))
        size: tuple[float, float, float] = {
            "barrier": (float(chance.uniform(1.2, 3.5)), 0.4, float(chance.uniform(0.6, 1.1))),
            "pipes": (float(chance.uniform(1.5, 4)), float(chance.uniform(0.8, 1.6)), float(chance.uniform(0.4, 1.2))),
            "wall": (float(chance.uniform(1.5, 5)), 0.24, float(chance.uniform(0.8, 2.4))),
            "container": (float(chance.choice([3.0, 6.06])), 2.44, 2.59),
        }[kind]
        for _ in range(_TRIES):
            spot = _spot(chance)
            beyond = float((spot - target) @ ahead)
            clear_m = float(np.linalg.norm(spot - eye)) - max(size[:2]) / 2
            if clear_m > 2.5 and (size[2] < 1.3 or beyond > 1.5 + max(size[:2]) / 2):
                colour = tuple(float(part) for part in chance.uniform(0.04, 0.6) * chance.uniform(0.5, 1.0, 3))
                place, turned_deg = (float(spot[0]), float(spot[1])), float(chance.uniform(0, 180))
                found.append(Occluder(kind, place, size, turned_deg, colour))  # type: ignore[arg-type]  # three parts
                break
    return tuple(found)


def _places(chance: np.random.Generator, view: Lens, things: tuple[Occluder, ...]) -> list[Place]:
    """Of one still's people, as many as there is room for; a tenth may be cut by the picture's edge."""
    low, high = ((1, 4), (4, 9), (9, 18))[int(chance.choice(3, p=[0.45, 0.35, 0.20]))]
    wanted, found = int(chance.integers(low, high + 1)), list[Vertices]()
    for _ in range(_TRIES):
        if len(found) == wanted:
            break
        spot = _spot(chance)
        body = view.pixels(np.array([[*spot, 0.0], [*spot, 1.75]]))
        slack = 40 if chance.random() < 0.1 else -4
        inside = (body > -slack).all() and (body < np.array([view.width_px, view.height_px]) + slack).all()
        near = float(np.linalg.norm(view.position_m[:2] - spot)) < _NEAREST_M
        crowded = any(float(np.linalg.norm(spot - other)) < _BETWEEN_M for other in [*found, *np.array(_CONES_M)])
        if inside and not near and not crowded and not any(_in(spot, thing) for thing in things):
            found.append(spot)
    return [(round(float(x), 2), round(float(y), 2)) for x, y in found]


def _spot(chance: np.random.Generator) -> Vertices:
    sizes = np.array([(high[0] - low[0]) * (high[1] - low[1]) for low, high in _GROUND_M])
    low, high = _GROUND_M[int(chance.choice(len(_GROUND_M), p=sizes / sizes.sum()))]
    return np.array([chance.uniform(a, b) for a, b in zip(low, high, strict=True)])


def _in(spot: Vertices, thing: Occluder) -> bool:
    """Whether somebody who stands there would stand in it."""
    turn = np.radians(thing.rotation_deg)
    off: Any = spot - np.array(thing.position_m)
    along, across = off @ [np.cos(turn), np.sin(turn)], off @ [-np.sin(turn), np.cos(turn)]
    return bool(abs(along) < thing.size_m[0] / 2 + 0.45 and abs(across) < thing.size_m[1] / 2 + 0.45)
