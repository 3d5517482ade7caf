"""/metrics for the Azure metrics collector. The only file that imports prometheus_client.

Every metric carries the labels IoT Edge's own modules carry, so that the curated queries work: iothub, edge_device,
module_name, instance_number (new at each start). Source: Microsoft, "Access built-in metrics", "Add custom metrics".

Of a camera that was taken out nothing is served. Its counts are kept, because a camera that is put in again goes on
with them: a counter that fell back within one instance_number would be read as one that counts anew.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from safetygear.listen import Listen

log = logging.getLogger(__name__)
_Metric = Counter | Gauge | Histogram
_SILENT_S = 5.0
"""A connection that asks for nothing is closed after this: each holds a thread and a file descriptor."""
CAMERA: Final = "camera"
"""The label that names one."""
MOST_LEFT: Final = 256
"""Cameras that were taken out and whose counts are kept; those that were taken out before them begin at 0 again."""
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


class _OfCameras(Collector):
    """What is served of a metric that has a camera label."""

    def __init__(
        self, metric: Counter | Gauge | Histogram, labels: Sequence[str], shown: Callable[[str], bool]
    ) -> None:
        self._metric, self._labels, self._shown = metric, (*_COMMON, *labels), shown

    def describe(self) -> Iterable[Metric]:
        return self._metric.describe()

    def collect(self) -> Iterable[Metric]:
        for family in self._metric.collect():
            family.samples = [sample for sample in family.samples if self._shown(sample.labels[CAMERA])]
            yield family

    def series(self) -> set[tuple[str, ...]]:
        """The label values of all that there are, shown or not."""
        return {
            tuple(sample.labels[name] for name in self._labels)
            for family in self._metric.collect()
            for sample in family.samples
        }

    def camera_of(self, series: Sequence[str]) -> str:
        return series[self._labels.index(CAMERA)]

    def remove(self, series: Sequence[str]) -> None:
        self._metric.remove(*series)


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
        self._of_cameras: list[_OfCameras] = []
        self._cameras: frozenset[str] | None = None
        self._left: list[str] = []
        self.descriptions: list[MetricDescription] = []
        """Of all that were made, in that order."""

    def counter(self, name: str, doc: str, labels: Sequence[str] = ()) -> CounterFamily:
        metric = Counter(self._prefix + name, doc, (*_COMMON, *labels), registry=None)
        self._add("counter", metric, name, doc, labels)
        return CounterFamily(metric, self._common)

    def gauge(self, name: str, doc: str, labels: Sequence[str] = ()) -> GaugeFamily:
        metric = Gauge(self._prefix + name, doc, (*_COMMON, *labels), registry=None)
        self._add("gauge", metric, name, doc, labels)
        return GaugeFamily(metric, self._common)

    def histogram(
        self, name: str, doc: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
    ) -> HistogramFamily:
        metric = Histogram(self._prefix + name, doc, (*_COMMON, *labels), registry=None, buckets=tuple(buckets))
        self._add("histogram", metric, name, doc, labels)
        return HistogramFamily(metric, self._common)

    def show_cameras(self, cameras: Collection[str]) -> None:
        """From now on metrics of these are served, and of no other. Before the first call there is no other."""
        if self._cameras == (present := frozenset(cameras)):
            return
        self._cameras = present
        found = {(one, series) for one in self._of_cameras for series in one.series()}
        known = {one.camera_of(series) for one, series in found}
        left = [camera for camera in self._left if camera in known and camera not in present]
        left += sorted(known - present - set(left))
        forgotten, self._left = set(left[:-MOST_LEFT]), left[-MOST_LEFT:]
        for one, series in found:
            if one.camera_of(series) in forgotten:
                one.remove(series)

    def _add(
        self,
        kind: Literal["counter", "gauge", "histogram"],
        metric: _Metric,
        name: str,
        doc: str,
        labels: Sequence[str],
    ) -> None:
        self.descriptions.append(MetricDescription(self._prefix + name, kind, doc, tuple(labels)))
        if CAMERA not in labels:
            self._registry.register(metric)
            return
        of_cameras = _OfCameras(metric, labels, lambda camera: self._cameras is None or camera in self._cameras)
        self._of_cameras.append(of_cameras)
        self._registry.register(of_cameras)

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
