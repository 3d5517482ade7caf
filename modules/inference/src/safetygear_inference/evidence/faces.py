"""Where faces are in a picture: what has to be blurred so that nobody can be recognised. Pure.

It fails closed. Every bare head is covered, and below the brim of every helmet the face; what looks like a helmet on
somebody who by the votes wears none, or is too unsure to be shown, is covered as a bare head is. A person on whom
neither is found is covered where a head may be, and so is what is above a torso without a head. A box too much costs a
patch of the picture, a box too little somebody's privacy: so boxes of low probability, and people who were seen a
moment ago, should be given too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from safetygear.geometry import Boxes, as_xyxy, clip_xyxy, iou
from safetygear_inference.compliance.body import SHOULDERS, Array, Bodies, Mask, inside, side
from safetygear_inference.compliance.things import lack_labels
from safetygear_inference.judging.labels import PERSON
from safetygear_inference.judging.observation import LabelledBoxes

RECOGNISABLE_ABOVE: Final = 8.0
"""What must not be left of a face, in grey levels of `pixels.detail`. Uncovered faces of tests/clips/site_scene.mp4, 20
to 60 pixels across, have 12 to 19."""
LEAST_FIT: Final = 0.3
"""How well a head or helmet must lie where a person's head is to be that person's, 0..1 (body.py)."""
SAME_PERSON_IOU, SAME_PERSON_INSIDE = 0.45, 0.8
"""Two boxes that overlap like this may be of one person, who has one head."""
SEEN_IOU: Final = 0.3
"""Somebody who is expected where a person's box overlaps by more may be that person."""
UPPER_SHARE: Final = 0.36
"""Of a standing person's box: a head lies in it even below a raised arm."""
OFF_AXIS, OFF_MIDDLE = 0.5, 0.75
"""How far a worn helmet's middle may be from that of the torso, or of the person's box where no torso was found, in
sides of the helmet (root of its area): beyond, it may be held beside a face that nothing covers."""
HEAD_AND_NECK: Final = 0.3
"""The same per height of the whole body, for a box that shows only its upper part."""
WIDE: Final = 0.5
"""From here (body.py) somebody may bend or lie: his head may be anywhere in his box."""
SHELL_ASPECT, HEAD_ASPECT = 1.4, 1.0
"""Width per height of a helmet's box around the shell alone, and around the head with it."""
SHELL_BRIM, HEAD_BRIM = 0.55, 0.35
"""How far down each kind of box the face begins. The default detector's boxes are of the first kind and have the brim
at 0.76 to 0.87; what is less is for a hood, a cap or a bare head taken for a helmet, whose eyes must not show."""
HELMET_FROM: Final = 0.35
"""The default detector's own threshold. A box of less may be of a hood or a cap."""
CHIN: Final = 1.6
"""How far down the face goes, per height of a helmet's box: 1.24 to 1.37 for the default detector's."""
HEAD_SHARE_DOWN: Final = 0.2
"""Of a standing person's height: head and neck end above it."""
ASIDE: Final = 0.2
"""What is covered on each side beyond a head or helmet, per width."""
BELOW_HEAD: Final = 0.4
"""What is covered below a bare head's box, per height: the default detector's end at the mouth."""

_TORSO = ("vest", *lack_labels("vest"))


def face_regions(
    boxes: LabelledBoxes,
    *,
    picture_size_px: tuple[int, int],
    expected_norm: Boxes | None = None,
    bare_norm: Boxes | None = None,
) -> Boxes:
    """What to cover: (n, 4) xyxy in 0..1 of the picture.

    `boxes`: with canonical labels, in 0..1 of the picture. `expected_norm`: (m, 4) likewise, of people whom no box
    shows: `left_over` says who they are. `bare_norm`: (k, 4) likewise, of people on whose heads there is no helmet,
    whatever a box says.
    """
    scale = np.array([*picture_size_px, *picture_size_px], float)
    xyxy_px = np.asarray(boxes.xyxy_norm, float).reshape(-1, 4) * scale
    people = _rows(boxes, xyxy_px, (PERSON,))
    bare, helmets = _rows(boxes, xyxy_px, lack_labels("helmet")), _rows(boxes, xyxy_px, ("helmet",))
    torsos = _rows(boxes, xyxy_px, _TORSO)
    bodies = Bodies.of(people, picture_size_px)
    heads = np.concatenate((bare, helmets))
    fit = bodies.on_head(heads, np.full(people.shape, np.nan)) if len(heads) else np.zeros((len(people), 0))
    regions = [_bare_head(head) for head in bare]
    doubted = _doubted(boxes, helmets, bare_norm, picture_size_px)
    for number, helmet in enumerate(helmets):
        wearers = fit[:, len(bare) + number] >= LEAST_FIT
        # A helmet that is being lifted off leaves the face further below it.
        least_bottom = (people[:, 1] + HEAD_SHARE_DOWN * bodies.full_height)[wearers & (bodies.wide <= WIDE)].max(
            initial=0
        )
        on_wide = bool((wearers & (bodies.wide > WIDE)).any())
        regions.append(
            _below_brim(helmet, on_wide=on_wide, least_bottom=float(least_bottom), is_one=not doubted[number])
        )
    sure = fit.copy()
    sure[:, len(bare) :] *= _on_axis(bodies, helmets, torsos)
    located = _located(people, sure)
    regions += [_where_a_head_may_be(bodies, person) for person in range(len(people)) if not located[person]]
    if expected_norm is not None:
        expected = Bodies.of(np.asarray(expected_norm, float).reshape(-1, 4) * scale, picture_size_px)
        regions += [_where_a_head_may_be(expected, person) for person in range(len(expected.xyxy_px))]
    regions += _above_lone_torsos(torsos, heads)
    found = as_xyxy(np.array(regions) / scale if regions else [])
    found = clip_xyxy(found, 1, 1)
    return found[(found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])]


def left_over(expected_norm: Boxes, boxes: LabelledBoxes) -> Boxes:
    """Those of the expected people (m, 4) whom no person's box shows; each box shows one."""
    people = boxes.xyxy_norm[[row for row, label in enumerate(boxes.label) if label == PERSON]].reshape(-1, 4)
    overlap = iou(expected_norm, people)
    left = np.ones(len(expected_norm), bool)
    while overlap.size and overlap.max() > SEEN_IOU:
        person, box = divmod(int(overlap.argmax()), overlap.shape[1])
        left[person] = False
        overlap[person, :] = overlap[:, box] = 0
    return expected_norm[left]


def _rows(boxes: LabelledBoxes, xyxy_px: Array, labels: Sequence[str]) -> Array:
    return xyxy_px[[row for row, label in enumerate(boxes.label) if label in labels]].reshape(-1, 4)


def _on_axis(bodies: Bodies, helmets: Array, torsos: Array) -> Mask:
    """(people, helmets): whether a helmet is above the person's torso rather than beside his face."""
    middle = (bodies.xyxy_px[:, 0] + bodies.xyxy_px[:, 2]) / 2
    allowed = np.full(len(middle), OFF_MIDDLE)
    if len(torsos) and len(middle):
        fit = bodies.on_torso(torsos)
        best = fit.argmax(axis=1)
        found = fit.max(axis=1) >= LEAST_FIT
        middle = np.where(found, (torsos[best, 0] + torsos[best, 2]) / 2, middle)
        allowed = np.where(found, OFF_AXIS, allowed)
    centre = (helmets[:, 0] + helmets[:, 2]) / 2
    off = np.abs(centre[None, :] - middle[:, None]) / side(helmets)[None, :]
    # Of somebody who bends the head is at a side.
    return np.asarray((off <= allowed[:, None]) | (bodies.wide > WIDE)[:, None])


def _bare_head(head: Array) -> tuple[float, ...]:
    left, top, right, bottom = head.tolist()
    aside, height = ASIDE * (right - left), bottom - top
    return left - aside, top - ASIDE * height, right + aside, bottom + BELOW_HEAD * height


def _doubted(boxes: LabelledBoxes, helmets: Array, bare_norm: Boxes | None, picture_size_px: tuple[int, int]) -> Mask:
    """(helmets,): whether what looks like a helmet is hardly one."""
    rows = [row for row, label in enumerate(boxes.label) if label == "helmet"]
    doubted = np.asarray(boxes.probability[rows] < HELMET_FROM)
    if bare_norm is None or not len(bare_norm) or not len(helmets):
        return doubted
    scale = np.array([*picture_size_px, *picture_size_px], float)
    bare = Bodies.of(np.asarray(bare_norm, float).reshape(-1, 4) * scale, picture_size_px)
    on_bare = bare.on_head(helmets, np.full(bare.xyxy_px.shape, np.nan)) >= LEAST_FIT
    return np.asarray(doubted | on_bare.any(axis=0))


def _below_brim(helmet: Array, *, on_wide: bool, least_bottom: float, is_one: bool) -> tuple[float, ...]:
    """The face below a helmet; the whole head where it may be none."""
    left, top, right, bottom = helmet.tolist()
    width, height = right - left, max(bottom - top, 1e-6)
    shell = min(1.0, max(0.0, (width / height - HEAD_ASPECT) / (SHELL_ASPECT - HEAD_ASPECT)))
    brim = HEAD_BRIM + (SHELL_BRIM - HEAD_BRIM) * shell if is_one else -ASIDE
    # Of somebody who bends the face is in front of the helmet rather than below it.
    aside, chin = (0.6, CHIN + 0.4) if on_wide else (ASIDE, CHIN)
    lowest = max(top + chin * height, min(least_bottom, bottom + 2 * height))
    return left - aside * width, top + brim * height, right + aside * width, lowest


def _located(people: Array, fit: Array) -> list[bool]:
    """Of each person: whether one of the heads is his, or that of another box of his. `fit`: (people, heads)."""
    owner: dict[int, int] = {}
    located = [False] * len(people)
    order = np.argsort(-fit, axis=None, kind="stable").tolist()
    for place in order:
        person, head = divmod(place, fit.shape[1])
        if fit[person, head] < LEAST_FIT:
            break
        if not located[person] and head not in owner:
            owner[head], located[person] = person, True
    same = _same_person(people)
    for person in range(len(people)):
        if not located[person]:
            located[person] = any(
                fit[person, head] >= LEAST_FIT and bool(same[person, other]) for head, other in owner.items()
            )
    return located


def _same_person(people: Array) -> Array:
    if not len(people):
        return np.zeros((0, 0))
    share = inside(people, people)
    overlap = iou(people.astype(np.float32), people.astype(np.float32))
    return np.asarray((overlap >= SAME_PERSON_IOU) | (np.maximum(share, share.T) >= SAME_PERSON_INSIDE))


def _where_a_head_may_be(bodies: Bodies, person: int) -> tuple[float, ...]:
    left, top, right, bottom = bodies.xyxy_px[person].tolist()
    width, height = float(bodies.width[person]), float(bodies.height[person])
    if bodies.wide[person] > WIDE:
        return left, top, right, bottom
    depth = UPPER_SHARE * height
    if bodies.cut[person, 3]:
        depth = max(depth, HEAD_AND_NECK * max(height, SHOULDERS * width))
    # A box may begin a little below the hair.
    return left, top - 0.03 * height, right, min(bottom, top + depth)


def _above_lone_torsos(torsos: Array, heads: Array) -> list[tuple[float, ...]]:
    """Two people may share one box, and somebody behind something may have none: a torso tells of a head all the
    same."""
    free = list(range(len(heads)))
    regions: list[tuple[float, ...]] = []
    for torso in torsos:
        left, top, right, bottom = torso.tolist()
        width, height = right - left, bottom - top
        centres = [((heads[n, 0] + heads[n, 2]) / 2, (heads[n, 1] + heads[n, 3]) / 2, n) for n in free]
        own = [
            (abs(x - (left + right) / 2), n)
            for x, y, n in centres
            if left - 0.2 * width <= x <= right + 0.2 * width and top - 0.5 * height <= y <= top + 0.1 * height
        ]
        if own:
            free.remove(min(own)[1])
        else:
            regions.append((left - 0.15 * width, top - 0.6 * height, right + 0.15 * width, top + 0.1 * height))
    return regions
