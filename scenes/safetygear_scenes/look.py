"""Linear light to what a site camera would send: exposure, lens, sensor noise, infrared, rain, glare. 8 bit RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safetygear_scenes.pictures import Picture, Pixels
from safetygear_scenes.story import Light

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_NEAR_INFRARED = np.array([0.55, 0.3, 0.15], np.float32)
"""Dyes that look different are alike in near infrared; most cloth is bright there."""
_WHITE = 3.5
_SOFTNESS = np.array([0.12, 0.76, 0.12], np.float32)


@dataclass(frozen=True)
class Sensor:
    """`noise`: standard deviation in 8 bit steps, in the dark parts."""

    exposure: float
    noise: float
    colour: bool = True


def sensor(light: Light) -> Sensor:
    return {
        "day": Sensor(1.35, 1.3), "overcast": Sensor(1.5, 1.6), "dusk": Sensor(4.2, 3.6),
        "night-ir": Sensor(2.4, 4.2, False),
    }[light.kind]  # fmt: skip


def develop(linear: Picture, light: Light, frame: int) -> Pixels:
    """The frame's number seeds noise and rain: the same frame always looks the same."""
    camera, draw = sensor(light), np.random.default_rng(1000 + frame)
    height, width = linear.shape[:2]
    x = linear.astype(np.float32) * camera.exposure
    if not camera.colour:
        x = np.repeat((x @ _NEAR_INFRARED)[..., None], 3, axis=2)
    if light.glare:
        x = x + _glare(x, light)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    off = ((columns - width / 2) / (width / 2)) ** 2 + ((rows - height / 2) / (height / 2)) ** 2
    x = x * (1 - (0.07 if camera.colour else 0.16) * off)[..., None]
    for axis in (0, 1):
        padded = np.pad(x, [(1, 1) if side == axis else (0, 0) for side in range(3)], mode="edge")
        length = x.shape[axis]
        x = sum(part * padded.take(range(at, at + length), axis) for at, part in enumerate(_SOFTNESS))
    luminance = x @ _LUMINANCE
    x = np.clip(x * ((1 + luminance / _WHITE**2) / (1 + luminance))[..., None], 0, 1)
    if light.rain:
        x = _rain(x, light.rain, draw)
    x = np.where(x < 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-6) ** (1 / 2.4) - 0.055)
    noise = draw.standard_normal((height, width, 1)) * camera.noise
    if camera.colour:
        noise = noise + draw.standard_normal((height, width, 3)) * camera.noise * 0.35
    noise = noise * (1.15 - 0.5 * x.mean(-1, keepdims=True))
    return np.asarray(np.clip(x * 255 + noise, 0, 255).round(), np.uint8)


def _glare(x: Picture, light: Light) -> Picture:
    """A veil that is brightest where the sun stands just outside the picture, and ghosts across it."""
    height, width = x.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    sun_x, sun_y = width * 0.82, -height * 0.08
    distance = np.hypot(columns - sun_x, rows - sun_y) / width
    veil = 0.28 * np.exp(-distance / 0.35) + 0.9 * np.exp(-distance / 0.10)
    for along, size, strength in ((0.45, 0.045, 0.10), (0.7, 0.07, 0.06)):
        ghost_x, ghost_y = sun_x + (width * 0.1 - sun_x) * along, sun_y + (height * 0.95 - sun_y) * along
        veil += strength * (np.hypot(columns - ghost_x, rows - ghost_y) / width < size)
    warm = np.array([1.0, 0.93, 0.8], np.float32)
    return np.asarray(light.glare * veil[..., None] * warm, np.float32)


def _rain(x: Picture, rain: float, draw: np.random.Generator) -> Picture:
    """Streaks, and far things grey: rain scatters light between them and the camera."""
    height, width = x.shape[:2]
    far = np.clip(1 - np.arange(height, dtype=np.float32) / (0.55 * height), 0, 1)[:, None, None]
    x = x + (0.42 - x) * (rain * (0.07 + 0.33 * far))
    streaks = np.zeros((height, width), np.float32)
    scale = width / 640
    for _ in range(int(rain * 320)):
        length, column, row = draw.uniform(7, 22) * scale, draw.uniform(0, width), draw.uniform(-20, height)
        steps = np.arange(int(length))
        at_row, at_column = (row + steps).astype(int), (column + steps * 0.12).astype(int)
        inside = (at_row >= 0) & (at_row < height) & (at_column < width)
        streaks[at_row[inside], at_column[inside]] = draw.uniform(0.10, 0.28)
    return np.asarray(x + streaks[..., None] * (0.75 - x), np.float32)
