"""What is true of one frame: boxes of people, heads, helmets and vests in px, and how much of each is to be seen. Pure.

The format is that of tests/clips/site_scene.truth.json, which is older; `format_notes` says what each field means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetygear_scenes.actor import HelmetState
from safetygear_scenes.mesh import Vertices
from safetygear_scenes.projection import Box, Lens, area, box_around, within

Mask = NDArray[np.bool_]
format_notes = {
    "box": "x0,y0,x1,y1 in px, origin top left. 'box': projection of body, clothes and whatever is worn on the head, "
    "hidden parts included, clipped to the picture; 'box_unclipped': the same, not clipped; 'box_visible': visible "
    "pixels only",
    "helmet": "state worn|carried; helmet_state none where the person has no helmet; a carried helmet is not part of "
    "'box'",
    "head": "projection of the skull with hair, also under a helmet; head_visible_px are its pixels that nothing "
    "hides, what is worn on it included",
    "headwear": "cap|hood: no helmet, though it may look like one; null otherwise",
    "visible_fraction": "visible pixels / pixels of the person's own silhouette inside the picture",
    "visible_px": "pixels with more than half coverage",
    "foot": "where the person stands on the ground, in 0..1 of the picture; zones: ids of the zones that has it inside",
    "end_s": "exclusive (last frame + 1/fps)",
    "frame_time": "t = frame / fps",
    "assessable": "at least 90 % of the box in the picture, at least 60 % visible, at least 60 px tall",
}


def person(
    name: str,
    view: Lens,
    places: Mapping[str, Vertices],
    visible: Mapping[str, Mask],
    *,
    head_vertices: NDArray[np.bool_],
    silhouette_px: int,
    helmet: HelmetState,
    headwear: str | None,
    feet_m: Vertices,
) -> dict[str, Any] | None:
    """One person's record; None where nothing of it is to be seen. `places`: projected vertices by part in px.
    `visible`: by part, the pixels with more than half coverage. `silhouette_px`: of the person alone."""
    width, height = view.width_px, view.height_px
    on_body = [part for part in places if part != "helmet" or helmet == "worn"]
    whole = box_around(np.vstack([places[part] for part in on_body]))
    clipped = within(whole, width, height)
    seen = np.zeros((height, width), bool)
    for part in on_body:
        seen |= visible.get(part, False)
    count = int(seen.sum())
    if clipped is None or count == 0:
        return None
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    scalp = places["skin"][head_vertices]
    crown = [places[part] for part in ("hair", "hood") if part in places]
    head = within(box_around(np.vstack([scalp, *crown])), width, height)
    foot = view.pixels(np.array([[*feet_m, 0.0]]))[0] / (width, height)
    worn_helmet = _gear("helmet", places, visible, width, height)
    return {
        "id": name,
        "box": rounded(clipped),
        "box_unclipped": rounded(whole),
        "box_visible": [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1],
        "in_frame": round(area(clipped) / area(whole), 3),
        "visible_fraction": round(min(1.0, count / max(1, silhouette_px)), 3),
        "visible_px": count,
        "head": rounded(head) if head else None,
        "head_visible_px": _visible_head_px(head, seen),
        "helmet": worn_helmet | {"state": helmet} if worn_helmet else None,
        "helmet_state": helmet,
        "headwear": headwear,
        "vest": _gear("vest", places, visible, width, height),
        "wears_vest": "vest" in places,
        "foot": [round(float(foot[0]), 4), round(float(foot[1]), 4)],
        "ground_xy_m": [round(float(feet_m[0]), 2), round(float(feet_m[1]), 2)],
    }


def rounded(box: Box) -> list[float]:
    return [round(side, 1) for side in box]


def _gear(
    part: str, places: Mapping[str, Vertices], visible: Mapping[str, Mask], width: int, height: int
) -> dict[str, Any] | None:
    if part not in places:
        return None
    box = within(box_around(places[part]), width, height)
    if box is None:
        return None
    return {"box": rounded(box), "visible_px": int(visible[part].sum()) if part in visible else 0}


def _visible_head_px(head: Box | None, seen: Mask) -> int:
    if head is None:
        return 0
    x0, y0, x1, y1 = (round(side) for side in head)
    return int(seen[y0:y1, x0:x1].sum())
