"""Stories: small TOML files that say who walks where, wears what and when, seen by which camera in which light.

Metres, X to the right and Y away in the site's frame, Z up; seconds of the story. Zones are polygons in 0..1 of the
picture, as in the module twin. Unknown fields and impossible values are errors that name the field.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated, Literal

import msgspec

from safetygear_scenes.actor import HANDLING_S, Handling, HelmetState, Look
from safetygear_scenes.base_mesh import Shape
from safetygear_scenes.gait import Style
from safetygear_scenes.headgear import HelmetShape
from safetygear_scenes.path import Stop

Colour = tuple[float, float, float]
"""Linear RGB, 0..1."""
Place = tuple[float, float]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
LightKind = Literal["day", "overcast", "dusk", "night-ir"]


class StoryError(ValueError):
    """The file is no story: the message names file, field and what would be right."""


class Camera(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    position_m: tuple[float, float, float]
    look_at_m: tuple[float, float, float]
    horizontal_fov_deg: Annotated[float, msgspec.Meta(ge=20, le=100)] = 52.0


class Light(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`azimuth_deg`: where the sun is, 0 is behind a camera that looks along +Y, positive to the right.
    `glare`: how much of the low sun's light the lens scatters. `rain`: 0 none, 1 heavy."""

    kind: LightKind = "day"
    elevation_deg: float = 42.0
    azimuth_deg: float = 30.0
    rain: Share = 0.0
    glare: Share = 0.0


class Occluder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Stands on the ground at its middle. `kind` decides how it looks."""

    kind: Literal["container", "wall", "barrier", "pipes"]
    position_m: Place
    size_m: tuple[Positive, Positive, Positive]
    rotation_deg: float = 0.0
    colour: Colour = (0.35, 0.33, 0.30)


class Zone(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`until_s`: the shift ends then, and with it the zone's rules; None: they hold for the whole story."""

    polygon: tuple[Place, ...]
    requires: tuple[Literal["helmet", "vest"], ...] = ("helmet", "vest")
    minimum_duration_s: Annotated[float, msgspec.Meta(ge=0)] = 2.0
    until_s: float | None = None


class Clothes(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`vest`, `helmet`: the colour, none without it. `headwear` is what is worn instead of a helmet."""

    shirt: Colour
    trousers: Colour
    boots: Colour = (0.10, 0.06, 0.03)
    sleeves: Literal["long", "short"] = "long"
    vest: Colour | None = None
    vest_trim: Colour | None = None
    helmet: Colour | None = None
    helmet_shape: HelmetShape = "peak"
    headwear: Literal["cap", "hood"] | None = None
    headwear_colour: Colour = (0.04, 0.05, 0.08)


class Looks(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Of the body itself."""

    skin: Colour
    hair: Colour = (0.04, 0.025, 0.015)
    hair_m: float = 0.012
    beard: Share = 0.0


class Person(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    id: Id
    body: Shape
    looks: Looks
    clothes: Clothes
    path_m: tuple[Place, ...]
    from_s: float
    to_s: float
    speed_m_s: Positive = 1.35
    stops: tuple[Stop, ...] = ()
    helmet: HelmetState = "none"
    """At first."""
    handlings: tuple[Handling, ...] = ()
    glances: tuple[Look, ...] = ()
    style: Style = Style()


class Story(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`use`: nothing that is trained on is ever measured on."""

    title: str
    use: Literal["evaluation", "training"]
    seconds: Annotated[float, msgspec.Meta(gt=0, le=120)]
    camera: Camera
    light: Light
    people: tuple[Person, ...]
    site_seed: int = 7
    fps: Literal[10] = 10
    occluders: tuple[Occluder, ...] = ()
    zones: dict[Id, Zone] = {}
    name: str = ""
    """The file's."""

    @property
    def frame_count(self) -> int:
        return round(self.seconds * self.fps)


def read_story(path: FilePath) -> Story:
    """Raises StoryError."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StoryError(f"there is no story {path.name} ({error.strerror})") from error
    return parse_story(text, path.stem)


def parse_story(text: bytes, name: str) -> Story:
    """Raises StoryError."""
    try:
        story = msgspec.toml.decode(text, type=Story)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoryError(f"{name}: {error}") from error
    story = msgspec.structs.replace(story, name=name)
    for problem in problems(story):
        raise StoryError(f"{name}: {problem}")
    return story


def problems(story: Story) -> list[str]:
    """What is impossible in it, each with its field."""
    found = []
    names = [person.id for person in story.people]
    found += [f"people: id {name} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    for name, zone in story.zones.items():
        if len(zone.polygon) < 3:
            found.append(f"zones.{name}.polygon has {len(zone.polygon)} points; it takes 3 at least")
        if not all(0 <= x <= 1 and 0 <= y <= 1 for x, y in zone.polygon):
            found.append(f"zones.{name}.polygon goes beyond the picture; points are in 0..1 of it")
    for person in story.people:
        found += [f"people.{person.id}.{problem}" for problem in _person_problems(person)]
    return found


def _person_problems(person: Person) -> list[str]:
    found = []
    if len(person.path_m) < 2:
        found.append(f"path_m has {len(person.path_m)} places; it takes 2 at least")
    if person.to_s <= person.from_s:
        found.append(f"to_s {person.to_s} is not after from_s {person.from_s}")
    if (person.helmet == "none") != (person.clothes.helmet is None):
        found.append(f"helmet is {person.helmet}; that needs clothes.helmet, a colour, and `none` needs none")
    if person.clothes.headwear and person.helmet == "worn":
        found.append(f"clothes.headwear {person.clothes.headwear} is worn instead of a helmet, not with one")
    state, free_s = person.helmet, person.from_s
    for number, handling in enumerate(person.handlings):
        wanted = "carried" if handling.act == "put-on" else "worn"
        if state != wanted:
            found.append(f"handlings[{number}]: {handling.act} needs a helmet that is {wanted}, it is {state}")
        if handling.at_s < free_s:
            found.append(f"handlings[{number}].at_s {handling.at_s} is before the hands are free at {free_s}")
        state = "worn" if handling.act == "put-on" else "carried"
        free_s = handling.at_s + HANDLING_S
    return found
