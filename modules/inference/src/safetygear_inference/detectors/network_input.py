"""Reads the input tensor: size, layout, type, channel order and value range. Pure.

Order and range come from the settings file, else from the ONNX file's metadata (`Image.BitmapPixelFormat`,
`Image.NominalPixelRange`: onnx/docs/MetadataProps.md), else from the format. metadata_properties.json of Custom Vision
is not asked: it says Normalized_0_1 of [S1] networks whose own script feeds 0..255.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final, Literal, get_args

from safetygear.errors import ModelError
from safetygear_inference.detectors.format import IMAGENET_MEAN, IMAGENET_STD, PAD, Fit, NetworkInput, Size
from safetygear_inference.detectors.settings import ModelSettings, PixelRange, Resize
from safetygear_inference.detectors.signature import Dimension, Signature, Tensor

PIXEL_FORMAT, PIXEL_RANGE, GAMMA = "Image.BitmapPixelFormat", "Image.NominalPixelRange", "Image.ColorSpaceGamma"
MAX_SIDE_PX: Final = 4096

CHANNELS: Final[dict[str, Literal["bgr", "rgb"]]] = {"bgr8": "bgr", "rgb8": "rgb"}
RANGES: Final[dict[str, PixelRange]] = {
    "nominalrange_0_255": "0-255",
    "normalized_0_1": "0-1",
    "normalized_1_1": "-1-1",
    "nominalrange_16_235": "16-235",
    "imagenet": "imagenet",  # that of a TensorFlow Lite file, which has means and deviations
}
SCALE_AND_OFFSET: Final[dict[PixelRange, tuple[float, float]]] = {
    "0-255": (1.0, 0.0),
    "0-1": (1 / 255, 0.0),
    "-1-1": (2 / 255, -1.0),
    "16-235": (219 / 255, 16.0),
    "imagenet": (1 / 255, 0.0),
}
PARTS: Final = ("0-1", "-1-1", "imagenet")
FITS: Final[dict[Resize, tuple[Fit, ...]]] = {
    "stretch": ("stretch",),
    "letterbox": ("center", "top-left"),
    "pixel-count": ("pixel-count",),
}
DTypeName = Literal["float", "float16", "uint8"]


def read_network_input(
    signature: Signature,
    settings: ModelSettings,
    *,
    channels: Literal["bgr", "rgb"],
    pixel_range: PixelRange,
    fits: tuple[Fit, ...],
    pad: int = PAD,
    free_size: Size | None = None,
    beside: Collection[str] = (),
) -> NetworkInput:
    """The format's own order and range are `channels` and `pixel_range`; the first of `fits` is its own, the others
    are possible too. `free_size` is fed where the file leaves it open; `beside` names the inputs that hold no picture.

    Raises ModelError saying what was seen.
    """
    tensor = the_image_input(signature, beside)
    dtype = _dtype(tensor)
    metadata = signature.metadata
    _refuse_linear(metadata.get(GAMMA))
    channels = settings.channels or _channels(metadata.get(PIXEL_FORMAT)) or channels
    said = settings.pixel_range or _range(metadata.get(PIXEL_RANGE))
    # Whole numbers are no parts of 1: where nobody says otherwise the network scales them itself.
    pixel_range = said or ("0-255" if dtype == "uint8" and pixel_range in PARTS else pixel_range)
    if dtype == "uint8" and pixel_range in PARTS:
        who = "`pixelRange` in the settings file" if settings.pixel_range else PIXEL_RANGE
        raise ModelError(
            f"the input {tensor} takes whole numbers, but {who} says values of {pixel_range}: `pixelRange` must be "
            "0-255 in the settings file"
        )
    fit = _fit(settings.resize, fits)
    layout, size = _layout_and_size(tensor)
    if settings.input_size is not None:
        given = settings.input_size[0], settings.input_size[1]
        if size not in (None, given):
            raise ModelError(f"the input {tensor} has a fixed size: `inputSize` can't make it {given[0]}x{given[1]}")
        size = given
    size = size or free_size
    if size is None and fit != "pixel-count":
        raise ModelError(
            f"the input {tensor} has no fixed height and width: export the network with a fixed size, or say "
            "`inputSize` in the settings file"
        )
    scale, offset = SCALE_AND_OFFSET[pixel_range]
    batch = len(tensor.shape) == 4
    taken = NetworkInput(tensor.name, dtype, layout, size, channels, scale, offset, fit, pad, batch)
    if pixel_range != "imagenet":
        return taken
    if channels == "rgb":
        return replace(taken, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    red, green, blue = zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)
    return replace(taken, mean=(blue[0], green[0], red[0]), std=(blue[1], green[1], red[1]))


def the_image_input(signature: Signature, beside: Collection[str] = ()) -> Tensor:
    """The only input but those named in `beside`; with a batch of one, or as torchvision has it without. Raises
    ModelError where there are more or none, or where it holds no picture."""
    inputs = [tensor for tensor in signature.inputs if tensor.name not in beside]
    if len(inputs) != 1:
        raise ModelError(f"the network must have one input, the picture; it has: {signature}", code="model-unknown")
    tensor = inputs[0]
    if len(tensor.shape) == 3 and 3 in (tensor.shape[0], tensor.shape[2]):
        return tensor
    if len(tensor.shape) != 4:
        raise ModelError(f"the input {tensor} can't take a picture: it needs four dimensions", code="model-unknown")
    if isinstance(tensor.shape[0], int) and tensor.shape[0] != 1:
        raise ModelError(f"the input {tensor} takes {tensor.shape[0]} pictures at once: export with batch size 1")
    return tensor


def _fit(wanted: Resize | None, possible: tuple[Fit, ...]) -> Fit:
    if wanted is None:
        return possible[0]
    for fit in FITS[wanted]:
        if fit in possible:
            return fit
    choices = [name for name, fits in FITS.items() if set(fits) & set(possible)]
    raise ModelError(
        f"`resize` is {wanted} in the settings file; this format takes {' or '.join(choices)}", code="model-settings"
    )


def _layout_and_size(tensor: Tensor) -> tuple[Literal["nchw", "nhwc"], tuple[int, int] | None]:
    layout: Literal["nchw", "nhwc"]
    sides = tensor.shape[-3:]
    if sides[0] == 3:
        layout, (height, width) = "nchw", sides[1:]
    elif sides[2] == 3:
        layout, (height, width) = "nhwc", sides[:2]
    else:
        raise ModelError(f"the input {tensor} can't take a picture of three channels", code="model-unknown")
    if isinstance(height, str) or isinstance(width, str):
        return layout, None
    return layout, (_side(width, tensor), _side(height, tensor))


def _side(size: Dimension, tensor: Tensor) -> int:
    if not isinstance(size, int) or not 1 <= size <= MAX_SIDE_PX:
        raise ModelError(f"the input {tensor} has a side outside 1 to {MAX_SIDE_PX}")
    return size


def _dtype(tensor: Tensor) -> DTypeName:
    for name in get_args(DTypeName):
        if tensor.dtype == name:
            return name  # type: ignore[no-any-return]  # get_args forgets the literals' types
    raise ModelError(f"the input {tensor} has another type than {', '.join(get_args(DTypeName))}")


def _channels(value: str | None) -> Literal["bgr", "rgb"] | None:
    if value is None:
        return None
    if value.lower() not in CHANNELS:
        raise ModelError(f"{PIXEL_FORMAT} in the ONNX file is {value!r}; Bgr8 and Rgb8 are possible")
    return CHANNELS[value.lower()]


def _range(value: str | None) -> PixelRange | None:
    if value is None:
        return None
    if value.lower() not in RANGES:
        raise ModelError(
            f"{PIXEL_RANGE} in the ONNX file is {value!r}; possible are NominalRange_0_255, Normalized_0_1, "
            "Normalized_1_1, NominalRange_16_235"
        )
    return RANGES[value.lower()]


def _refuse_linear(gamma: str | None) -> None:
    if gamma is not None and gamma.lower() != "srgb":
        raise ModelError(f"{GAMMA} in the ONNX file is {gamma!r}; cameras give SRGB")
