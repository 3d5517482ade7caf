"""Which decoder a camera's pictures go through, and why it is not the one that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from safetygear.messages.frames import Decoder

Decode = Literal["auto", "software", "vaapi"]
"""What the twin asks for. auto: vaapi where the machine has a render node."""

NO_RENDER_NODE: Final = "no-render-node"
NOT_PERMITTED: Final = "render-node-not-permitted"
NOT_BUILT: Final = "vaapi-not-built"
NO_DEVICE: Final = "vaapi-no-device"
NO_DECODER: Final = "vaapi-no-decoder"
FAILED: Final = "vaapi-failed"


@dataclass(frozen=True)
class Decoding:
    """The decoder in use."""

    decoder: Decoder
    reason: str = ""
    """Why it is software though vaapi or auto was asked for."""


SOFTWARE: Final = Decoding("software")


def choose(decode: Decode, *, built_in: Collection[str], render_nodes: Mapping[str, bool]) -> tuple[str | None, str]:
    """The render node to try and "", or None and why none is.

    `built_in`: kinds of hardware devices that the video library was built with. `render_nodes`: the machine's, by path
    (`/dev/dri/renderD128`), and whether this process may read and write them; the first that it may is taken.
    """
    if decode == "software":
        return None, ""
    if not render_nodes:
        return None, NO_RENDER_NODE
    if "vaapi" not in built_in:
        return None, NOT_BUILT
    permitted = sorted(node for node, usable in render_nodes.items() if usable)
    return (permitted[0], "") if permitted else (None, NOT_PERMITTED)
