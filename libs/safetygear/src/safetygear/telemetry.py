"""/metrics for the Azure metrics collector. The only file that imports prometheus_client.

Every metric carries the labels IoT Edge's own modules carry, so that the curated queries work: iothub, edge_device,
module_name, instance_number (new at each start). Source: Microsoft, "Access built-in metrics", "Add custom metrics".
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server

from safetygear.listen import Listen

log = logging.getLogger(__name__)
_SILENT_S = 5.0
"""A connection that asks for nothing is closed after this: each holds a thread and a file descriptor."""
_COMMON = ("iothub", "edge_device", "module_name", "instance_number")

# One more series for each counter: nobody asks for it, and a workspace bills it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped


@dataclass(frozen=True)
class MetricDescription:
    """A metric as the reference names it; `labels` without those that every metric has."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...]


class CounterFamily:
    """A counter with the common labels filled in."""

    def __init__(self, metric: Counter, common: Mapping[str, str]) -> None:
        self._metric, self._common = metric, common

    def add(self, amount: float = 1.0, **labels: str) -> None:
        self._metric.labels(**self._common, **labels).inc(amount)


class GaugeFamily:
    """A gauge with the common labels filled in."""

    def __init__(self, metric: Gauge, common: Mapping[str, str]) -> None:
        self._metric, self._common = metric, common

    def set(self, value: float, **labels: str) -> None:
        self._metric.labels(**self._common, **labels).set(value)

    def clear(self) -> None:
        """Forget all label values: a camera that was removed must not stay in the metrics."""
        self._metric.clear()


class HistogramFamily:
    """A histogram with the common labels filled in."""

    def __init__(self, metric: Histogram, common: Mapping[str, str]) -> None:
        self._metric, self._common = metric, common

    def observe(self, value: float, **labels: str) -> None:
        self._metric.labels(**self._common, **labels).observe(value)


class ModuleMetrics:
    """A module's metrics; names get `prefix` in front. `environ` names the module, as IoT Edge sets it."""

    def __init__(self, prefix: str, environ: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._registry = CollectorRegistry()
        self._common = {
            "iothub": environ.get("IOTEDGE_IOTHUBHOSTNAME", ""),
            "edge_device": environ.get("IOTEDGE_DEVICEID", ""),
            "module_name": environ.get("IOTEDGE_MODULEID", ""),
            "instance_number": str(uuid.uuid4()),
        }
        self._server: WSGIServer | None = None
        self.descriptions: list[MetricDescription] = []
        """Of all that were made, in that order."""

    def counter(self, name: str, doc: str, labels: Sequence[str] = ()) -> CounterFamily:
        self.descriptions.append(MetricDescription(self._prefix + name, "counter", doc, tuple(labels)))
        metric = Counter(self._prefix + name, doc, (*_COMMON, *labels), registry=self._registry)
        return CounterFamily(metric, self._common)

    def gauge(self, name: str, doc: str, labels: Sequence[str] = ()) -> GaugeFamily:
        self.descriptions.append(MetricDescription(self._prefix + name, "gauge", doc, tuple(labels)))
        return GaugeFamily(Gauge(self._prefix + name, doc, (*_COMMON, *labels), registry=self._registry), self._common)

    def histogram(
        self, name: str, doc: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> HistogramFamily:
        self.descriptions.append(MetricDescription(self._prefix + name, "histogram", doc, tuple(labels)))
        metric = Histogram(
            self._prefix + name, doc, (*_COMMON, *labels), registry=self._registry, buckets=tuple(buckets)
        )
        return HistogramFamily(metric, self._common)

    def serve(self, listen: Listen | None) -> int | None:
        """Serve /metrics; the port. Where the address can't be had: one line, None, and the module goes on without."""
        if listen is None:
            return None
        try:
            self._server, _ = start_http_server(listen.port, listen.host, self._registry)
        except OSError as exc:
            log.error(  # noqa: TRY400  # one line is what the reader needs
                "metrics are off: can't listen on %s (%s); set SAFETYGEAR_METRICS_LISTEN", listen, exc.strerror or exc
            )
            return None
        self._server.RequestHandlerClass.timeout = _SILENT_S  # type: ignore[attr-defined]  # StreamRequestHandler has it
        # Whoever breaks off in the middle would print a traceback of ours, in another form than the log's.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        port = int(self._server.server_port)
        log.info("metrics on http://%s:%d/metrics", listen.host, port)
        return port

    def close(self) -> None:
        """Stop to serve."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
