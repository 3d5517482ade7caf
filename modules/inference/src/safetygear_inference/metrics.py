"""What the module counts for /metrics. Names begin with `safetygear_inference_`."""

from __future__ import annotations

from collections.abc import Mapping

from safetygear.messages.health import BudgetHealth
from safetygear.telemetry import ModuleMetrics

LATENCY_BUCKETS_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
