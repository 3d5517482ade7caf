"""Where people are expected, and how sure that is. Pure; lengths in heights of the picture, times in seconds.

A person is followed by the middle of the upper edge of the box: the feet are hidden by whatever stands on the ground,
the head seldom is. Its velocity wanders around zero (Ornstein-Uhlenbeck): nearly constant for a few frames, and after a
long gap no better known than that of a stranger, so the uncertainty grows with the gap but not without bound.
The prediction over a gap is the same in one step or in many. All scales are in heights of the person, which makes near
and far alike.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPEED_PER_S = 0.7
"""Standard deviation of a person's speed along one axis, in own heights a second (walking: 1.4 m/s of 1.75 m)."""
KEEPS_COURSE_S = 3.0
"""After this time a velocity has lost all but 1/e of what was known of it."""
JITTER = 0.06
"""Standard deviation of a box's upper edge and of its middle, in heights of the person. Arms and steps included."""
SIZE_SETTLES_S = 0.4
"""Time in which a box's size is forgotten: people come nearer slowly, a half hidden one shrinks at once."""
EDGE = 0.01
"""A box that comes so near to the picture's edge (0..1 of its side) may be cut by it."""
SLIM = 0.3
"""A standing person is at least this much as wide as high."""


@dataclass
class Motion:
    """What is believed of n people, one a row. The covariance of place and velocity is the same along both axes."""

    place: Floats
    """(n, 2): x and y of the middle of the upper edge."""
    velocity: Floats
    """(n, 2)."""
    size: Floats
    """(n, 2): width and height."""
    place_var: Floats
    """(n,)."""
    cross_var: Floats
    """(n,)."""
    velocity_var: Floats
    """(n,)."""

    @classmethod
    def of(cls, boxes: Floats) -> Motion:
        """People seen for the first time, boxes (n, 4) xyxy: the place is known, the velocity is not."""
        size = boxes[:, 2:] - boxes[:, :2]
        height_2 = size[:, 1] ** 2
        number = len(boxes)
        return cls(
            place=anchors(boxes),
            velocity=np.zeros((number, 2)),
            size=size,
            place_var=JITTER**2 * height_2,
            cross_var=np.zeros(number),
            velocity_var=SPEED_PER_S**2 * height_2,
        )

    def __len__(self) -> int:
        return len(self.place)

    def take(self, rows: NDArray[np.intp]) -> Motion:
        """The people of these rows."""
        return Motion(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, other: Motion) -> Motion:
        """These people, then the others."""
        return Motion(
            *(np.concatenate((getattr(self, field.name), getattr(other, field.name))) for field in fields(self))
        )

    def advance(self, gap_s: float) -> None:
        """Let `gap_s` >= 0 pass unseen."""
        ratio = gap_s / KEEPS_COURSE_S
        keep = float(np.exp(-ratio))
        reach_s = KEEPS_COURSE_S * (1 - keep)
        speed_var = SPEED_PER_S**2 * self.size[:, 1] ** 2
        self.place += reach_s * self.velocity
        self.velocity *= keep
        wander = KEEPS_COURSE_S**2 * max(0.0, 2 * ratio - 3 + 4 * keep - keep * keep)
        self.place_var += 2 * reach_s * self.cross_var + reach_s**2 * self.velocity_var + speed_var * wander
        self.cross_var = (
            keep * (self.cross_var + reach_s * self.velocity_var) + speed_var * KEEPS_COURSE_S * (1 - keep) ** 2
        )
        self.velocity_var = keep * keep * self.velocity_var + speed_var * (1 - keep * keep)

    def see(self, rows: NDArray[np.intp], boxes: Floats, gap_s: Floats) -> None:
        """The people of `rows` (m,) were seen in whole `boxes` (m, 4), `gap_s` (m,) after they were last seen."""
        size = boxes[:, 2:] - boxes[:, :2]
        spread = self.place_var[rows] + JITTER**2 * self.size[rows, 1] ** 2
        place_gain = self.place_var[rows] / spread
        velocity_gain = self.cross_var[rows] / spread
        surprise = anchors(boxes) - self.place[rows]
        self.place[rows] += place_gain[:, None] * surprise
        self.velocity[rows] += velocity_gain[:, None] * surprise
        self.velocity_var[rows] -= velocity_gain * self.cross_var[rows]
        self.cross_var[rows] *= 1 - place_gain
        self.place_var[rows] *= 1 - place_gain
        weight = np.maximum(1 - np.exp(-gap_s / SIZE_SETTLES_S), 0.1)[:, None]
        self.size[rows] += weight * (size - self.size[rows])

    def boxes(self) -> Floats:
        """(n, 4) xyxy: where the people are expected now."""
        half_width = self.size[:, 0] / 2
        return np.stack(
            (
                self.place[:, 0] - half_width,
                self.place[:, 1],
                self.place[:, 0] + half_width,
                self.place[:, 1] + self.size[:, 1],
            ),
            axis=1,
        )


def anchors(boxes: Floats) -> Floats:
    """(..., 2): the middle of the upper edge of each box (..., 4)."""
    return np.stack(((boxes[..., 0] + boxes[..., 2]) / 2, boxes[..., 1]), axis=-1)


def areas(boxes: Floats) -> Floats:
    """(...): of boxes (..., 4)."""
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]), np.float64)


def whole(boxes: Floats, size: Floats, aspect: float) -> Floats:
    """Boxes (..., 4) that the picture's edge may have cut, continued beyond it to at least `size` (..., 2).

    Else somebody who leaves seems to become slower and narrower, and to wait at the edge for whoever comes in next.
    """
    boxes = boxes + np.zeros((*size.shape[:-1], 1))
    missing_width = np.maximum(np.maximum(size[..., 0], SLIM * size[..., 1]) - (boxes[..., 2] - boxes[..., 0]), 0)
    missing_height = np.maximum(size[..., 1] - (boxes[..., 3] - boxes[..., 1]), 0)
    left, right = boxes[..., 0] <= EDGE * aspect, boxes[..., 2] >= (1 - EDGE) * aspect
    top, bottom = boxes[..., 1] <= EDGE, boxes[..., 3] >= 1 - EDGE
    boxes[..., 0] -= missing_width * left
    boxes[..., 2] += missing_width * (right & ~left)
    boxes[..., 1] -= missing_height * (top & ~bottom)
    boxes[..., 3] += missing_height * bottom
    return boxes
