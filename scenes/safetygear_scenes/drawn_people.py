"""Random people for a drawn scene: bodies, clothes, what is on the head or in the hand, how they go. Pure."""

from __future__ import annotations

import colorsys
from typing import Literal

import numpy as np

from safetygear_scenes.actor import HANDLING_S, Handling, HelmetState, Look
from safetygear_scenes.base_mesh import Shape
from safetygear_scenes.gait import Style
from safetygear_scenes.headgear import HelmetShape
from safetygear_scenes.path import Stop
from safetygear_scenes.story import Clothes, Colour, Looks, Person, Place

Headwear = Literal["cap", "hood"]
Act = Literal["put-on", "take-off"]
_SKIN: tuple[Colour, Colour] = ((0.66, 0.46, 0.36), (0.09, 0.05, 0.03))
"""The lightest and the darkest."""
_HAIR: tuple[Colour, ...] = (
    (0.012, 0.01, 0.01), (0.05, 0.03, 0.02), (0.14, 0.08, 0.04), (0.34, 0.24, 0.13), (0.42, 0.40, 0.38),
    (0.28, 0.09, 0.03),
)  # fmt: skip
_HELMET: tuple[Colour, ...] = (
    (0.88, 0.66, 0.03), (0.84, 0.84, 0.82), (0.70, 0.05, 0.04), (0.03, 0.12, 0.45), (0.90, 0.28, 0.02),
    (0.05, 0.32, 0.10), (0.30, 0.30, 0.31), (0.03, 0.03, 0.035), (0.80, 0.20, 0.40),
)  # fmt: skip
_VEST: tuple[Colour, ...] = ((0.60, 0.90, 0.05), (0.95, 0.30, 0.03), (0.95, 0.10, 0.05), (0.75, 0.75, 0.04))
_TRIM: tuple[Colour, ...] = ((0.95, 0.30, 0.03), (0.60, 0.90, 0.05), (0.04, 0.04, 0.05))
_SHAPES: tuple[HelmetShape, ...] = ("peak", "full-brim", "climbing")
_WALK_M_S = (0.9, 1.5)
_HEADS: tuple[tuple[float, tuple[HelmetState, Headwear | None, Act | None]], ...] = (
    (0.42, ("worn", None, None)), (0.20, ("none", None, None)), (0.09, ("none", "cap", None)),
    (0.08, ("none", "hood", None)), (0.10, ("carried", None, None)), (0.03, ("carried", "cap", None)),
    (0.04, ("carried", None, "put-on")), (0.04, ("worn", None, "take-off")),
)  # fmt: skip
"""Chance, and what `_head` gives."""


def person(chance: np.random.Generator, name: str, place: Place, at_s: float) -> Person:
    """Somebody who is at that place at that time, and gone at once afterwards."""
    state, headwear, handling = _head(chance)
    stands = handling is not None or chance.random() < 0.4
    way = chance.uniform(0, 2 * np.pi)
    ahead, speed = np.array([np.cos(way), np.sin(way)]), float(chance.uniform(*_WALK_M_S))
    before_s = HANDLING_S + 0.1 if stands else float(chance.uniform(0.6, 3.4))
    start = np.array(place) - (0 if stands else before_s * speed * ahead)
    stops, handlings = tuple[Stop, ...](), tuple[Handling, ...]()
    if stands:
        stops = (Stop(at_s - before_s - 5, at_s + 5, float(chance.uniform(-180, 180))),)
    if handling is not None:
        handlings = (Handling(at_s - float(chance.uniform(0.2, HANDLING_S - 0.1)), handling),)
    aside_deg, down_deg = float(chance.normal(0, 22)), float(chance.uniform(-12, 32))
    return Person(
        id=name, body=_body(chance), looks=_looks(chance), clothes=_clothes(chance, state, headwear),
        path_m=((float(start[0]), float(start[1])), (float(start[0] + 9 * ahead[0]), float(start[1] + 9 * ahead[1]))),
        from_s=at_s - before_s, to_s=at_s + 0.05, speed_m_s=speed, stops=stops, helmet=state, handlings=handlings,
        glances=(Look(at_s - 2, at_s + 2, max(-50.0, min(50.0, aside_deg)), down_deg),), style=_style(chance),
    )  # fmt: skip


def _head(chance: np.random.Generator) -> tuple[HelmetState, Headwear | None, Act | None]:
    """The helmet's state before any handling, what is worn instead of one, and the handling."""
    chances = [each for each, _ in _HEADS]
    return _HEADS[int(chance.choice(len(_HEADS), p=chances))][1]


def _body(chance: np.random.Generator) -> Shape:
    origin = chance.dirichlet([0.5, 0.5, 0.5])
    return Shape(
        gender=float(np.clip(chance.choice([0.05, 0.95]) + chance.normal(0, 0.08), 0, 1)),
        age=float(chance.uniform(0.5, 0.9)), muscle=float(chance.uniform(0.35, 0.85)),
        weight=float(chance.uniform(0.35, 0.8)), height=float(chance.uniform(0.38, 0.66)),
        caucasian=float(origin[0]), african=float(origin[1]), asian=float(origin[2]),
    )  # fmt: skip


def _looks(chance: np.random.Generator) -> Looks:
    light, dark = (np.array(colour) for colour in _SKIN)
    skin = light * (dark / light) ** chance.random() * chance.uniform(0.92, 1.08, 3)
    hair = np.array(_HAIR[int(chance.integers(len(_HAIR)))]) * chance.uniform(0.8, 1.2)
    beard = float(chance.uniform(0.2, 0.8)) if chance.random() < 0.3 else 0.0
    return Looks(skin=_rgb(skin), hair=_rgb(hair), hair_m=float(chance.uniform(0.003, 0.028)), beard=beard)


def _clothes(chance: np.random.Generator, state: HelmetState, headwear: Headwear | None) -> Clothes:
    helmet = _near(chance, _HELMET, [0.24, 0.24, 0.11, 0.11, 0.11, 0.06, 0.05, 0.05, 0.03])
    shape = _SHAPES[int(chance.choice(len(_SHAPES), p=[0.6, 0.22, 0.18]))]
    vest, trimmed = chance.random() < 0.58, chance.random() < 0.25
    return Clothes(
        shirt=_cloth(chance), trousers=_cloth(chance, dull=1.6, lightest=0.4),
        boots=_cloth(chance, dull=0.5, lightest=0.25),
        sleeves="short" if chance.random() < 0.25 else "long",
        vest=_near(chance, _VEST, [0.45, 0.35, 0.10, 0.10]) if vest else None,
        vest_trim=_near(chance, _TRIM, [0.4, 0.3, 0.3]) if vest and trimmed else None,
        helmet=None if state == "none" else helmet,
        helmet_shape=shape,
        headwear=headwear,
        headwear_colour=_cloth(chance, dull=0.3, lightest=0.85),
    )  # fmt: skip


def _style(chance: np.random.Generator) -> Style:
    return Style(
        stride=float(chance.uniform(0.88, 1.15)), arms=float(chance.uniform(0.7, 1.2)),
        lean_deg=float(chance.uniform(0, 9)), elbows_out_deg=float(chance.uniform(8, 18)),
        sway=float(chance.uniform(0.8, 1.3)),
    )  # fmt: skip


def _cloth(chance: np.random.Generator, *, dull: float = 0.4, lightest: float = 0.6) -> Colour:
    """Any hue; mostly not very saturated, and more dark than light. Never fluorescent, as a vest is."""
    saturation = chance.beta(1.2, 1.2 + 2 * dull) * 0.9
    value = 0.03 + (lightest - 0.03) * chance.random() ** 1.6
    return _rgb(np.array(colorsys.hsv_to_rgb(chance.random(), saturation, value)))


def _near(chance: np.random.Generator, colours: tuple[Colour, ...], chances: list[float]) -> Colour:
    """One of the colours, as made by another maker, or faded and dirty."""
    colour = np.array(colours[int(chance.choice(len(colours), p=chances))])
    grey = colour.mean() * np.ones(3)
    faded = chance.random() ** 2.5 * 0.6
    return _rgb((colour + (grey - colour) * faded) * chance.uniform(0.7, 1.08) * chance.uniform(0.93, 1.07, 3))


def _rgb(colour: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Colour:
    red, green, blue = (round(float(part), 4) for part in np.clip(colour, 0, 1))
    return red, green, blue
