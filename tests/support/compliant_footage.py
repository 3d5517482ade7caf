"""Footage in which nobody breaks a rule: the rendered stories, each with a rule zone that its violators never enter.

The zone is configuration, so a story of a bare head is compliant footage for a zone elsewhere in its picture: the half
of the picture in which compliant people are longest, a margin away from every place where a violator stands. To have
more than the stories' five minutes, each is played in many variations: mirrored, framed closer and turned, brighter or
darker, noisy, softer, compressed harder. Pure; truth and zone go through the same transform as the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ANALYSED_FPS = 5
MARGIN = 0.06
"""Of the picture, between the zone and where violators stand: boxes of a detector waver."""
SINCE_S = 2.0
"""Somebody who has just put the helmet on counts as a violator so much longer: votes take time. Likewise before."""
LEAST_AREA = 0.08
_DIRECTIONS = 16

Polygon = tuple[tuple[float, float], ...]
"""Points in 0..1 of the picture."""


@dataclass(frozen=True)
class Variation:
    """How a film is altered. `phase`: which of the film's frames are analysed. `shift`: -1..1 of what the zoom leaves.
    `warmth`: of red over blue. `noise`: standard deviation in 8 bit steps. `crf`: of H.264, higher is worse."""

    phase: int = 0
    mirrored: bool = False
    zoom: float = 1.0
    turn_deg: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    gamma: float = 1.0
    warmth: float = 0.0
    noise: float = 0.0
    blur_px: float = 0.0
    crf: int = 23

    def __str__(self) -> str:
        return (
            f"{'mirrored ' if self.mirrored else ''}zoom {self.zoom:.2f} turn {self.turn_deg:+.1f} "
            f"gain {self.gain:.2f} gamma {self.gamma:.2f} noise {self.noise:.1f} blur {self.blur_px:.1f} "
            f"crf {self.crf} phase {self.phase}"
        )

    def affine(self, size_px: tuple[int, int]) -> NDArray[np.float64]:
        """(2, 3): px of the film to px of what is shown; the film covers all of the picture."""
        width, height = size_px
        angle = math.radians(self.turn_deg)
        cosine, sine = self.zoom * math.cos(angle), self.zoom * math.sin(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([-1.0 if self.mirrored else 1.0, 1.0])
        middle, half = np.array([width, height]) / 2, np.array([width, height]) / 2
        spare = np.array([(cosine - 1) * half[0] - abs(sine) * half[1], (cosine - 1) * half[1] - abs(sine) * half[0]])
        move = middle - turn @ middle + np.maximum(spare, 0) * np.array(self.shift)
        return np.column_stack([turn, move])


def draw_variation(draw: np.random.Generator) -> Variation:
    """As cameras of one site differ; people stay as tall as a camera's site plan would have them, or get taller."""
    return Variation(
        phase=int(draw.integers(2)),
        mirrored=bool(draw.integers(2)),
        zoom=float(draw.uniform(1.08, 1.3)),
        turn_deg=float(draw.uniform(-2, 2)),
        shift=(float(draw.uniform(-1, 1)), float(draw.uniform(-1, 1))),
        gain=float(draw.uniform(0.75, 1.2)),
        gamma=float(draw.uniform(0.8, 1.3)),
        warmth=float(draw.uniform(-0.08, 0.08)),
        noise=float(draw.uniform(0, 6)),
        blur_px=float(draw.choice([0.0, 0.0, 0.6, 0.9])),
        crf=int(draw.integers(24, 36)),
    )


@dataclass(frozen=True)
class Play:
    """One story in one variation. `inside_s`: person-seconds of compliant people in the zone, `outside_s` of violators
    outside it."""

    story: str
    variation: Variation
    zone: Polygon
    frames: int
    inside_s: float
    outside_s: float


def plan(stories: Mapping[str, Mapping[str, Any]], minutes: float, seed: int) -> list[Play]:
    """Plays of all stories by turns, in an order drawn by `seed`, until they last as long as asked."""
    draw, found, names = np.random.default_rng(seed), list[Play](), sorted(stories)
    wanted, planned = round(minutes * 60 * ANALYSED_FPS), 0
    while planned < wanted:
        for name in draw.permutation(names):
            one = play(stories[name], draw_variation(draw))
            if one is not None and planned < wanted:
                found.append(one)
                planned += one.frames
    return found


def play(story: Mapping[str, Any], variation: Variation) -> Play | None:
    """None where no zone of a useful size stays clear of the story's violators."""
    size_px = (story["width"], story["height"])
    affine, step = variation.affine(size_px), story["fps"] // ANALYSED_FPS
    careful = _violating_around(story, SINCE_S)
    frames = story["frames"][variation.phase :: step]
    away: list[NDArray[np.float64]] = []
    near: list[NDArray[np.float64]] = []
    for frame in frames:
        for person in frame["persons"]:
            places = _feet(person, size_px, affine)
            if person["id"] in careful.get(frame["frame"], ()):
                away.append(places)
            else:
                near.append(places[:1])
    zone = _zone(_stacked(away), _stacked(near))
    if zone is None:
        return None
    inside = int(contains(zone, _stacked(near)).sum())
    return Play(story["story"], variation, zone, len(frames), inside / ANALYSED_FPS, len(away) / ANALYSED_FPS)


def violating(person: Mapping[str, Any]) -> bool:
    return person["helmet_state"] != "worn" or not person["wears_vest"]


def contains(polygon: Polygon, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,): which of the points (n, 2) are in a convex polygon, whichever way it goes round."""
    corners = np.array(polygon)
    edges = np.roll(corners, -1, axis=0) - corners
    across = edges[None, :, 0] * (points[:, None, 1] - corners[None, :, 1])
    across = across - edges[None, :, 1] * (points[:, None, 0] - corners[None, :, 0])
    return np.asarray((across >= -1e-9).all(axis=1) | (across <= 1e-9).all(axis=1))


def _violating_around(story: Mapping[str, Any], around_s: float) -> dict[int, set[str]]:
    """By frame, who violates in it or within `around_s` of it."""
    reach = round(around_s * story["fps"])
    found: dict[int, set[str]] = {}
    for frame in story["frames"]:
        for person in frame["persons"]:
            if violating(person):
                for number in range(frame["frame"] - reach, frame["frame"] + reach + 1):
                    found.setdefault(number, set()).add(person["id"])
    return found


def _feet(person: Mapping[str, Any], size_px: tuple[int, int], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 2) in 0..1 of what is shown: where the person stands, and where a box of all of it or of its visible part
    would have it stand. A foot beyond the picture counts at its edge, as the module has it."""
    width, height = size_px
    (x0, _, x1, y1), (seen_x0, _, seen_x1, seen_y1) = person["box_unclipped"], person["box_visible"]
    foot_x, foot_y = person["foot"]
    places = np.array([[foot_x * width, foot_y * height], [(x0 + x1) / 2, y1], [(seen_x0 + seen_x1) / 2, seen_y1]])
    shown = places @ affine[:, :2].T + affine[:, 2]
    return np.asarray(np.clip(shown / (width, height), 0, 1))


def _stacked(places: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(places) if places else np.zeros((0, 2))


def _zone(away: NDArray[np.float64], near: NDArray[np.float64]) -> Polygon | None:
    if not len(away):
        return ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    best: tuple[float, float, Polygon] | None = None
    for number in range(_DIRECTIONS):
        angle = 2 * math.pi * number / _DIRECTIONS
        normal = np.array([math.cos(angle), math.sin(angle)])
        polygon = _cut(normal, float((away @ normal).max()) + MARGIN)
        size = _area(polygon)
        if size < LEAST_AREA:
            continue
        worth = (float(contains(polygon, near).sum()) if len(near) else 0.0, size)
        if best is None or worth > best[:2]:
            best = (*worth, polygon)
    return best[2] if best else None


def _cut(normal: NDArray[np.float64], least: float) -> Polygon:
    """What of the picture lies at least so far along `normal`."""
    corners, found = [np.array(corner, float) for corner in ((0, 0), (1, 0), (1, 1), (0, 1))], []
    for here, there in zip(corners, corners[1:] + corners[:1], strict=True):
        before, after = float(here @ normal) - least, float(there @ normal) - least
        if before >= 0:
            found.append(here)
        if before * after < 0:
            found.append(here + (there - here) * before / (before - after))
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in found)


def _area(polygon: Polygon) -> float:
    if len(polygon) < 3:
        return 0.0
    x, y = np.array(polygon).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
