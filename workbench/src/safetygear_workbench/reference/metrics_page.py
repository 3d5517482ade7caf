"""docs/metrics.md: what each module serves on /metrics. Pure."""

from __future__ import annotations

from safetygear.telemetry import ModuleMetrics
from safetygear_capture.metrics import CaptureMetrics
from safetygear_inference.metrics import InferenceMetrics
from safetygear_workbench.reference.markdown import NOTICE, code, page, table

_INTRODUCTION = """\
Each module serves `http://<module>:9600/metrics` in the Prometheus text format; no port of the host is published. The
address is the module's environment variable `SAFETYGEAR_METRICS_LISTEN` (`off` for none). Every metric also carries the
labels of IoT Edge's own modules: `iothub`, `edge_device`, `module_name` and `instance_number` (new at each start).

A camera that is taken out of the twin is served no longer, within two seconds. Within one `instance_number` no counter
falls: put in again, a camera goes on from its counts (of the last 256 that were taken out; an older one begins at 0).

In Azure, the metrics collector module takes them into Log Analytics (table `IoTEdgeMetrics_CL`) where it is told so:

```
MetricsEndpointsCSV=http://edgeHub:9600/metrics,http://edgeAgent:9600/metrics,http://capture:9600/metrics,http://inference:9600/metrics
```

The curated workbooks show edgeHub and edgeAgent only; these need a query or a workbook of your own, such as the cameras
that were not fully watched:

```
IoTEdgeMetrics_CL
| where Name == "safetygear_inference_camera_watched_ratio" and Value < 0.95
| extend camera = tostring(todynamic(Tags).camera)
| summarize arg_max(TimeGenerated, Value) by camera
```

Neither the collector nor the query was run against Azure. `safetygear simulate` gives each module a port of its own;
the module's log names it."""


def metrics_page() -> str:
    """The whole page."""
    capture, inference = ModuleMetrics("safetygear_capture_", {}), ModuleMetrics("safetygear_inference_", {})
    CaptureMetrics(capture)
    InferenceMetrics(inference)
    return page(NOTICE, "# Metrics", _INTRODUCTION, "## capture", _table(capture), "## inference", _table(inference))


def _table(metrics: ModuleMetrics) -> str:
    lines = [
        (code(metric.name), metric.kind, ", ".join(map(code, metric.labels)), metric.meaning)
        for metric in metrics.descriptions
    ]
    return table(("metric", "kind", "labels", "meaning"), lines)
