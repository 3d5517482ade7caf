"""A picture into the network's input tensor. Buffers are kept per picture size: nothing is allocated per frame."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safetygear.geometry import Letterbox
from safetygear_inference.detectors.format import NetworkInput, Size
from safetygear_inference.detectors.signature import DTYPES
from safetygear_inference.picture import Picture
from safetygear_inference.pixels import BgrScaler, split_channels

SIZES_KEPT: Final = 4
"""Picture sizes whose buffers are kept (4 MB each at 640x384); the one not used for longest goes."""


class Preprocessor:
    """For one thread: what it returns is overwritten by the next call with a picture of that size."""

    def __init__(self, network_input: NetworkInput) -> None:
        self._input = network_input
        self._prepared: OrderedDict[Size, _Prepared] = OrderedDict()

    def __call__(self, picture: Picture) -> tuple[NDArray[Any], Letterbox]:
        """The input tensor (1, …), without the 1 where the network takes no batch, and how the picture lies in it."""
        source = (picture.width, picture.height)
        prepared = self._prepared.get(source)
        if prepared is None:
            while len(self._prepared) >= SIZES_KEPT:
                self._prepared.popitem(last=False)
            prepared = self._prepared[source] = _Prepared(self._input, self._input.letterbox(source))
        self._prepared.move_to_end(source)
        return prepared.fill(picture), prepared.letterbox


class _Prepared:
    def __init__(self, network_input: NetworkInput, letterbox: Letterbox) -> None:
        self.letterbox = letterbox
        self._input = network_input
        height, width = letterbox.network_height_px, letterbox.network_width_px
        # The picture covers the same part each time, so the padding is painted once.
        self._bgr = np.full((height, width, 3), network_input.pad, np.uint8)
        top, left = letterbox.top_px, letterbox.left_px
        self._inner = self._bgr[top : top + letterbox.inner_height_px, left : left + letterbox.inner_width_px]
        self._scaler = BgrScaler(letterbox.inner_width_px, letterbox.inner_height_px)
        planar = network_input.layout == "nchw"
        self._tensor = np.empty((1, 3, height, width) if planar else (1, height, width, 3), DTYPES[network_input.dtype])
        plain = network_input.dtype == "uint8" and network_input.scale == 1 and network_input.offset == 0
        self._per_channel: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        if (network_input.mean, network_input.std) != ((0.0,) * 3, (1.0,) * 3):
            shape = (3, 1, 1) if planar else (3,)
            mean, std = (np.array(values).reshape(shape) for values in (network_input.mean, network_input.std))
            factor, added = network_input.scale / std, (network_input.offset - mean) / std
            self._per_channel = factor.astype(np.float32), added.astype(np.float32)
        self._planes: NDArray[Any] | None = None
        if planar:
            self._planes = self._tensor[0] if plain else np.empty((3, height, width), np.uint8)
        elif plain and network_input.channels == "bgr":
            self._tensor = self._bgr[None]
        self._fed = self._tensor if network_input.batch else self._tensor[0]

    def fill(self, picture: Picture) -> NDArray[Any]:
        self._scaler.scale(picture, self._inner)
        rgb = self._input.channels == "rgb"
        if self._planes is not None:
            # The order of the channels costs nothing here: each goes to its own plane anyway.
            split_channels(self._bgr, self._planes[::-1] if rgb else self._planes)
            self._convert(self._planes)
        else:
            self._convert(self._bgr[..., ::-1] if rgb else self._bgr)
        return self._fed

    def _convert(self, values: NDArray[Any]) -> None:
        target = self._tensor[0]
        if np.may_share_memory(values, target):
            return
        if self._per_channel is not None:
            factor, added = self._per_channel
            np.multiply(values, factor, out=target, casting="unsafe")
            np.add(target, added, out=target, casting="unsafe")
            return
        if self._input.scale == 1:
            np.copyto(target, values, casting="unsafe")
        else:
            np.multiply(values, np.float32(self._input.scale), out=target, casting="unsafe")
        if self._input.offset:
            np.add(target, np.float32(self._input.offset), out=target, casting="unsafe")
