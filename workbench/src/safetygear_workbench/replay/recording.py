"""Lines of recorded detections to frames in the order in which they were taken. Pure.

A line is what `simulate --messages` writes, or a detections body alone. What it says of people and tracks is left
unread: it is judged again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from safetygear.clock import epoch_s
from safetygear.errors import UserError
from safetygear.geometry import Boxes, as_xyxy
from safetygear.messages.frames import CameraId
from safetygear_inference.judging.observation import Look
from safetygear_workbench.replay.timeline import Taken, in_order

SCHEMA: Final = "safetygear.detections/1"
OUTPUT: Final = "detections"
_LATEST_S: Final = 253_000_000_000.0  # in the year 9987: calendars end with 9999

_Place = Annotated[float, Meta(ge=-1, le=2)]
_Side = Annotated[float, Meta(ge=0, le=3)]
_SidePx = Annotated[int, Meta(ge=1, le=65536)]


class _Box(msgspec.Struct, frozen=True):
    left: _Place
    top: _Place
    width: _Side
    height: _Side


class _Detection(msgspec.Struct, frozen=True, rename="camel"):
    label: Annotated[str, Meta(min_length=1, max_length=128)]
    probability: Annotated[float, Meta(ge=0, le=1)]
    bounding_box: _Box


class _Look(msgspec.Struct, frozen=True, rename="camel"):
    label: Annotated[str, Meta(min_length=1, max_length=128)]
    answer: Literal["yes", "no"]
    probability: Annotated[float, Meta(ge=0, le=1)]
    bounding_box: _Box


class _Size(msgspec.Struct, frozen=True):
    width: _SidePx
    height: _SidePx


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a DetectionsMessage that is judged, so that older and newer recordings can be read too."""

    camera: CameraId
    sequence: Annotated[int, Meta(ge=0)]
    captured_at: str
    frame: _Size
    detections: list[_Detection]
    weak_detections: list[_Detection] = []
    second_looks: list[_Look] = []
    dark: bool = False


class _Line(msgspec.Struct, frozen=True, rename="camel"):
    output: str = ""
    properties: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    system_properties: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    body: msgspec.Raw = msgspec.Raw()
    schema: str = ""
    """Of a body alone."""


@dataclass(frozen=True)
class Frame:
    """One recorded frame."""

    camera: str
    now_s: float
    """Seconds that never go back, comparable between cameras."""
    wall_s: float
    """UTC epoch seconds, as recorded."""
    size_px: tuple[int, int]
    xyxy_norm: Boxes
    """(n, 4)."""
    label: tuple[str, ...]
    """(n) the model's own names."""
    probability: NDArray[np.float32]
    """(n,)."""
    weak: int
    """The last so many did not reach their label's threshold when they were recorded."""
    dark: bool
    looks: tuple[Look, ...] = ()
    """Answers of the second network."""


@dataclass(frozen=True)
class Recording:
    """All frames of all cameras, by `now_s`."""

    frames: tuple[Frame, ...]
    duplicates: int
    """Messages that came more than once."""
    missing: int
    """Gaps in the sequence numbers: frames that were analysed and not recorded."""

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(sorted({frame.camera for frame in self.frames}))

    @property
    def labels(self) -> frozenset[str]:
        """Every label that some box has."""
        return frozenset(label for frame in self.frames for label in frame.label)

    @property
    def began_s(self) -> float:
        """`now_s` of the first frame; 0 of an empty recording."""
        return self.frames[0].now_s if self.frames else 0.0


@dataclass(frozen=True)
class _Read:
    captured_s: float
    size_px: tuple[int, int]
    xyxy_norm: Boxes
    label: tuple[str, ...]
    probability: NDArray[np.float32]
    weak: int
    dark: bool
    looks: tuple[Look, ...]


def read_recording(lines: Iterable[bytes], source: str) -> Recording:
    """Raises UserError naming `source` and the line that can't be read, or that there are no detections in it."""
    decode_line, decode_body = msgspec.json.Decoder(_Line).decode, msgspec.json.Decoder(_Body).decode
    taken: dict[str, list[Taken[_Read]]] = {}
    for number, line in enumerate(lines, 1):
        line = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not line:
            continue
        try:
            outer = decode_line(line)
            raw, run = _detections_of(outer, line)
            if raw is None:
                continue
            body = decode_body(raw)
            read = _frame_of(body)
        except msgspec.ValidationError as exc:
            raise UserError(f"{source}, line {number}: no detections message: {exc}.") from exc
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise UserError(
                f"{source}, line {number}: is not JSON.",
                hint="One JSON object a line, as `simulate --messages` writes.",
            ) from exc
        except ValueError as exc:
            raise UserError(
                f"{source}, line {number}: capturedAt is no time since 1970 with a UTC offset.",
                hint="2026-11-25T09:14:03.250Z is one.",
            ) from exc
        taken.setdefault(body.camera, []).append(Taken(run, body.sequence, read.captured_s, read))
    if not taken:
        raise UserError(
            f"{source}: no detections in it.", hint="Record some: `safetygear simulate --for 60 --messages OUT.jsonl`."
        )
    return _recording(taken)


def _detections_of(line: _Line, text: bytes) -> tuple[bytes | msgspec.Raw | None, str]:
    """The detections body in a line, and which start of the module it is of where that is known."""
    if line.schema:
        return (text if line.schema == SCHEMA else None), ""
    schema = _text(line.properties, "schema")
    if schema != SCHEMA and (schema or line.output != OUTPUT):
        return None, ""
    # <run>-<camera>-<sequence>: what is before the last dash is one start of the module and one camera.
    run, _, _ = _text(line.system_properties, "messageId").rpartition("-")
    return line.body or b"null", run


def _text(values: Mapping[str, msgspec.Raw], name: str) -> str:
    return msgspec.json.decode(values[name], type=str) if name in values else ""


def _frame_of(body: _Body) -> _Read:
    boxes = [(one.bounding_box, one) for one in (*body.detections, *body.weak_detections)]
    captured_s = epoch_s(body.captured_at)
    if not 0 <= captured_s < _LATEST_S:
        raise ValueError(f"{captured_s} s")
    return _Read(
        captured_s=captured_s,
        size_px=(body.frame.width, body.frame.height),
        xyxy_norm=as_xyxy([(box.left, box.top, box.left + box.width, box.top + box.height) for box, _ in boxes]),
        label=tuple(sys.intern(one.label) for _, one in boxes),
        probability=np.array([one.probability for _, one in boxes], np.float32),
        weak=len(body.weak_detections),
        dark=body.dark,
        looks=tuple(_look(one) for one in body.second_looks),
    )


def _look(one: _Look) -> Look:
    box = one.bounding_box
    xyxy_norm = as_xyxy([(box.left, box.top, box.left + box.width, box.top + box.height)])[0]
    return Look(one.label, one.answer, one.probability, xyxy_norm)


def _recording(taken: Mapping[str, list[Taken[_Read]]]) -> Recording:
    frames: list[Frame] = []
    duplicates = missing = 0
    for camera, of_camera in taken.items():
        ordered = in_order(of_camera)
        duplicates += ordered.duplicates
        missing += ordered.missing
        frames += [
            Frame(
                camera,
                now_s,
                read.captured_s,
                read.size_px,
                read.xyxy_norm,
                read.label,
                read.probability,
                read.weak,
                read.dark,
                read.looks,
            )
            for now_s, read in ordered.items
        ]
    # Stable: two frames of one moment stay in their camera's order.
    frames.sort(key=lambda frame: frame.now_s)
    return Recording(tuple(frames), duplicates, missing)
