"""The detector: YOLOX-nano's shape (depth .33, depthwise) with ReLU, in torch.

16 channels after the stem are YOLOX-nano's own width (.25); every other width is a multiple of that number.
Parameter names follow the public YOLOX state dict, so that its weights load by name. The Focus stem (four interleaved
pictures and a 3x3 convolution) is held as the equal 6x6 convolution of stride 2. Input: BGR / 255, NCHW.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from torch import Tensor, nn

from safetygear_training.labels import CLASSES

BATCH_NORM = {"eps": 1e-3, "momentum": 0.03}
NANO_CHANNELS = 16


class Convolution(nn.Module):
    """Convolution, batch norm, ReLU; or SiLU, as COCO's weights were trained with."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, pad: int = -1) -> None:
        super().__init__()
        padding = (kernel - 1) // 2 if pad < 0 else pad
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, **BATCH_NORM)
        self.silu = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return F.silu(x) if self.silu else F.relu_(x)


class Separable(nn.Module):
    """A depthwise and a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = Convolution(inputs, inputs, kernel, stride, groups=inputs)
        self.pconv = Convolution(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pconv(self.dconv(x))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = Convolution(channels, channels, 1)
        self.conv2 = Separable(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return y + x if self.shortcut else y


class CrossStage(nn.Module):
    """Half the channels through bottlenecks, half past them."""

    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.conv1 = Convolution(inputs, half, 1)
        self.conv2 = Convolution(inputs, half, 1)
        self.conv3 = Convolution(2 * half, outputs, 1)
        self.m = nn.Sequential(*[Bottleneck(half, shortcut) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(torch.cat((self.m(self.conv1(x)), self.conv2(x)), 1))


class PyramidPool(nn.Module):
    """Three chained 5x5 pools, which equal the parallel 5, 9 and 13 of the original."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = Convolution(inputs, inputs // 2, 1)
        self.conv2 = Convolution(inputs * 2, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [self.conv1(x)]
        for _ in range(3):
            pooled.append(F.max_pool2d(pooled[-1], 5, 1, 2))
        return self.conv2(torch.cat(pooled, 1))


class Stem(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = Convolution(3, outputs, 6, 2, pad=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Darknet(nn.Module):
    """Pictures to features at strides 8, 16 and 32."""

    def __init__(self, channels: int, more_bottlenecks: int) -> None:
        super().__init__()
        c, more = channels, more_bottlenecks
        self.stem = Stem(c)
        self.dark2 = nn.Sequential(Separable(c, 2 * c, 3, 2), CrossStage(2 * c, 2 * c, 1 + more))
        self.dark3 = nn.Sequential(Separable(2 * c, 4 * c, 3, 2), CrossStage(4 * c, 4 * c, 3 + more))
        self.dark4 = nn.Sequential(Separable(4 * c, 8 * c, 3, 2), CrossStage(8 * c, 8 * c, 3 + more))
        self.dark5 = nn.Sequential(
            Separable(8 * c, 16 * c, 3, 2), PyramidPool(16 * c, 16 * c), CrossStage(16 * c, 16 * c, 1, False)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.dark3(self.dark2(self.stem(x)))
        middle = self.dark4(fine)
        return fine, middle, self.dark5(middle)


class Pyramid(nn.Module):
    """The backbone and its paths down and up again (PAFPN)."""

    def __init__(self, channels: int, more_bottlenecks: int) -> None:
        super().__init__()
        a, b, c = 4 * channels, 8 * channels, 16 * channels
        self.backbone = Darknet(channels, more_bottlenecks)
        self.lateral_conv0, self.C3_p4 = Convolution(c, b, 1), CrossStage(2 * b, b, 1, False)
        self.reduce_conv1, self.C3_p3 = Convolution(b, a, 1), CrossStage(2 * a, a, 1, False)
        self.bu_conv2, self.C3_n3 = Separable(a, a, 3, 2), CrossStage(2 * a, b, 1, False)
        self.bu_conv1, self.C3_n4 = Separable(b, b, 3, 2), CrossStage(2 * b, c, 1, False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, coarse = self.backbone(x)
        top = self.lateral_conv0(coarse)
        mid = self.reduce_conv1(self.C3_p4(torch.cat((F.interpolate(top, scale_factor=2.0), middle), 1)))
        out_fine = self.C3_p3(torch.cat((F.interpolate(mid, scale_factor=2.0), fine), 1))
        out_middle = self.C3_n3(torch.cat((self.bu_conv2(out_fine), mid), 1))
        return out_fine, out_middle, self.C3_n4(torch.cat((self.bu_conv1(out_middle), top), 1))


class Head(nn.Module):
    """Features to box offsets, objectness logit and class logits, one map per stride."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        h = 4 * channels
        inputs = (4 * channels, 8 * channels, 16 * channels)
        self.stems = nn.ModuleList(Convolution(c, h, 1) for c in inputs)
        self.cls_convs = nn.ModuleList(nn.Sequential(Separable(h, h, 3), Separable(h, h, 3)) for _ in inputs)
        self.reg_convs = nn.ModuleList(nn.Sequential(Separable(h, h, 3), Separable(h, h, 3)) for _ in inputs)
        self.cls_preds = nn.ModuleList(nn.Conv2d(h, classes, 1) for _ in inputs)
        self.reg_preds = nn.ModuleList(nn.Conv2d(h, 4, 1) for _ in inputs)
        self.obj_preds = nn.ModuleList(nn.Conv2d(h, 1, 1) for _ in inputs)

    def forward(self, features: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor, Tensor]]:
        maps = []
        for level, feature in enumerate(features):
            x = self.stems[level](feature)
            classes, boxes = self.cls_convs[level](x), self.reg_convs[level](x)
            maps.append((self.reg_preds[level](boxes), self.obj_preds[level](boxes), self.cls_preds[level](classes)))
        return maps


class Detector(nn.Module):
    """(B, 3, H, W) -> (B, anchors, 5 + classes): dx, dy, log w, log h in strides, then logits.

    `more_bottlenecks` than depth .33 has, in each stage of the backbone that has shortcuts.
    """

    def __init__(
        self, classes: int = len(CLASSES), channels: int = NANO_CHANNELS, silu: bool = False, more_bottlenecks: int = 0
    ) -> None:
        super().__init__()
        self.channels, self.silu, self.more_bottlenecks = channels, silu, more_bottlenecks
        self.backbone, self.head = Pyramid(channels, more_bottlenecks), Head(classes, channels)
        for module in self.modules():
            if isinstance(module, Convolution):
                module.silu = silu

    def forward(self, x: Tensor) -> Tensor:
        maps = [torch.cat(parts, 1).flatten(2) for parts in self.head(self.backbone(x))]
        return torch.cat(maps, 2).transpose(1, 2)


class Exported(nn.Module):
    """The same with objectness and classes through the sigmoid: YOLOX's output, boxes not decoded."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Tensor:
        maps = [
            torch.cat((boxes, objectness.sigmoid(), classes.sigmoid()), 1).flatten(2)
            for boxes, objectness, classes in self.detector.head(self.detector.backbone(images))
        ]
        return torch.cat(maps, 2).transpose(1, 2)
