"""What was measured, and where: docs/benchmarks.md has the runs. Milliseconds are of one core of that machine.

Another machine differs most in the detector: `safetygear bench detector` tells its figure, `safetygear plan
--detector-ms` takes it and scales all the processor time by it.
"""

from __future__ import annotations

from typing import Final, Literal

Stream = Literal["main", "sub"]
Policy = Literal["all", "interval", "changes"]

MACHINE: Final = "2 cores of an AMD EPYC with AVX512-VNNI, 2026-11-29"
DETECTOR_MS: Final = 5.7
"""The default network as it runs there by itself: int8 in ONNX Runtime (`safetygear bench detector`)."""
DECODED_MS: Final[dict[Stream, float]] = {"main": 3.75, "sub": 0.65}
"""capture per decoded H.264 frame: reception, decoding, sampling, its share of the copy into the ring."""
ANALYSED_MS: Final[dict[Stream, float]] = {"main": 6.6, "sub": 5.4}
"""capture and inference per analysed frame beside the network: ring, resize, hub hops, tracking, rules, message."""
IDLE_PERCENT: Final = 1.0
"""Of a core: both modules without cameras."""
FULL_PERCENT: Final = 75.0
"""Of a core that may be used on average: beyond it frames wait, and edgeAgent and edgeHub need theirs."""

BASE_MB: Final = 265.0
"""capture, inference without its workers, and their libraries."""
WORKER_MB: Final = 45.0
CAMERA_MB: Final[dict[Stream, float]] = {"main": 32.0, "sub": 6.0}
EDGE_MB: Final = 450.0
"""edgeAgent, edgeHub and the security daemon; not measured here, from what IoT Edge asks for."""
SLOTS: Final = 4
"""Of a camera's ring at 5 analysed frames per second."""
KEY_FRAMES_PERCENT: Final = 1.4
"""Of a core: a 1080p main stream that is opened for key frames only, one every 2 s, beside the sub-stream."""
KEY_FRAMES_SLOTS: Final = 3
"""Of their ring."""
KEY_FRAMES_MB: Final = 11.0
SLOT_BYTES: Final[dict[Stream, int]] = {"main": 1920 * 1080 * 3 // 2, "sub": 640 * 360 * 3 // 2}

DETECTIONS_BYTES: Final = 1_500
"""A message about three people with their gear."""
HEALTH_BYTES: Final = 900
HEALTH_CAMERA_BYTES: Final = 420
EVENT_BYTES: Final = 1_100
EVIDENCE_BYTES: Final = 60_000
BLOCK_BYTES: Final = 4_096
"""IoT Hub bills each begun block as a message (S1 to S3)."""
S1_BLOCKS: Final = 400_000
"""A unit's messages per day."""
MESSAGES_PER_EVENT: Final = 3
"""Its opening, one update, its closing."""
EVENTS_KEPT_DAYS: Final = 30
CHANGES_SHARE: Final = 0.25
"""Of the analysed frames that differ from the last one sent, where people move; under policy changes at most one a
second."""
STREAM_BITS_PER_S: Final[dict[Stream, int]] = {"main": 4_000_000, "sub": 512_000}
