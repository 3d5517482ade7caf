"""What a camera, a codec and the hour of day do to a picture. (H, W, 3) BGR in and out; boxes do not move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from safetygear_training.pictures import Pixels
from safetygear_training.toml_tables import Chance

Look = Callable[[Pixels, np.random.Generator], Pixels]


@dataclass(frozen=True)
class Looks:
    """Chance of each look per sample."""

    gamma: Chance
    infrared: Chance
    low_resolution: Chance
    blur: Chance
    noise: Chance
    compression: Chance


def colour(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Hue, saturation and value moved a little; saturation and value may change by a half."""
    gain = random.uniform(-1, 1, 3) * (0.015, 0.5, 0.4) + 1
    ramp = np.arange(256, dtype=np.float32)
    hue = ((ramp * gain[0] + random.uniform(-3, 3)) % 180).astype(np.uint8)
    saturation = np.clip(ramp * gain[1], 0, 255).astype(np.uint8)
    value = np.clip(ramp * gain[2], 0, 255).astype(np.uint8)
    h, s, v = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV))
    moved = cv2.merge((cv2.LUT(h, hue), cv2.LUT(s, saturation), cv2.LUT(v, value)))
    return cv2.cvtColor(moved, cv2.COLOR_HSV2BGR)


def gamma(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Under- to over-exposed; dark more often than bright."""
    power = np.exp(random.uniform(-0.5, 0.9))
    table = (np.linspace(0, 1, 256) ** power * 255).astype(np.uint8)
    return cv2.LUT(pixels, table)


def infrared(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A night camera: no colour, reflective and bright things brighter, the corners dark."""
    weights = random.dirichlet((2.0, 2.0, 2.0)).astype(np.float32)
    grey = cv2.transform(pixels, weights[None])
    height, width = grey.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    light = 1.15 - random.uniform(0, 0.35) * (x * x + y * y)
    lit = np.clip(grey.reshape(height, width) * light, 0, 255).astype(np.uint8)
    return cv2.merge((lit, lit, lit))


def low_resolution(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """A small sub-stream that was blown up."""
    height, width = pixels.shape[:2]
    part = random.uniform(0.4, 0.8)
    small = cv2.resize(pixels, (int(width * part), int(height * part)), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def blur(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Out of focus, or something moved along one line."""
    if random.random() < 0.5:
        return cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.5, 1.4))
    length = int(random.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1.0 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), random.uniform(0, 180), 1.0)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(pixels, -1, kernel / max(float(kernel.sum()), 1e-6))


def noise(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Sensor noise; grain of one grey level over all channels, as a denoised night picture shows it."""
    strength = random.uniform(3, 14)
    grain = random.normal(0, strength, pixels.shape[:2]).astype(np.float32)
    return np.clip(pixels + grain[..., None], 0, 255).astype(np.uint8)


def compression(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Blocks and ringing of a starved encoder."""
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 60))])
    return cv2.imdecode(data, cv2.IMREAD_COLOR) if done else pixels


def apply(pixels: Pixels, looks: Looks, random: np.random.Generator) -> Pixels:
    """Colour always, the others by chance, in the order in which light, lens, sensor and encoder come."""
    pixels = colour(pixels, random)
    steps: tuple[tuple[float, Look], ...] = (
        (looks.gamma, gamma),
        (looks.infrared, infrared),
        (looks.blur, blur),
        (looks.low_resolution, low_resolution),
        (looks.noise, noise),
        (looks.compression, compression),
    )
    for chance, look in steps:
        if random.random() < chance:
            pixels = look(pixels, random)
    return pixels
