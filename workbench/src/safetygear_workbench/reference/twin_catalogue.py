"""What the module twins' reference says beside the fields: examples, mistakes, reported properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from safetygear.messages.detections import ModelIdentity
from safetygear.messages.frames import CameraState
from safetygear.messages.health import BudgetHealth
from safetygear.twin.reading import FieldError
from safetygear_capture.config import CaptureTwin
from safetygear_capture.reporting import reported as capture_reported
from safetygear_inference.config import InferenceTwin
from safetygear_inference.detectors.runtimes.choice import Choice, Variant
from safetygear_inference.detectors.runtimes.providers import Placement
from safetygear_inference.model_change.comparison import Comparison, Times
from safetygear_inference.model_change.state import InUse, ModelState
from safetygear_inference.reporting import reported as inference_reported


@dataclass(frozen=True)
class TwinEntry:
    """One module's twin."""

    module: str
    kind: type[msgspec.Struct]
    title: str
    example: Mapping[str, Any]
    """Desired properties as an operator writes them."""
    reported: Mapping[str, Any]
    reported_meanings: Mapping[str, str]
    """By path; `<id>` stands for a key."""
    patches: tuple[tuple[str, Mapping[str, Any]], ...]
    """What one wants, and the patch for it."""


CONFIG_MEANINGS = {
    "config": "How the desired properties were taken.",
    "config.desiredVersion": "`$version` of the desired properties this is about.",
    "config.status": "`ok`, or `partial`: there are errors, and what they name keeps its last good value.",
    "config.errors": "The first 20 mistakes, as {path, code, message}.",
    "config.errorCount": "How many mistakes there are.",
}

MISTAKES: tuple[tuple[str, type[msgspec.Struct], Mapping[str, Any]], ...] = (
    ("unknown-field", CaptureTwin, {"cameras": {"gate-2": {"url": "rtsp://10.0.7.12/stream1", "analyzedFps": 5}}}),
    ("missing-field", CaptureTwin, {"cameras": {"gate-2": {"analysedFps": 5}}}),
    ("wrong-type", InferenceTwin, {"budget": {"dailyBlocks": "many"}}),
    ("out-of-range", CaptureTwin, {"cameras": {"gate-2": {"url": "rtsp://10.0.7.12/stream1", "analysedFps": 99}}}),
    ("unknown-value", InferenceTwin, {"detections": {"policy": "some"}}),
    ("bad-format", CaptureTwin, {"cameras": {"gate-2": {"url": "http://10.0.7.12/stream1"}}}),
    ("invalid-id", CaptureTwin, {"cameras": {"gate 2": {"url": "rtsp://10.0.7.12/stream1"}}}),
    ("credentials-in-url", CaptureTwin, {"cameras": {"gate-2": {"url": "rtsp://viewer:pass@10.0.7.12/stream1"}}}),
    (
        "secret-reference-invalid",
        CaptureTwin,
        {"cameras": {"gate-2": {"url": "rtsp://10.0.7.12/stream1", "password": "the password itself"}}},
    ),
    (
        "self-intersecting",
        InferenceTwin,
        {"zones": {"gate-2": {"yard": {"polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}}}},
    ),
    ("unknown-time-zone", InferenceTwin, {"calendars": {"day": {"timeZone": "Europe/Berlim"}}}),
    (
        "overlapping-shifts",
        InferenceTwin,
        {"calendars": {"day": {"week": {"monday": ["06:00-14:00", "13:00-22:00"]}}}},
    ),
    ("unknown-calendar", InferenceTwin, {"rules": {"calendar": "night"}}),
)
"""One of each code that reading the desired properties can give."""

LATER_CODES = {
    "unknown-label": "`model.thresholds`, or a zone's or the rules' `requires`, names a label that the model in use "
    "does not have; found once it is loaded. Such a rule can't be judged: its people are `indeterminate`, "
    "`label-missing`.",
    "no-person-label": "the model in use has no class `person`: nobody is tracked, and no rule is judged.",
    "too-many": "zones: at most 128 in all and 16 for one camera, or a twin's 32 KB would not hold them.",
    "out-of-range, repeated-corner, no-area": "a polygon with a corner beyond the picture, with two corners on one "
    "spot, or without an inside.",
    "repeated-label, two-calendars, not-for-this-kind": "a zone that contradicts itself.",
    "twin-unread": "the twin could not be read since the start, and what was in force before it is; in `getStatus` "
    "only, with an empty path.",
    "empty-shift": "a shift that ends when it begins; a whole day is `00:00-24:00`.",
}

STATE_MEANINGS: Mapping[str, str] = {
    "idle": "not connected on purpose (`enabled` is false)",
    "connecting": "an attempt to open the stream is under way",
    "streaming": "pictures are decoded; the reason says whether something is wrong with them all the same",
    "stalled": "the connection stands and no usable picture came within the stall budget; it is opened again",
    "backing-off": "the last attempt failed in a way that may pass; the next one follows in 0.5 to 15 s",
    "refused": "the camera said no, and somebody has to change something; tried again in 5 to 120 s",
    "paused": "pictures are decoded and not handed over: nobody reads them, or there is no room",
    "silent": "in health only: capture itself is not heard",
    "stopped": "the module is being stopped",
}
assert set(STATE_MEANINGS) == set(get_args(CameraState))

_MODEL = ModelIdentity(
    name="ppe_yolox_nano_relu_384x640",
    version="1",
    sha256="9b1f0c2f5d7a4e63a8d0c7be5f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c",
)


CAPTURE = TwinEntry(
    module="capture",
    kind=CaptureTwin,
    title="safetygear capture: desired properties",
    example={
        "schemaVersion": "1.0",
        "logLevel": "INFO",
        "cameras": {
            "gate-2": {
                "url": "rtsp://10.0.7.12/stream1",
                "subStreamUrl": "rtsp://10.0.7.12/stream2",
                "username": "viewer",
                "password": "file:gate-2",
                "analysedFps": 5,
                "frames": "key-frames-when-quiet",
                "decode": "auto",
                "priority": 2,
            },
            "loading-bay": {"url": "rtsps://10.0.7.13/live", "tlsVerify": False, "stallBudgetS": 15},
        },
    },
    reported=capture_reported(
        instance="capture",
        desired_version=7,
        errors=(
            FieldError(
                path="cameras.gate-2.analysedFps",
                code="out-of-range",
                message="must be a number, more than 0, at most 30, not 99",
            ),
        ),
        cameras={
            "gate-2": {
                "state": "streaming",
                "reason": "ok",
                "since": "2026-11-25T08:59:14.102Z",
                "frames": "key-frames-when-quiet",
                "decoder": "software",
                "decoderReason": "no-render-node",
                "mainStream": {"state": "streaming", "reason": "ok", "since": "2026-11-25T08:59:14.390Z"},
            },
            "loading-bay": {"state": "refused", "reason": "auth-failed", "since": "2026-11-25T08:59:13.877Z"},
        },
        problems={"frames": {"code": "ring-not-writable", "message": "/frames can't be written"}},
    ),
    reported_meanings={
        **CONFIG_MEANINGS,
        "version": "The module's version.",
        "instance": "The instance's name (SAFETYGEAR_INSTANCE, else the module's id).",
        "cameras": "Every configured camera by id.",
        "cameras.<id>.state": "What the camera does ([below](#camera-states)).",
        "cameras.<id>.reason": "`ok`, or why not ([below](#camera-states)).",
        "cameras.<id>.since": "When the state was entered (RFC 3339, UTC). A camera that flaps is told of about once a "
        "minute, since each change costs a message; at once that it is no longer well.",
        "cameras.<id>.frames": "Which pictures are decoded, as configured; absent: all.",
        "cameras.<id>.decoder": "What decodes, where that is not just software as configured.",
        "cameras.<id>.decoderReason": "Why it is software: `no-render-node`, `render-node-not-permitted`, "
        "`vaapi-not-built`, `vaapi-no-device`, `vaapi-no-decoder`, `vaapi-failed` "
        "([deploy.md](deploy.md#decoding-on-a-gpu)).",
        "cameras.<id>.mainStream": "The same of its main stream, where it is opened beside the sub-stream. Whatever "
        "happens to it, the fields above are of the stream that is analysed.",
        "cameras.<id>.mainStream.state": "What its connection does.",
        "cameras.<id>.mainStream.reason": "`ok`, or why no key frames come.",
        "cameras.<id>.mainStream.since": "When the state was entered.",
        "problems": "What is wrong now, by part of the module (frames, cameras, twin); empty: nothing.",
        "problems.<id>.code": "What, for programs.",
        "problems.<id>.message": "What, and what to do.",
    },
    patches=(
        (
            "A new camera, whose password is the file `gate-2` in the device's secrets folder",
            {
                "cameras": {
                    "gate-2": {"url": "rtsp://10.0.7.12/stream1", "username": "viewer", "password": "file:gate-2"}
                }
            },
        ),
        (
            "Fewer frames of one camera; its address and the other cameras stay",
            {"cameras": {"gate-2": {"analysedFps": 2}}},
        ),
        (
            "Leave a camera's main stream closed, where the network has no room for both streams",
            {"cameras": {"gate-2": {"mainStream": "off"}}},
        ),
        (
            "Look at key frames of a camera until somebody comes",
            {"cameras": {"gate-2": {"frames": "key-frames-when-quiet"}}},
        ),
        ("Take a camera out", {"cameras": {"gate-2": None}}),
        ("Disconnect one for a while and keep its configuration", {"cameras": {"gate-2": {"enabled": False}}}),
    ),
)

INFERENCE = TwinEntry(
    module="inference",
    kind=InferenceTwin,
    title="safetygear inference: desired properties",
    example={
        "schemaVersion": "1.0",
        "logLevel": "INFO",
        "detections": {"policy": "changes", "floorIntervalS": 60, "minimumProbability": 0.3},
        "budget": {"dailyBlocks": 40000},
        "model": {"name": "ppe_yolox_nano_relu_384x640", "thresholds": {"helmet": 0.45, "vest": 0.4}},
        "rules": {"requires": ["helmet", "vest"], "minimumDurationS": 3},
        "calendars": {
            "day": {
                "timeZone": "Europe/Berlin",
                "week": {"monday": ["06:00-14:00"], "friday": ["06:00-12:00", "22:00-06:00"]},
                "exceptions": {"2026-12-25": []},
            }
        },
        "zones": {
            "gate-2": {
                "loading-bay": {
                    "polygon": [[0.1, 0.4], [0.9, 0.4], [0.95, 1.0], [0.05, 1.0]],
                    "requires": ["helmet"],
                    "severity": "high",
                    "calendar": "day",
                },
                "poster": {"kind": "ignore", "polygon": [[0.0, 0.1], [0.08, 0.1], [0.08, 0.5], [0.0, 0.5]]},
            }
        },
        "healthIntervalS": 60,
    },
    reported=inference_reported(
        instance="inference",
        shards=("default",),
        desired_version=7,
        errors=(),
        model=ModelState(
            InUse(
                _MODEL,
                "yolox",
                package="4c1d5f0e7b6a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0",
                placement=Placement(("openvino",), "cpu", "this build of ONNX Runtime has no openvino; it has cpu"),
                choice=Choice(
                    Variant(network="int8"),
                    {Variant(): 7.3, Variant(network="int8"): 5.65},
                    {Variant("openvino"): "the optional extra `openvino` is not installed"},
                    "the fastest here",
                ),
            ),
            phase="rolled-back",
            wanted_package="e7d0c2b5a8f1469310254768a9bcdef0123456789abcdef0fedcba9876543210",
            comparison=Comparison(
                frames=118,
                agreement=0.9132,
                counts={"helmet": (207, 214), "person": (231, 229)},
                old=Times(21.4, 35.2),
                new=Times(24.9, 41.0),
            ),
            reason="it failed on a live frame: the network gave no numbers (NaN): its input range may be wrong",
            code="model-failed",
        ),
        budget=BudgetHealth(daily_blocks=40_000, used_blocks=12_400, shedding=False, shed_messages=0),
        analysed_fps={"gate-2": 4.97},
        problems={"page": {"code": "secret-missing", "message": "SAFETYGEAR_PAGE_TOKEN: no file page-token"}},
        outbox={"epoch": "mif3k2a1-9c04", "newestSequence": 318},
    ),
    reported_meanings={
        **CONFIG_MEANINGS,
        "version": "The module's version.",
        "instance": "The instance's name (SAFETYGEAR_INSTANCE, else the module's id).",
        "shards": "The shards it reads (SAFETYGEAR_SHARDS).",
        "model": "The detector.",
        "model.state": "`ok`; `loading`: none is in use yet; `downloading`, `checking`, `shadowing` (it looks at live "
        "frames beside the one in use), `watching` (it has taken over and may be given back): how far the wanted model "
        "has come; `refused`, `rolled-back`: it is not the one in use. Where there is a name, that one is in use.",
        "model.name": "The model in use.",
        "model.version": "What its export says of itself.",
        "model.sha256": "Digest of its weights.",
        "model.format": "How its outputs are read.",
        "model.packageSha256": "Digest of the file it came in; absent for a model by name.",
        "model.hardware": "What runs it, where SAFETYGEAR_PROVIDERS asks for more than the CPU; else absent.",
        "model.hardware.requested": "What was asked for, best first.",
        "model.hardware.used": "`cpu`, `openvino`, `cuda` or `tensorrt`.",
        "model.hardware.reason": "Why it is not the first.",
        "model.runtime": "What runs it on the CPU, chosen by trying once per model and machine; absent where "
        "SAFETYGEAR_PROVIDERS names other hardware. Variants are `onnxruntime`, `openvino`, and either with ` int8`: "
        "the quantised network that the model names.",
        "model.runtime.used": "The variant in use.",
        "model.runtime.reason": "Why that one.",
        "model.runtime.timed": "Processor time of one run, median, of each variant that was timed, as {variant, ms}.",
        "model.runtime.passedOver": "Why others can't be used, as {variant, reason}.",
        "model.wantedSha256": "`model.sha256` of the twin, until that package is in use.",
        "model.comparison": "The wanted model (new) beside the one in use (old) on the same live frames.",
        "model.comparison.frames": "How many frames both looked at.",
        "model.comparison.agreement": "0 to 1: boxes of one label that overlap by half at least, of all boxes of both.",
        "model.comparison.counts": "Boxes by label, as {label, old, new}; at most 20 labels.",
        "model.comparison.old": "Time for a frame.",
        "model.comparison.old.p50Ms": "Median.",
        "model.comparison.old.p95Ms": "95th percentile.",
        "model.comparison.new": "Time for a frame.",
        "model.comparison.new.p50Ms": "Median.",
        "model.comparison.new.p95Ms": "95th percentile.",
        "model.reason": "Why the wanted model is not the one in use, or what its download waits for.",
        "model.code": "The same, for programs.",
        "budget": "Use of the daily message budget; the exact count is in the health message.",
        "budget.dailyBlocks": "As configured.",
        "budget.usedTenths": "Tenths of it used today, 0 to 10.",
        "budget.shedding": "Whether detections are being left out.",
        "cameras": "The cameras whose frames are analysed, by id.",
        "cameras.<id>.analysedFps": "Frames analysed per second; told anew every ten minutes.",
        "outbox": "The events' count, by which a start notices that its file is an older state.",
        "outbox.epoch": "The `outboxEpoch` in force.",
        "outbox.newestSequence": "The newest `eventSequence`; told anew every ten minutes.",
        "problems": "What is wrong now, by part of the module (model, rules, outbox, frames, data, twin, page, …); "
        "empty: nothing.",
        "problems.<id>.code": "What, for programs.",
        "problems.<id>.message": "What, and what to do.",
    },
    patches=(
        ("Every analysed frame as a message, for an hour of commissioning", {"detections": {"policy": "all"}}),
        ("Back to what the template says", {"detections": {"policy": "changes", "floorIntervalS": 60}}),
        ("Ten devices on one S1 unit", {"budget": {"dailyBlocks": 40000}}),
        ("Another model, and no thresholds of its own", {"model": {"name": "site-ppe-v4", "thresholds": None}}),
        ("Helmets only, on the whole picture of every camera without a zone", {"rules": {"requires": ["helmet"]}}),
        (
            "A zone of one camera; its other zones stay",
            {"zones": {"gate-2": {"yard": {"polygon": [[0, 0.6], [1, 0.6], [1, 1], [0, 1]], "requires": ["vest"]}}}},
        ),
        ("Take a zone out", {"zones": {"gate-2": {"poster": None}}}),
        (
            "Copy evidence pictures to a container, with the SAS in the device's secrets folder",
            {
                "evidence": {
                    "upload": {
                        "containerUrl": "https://account.blob.core.windows.net/evidence",
                        "sasFrom": "file:evidence-sas",
                    }
                }
            },
        ),
        (
            "No analysis of pictures in which nothing moves, but for one camera",
            {"motionGate": {"enabled": True, "cameras": {"gate-2": False}}},
        ),
        ("Keep pictures that the detector found hard", {"learning": {"enabled": True, "perHour": 10}}),
    ),
)

TWINS = (CAPTURE, INFERENCE)
