"""Where on a person gear is expected: geometry of many people (n) against many boxes (m). Pure.

Boxes are xyxy in pixels of the analysed picture, so that proportions are real. The head's size is the unit:
a head box and a helmet box both measure about `HEAD_SHARE` of a body's height (root of their area), and measured in it
a child, somebody seated or a body cut by the picture's lower edge changes little. Fits are 0..1, of shape (n, m).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

HEAD_SHARE = 0.138
"""Side of a head or helmet box (root of its area) per body height; measured on rendered people, standing."""
TORSO_SHARE = 0.28
"""The same for a vest."""
SHOULDERS = 2.4
"""Height of a body per width of its box, upright with arms at its sides."""
CUT_SHARE = 0.003
"""A box that ends this near to the picture's edge, per picture side, is cut by it."""
ARMS_RAISED = (3.8, 3.1)
"""How far below the box's upper edge, in sides of its own, a head is at most and surely when both arms are up."""
WIDE_FROM, WIDE_FULLY = 0.6, 0.8
"""Width per height of a person's box: beyond the first the person may bend, beyond the second does bend or lies."""


def ramp(value: Array, zero: float, one: float) -> Array:
    """0 up to `zero`, 1 from `one`, straight between; falling where `zero` is the greater."""
    # Not np.clip: on a few people its way to the same two calls costs three times as much as they do.
    return np.asarray(np.minimum(np.maximum((value - zero) / (one - zero), 0.0), 1.0))


def plateau(value: Array, zero_low: float, low: float, high: float, zero_high: float) -> Array:
    """1 from `low` to `high`, falling to 0 at `zero_low` and `zero_high`."""
    return np.asarray(np.minimum(ramp(value, zero_low, low), ramp(value, zero_high, high)))


def side(xyxy_px: Array) -> Array:
    """Root of the area (n,); 1e-6 at least."""
    size = np.maximum(xyxy_px[:, 2:] - xyxy_px[:, :2], 1e-6)
    return np.asarray(np.sqrt(size[:, 0] * size[:, 1]))


def inside(boxes: Array, holders: Array) -> Array:
    """Share of each box (m, 4) that lies in each holder (n, 4), or (n, m, 4) where it differs per box."""
    if holders.ndim == 2:
        holders = holders[:, None, :]
    low = np.maximum(boxes[None, :, :2], holders[..., :2])
    high = np.minimum(boxes[None, :, 2:], holders[..., 2:])
    size = np.maximum(high - low, 0)
    shared = size[..., 0] * size[..., 1]
    return np.asarray(shared / side(boxes)[None, :] ** 2)


def cut_edges(xyxy_px: Array, frame_size_px: tuple[int, int]) -> Mask:
    """Which edges of the picture cut each box: (n, 4) left, top, right, bottom."""
    width, height = frame_size_px
    near = np.array([width, height, width, height]) * CUT_SHARE
    low, high = xyxy_px[:, :2] <= near[:2], xyxy_px[:, 2:] >= np.array([width, height]) - near[2:]
    return np.concatenate((low, high), axis=1)


@dataclass(frozen=True)
class Bodies:
    """People's boxes and what follows from their proportions; all (n,) or (n, 4)."""

    xyxy_px: Array
    cut: Mask
    """(n, 4) left, top, right, bottom: cut by the picture's edge."""
    width: Array
    height: Array
    full_height: Array
    """Of the whole body: the box's height, or a guess from its width where the lower edge cuts it or it lies."""
    tallest: Array
    """The same if something hides the lower part: a box as wide as high may be head and shoulders above a wall."""
    wide: Array
    """0 upright .. 1 bent, crouched or lying: the head may be at a side instead of on top."""

    @classmethod
    def of(cls, xyxy_px: Array, frame_size_px: tuple[int, int]) -> Bodies:
        cut = cut_edges(xyxy_px, frame_size_px)
        width = np.maximum(xyxy_px[:, 2] - xyxy_px[:, 0], 1e-6)
        height = np.maximum(xyxy_px[:, 3] - xyxy_px[:, 1], 1e-6)
        # What the lower edge cuts is short, not bent.
        tallest = np.maximum(height, SHOULDERS * width)
        full_height = np.where(cut[:, 3], tallest, np.maximum(height, width))
        wide = np.where(cut[:, 3], 0.0, ramp(width / height, WIDE_FROM, WIDE_FULLY))
        return cls(xyxy_px, cut, width, height, full_height, tallest, wide)

    def head_regions(self) -> Array:
        """(n, 4): where a head is looked for; the upper half of somebody who bends."""
        x0, y0, x1, _ = self.xyxy_px.T
        margin = np.where(self.wide > 0.5, 0.0, 0.2) * self.width
        depth = np.where(self.wide > 0.5, 0.5 * self.height, np.minimum(0.16 * self.full_height, self.height))
        return np.stack((x0 + margin, y0, x1 - margin, y0 + depth), axis=1)

    def torso_regions(self) -> Array:
        """(n, 4): where a vest is looked for."""
        x0, y0, x1, y1 = self.xyxy_px.T
        top = np.where(self.wide > 0.5, y0, y0 + 0.15 * self.full_height)
        bottom = np.where(self.wide > 0.5, y1 - 0.4 * self.height, y0 + 0.5 * self.full_height)
        return np.stack((x0 + 0.1 * self.width, top, x1 - 0.1 * self.width, bottom), axis=1)

    def on_head(self, boxes: Array, torsos: Array) -> Array:
        """How well each head or helmet box (m, 4) lies where each person's head is.

        `torsos`: (n, 4) the box of each person's torso, NaN where none was seen. A helmet held up beside the face is as
        high as a worn one; that it is not above the torso tells.
        """
        unit = side(boxes)[None, :]
        centre_x, centre_y = _centres(boxes)
        x0, y0, x1, _ = (column[:, None] for column in self.xyxy_px.T)
        depth = (centre_y - y0) / unit
        upright = plateau(depth, -0.9, -0.3, 0.95, 1.5)
        beside_torso = np.isfinite(torsos[:, :1])
        torso = np.where(beside_torso, torsos, 0.0)
        above = (torso[:, 1:2] - centre_y) / unit
        off_axis = np.abs(centre_x - (torso[:, 0:1] + torso[:, 2:3]) / 2) / unit
        anchor = plateau(above, -0.6, -0.1, 1.3, 2.0) * ramp(off_axis, 1.5, 0.75)
        # An arm raised above the head lowers the head within the box: the torso still says where it is.
        raised_arm = 0.8 * ramp(depth, *ARMS_RAISED)
        upright = np.where(beside_torso, anchor * np.maximum(upright, raised_arm), upright)

        from_side = np.minimum(centre_x - x0, x1 - centre_x) / unit
        bent = 0.8 * plateau(depth, -0.9, -0.3, 2.2, 3.0) * ramp(from_side, 1.8, 1.0)
        wide = self.wide[:, None]
        # Half upright, half bent: both are possible.
        placed = np.maximum(upright * np.where(wide >= 1, 0.9, 1.0), wide * bent)

        outside = np.maximum(np.maximum(x0 - centre_x, centre_x - x1), 0) / unit
        off_centre = np.abs(centre_x - (x0 + x1) / 2) / (self.width[:, None] / 2)
        sideways = ramp(outside, 0.6, 0.0) * (1 - 0.3 * np.clip(off_centre, 0, 1) * (1 - wide))
        return np.asarray(placed * sideways * self._sized(unit, HEAD_SHARE))

    def between_arms(self, boxes: Array) -> Array:
        """How well each helmet box (m, 4) lies where the head of somebody upright is who raises both arms: (n, m).

        Without a torso nothing tells it from a helmet before the chest.
        """
        unit = side(boxes)[None, :]
        centre_x, centre_y = _centres(boxes)
        x0, y0, x1, _ = (column[:, None] for column in self.xyxy_px.T)
        off_axis = np.abs(centre_x - (x0 + x1) / 2) / unit
        placed = ramp((centre_y - y0) / unit, *ARMS_RAISED) * ramp(off_axis, 1.25, 0.6)
        return np.asarray(placed * (1 - self.wide[:, None]))

    def in_hand(self, boxes: Array, on_head: Array) -> Array:
        """How well each helmet box (m, 4) lies where a person may carry it: on the body or an arm's end beside it, not
        on the head, and above the feet, where it would stand on the ground."""
        unit = side(boxes)[None, :]
        reach = 0.6 * unit[..., None] * np.array([-1.0, -1.0, 1.0, 0.0])
        held = ramp(inside(boxes, self.xyxy_px[:, None, :] + reach), 0.5, 0.85)
        return np.asarray(
            held * self._off_ground(boxes) * self._near(boxes) * (1 - on_head) * self._sized(unit, HEAD_SHARE)
        )

    def on_torso(self, boxes: Array) -> Array:
        """How well each vest box (m, 4) lies where each person's torso is."""
        unit = side(boxes)[None, :]
        _, centre_y = _centres(boxes)
        y0 = self.xyxy_px[:, 1:2]
        depth = (boxes[None, :, 1] - y0) / unit
        placed = plateau(depth, -0.7, -0.3, 1.0, 1.6)
        share_down = (centre_y - y0) / self.tallest[:, None]
        # As far down as this a vest may be held before the belly, but not by somebody whom raised arms make as tall.
        raised_arms = 0.8 * plateau(depth, -0.7, -0.3, 1.7, 2.3) * ramp(share_down, 0.56, 0.51)
        placed = np.maximum(placed * ramp(share_down, 0.72, 0.56), raised_arms)
        held = ramp(inside(boxes, self.xyxy_px), 0.4, 0.75)
        return np.asarray(placed * held * self._near(boxes) * self._sized(unit, TORSO_SHARE))

    def beside_torso(self, boxes: Array, on_torso: Array) -> Array:
        """How well each vest box (m, 4) lies where a person may carry it: over the arm or in the hand."""
        unit = side(boxes)[None, :]
        held = ramp(inside(boxes, self.xyxy_px), 0.5, 0.85)
        sized = ramp(unit / self.full_height[:, None], 0.03, 0.06)
        return np.asarray(held * self._off_ground(boxes) * self._near(boxes) * (1 - on_torso) * sized)

    def on_person(self, boxes: Array) -> Array:
        """How well each box (m, 4) of any other gear lies on each person."""
        return np.asarray(ramp(inside(boxes, self.xyxy_px), 0.5, 0.8) * self._near(boxes))

    def _sized(self, unit: Array, share: float) -> Array:
        shorter, taller = (np.log(unit / (share * height[:, None])) for height in (self.full_height, self.tallest))
        return np.minimum(ramp(shorter, np.log(0.3), np.log(0.55)), ramp(taller, np.log(3.2), np.log(1.8)))

    def _near(self, boxes: Array) -> Array:
        """1 on the person's axis, 0.6 at the box's side: between two people the nearer one has it."""
        centre_x, _ = _centres(boxes)
        middle = ((self.xyxy_px[:, 0] + self.xyxy_px[:, 2]) / 2)[:, None]
        return np.asarray(1 - 0.4 * np.clip(np.abs(centre_x - middle) / (self.width[:, None] / 2), 0, 1))

    def _off_ground(self, boxes: Array) -> Array:
        down = (boxes[None, :, 3] - self.xyxy_px[:, 1:2]) / self.height[:, None]
        wide = self.wide[:, None]
        above_feet = np.where(wide > 0.5, ramp(down, 0.97, 0.9), ramp(down, 0.9, 0.82))
        # Where the lower edge cuts a person the feet are not in the picture.
        return np.where(self.cut[:, 3:4], 1.0, above_feet)


def _centres(boxes: Array) -> tuple[Array, Array]:
    return ((boxes[:, 0] + boxes[:, 2]) / 2)[None, :], ((boxes[:, 1] + boxes[:, 3]) / 2)[None, :]
